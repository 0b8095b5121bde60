import { DEPENDENT_COLUMN, WELL_CONDITIONED } from '../base/conventions.js';
import { eigen, whitener } from './eigen.js';
import { copy, type Matrix, matrix, transpose } from './matrix.js';

/** Rows of the right factor kept at hand: 32 rows of 1024 doubles fit in a second-level cache. */
const BLOCK = 32;

/** a b. */
export function multiply(a: Matrix, b: Matrix): Matrix {
  const c = matrix(a.rows, b.cols);
  addProduct(a, b, 1, c);
  return c;
}

/**
 * c + factor a b, in place of c. Rows of b are added up four at a time, so that every load of the result pays for four products,
 * in the order of a plain loop.
 */
export function addProduct(a: Matrix, b: Matrix, factor: number, c: Matrix): void {
  const n = b.cols;
  const inner = a.cols;
  const x = a.data;
  const y = b.data;
  const z = c.data;
  for (let begin = 0; begin < inner; begin += BLOCK) {
    const end = Math.min(begin + BLOCK, inner);
    for (let i = 0; i < a.rows; i++) {
      const to = i * n;
      let k = begin;
      for (; k + 4 <= end; k += 4) {
        const at = i * inner + k;
        const x0 = factor * x[at];
        const x1 = factor * x[at + 1];
        const x2 = factor * x[at + 2];
        const x3 = factor * x[at + 3];
        const r0 = k * n;
        const r1 = r0 + n;
        const r2 = r1 + n;
        const r3 = r2 + n;
        for (let j = 0; j < n; j++)
          z[to + j] = z[to + j] + x0 * y[r0 + j] + x1 * y[r1 + j] + x2 * y[r2 + j] + x3 * y[r3 + j];
      }
      for (; k < end; k++) {
        const x0 = factor * x[i * inner + k];
        const r0 = k * n;
        for (let j = 0; j < n; j++) z[to + j] += x0 * y[r0 + j];
      }
    }
  }
}

/** The inner product of two vectors, summed in order. */
export function dot(x: Float64Array, y: Float64Array): number {
  return plainDot(x, 0, y, 0, x.length);
}

/** Sum of x[i + k] y[j + k] over k < n, in four interleaved sums. */
function interleavedDot(x: Float64Array, i: number, y: Float64Array, j: number, n: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 4 <= n; k += 4) {
    s0 += x[i + k] * y[j + k];
    s1 += x[i + k + 1] * y[j + k + 1];
    s2 += x[i + k + 2] * y[j + k + 2];
    s3 += x[i + k + 3] * y[j + k + 3];
  }
  for (; k < n; k++) s0 += x[i + k] * y[j + k];
  return s0 + s1 + (s2 + s3);
}

/**
 * Entries j < `end` of rows i and i + 1 of a b^T: two rows of a against two of b at a time, so that every number read is used
 * twice.
 */
function dotRows(a: Matrix, b: Matrix, i: number, end: number, c: Matrix): void {
  const n = a.cols;
  const x = a.data;
  const y = b.data;
  const z = c.data;
  const m = c.cols;
  const pair = i + 1 < a.rows;
  let j = 0;
  if (pair)
    for (; j + 2 <= end; j += 2) {
      const x0 = i * n;
      const x1 = x0 + n;
      const y0 = j * n;
      const y1 = y0 + n;
      let s00 = 0;
      let s01 = 0;
      let s10 = 0;
      let s11 = 0;
      for (let k = 0; k < n; k++) {
        const p = x[x0 + k];
        const q = x[x1 + k];
        const r = y[y0 + k];
        const s = y[y1 + k];
        s00 += p * r;
        s01 += p * s;
        s10 += q * r;
        s11 += q * s;
      }
      z[i * m + j] = s00;
      z[i * m + j + 1] = s01;
      z[(i + 1) * m + j] = s10;
      z[(i + 1) * m + j + 1] = s11;
    }
  for (; j < end; j++) {
    z[i * m + j] = plainDot(x, i * n, y, j * n, n);
    if (pair) z[(i + 1) * m + j] = plainDot(x, (i + 1) * n, y, j * n, n);
  }
}

/** In the order of `dotRows`, so that a row's products do not depend on how many rows stand beside it. */
function plainDot(x: Float64Array, i: number, y: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += x[i + k] * y[j + k];
  return sum;
}

/** a b^T: the covariance of two variables from their loadings. */
export function multiplyTransposed(a: Matrix, b: Matrix): Matrix {
  const c = matrix(a.rows, b.rows);
  for (let i = 0; i < a.rows; i += 2) dotRows(a, b, i, b.rows, c);
  return c;
}

/** a a^T, exactly symmetric. */
export function gram(a: Matrix): Matrix {
  const n = a.rows;
  const c = matrix(n, n);
  for (let i = 0; i < n; i += 2) dotRows(a, a, i, Math.min(i + 2, n), c);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) c.data[j * n + i] = c.data[i * n + j];
  return c;
}

/**
 * The lower Cholesky factor of n x n at `at`, in place of the lower triangle. Returns the smallest pivot over the largest, both
 * before their roots; 0 or less, or NaN, where the matrix is not positive definite.
 */
export function choleskyInPlace(a: Float64Array, at: number, n: number): number {
  let least = Infinity;
  let most = 0;
  for (let i = 0; i < n; i++) {
    const row = at + i * n;
    for (let j = 0; j < i; j++) {
      const other = at + j * n;
      a[row + j] = (a[row + j] - interleavedDot(a, row, a, other, j)) / a[other + j];
    }
    const pivot = a[row + i] - interleavedDot(a, row, a, row, i);
    if (!(pivot > 0)) return pivot;
    least = Math.min(least, pivot);
    most = Math.max(most, pivot);
    a[row + i] = Math.sqrt(pivot);
  }
  return least / most;
}

/** L^-1 b in place of b: forward substitution alone. */
export function lowerSolveInPlace(l: Float64Array, n: number, b: Matrix): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtractRow(b.data, i * b.cols, k * b.cols, l[i * n + k], b.cols);
    divideRow(b.data, i * b.cols, l[i * n + i], b.cols);
  }
}

/** Solves L L^T x = b for m right sides at `side`, in place of them. */
export function choleskySolveInPlace(
  l: Float64Array,
  at: number,
  n: number,
  b: Float64Array,
  side: number,
  m: number,
): void {
  for (let i = 0; i < n; i++) {
    const row = side + i * m;
    for (let k = 0; k < i; k++) subtractRow(b, row, side + k * m, l[at + i * n + k], m);
    divideRow(b, row, l[at + i * n + i], m);
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = side + i * m;
    for (let k = i + 1; k < n; k++) subtractRow(b, row, side + k * m, l[at + k * n + i], m);
    divideRow(b, row, l[at + i * n + i], m);
  }
}

function subtractRow(b: Float64Array, to: number, from: number, factor: number, m: number): void {
  for (let j = 0; j < m; j++) b[to + j] -= factor * b[from + j];
}

function divideRow(b: Float64Array, row: number, divisor: number, m: number): void {
  for (let j = 0; j < m; j++) b[row + j] /= divisor;
}

/** s^+ b for a positive semidefinite s, cut at `tolerance` of its largest eigenvalue. */
export function solveSemidefinite(s: Matrix, b: Matrix, tolerance: number): Matrix {
  if (s.rows === 0) return b;
  const factor = s.data.slice();
  if (choleskyInPlace(factor, 0, s.rows) > WELL_CONDITIONED) {
    const x = copy(b);
    choleskySolveInPlace(factor, 0, s.rows, x.data, 0, b.cols);
    return x;
  }
  const e = eigen(s);
  const w = whitener(e, tolerance * Math.max(e.values[0], 0));
  return multiply(transpose(w), multiply(w, b));
}

/** |v|, without overflow of the squares; Math.hypot(...v) ends in a full call stack where there are 1e5 numbers. */
export function norm(v: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < v.length; i++) {
    const size = Math.abs(v[i]);
    if (size > largest || Number.isNaN(size)) largest = size;
  }
  if (!(largest > 0) || largest === Number.POSITIVE_INFINITY) return largest;
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += (v[i] / largest) ** 2;
  return largest * Math.sqrt(sum);
}

/**
 * a = Q R: orthonormal columns that span those of `a`, and the coordinates of `a` in them (R_ii > 0 where a column adds a
 * direction; a dependent column adds none). Gram-Schmidt, twice: orthogonal to rounding.
 */
export function orthonormalise(a: Matrix): { basis: Matrix; coordinates: Matrix } {
  const kept: Float64Array[] = [];
  const coefficients: Float64Array[] = [];
  for (let j = 0; j < a.cols; j++) {
    const v = new Float64Array(a.rows);
    for (let i = 0; i < a.rows; i++) v[i] = a.data[i * a.cols + j];
    const before = norm(v);
    const coordinate = new Float64Array(Math.min(a.rows, a.cols));
    for (let pass = 0; pass < 2; pass++)
      kept.forEach((q, k) => {
        let along = 0;
        for (let i = 0; i < a.rows; i++) along += q[i] * v[i];
        for (let i = 0; i < a.rows; i++) v[i] -= along * q[i];
        coordinate[k] += along;
      });
    const length = norm(v);
    if (length > DEPENDENT_COLUMN * before && kept.length < a.rows) {
      coordinate[kept.length] = length;
      kept.push(v.map((x) => x / length));
    }
    coefficients.push(coordinate);
  }
  const basis = matrix(a.rows, kept.length);
  kept.forEach((q, k) => {
    for (let i = 0; i < a.rows; i++) basis.data[i * kept.length + k] = q[i];
  });
  const coordinates = matrix(kept.length, a.cols);
  coefficients.forEach((c, j) => {
    for (let k = 0; k < kept.length; k++) coordinates.data[k * a.cols + j] = c[k];
  });
  return { basis, coordinates };
}
