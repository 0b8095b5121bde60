import { multiply, multiplyTransposed, solveSemidefinite } from '../linalg/dense.js';
import { eigen } from '../linalg/eigen.js';
import {
  columns,
  copy,
  type Matrix,
  matrix,
  minus,
  sumOfSquares,
  symmetric,
  transpose,
} from '../linalg/matrix.js';
import type { Random } from './random.js';

/** Minimises |T - B E|^2 + weight |E M|^2 over B (d, k) and E (k, m); answers with the least value it meets. */
export type Minimise = (
  target: Matrix,
  moved: Matrix,
  weight: number,
  latentDim: number,
  random: Random,
) => number;

/** Of E at the start: none is the right one, and a start may end in a minimum of its size alone. */
const SIZES = [1, 0.1, 0.01, 0.001] as const;
const ROUNDS = 300;
/** Directions of less variance than this share of the greatest do not count. */
const CUT = 1e-13;

/**
 * By alternating least squares from random starts: the best B for E, then the best E for B, each a regression. It knows of no
 * constraint, no scale and no closed form, so that whatever way to a lower value there is stands open to it.
 */
export const alternate: Minimise = (target, moved, weight, latentDim, random) => {
  // Inputs along which the penalty is a sum of squares: then E is regressed one column at a time.
  const { values, vectors } = eigen(symmetric(multiplyTransposed(moved, moved)));
  const penalties = values.map((v) => weight * Math.max(0, v));
  const turned = multiplyTransposed(target, vectors);
  let least = Number.POSITIVE_INFINITY;
  for (let start = 0; start < SIZES.length; start++) {
    let e = matrix(latentDim, turned.cols);
    for (let i = 0; i < e.data.length; i++) e.data[i] = SIZES[start] * random.normal();
    for (let round = 0; round < ROUNDS; round++) {
      const b = transpose(solveSemidefinite(multiplyTransposed(e, e), multiplyTransposed(e, turned), CUT));
      least = Math.min(least, penalised(turned, penalties, b, e));
      e = bestEncoder(turned, penalties, b);
    }
  }
  return least;
};

function penalised(target: Matrix, penalties: Float64Array, b: Matrix, e: Matrix): number {
  const penalty = e.data.reduce((sum, v, i) => sum + penalties[i % e.cols] * v * v, 0);
  return sumOfSquares(minus(target, multiply(b, e))) + penalty;
}

function bestEncoder(target: Matrix, penalties: Float64Array, b: Matrix): Matrix {
  const gram = multiply(transpose(b), b);
  const cross = multiply(transpose(b), target);
  const e = matrix(b.cols, target.cols);
  penalties.forEach((penalty, j) => {
    const s = copy(gram);
    for (let i = 0; i < s.rows; i++) s.data[i * s.cols + i] += penalty;
    const column = solveSemidefinite(s, columns(cross, j, j + 1), CUT);
    for (let i = 0; i < e.rows; i++) e.data[i * e.cols + j] = column.data[i];
  });
  return e;
}
