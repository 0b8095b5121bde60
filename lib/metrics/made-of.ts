import type { FoldErrors } from './fold-errors.js';
import { type ErrorSums, type Interval, intervalOf, jackknife, NOT_MEASURABLE } from './interval.js';
import { studentQuantile } from './student.js';

/**
 * What z is made of, as shares of its variance given what o (and x, where it is known) tells: explained by what is new in the
 * exogenous state, by the action, by either as well as by the other, by none of the two. exogenous + action - both + neither = 1.
 */
export interface MadeOf {
  readonly exogenous: Interval;
  readonly action: Interval;
  readonly both: Interval;
  readonly neither: Interval;
}

/** Above this a share's interval says nothing: all of z is 1. */
const WIDEST = 1;

/** Null where the data lacks the action or x'. */
export function madeOf(errors: FoldErrors, objective: number, latent: number): MadeOf | null {
  const exogenous = errors.sums(objective, latent, 'latentShare.exogenous');
  const action = errors.sums(objective, latent, 'latentShare.action');
  const either = errors.sums(objective, latent, 'latentShare.either');
  if (!exogenous || !action || !either) return null;
  const known = intervalOf('latentShare.either', either);
  const neither = {
    ...known,
    value: 1 - known.value,
    low: 1 - known.high,
    high: 1 - known.low,
    training: 1 - known.training,
  };
  const parts = {
    exogenous: intervalOf('latentShare.exogenous', exogenous),
    action: intervalOf('latentShare.action', action),
  };
  const reason = parts.exogenous.reason ?? parts.action.reason ?? known.reason;
  const both = bothOf(exogenous, action, either, known);
  return { ...parts, both: { ...both, reason: reason ?? both.reason }, neither };
}

/** exogenous + action - either, jackknifed as one number: its parts move together. */
function bothOf(exogenous: ErrorSums, action: ErrorSums, either: ErrorSums, known: Interval): Interval {
  const both = (left: (s: ErrorSums) => number) => 1 - left(exogenous) - left(action) + left(either);
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, v) => total + v, 0);
  const value = both((s) => sum(s.num) / sum(s.den));
  const groups = either.replicates.length;
  const standardError = jackknife(Array.from({ length: groups }, (_, g) => both((s) => s.replicates[g])));
  const degreesOfFreedom = Math.max(2, Math.floor(groups / 2));
  const step = studentQuantile(0.975, degreesOfFreedom) * standardError;
  const reason = step <= WIDEST ? null : NOT_MEASURABLE.uncertain;
  return {
    ...known,
    value,
    low: value - step,
    high: value + step,
    training: both((s) => s.training[0] / s.training[1]),
    standardError,
    degreesOfFreedom,
    reason,
  };
}
