import { ExolamError } from '../base/errors.js';
import type { Transitions, Values } from './transitions.js';

/** Two rows to fit and two to hold out: with fewer no variance can be told from none. */
export const MINIMUM_TRANSITIONS = 4;

/** Throws at the first NaN or infinity of a (rows, dim) matrix; `rowOf` says how the user counts its rows. */
export function requireFinite(
  values: Values,
  dim: number,
  what: string,
  rowOf: (row: number) => string = (row) => `row ${row}`,
): void {
  if (values instanceof Uint8Array || values instanceof Uint16Array) return;
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new ExolamError(
        'data',
        `${what}: ${rowOf(Math.floor(i / dim))}, column ${i % dim} is ${values[i]}; every number must be finite`,
      );
  }
}

/** Number of coordinates that hold one value in every row. */
function constantCoordinates(values: Float64Array, dim: number): number {
  const varies = new Uint8Array(dim);
  let constant = dim;
  for (let row = dim; row < values.length && constant > 0; row += dim) {
    for (let j = 0; j < dim; j++) {
      if (varies[j] === 0 && values[row + j] !== values[j]) {
        varies[j] = 1;
        constant--;
      }
    }
  }
  return constant;
}

/** A fourth power above this is none in f64, and products of two covariances are what the solution is made of. */
const LARGEST = 1e75;

/** Throws at the first number whose covariances would have no finite product. */
function requireScale(values: Float64Array | undefined, dim: number, what: string): void {
  if (!values) return;
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]) <= LARGEST) continue;
    throw new ExolamError(
      'data',
      `${what}: row ${Math.floor(i / dim)}, column ${i % dim} is ${values[i]}; magnitudes of at most ${LARGEST} can be used: rescale the data, or leave that episode out`,
    );
  }
}

/** What no analysis can use is an error here; what a reader of the answer should know becomes a note. */
export function checked(t: Transitions): Transitions {
  if (t.count < MINIMUM_TRANSITIONS)
    throw new ExolamError(
      'data',
      `there ${t.count === 1 ? 'is 1 transition' : `are ${t.count} transitions`}; at least ${MINIMUM_TRANSITIONS} are needed`,
    );
  for (const [values, dim, what] of [
    [t.observation, t.observationDim, 'observation'],
    [t.observationNext, t.observationDim, 'observation_next'],
    [t.action, t.actionDim, 'actions'],
    [t.exogenous, t.exogenousDim, 'exogenous'],
    [t.exogenousNext, t.exogenousDim, 'exogenous_next'],
    [t.pairObservation, t.observationDim, 'observation_pair'],
    [t.pairObservationNext, t.observationDim, 'observation_pair_next'],
  ] as const)
    requireScale(values, dim, what);
  const notes = [...t.notes];
  const d = t.observationDim;
  const clean = t.endogenousNext && constantCoordinates(t.endogenousNext, d);
  const constant = constantCoordinates(t.observation, d);
  if (constant === d || clean === d)
    throw new ExolamError(
      'data',
      `the observation is constant: ${d === 1 ? 'its only coordinate holds' : `all ${d} coordinates hold`} the same value ` +
        `in all ${t.count} transitions, so there is nothing to predict`,
    );
  if (constant > 0) notes.push(`${constant} of ${d} observation coordinates never change`);
  if (t.action) {
    const still = constantCoordinates(t.action, t.actionDim);
    if (still > 0) notes.push(`${still} of ${t.actionDim} action coordinates never change`);
  }
  return { ...t, notes };
}
