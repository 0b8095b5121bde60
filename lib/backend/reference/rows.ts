import { ORTHOGONAL_ROWS } from '../../base/conventions.js';
import { gram, multiply } from '../../linalg/dense.js';
import { eigen } from '../../linalg/eigen.js';
import { type Matrix, matrix } from '../../linalg/matrix.js';

/** Rows of loadings as vectors: what keeps the digits that a covariance, their square, would lose. */

export function rowOf(a: Matrix, i: number): Float64Array {
  return a.data.subarray(i * a.cols, (i + 1) * a.cols);
}

/** All rows, as views: a view costs as much as a short row's product, so none is made inside a loop over pairs. */
function rowsOf(a: Matrix): Float64Array[] {
  return Array.from({ length: a.rows }, (_, i) => rowOf(a, i));
}

export function inner(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}

function subtract(from: Float64Array, factor: number, row: Float64Array): void {
  for (let i = 0; i < from.length; i++) from[i] -= factor * row[i];
}

export function scaleRow(row: Float64Array, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i] *= factor;
}

/** Every row divided by its length; one whose square is at most `cut` of that of `whole`, the same row of it, is cleared. */
export function unitRows(a: Matrix, cut: number, whole: Matrix = a): Matrix {
  const out = matrix(a.rows, a.cols, a.data.slice());
  for (let i = 0; i < a.rows; i++) {
    const row = rowOf(out, i);
    const square = inner(row, row);
    const own = rowOf(whole, i);
    scaleRow(row, square > cut * inner(own, own) ? 1 / Math.sqrt(square) : 0);
  }
  return out;
}

/** Gram-Schmidt in the rows' order, twice over. */
export interface InOrder {
  /** Orthonormal rows; a row of which at most `cut` is left is zero. */
  readonly basis: Matrix;
  /** The square of what the rows before leave of each row. */
  readonly left: Float64Array;
}

export function inOrder(rows: Matrix, cut: number): InOrder {
  const basis = matrix(rows.rows, rows.cols, rows.data.slice());
  const left = new Float64Array(rows.rows);
  const each = rowsOf(basis);
  for (const [i, row] of each.entries()) {
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < i; j++) subtract(row, inner(row, each[j]), each[j]);
    left[i] = inner(row, row);
    scaleRow(row, left[i] > cut ? 1 / Math.sqrt(left[i]) : 0);
  }
  return { basis, left };
}

/** tr of what the first 0, 1, .. rows of an orthonormal basis leave of `target`. */
export function leftAfter(target: Matrix, basis: Matrix): Float64Array {
  const rest = matrix(target.rows, target.cols, target.data.slice());
  const left = new Float64Array(basis.rows + 1);
  const each = rowsOf(rest);
  const known = rowsOf(basis);
  for (let i = 0; i <= basis.rows; i++)
    for (const row of each) {
      if (i > 0) subtract(row, inner(row, known[i - 1]), known[i - 1]);
      left[i] += inner(row, row);
    }
  return left;
}

/** What is left of every row beside an orthonormal basis, twice over. */
export function besideBasis(rows: Matrix, basis: Matrix): Matrix {
  const out = matrix(rows.rows, rows.cols, rows.data.slice());
  const known = rowsOf(basis);
  for (const row of rowsOf(out))
    for (let pass = 0; pass < 2; pass++) for (const other of known) subtract(row, inner(row, other), other);
  return out;
}

const MOST_SWEEPS = 40;

/**
 * The rows turned until they are orthogonal, longest first: B^T a with a = B (B^T a) its singular value decomposition. One-sided
 * Jacobi rotations after a first turn by the eigenvectors of a a^T, so that short rows keep their digits beside long ones.
 */
export function orthogonalRows(a: Matrix): Matrix {
  if (a.rows === 0) return a;
  const out = multiply(eigen(gram(a)).vectors, a);
  // A row this short is the rounding of the longest: nothing to turn, and it would never come to rest.
  const nothing = ORTHOGONAL_ROWS ** 2 * inner(out.data, out.data);
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
    let turned = false;
    for (let i = 0; i < out.rows; i++)
      for (let j = i + 1; j < out.rows; j++) turned = turn(rowOf(out, i), rowOf(out, j), nothing) || turned;
    if (!turned) break;
  }
  const order = Array.from({ length: out.rows }, (_, i) => i);
  const squares = order.map((i) => inner(rowOf(out, i), rowOf(out, i)));
  order.sort((i, j) => squares[j] - squares[i]);
  const sorted = matrix(out.rows, out.cols);
  order.forEach((from, to) => {
    rowOf(sorted, to).set(rowOf(out, from));
  });
  return sorted;
}

function turn(x: Float64Array, y: Float64Array, nothing: number): boolean {
  const product = inner(x, y);
  const [a, b] = [inner(x, x), inner(y, y)];
  if (!(a > nothing && b > nothing)) return false;
  if (!(Math.abs(product) > ORTHOGONAL_ROWS * Math.sqrt(a * b))) return false;
  const half = (b - a) / (2 * product);
  const tangent = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.sqrt(1 + half * half));
  const cosine = 1 / Math.sqrt(1 + tangent * tangent);
  const sine = cosine * tangent;
  for (let k = 0; k < x.length; k++) {
    const [u, v] = [x[k], y[k]];
    x[k] = cosine * u - sine * v;
    y[k] = sine * u + cosine * v;
  }
  return true;
}

/** The squared singular values of `a`, descending. */
export function singularSquares(a: Matrix): number[] {
  const rows = orthogonalRows(a);
  return Array.from({ length: rows.rows }, (_, i) => inner(rowOf(rows, i), rowOf(rows, i)));
}
