import { ExolamError } from '../base/errors.js';
import type { Transitions } from '../data/transitions.js';
import { type ResolvedObjective, requireProjection } from './objectives.js';

/** Ridge of every regression on data, as a share of the regressors' mean variance, where none is given. */
export const DEFAULT_RIDGE = 1e-3;

/** The error for an option that is not accepted. */
export const fail = (field: string, accepted: string, value: unknown) =>
  new ExolamError('input', `${field}: expected ${accepted} but received ${String(value)}`);

/** The ridge, or the default; throws where it is negative or not finite. 0 is accepted: regressions are then pseudo-inverses. */
export function checkedRidge(ridge: number = DEFAULT_RIDGE): number {
  if (ridge >= 0 && Number.isFinite(ridge)) return ridge;
  throw fail('ridge', 'a finite number of at least 0', ridge);
}

/** Throws unless the data has every variable that the objective refers to, in the width that its projection takes. */
export function requireVariables(objective: ResolvedObjective, t: Transitions): void {
  const lacks = (what: string) =>
    new ExolamError(
      'input',
      `objective ${objective.spec.kind}: expected data with ${what}, but this data has none`,
    );
  if (objective.needsAction && !t.action) throw lacks('actions');
  if (objective.needsPair && !t.pairObservation) throw lacks('paired views');
  requireProjection(objective, t.observationDim);
}
