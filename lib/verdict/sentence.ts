/**
 * The verdict on data (docs/estimates.md): one answer and one sentence that a person can repeat, then its evidence. Everything is
 * said from estimates with intervals; one that is not measurable never counts as a small one.
 */
import type { EstimatedMetric } from '../backend/requests.js';
import { type Answer, answerOf, type Interval, knowsAction, unitsNeeded } from '../metrics/interval.js';
import { about, isMeasurable, percentOf, trainingOf } from './figures.js';

export type Intervals = Readonly<Partial<Record<EstimatedMetric, Interval>>>;

export interface Verdict {
  readonly answer: Answer;
  /** The latent dimension that the answer is about, and why this one. */
  readonly latentDim: number;
  readonly because: string;
  readonly sentence: string;
  /** What the answer rests on, a line each. */
  readonly evidence: readonly string[];
  /** About how many units would do, where more of them can tell; null elsewhere. */
  readonly unitsNeeded: number | null;
}

/** What is known of the data beside the estimates. */
export interface Circumstances {
  /** What the latents were learned by, as a reader would say it: "reconstruction". */
  readonly objective: string;
  readonly latentDim: number;
  readonly because: string;
  readonly units: number;
  /** What a unit is called: an episode, or a block of one long episode. */
  readonly unit: 'episode' | 'block';
  readonly level: number;
  /** Why there are no estimates at all, or null. */
  readonly reason: string | null;
}

/** The two that decide: how much of what is new in the exogenous state z carries, and how much of z is made of it. */
const deciding = (e: Intervals) =>
  [e.innovationLeakage ?? e.futureLeakage, e['latentShare.exogenous']] as const;

/** About how many units would tell, from the figures whose intervals hold the level; null where none of them is measurable. */
export function neededOf(e: Intervals, level: number, units: number): number | null {
  const open = deciding(e)
    .filter(isMeasurable)
    .filter(({ low, high }) => !(high < level || low > level))
    .map((i) => ({ leaks: i.value > level, needed: unitsNeeded(i, units, level) }));
  // One figure above the level is enough to say that z leaks; to say that it does not takes both.
  const above = open.filter(({ leaks }) => leaks).map(({ needed }) => needed);
  if (above.length === 0 && !deciding(e).every(isMeasurable)) return null;
  const needed = above.length > 0 ? Math.min(...above) : Math.max(...open.map((o) => o.needed));
  return Number.isFinite(needed) ? needed : null;
}

const percent = (share: number) => `${Number((100 * share).toPrecision(3))} %`;
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the leakage is a share of. */
const whatOf = (e: Intervals) =>
  e.innovationLeakage
    ? 'what is new in the exogenous state'
    : 'the next exogenous state, beyond what the observation tells of it';

/** The figures that decide, in words; empty where none is measurable. */
function figuresOf(e: Intervals): string {
  const [leakage, share] = deciding(e);
  return [
    isMeasurable(leakage) ? `z carries ${percentOf(leakage)} of ${whatOf(e)}` : '',
    isMeasurable(share) ? `${percentOf(share)} of z is exogenous` : '',
  ]
    .filter((text) => text !== '')
    .join(', and ');
}

/** What is not measurable beside a figure that is, and why: a figure alone would not say what is missing for an answer. */
function missingOf(e: Intervals): string {
  const [leakage, share] = deciding(e);
  return [
    leakage?.reason ? `what z carries of ${whatOf(e)} is not measurable (${leakage.reason})` : '',
    share?.reason ? `how much of z is exogenous is not measurable (${share.reason})` : '',
  ]
    .filter((text) => text !== '')
    .join('; ');
}

/** Half of z and more is much of it, whatever the interval of other episodes says. */
const LARGELY = 0.5;

/**
 * What these units themselves show where no interval can be told of others: that z is largely exogenous takes half of it in
 * training, and in each unit left out a share above 0; else the figures in training, which need not carry over. A figure that is
 * small on units left out, but not in training, is told too: it alone stands against the all-clear. Empty elsewhere.
 */
function seenHere(e: Intervals, c: Circumstances): { readonly before: string; readonly after: string } {
  const [leakage, share] = deciding(e);
  const untold = (i: Interval | undefined): i is Interval =>
    i !== undefined && i.reason !== null && Number.isFinite(i.training);
  const isSmallOutside = (i: Interval | undefined): i is Interval =>
    isMeasurable(i) && i.high < c.level && i.training >= c.level;
  const told = (i: Interval | undefined): i is Interval => untold(i) || isSmallOutside(i);
  const percent = (i: Interval) => `${Math.round(100 * i.training)} %`;
  const largely = untold(share) && share.training >= LARGELY && share.ofUnits[0] > 0;
  const before = largely
    ? `On these ${c.units} ${c.unit}s z is largely exogenous at latentDim ${c.latentDim}: ${percent(share)} of it in training${rangeOf(share, `single ${c.unit}s left out`)}; `
    : '';
  const text = [
    ...(told(share) && !largely ? [`${percent(share)} of z is exogenous`] : []),
    ...(told(leakage)
      ? [`z carries ${percent(leakage)} of ${e.innovationLeakage ? 'what is new there' : whatOf(e)}`]
      : []),
  ].join(', and ');
  return { before, after: text && `; in training ${text}` };
}

const UNKNOWN =
  'Whether z leaks is unknown: this data holds no known exogenous state. Give exogenous_next, or composite a known distractor with --distractor.';

/** Latents that hold nothing leak nothing: said where it may be so. */
const emptyOf = (e: Intervals) =>
  knowsAction(e) === false ? '; that z knows anything of the action cannot be told either' : '';

function sentenceOf(answer: Answer, e: Intervals, c: Circumstances, needed: number | null): string {
  const where = `at latentDim ${c.latentDim}`;
  const figures = figuresOf(e);
  if (answer === 'unknown') return UNKNOWN;
  if (answer === 'leaks') return `${capital(c.objective)} leaks ${where}: ${figures}.`;
  if (answer === 'does-not-leak')
    return `${capital(c.objective)} does not leak ${where}: ${figures}, both below the level of ${percent(c.level)} in training too${emptyOf(e)}.`;
  const reasons = [...new Set(deciding(e).flatMap((i) => (i?.reason ? [i.reason] : [])))].join('; ');
  const missing = missingOf(e);
  const why = figures
    ? [figures, missing].filter((text) => text !== '').join('; ')
    : `not measurable (${reasons})`;
  const more = needed !== null && needed > c.units ? `; ${about(needed)} ${c.unit}s would do` : '';
  const seen = seenHere(e, c);
  const whether = seen.before
    ? `whether ${c.objective} leaks on others`
    : `Whether ${c.objective} leaks ${where}`;
  return `${seen.before}${whether} cannot be told from ${c.units} ${c.unit}s: ${why}${seen.after}; the level is ${percent(c.level)}${more}.`;
}

/** A figure with its interval, the one in training beside it, and what it says. */
function line(name: EstimatedMetric, e: Interval, unit: Circumstances['unit'], reading: string): string {
  const training = trainingOf(e);
  return `${name} ${percentOf(e)}${training ? `, ${training}` : ''}${rangeOf(e, `single ${unit}s`)}${e.rough ? ', rough' : ''}: ${reading}`;
}

/** What single units gave, where no interval can be told of all of them. */
function rangeOf({ reason, ofUnits: [least, greatest] }: Interval, units: string): string {
  if (reason === null || !Number.isFinite(least) || !Number.isFinite(greatest)) return '';
  return `, ${Math.round(100 * least)} to ${Math.round(100 * greatest)} % in ${units}`;
}

function evidenceOf(e: Intervals, unit: Circumstances['unit']): string[] {
  const lines: string[] = [];
  const [name, leakage] = e.innovationLeakage
    ? (['innovationLeakage', e.innovationLeakage] as const)
    : (['futureLeakage', e.futureLeakage] as const);
  if (leakage)
    lines.push(line(name, leakage, unit, 'a lower bound of what z carries, since the probe is learned too'));
  const [exogenous, action] = [e['latentShare.exogenous'], e['latentShare.action']];
  const ofAction = action ? `; the action explains ${percentOf(action)}` : '';
  if (exogenous)
    lines.push(
      line(
        'latentShare.exogenous',
        exogenous,
        unit,
        `share of z that the exogenous state explains${ofAction}`,
      ),
    );
  else if (action)
    lines.push(line('latentShare.action', action, unit, 'share of z that the action explains'));
  if (e.actionError) lines.push(line('actionError', e.actionError, unit, actionReading(e.actionError)));
  return lines;
}

/** What actionError says: z knows the action only where the whole interval lies below 1. */
export function actionReading(e: Interval): string {
  if (e.reason !== null) return 'whether z knows the action cannot be told';
  return e.high < 1
    ? 'z knows something of the action, and leaves this share of it unexplained'
    : 'that z knows anything of the action cannot be told';
}

/** The verdict at one latent dimension. */
export function verdictOf(e: Intervals, c: Circumstances): Verdict {
  const about = { latentDim: c.latentDim, because: c.because };
  if (c.reason !== null) {
    const sentence = `Whether ${c.objective} leaks cannot be told: ${c.reason}.`;
    return { answer: 'cannot-tell', ...about, sentence, evidence: [], unitsNeeded: null };
  }
  const answer = answerOf(e, c.level);
  const needed = answer === 'cannot-tell' ? neededOf(e, c.level, c.units) : null;
  return {
    answer,
    ...about,
    sentence: sentenceOf(answer, e, c, needed),
    evidence: evidenceOf(e, c.unit),
    unitsNeeded: needed,
  };
}

/** Where a verdict is given: just wide enough for the action, else the widest, with the reason in words. */
export function latentDimOfVerdict(
  latentDims: readonly number[],
  actionDim: number,
): { readonly latentDim: number; readonly because: string } {
  const wide = actionDim > 0 ? latentDims.find((k) => k >= actionDim) : undefined;
  if (wide !== undefined)
    return {
      latentDim: wide,
      because: `the least of those asked for that is wide enough for the action (${actionDim})`,
    };
  return {
    latentDim: latentDims[latentDims.length - 1],
    because: `the widest asked for; ${actionDim > 0 ? `the action is ${actionDim} wide` : 'no action is known'}`,
  };
}
