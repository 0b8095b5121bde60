import {
  choleskyInPlace,
  choleskySolveInPlace,
  dot,
  multiply,
  multiplyTransposed,
} from '../../linalg/dense.js';
import { addScaled, copy, type Matrix, matrix, scaleColumns, transpose } from '../../linalg/matrix.js';

/** What all rows say of the innovation: variances of its coordinates w before they were brought to unit variance. */
export interface Innovations {
  readonly variance: Float64Array;
  /** Variance in directions that w leaves out. */
  readonly left: number;
}

/** What the labelled rows say, given o: cov(w), cov(w, a), tr cov(a); and the weight of the head. */
export interface Labels {
  readonly n: Matrix;
  readonly p: Matrix;
  readonly q: number;
  readonly weight: number;
}

/** The loss of an encoder that is zero. */
export function emptyLoss(all: Innovations, labels: Labels): number {
  return all.variance.reduce((sum, v) => sum + v, all.left) + labels.weight * labels.q;
}

/** s^-1 b, or null where s is not positive definite. */
function solve(s: Matrix, b: Matrix): Matrix | null {
  const factor = s.data.slice();
  if (!(choleskyInPlace(factor, 0, s.rows) > 0)) return null;
  const x = copy(b);
  choleskySolveInPlace(factor, 0, s.rows, x.data, 0, x.cols);
  return x;
}

/** Least squares on z = D w: weights (latents, y) and the share of tr cov(y) that they explain, from cov(w) and cov(w, y). */
function leastSquares(d: Matrix, covariance: Matrix, cross: Matrix) {
  const dc = multiply(d, covariance);
  const explains = multiply(d, cross);
  const weights = solve(multiplyTransposed(dc, d), explains);
  if (!weights) return null;
  // d/dD of tr explains^T (D S D^T)^-1 explains = 2 (weights cross^T - weights weights^T D S).
  const slope = multiplyTransposed(weights, cross);
  addScaled(slope, -1, multiply(multiplyTransposed(weights, weights), dc));
  return { explained: dot(weights.data, explains.data), slope };
}

/**
 * tr cov(o' given o, z) + weight tr cov(a given o, z) over labelled rows, for z = D w, and its gradient in D: theory.md section 6,
 * item 1, with every other part of the model at its best. NaN where D has dependent rows.
 */
export function partlyLabelledLoss(
  all: Innovations,
  labels: Labels,
  d: Matrix,
): { value: number; gradient: Float64Array } {
  const m = d.cols;
  const identity = matrix(m, m);
  const roots = matrix(m, m);
  for (let i = 0; i < m; i++) {
    identity.data[i * m + i] = 1;
    roots.data[i * m + i] = Math.sqrt(all.variance[i]);
  }
  const rebuilt = leastSquares(d, identity, roots);
  const head = leastSquares(d, labels.n, labels.p);
  if (!rebuilt || !head) return { value: Number.NaN, gradient: new Float64Array(d.data.length) };
  return {
    value: emptyLoss(all, labels) - rebuilt.explained - labels.weight * head.explained,
    gradient: rebuilt.slope.data.map((v, i) => -2 * (v + labels.weight * head.slope.data[i])),
  };
}

/** Both terms at D, the head's without its weight, summed from what is left and not by subtraction. */
export function termsOf(all: Innovations, labels: Labels, d: Matrix) {
  const gd = solve(multiplyTransposed(d, d), d);
  const head = leastSquares(d, labels.n, labels.p);
  if (!gd || !head) return null;
  const kept = multiply(transpose(d), gd);
  for (let i = 0; i < kept.data.length; i++) kept.data[i] = (i % (d.cols + 1) === 0 ? 1 : 0) - kept.data[i];
  const left = scaleColumns(kept, all.variance.map(Math.sqrt));
  return {
    reconstruction: all.left + dot(left.data, left.data),
    head: Math.max(0, labels.q - head.explained),
  };
}
