import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { integer, isDetached, parse, quote } from '../base/validate.js';
import { requireFinite } from './checks.js';
import type { Transitions } from './transitions.js';

/** What is read before any array is: sizes, and that the rest is of its kind. Beside them a reader may keep what it likes. */
const shapeSchema = z.looseObject({
  count: integer(1),
  observationDim: integer(1),
  actionDim: integer(0),
  exogenousDim: integer(0),
  stride: integer(1).optional(),
  notes: z.array(z.string()),
  episodes: z.looseObject({ absent: z.array(z.number()) }),
});

/**
 * Throws unless the value is {@link Transitions} whose arrays have the sizes that it states and hold finite numbers alone: whoever made
 * it, and whatever was done to its arrays since.
 */
export function requireTransitions(value: Transitions, what: string): void {
  parse(shapeSchema, value, '', what);
  const { count, observationDim: d, actionDim, exogenousDim } = value;
  const matrices = [
    ['observation', d, true],
    ['observationNext', d, true],
    ['action', actionDim, false],
    ['exogenous', exogenousDim, false],
    ['exogenousNext', exogenousDim, false],
    ['pairObservation', d, false],
    ['pairObservationNext', d, false],
    ['endogenousNext', d, false],
  ] as const;
  for (const [name, dim, needed] of matrices) {
    const values: unknown = value[name];
    if (values === undefined && !needed) continue;
    if (!(values instanceof Float64Array))
      throw new ExolamError('input', `${name}: expected a Float64Array but received ${quote(values)}`);
    if (isDetached(values))
      throw new ExolamError('input', `${name}: expected ${count} rows but received ${quote(values)}`);
    if (dim === 0 || values.length !== count * dim)
      throw new ExolamError(
        'input',
        `${name}: expected ${count} rows of ${dim} numbers, ${count * dim} in all, but received ${values.length}`,
      );
    requireFinite(values, dim, name);
  }
  const { episode } = value as { episode: unknown };
  if (!(episode instanceof Int32Array) || episode.length !== count)
    throw new ExolamError(
      'input',
      `episode: expected an Int32Array of ${count} numbers, one for each row, but received ${episode instanceof Int32Array ? episode.length : quote(episode)}`,
    );
  if ((value.pairObservation === undefined) !== (value.pairObservationNext === undefined))
    throw new ExolamError(
      'input',
      `${value.pairObservation ? 'pairObservationNext' : 'pairObservation'}: expected a Float64Array, as a paired view has both, but received nothing`,
    );
}
