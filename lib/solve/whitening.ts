import type { Backend, ObjectiveRows } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../backend/requests.js';
import { type Matrix, matrix, multiply, transpose } from '../linalg/matrix.js';
import type { Variables } from '../moments/of-data.js';
import { type ResolvedObjective, throughProjection } from './objectives.js';

/** An objective on data, and the map through which it sees observations: P of a representation, whitening, or both. */
export interface Seen {
  readonly rows: ObjectiveRows;
  /** (width, observationDim), or null: observations as they are. */
  readonly projection: Matrix | null;
  /** (m, width): from what is whitened back to o (m = observationDim) or to P o; null where nothing is whitened. */
  readonly restore: Matrix | null;
}

function observationMoments(moments: Float64Array, v: Variables): Matrix {
  const { observationDim: d, observation } = v.layout;
  const m = matrix(d, d);
  for (let i = 0; i < d; i++) {
    const from = (observation + i) * v.width + observation;
    m.data.set(moments.subarray(from, from + d), i * d);
  }
  return m;
}

/**
 * W = L^-1/2 V^T with cov(W h) = I for h of covariance s = V L V^T, on the directions whose variance is above the tolerance, and
 * back = V L^1/2, so that back W h is h on those directions.
 */
async function whitening(s: Matrix, backend: Backend): Promise<{ whiten: Matrix; back: Matrix }> {
  const n = s.rows;
  const { values, vectors } = await backend.symmetricEigen(s.data, n, 1);
  const kept = [...values].filter((w) => w > RELATIVE_TOLERANCE * values[0]).length;
  const whiten = matrix(kept, n);
  const back = matrix(n, kept);
  for (let i = 0; i < kept; i++) {
    const deviation = Math.sqrt(values[i]);
    for (let j = 0; j < n; j++) {
      whiten.data[i * n + j] = vectors[i * n + j] / deviation;
      back.data[j * kept + i] = vectors[i * n + j] * deviation;
    }
  }
  return { whiten, back };
}

/** How an objective sees the observations of a data set with these second moments. */
export async function seenThrough(
  objective: ResolvedObjective,
  whiten: boolean,
  moments: Float64Array,
  v: Variables,
  backend: Backend,
): Promise<Seen> {
  const p = objective.projection;
  if (!whiten) return { rows: objective.rows, projection: p, restore: null };
  const s = observationMoments(moments, v);
  const w = await whitening(p ? multiply(multiply(p, s), transpose(p)) : s, backend);
  return {
    rows: throughProjection(objective.rows),
    projection: p ? multiply(w.whiten, p) : w.whiten,
    restore: w.back,
  };
}
