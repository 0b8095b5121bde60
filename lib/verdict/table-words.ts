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
    if (points.length === 0) return [];
    const enough = enoughLabels(points, level);
    return [
      enough
        ? `with ${labelledOf(enough)} labelled, and with more, z leaks less than ${level} and knows something of the action in 95 of 100 draws`
        : `no number of labelled ${what} that was tried brings leakage below ${level}, with z that knows something of the action, in 95 of 100 draws`,
    ];
  };
  return [...told(transitions, 'transitions'), ...told(episodes, 'episodes')];
}
