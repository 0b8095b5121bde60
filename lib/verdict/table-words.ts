import type { Analysis } from './analysis.js';
import type { LabelCurve, LabelPoint, Spread } from './label-curve.js';
import { enoughLabels } from './labels.js';
import type { Remedy } from './remedies.js';

/** "7 wide", "one of 3 values", or that it is not known. */
export function actionOf({ actionDim, categories }: Pick<Analysis, 'actionDim' | 'categories'>): string {
  if (categories) return `one of ${categories.length} values`;
  return actionDim > 0 ? `${actionDim} wide` : 'unknown';
}

/** "weight 12", the median of the folds, and how far they differ; a remedy without strength has none to tell. */
export function strengthOf({ parameter, strength, strengths }: Remedy): string {
  if (parameter === null || strength === null) return '';
  const text = (v: number) => String(Number(v.toPrecision(3)));
  const [least, most] = [Math.min(...strengths), Math.max(...strengths)];
  return least === most
    ? `${parameter} ${text(strength)}`
    : `${parameter} ${text(strength)} (${text(least)} to ${text(most)})`;
}

/** "100 transitions", or "2 episodes (744)" where whole ones were labelled. */
export function labelledOf({ transitions, episodes }: LabelPoint): string {
  const n = Math.round(transitions);
  if (episodes === null) return `${n} transitions`;
  return `${episodes} episode${episodes === 1 ? '' : 's'} (${n})`;
}

/** "0.216 (0.188 to 0.245)": the mean over draws, and the middle 90 % of them; or that there is none, and why. */
export function spreadOf(s: Spread | null, reason: string | null): string {
  if (s === null) return `not measurable (${reason})`;
  const share = (v: number) => v.toFixed(3).replace(/^-(?=0\.000$)/, '');
  return `${share(s.mean)} (${share(s.low)} to ${share(s.high)})`;
}

/**
 * How many labels would do, a line each for single transitions and whole episodes; nothing where leakage is not known. Few latents
 * leak little of a wide x' even where they are made of nothing else: there a small leakage is no sign of enough labels.
 */
export function enoughOf(curve: LabelCurve, level: number): string[] {
  const { metric, latentDim, exogenousDim, transitions, episodes } = curve;
  if (metric === null) return [];
  if (latentDim / exogenousDim <= level)
    return [
      `${latentDim} latents can carry no more than about ${Number((latentDim / exogenousDim).toPrecision(2))} of ${exogenousDim} exogenous coordinates: a leakage below ${level} does not tell how many labels would do`,
    ];
  const told = (points: readonly LabelPoint[], what: string) => {
    const most = points.at(-1);
    if (!most) return [];
    const enough = enoughLabels(points, level);
    if (enough)
      return [
        `with ${labelledOf(enough)} labelled, and with more, z leaks less than ${level} and knows something of the action in 95 of 100 draws; action error with these: ${spreadOf(enough.actionError, enough.reasons.actionError)}`,
      ];
    const wanted = `brings leakage below ${level}, with z that knows something of the action, in 95 of 100 draws`;
    const unknown = unmeasuredOf(most, level);
    return [
      unknown
        ? `whether a number of labelled ${what} ${wanted} cannot be told: ${unknown}`
        : `no number of labelled ${what} that was tried ${wanted}`,
    ];
  };
  return [...told(transitions, 'transitions'), ...told(episodes, 'episodes')];
}

/** What of the most labels is not measurable, where nothing that is measurable says that they are too few; empty elsewhere. */
function unmeasuredOf({ leakage, actionError, reasons }: LabelPoint, level: number): string {
  const isTooFew = (leakage && !(leakage.high < level)) || (actionError && !(actionError.high < 1));
  if (isTooFew) return '';
  return [
    leakage ? '' : `leakage is not measurable (${reasons.leakage})`,
    actionError ? '' : `the action error is not measurable (${reasons.actionError})`,
  ]
    .filter((text) => text !== '')
    .join(', ');
}
