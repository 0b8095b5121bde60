import { ExolamError } from '../base/errors.js';
import { numberThat } from '../base/validate.js';
import { type ResolvedObjective, requireProjection } from './objectives.js';

/** Ridge of regressions on data, relative to the regressors' mean variance, where none is given or chosen. */
export const DEFAULT_RIDGE = 1e-3;

export const ridgeField = numberThat('a finite number of at least 0', (v) => v >= 0).default(DEFAULT_RIDGE);

/** futureLeakage that is small enough. */
export const levelField = numberThat('a number from 0 up to, not including, 1', (v) => v >= 0 && v < 1);

/** Throws unless the data has every variable that the objective refers to, in the width that its projection takes. */
export function requireVariables(
  objective: ResolvedObjective,
  t: { readonly observationDim: number; readonly action?: unknown; readonly pairObservation?: unknown },
): void {
  const lacks = (what: string) =>
    new ExolamError(
      'input',
      `objective ${objective.spec.kind}: expected data with ${what}, but this data has none`,
    );
  if (objective.needsAction && !t.action) throw lacks('actions');
  if (objective.needsPair && !t.pairObservation) throw lacks('paired views');
  requireProjection(objective, t.observationDim);
}
