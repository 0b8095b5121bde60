import type { EstimatedMetric } from '../backend/requests.js';
import { EXACT_RELATION, NOTHING_LEFT } from '../base/conventions.js';
import { studentQuantile } from './student.js';

/** Of the target's held-out sum of squares: what is left without z beyond it was fitted and not carried over. */
const NOT_CARRIED = 1.5;
/** A ratio above it, and a step in the logarithm above this, are no measurement. */
const WORSE = 1.1;
const WIDEST_STEP = 1;
/** But for a leakage whose whole interval is this narrow: near 1 the logarithm of what is left is uncertain, the leakage is not. */
const NARROW_LEAKAGE = 0.2;
/** Below so many units, or so many that count, an interval is rough. */
const ROUGH_UNITS = 20;
const ROUGH_EFFECTIVE = 8;

export const NOT_MEASURABLE = {
  nothingLeft: 'nothing is left to explain',
  notCarried: 'what was fitted does not carry over',
  worse: 'worse than without the latent',
  uncertain: 'too uncertain',
} as const;
export type NotMeasurable = (typeof NOT_MEASURABLE)[keyof typeof NOT_MEASURABLE];

/** Reported as one minus the ratio of errors; the other metrics are the ratio itself. */
const LEAKAGES: ReadonlySet<EstimatedMetric> = new Set([
  'futureLeakage',
  'innovationLeakage',
  'latentShare.exogenous',
  'latentShare.action',
  'latentShare.either',
]);

export const isLeakage = (metric: EstimatedMetric): boolean => LEAKAGES.has(metric);

/** What an interval is made from: sums of squared errors with z and without. */
export interface ErrorSums {
  /** Held out, one for each unit. */
  readonly num: ArrayLike<number>;
  readonly den: ArrayLike<number>;
  /** The same on training units, summed over folds. */
  readonly training: readonly [num: number, den: number];
  /** num / den of the models that were fitted without each group, on the units outside it; NaN where den is not above 0. */
  readonly replicates: ArrayLike<number>;
  /** Held-out sum of squares of the target about its mean, or null where the metric has no target of its own. */
  readonly total: number | null;
  /** Units of the data: as many as `num` has, or more where several were summed. */
  readonly units: number;
}

/** An estimate with its 95 % interval. `reason` is null where it can be measured; the numbers stand for themselves. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly training: number;
  readonly standardError: number;
  readonly degreesOfFreedom: number;
  readonly effectiveUnits: number;
  readonly rough: boolean;
  readonly reason: NotMeasurable | null;
  /** The least and the greatest of single units, as the value is reported: what was seen, no interval. */
  readonly ofUnits: readonly [least: number, greatest: number];
}

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, v) => sum + v, 0);

/** sqrt((G - 1) / G sum (v - mean)^2) over the replicates of a jackknife. */
export function jackknife(values: readonly number[]): number {
  const n = values.length;
  const mean = sumOf(values) / n;
  return Math.sqrt(((n - 1) / n) * sumOf(values.map((v) => (v - mean) ** 2)));
}

/** theory.md section 4: the ratio of held-out errors, and an interval on its logarithm from a jackknife that refits. */
export function intervalOf(metric: EstimatedMetric, sums: ErrorSums): Interval {
  const [num, den] = [sumOf(sums.num), sumOf(sums.den)];
  // A ratio below this is rounding: it counts as this much in every logarithm.
  const ratio = Math.max(num / den, EXACT_RELATION);
  const groups = sums.replicates.length;
  const standardError = jackknife(Array.from(sums.replicates, (r) => Math.log(Math.max(r, EXACT_RELATION))));
  const effectiveUnits = den ** 2 / sumOf(Array.from(sums.den, (v) => v ** 2));
  const degreesOfFreedom = Math.max(2, Math.min(Math.floor(groups / 2), effectiveUnits / 2));
  const step = Number.isFinite(degreesOfFreedom)
    ? studentQuantile(0.975, degreesOfFreedom) * standardError
    : Number.NaN;
  const [below, above] = [ratio * Math.exp(-step), ratio * Math.exp(step)];
  const trained = sums.training[0] / sums.training[1];
  const leak = isLeakage(metric);
  return {
    value: leak ? 1 - ratio : ratio,
    low: leak ? 1 - above : below,
    high: leak ? 1 - below : above,
    training: leak ? 1 - trained : trained,
    standardError,
    degreesOfFreedom,
    effectiveUnits,
    rough: sums.units < ROUGH_UNITS || !(effectiveUnits >= ROUGH_EFFECTIVE),
    reason: reasonOf(ratio, den, step, sums.total, leak),
    ofUnits: rangeOfUnits(sums, leak),
  };
}

function rangeOfUnits({ num, den }: ErrorSums, leak: boolean): readonly [number, number] {
  const own = Array.from(num, (v, u) => (leak ? 1 - v / den[u] : v / den[u])).sort((a, b) => a - b);
  return [own[0], own[own.length - 1]];
}

/** Why a ratio of held-out errors is no measurement, whatever its interval; null where it is one. */
export function failureOf(ratio: number, den: number, total: number | null): NotMeasurable | null {
  if (!(den > 0) || (total !== null && den <= NOTHING_LEFT * total)) return NOT_MEASURABLE.nothingLeft;
  if (total !== null && den > NOT_CARRIED * total) return NOT_MEASURABLE.notCarried;
  return ratio <= WORSE ? null : NOT_MEASURABLE.worse;
}

function reasonOf(
  ratio: number,
  den: number,
  step: number,
  total: number | null,
  leak: boolean,
): NotMeasurable | null {
  const failed = failureOf(ratio, den, total);
  if (failed !== null || step <= WIDEST_STEP) return failed;
  const narrow = leak && ratio * (Math.exp(step) - Math.exp(-step)) <= NARROW_LEAKAGE;
  return narrow ? null : NOT_MEASURABLE.uncertain;
}

/** One estimate less another on the same folds, jackknifed as one number. */
export interface Difference {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly standardError: number;
  readonly degreesOfFreedom: number;
}

/** first - second, in the sign that the metric is reported with. */
export function differenceOf(metric: EstimatedMetric, first: ErrorSums, second: ErrorSums): Difference {
  const sign = isLeakage(metric) ? -1 : 1;
  const ratio = (s: ErrorSums) => sumOf(s.num) / sumOf(s.den);
  const value = sign * (ratio(first) - ratio(second));
  const moves = Array.from(first.replicates, (r, g) => sign * (r - second.replicates[g]));
  const standardError = jackknife(moves);
  const degreesOfFreedom = Math.max(2, Math.floor(moves.length / 2));
  const step = studentQuantile(0.975, degreesOfFreedom) * standardError;
  return { value, low: value - step, high: value + step, standardError, degreesOfFreedom };
}

export type Answer = 'leaks' | 'does-not-leak' | 'cannot-tell' | 'unknown';

/** Of innovationLeakage (futureLeakage where x is not known) and of what z is made of: either can say that z leaks, both must say that it does not. */
export function answerOf(
  estimates: Readonly<Partial<Record<EstimatedMetric, Interval>>>,
  level: number,
): Answer {
  const leakage = estimates.innovationLeakage ?? estimates.futureLeakage;
  const share = estimates['latentShare.exogenous'];
  if (!leakage || !share) return 'unknown';
  const measured = [leakage, share].filter((e) => e.reason === null);
  if (measured.some((e) => e.low > level)) return 'leaks';
  const none = measured.every((e) => e.high < level && e.training < level);
  return measured.length === 2 && none ? 'does-not-leak' : 'cannot-tell';
}

/** How many units would do to tell a leakage from the level: the interval narrows as one over the root of their number. */
export function unitsNeeded(estimate: Interval, units: number, level: number): number {
  const step = studentQuantile(0.975, estimate.degreesOfFreedom) * estimate.standardError;
  return Math.ceil(units * (step / Math.abs(Math.log((1 - estimate.value) / (1 - level)))) ** 2);
}

/** Whether z knows more of the action than o alone does: its error's interval ends below 1. */
export function knowsAction(estimates: Readonly<Partial<Record<EstimatedMetric, Interval>>>): boolean | null {
  const error = estimates.actionError;
  if (!error) return null;
  return error.reason === null && error.high < 1;
}

/** A leakage that is below the level by a one-sided 95 % interval, and in training too: what a strength must reach to be chosen. */
export function isBelow(estimate: Interval, level: number): boolean {
  const step = studentQuantile(0.95, estimate.degreesOfFreedom) * estimate.standardError;
  const upper = 1 - (1 - estimate.value) * Math.exp(-step);
  // The upper end of a leakage is the lower end of its ratio.
  return estimate.reason === null && upper < level && estimate.training < level;
}
