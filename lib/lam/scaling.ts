import type { Control, UnitVariable } from '../backend/requests.js';
import type { Transitions } from '../data/transitions.js';
import { type Matrix, matrix, scaleColumns, scaleRows } from '../linalg/matrix.js';
import type { Variables } from '../moments/of-data.js';
import { scaledColumns } from '../moments/of-units.js';
import type { ResolvedObjective } from '../solve/objectives.js';
import type { Decoder, Encoder } from './decoder.js';

/**
 * What every column of joint moments is multiplied with for unit standard deviation over all rows, (width); 0 for one that stands
 * still, 1 for a category.
 */
export async function factorsOf(
  t: Transitions,
  v: Variables,
  categories: readonly number[] | null,
  control: Control,
): Promise<Float64Array> {
  const { found } = await scaledColumns(t, 'standard', null, control);
  const factors = new Float64Array(v.width).fill(1);
  const set = (name: UnitVariable, begin: number) => {
    const column = found[name];
    if (column && begin >= 0) factors.set(column.factor, begin);
  };
  set('observation', v.layout.observation);
  set('observationNext', v.layout.observationNext);
  set('pairObservation', v.layout.pairObservation);
  set('pairObservationNext', v.layout.pairObservationNext);
  if (!categories) set('action', v.layout.action);
  return factors;
}

/** Moments of the columns times their factors. */
export function scaledMoments(moments: Float64Array, factors: Float64Array): Float64Array {
  const n = factors.length;
  return scaleRows(scaleColumns(matrix(n, n, moments), factors), factors).data;
}

const inverse = (factors: Float64Array) => factors.map((f) => (f > 0 ? 1 / f : 0));

/** The same objective of scaled observations: a projection sees them as they were given. */
export function ofScaled(objective: ResolvedObjective, factors: Float64Array): ResolvedObjective {
  const { projection } = objective;
  return projection ? { ...objective, projection: scaleColumns(projection, inverse(factors)) } : objective;
}

/** Maps of scaled observations as maps of observations as they were given; a coordinate that stands still is predicted by its mean. */
export function inGivenUnits(
  encoder: Encoder,
  decoder: Decoder,
  factors: Float64Array,
  isProjected: boolean,
): { encoder: Encoder; decoder: Decoder } {
  const ofGiven = (m: Matrix) => scaleColumns(m, factors);
  const toGiven = (m: Matrix) => (isProjected ? m : scaleRows(m, inverse(factors)));
  return {
    encoder: { C: ofGiven(encoder.C), D: ofGiven(encoder.D) },
    decoder: {
      A: toGiven(ofGiven(decoder.A)),
      B: toGiven(decoder.B),
      innovationC: ofGiven(decoder.innovationC),
    },
  };
}
