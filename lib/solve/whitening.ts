import type { Backend, ObjectiveRows } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../base/conventions.js';
import { multiply } from '../linalg/dense.js';
import { whitener } from '../linalg/eigen.js';
import { block, firstRows, type Matrix, matrix, scaleColumns, transpose } from '../linalg/matrix.js';
import type { Variables } from '../moments/of-data.js';
import { type ResolvedObjective, throughProjection } from './objectives.js';

/** An objective on data, and the map that observations pass first: P of a representation, whitening, or both. */
export interface Input {
  readonly rows: ObjectiveRows;
  /** (width, observationDim), or null: observations as they are. */
  readonly projection: Matrix | null;
  /** (m, width): from what is whitened back to o (m = observationDim) or to P o; null where nothing is whitened. */
  readonly restore: Matrix | null;
}

/** S_oo of joint second moments, (observationDim, observationDim). */
function observationMoments(moments: Float64Array, v: Variables): Matrix {
  const { observationDim: d, observation } = v.layout;
  return block(matrix(v.width, v.width, moments), observation, d, observation, d);
}

/**
 * W = L^-1/2 V^T with cov(W h) = I for h of covariance S = V L V^T, and back = V L^1/2, so that back W h is h. Directions whose
 * variance is below the cut of the pseudo-inverses are left out of both.
 */
async function whitening(s: Matrix, backend: Backend): Promise<{ whiten: Matrix; back: Matrix }> {
  const n = s.rows;
  const { values, vectors } = await backend.symmetricEigen(s.data, n, 1);
  const e = { values, vectors: matrix(n, n, vectors) };
  const whiten = whitener(e, RELATIVE_TOLERANCE * values[0]);
  const deviations = values.subarray(0, whiten.rows).map(Math.sqrt);
  return { whiten, back: scaleColumns(transpose(firstRows(e.vectors, whiten.rows)), deviations) };
}

/** The input of an objective on a data set with these second moments: P o, whitened W o, or W P o; o itself where neither is asked for. */
export async function inputOf(
  objective: ResolvedObjective,
  whiten: boolean,
  moments: Float64Array,
  v: Variables,
  backend: Backend,
): Promise<Input> {
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
