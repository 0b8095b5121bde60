import { ExolamError } from '../base/errors.js';
import type { Transitions } from '../data/transitions.js';
import { type ResolvedObjective, requireProjection } from './objectives.js';

export const DEFAULT_RIDGE = 1e-3;

export const fail = (field: string, accepted: string, value: unknown) =>
  new ExolamError('input', `${field}: expected ${accepted} but received ${String(value)}`);

export function checkedRidge(ridge: number = DEFAULT_RIDGE): number {
  if (ridge >= 0 && Number.isFinite(ridge)) return ridge;
  throw fail('ridge', 'a finite number of at least 0', ridge);
}

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
