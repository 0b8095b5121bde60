import { NEGLIGIBLE_COUPLING } from '../base/conventions.js';
import { copy, type Matrix, matrix } from './matrix.js';

/** Eigenvalues descending, eigenvectors as rows. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Matrix;
}

/** Thrown where an eigenproblem does not converge; the caller turns it into a status. */
export class NotConverged extends Error {}

export function eigen(a: Matrix): Eigen {
  const vectors = copy(a);
  const values = new Float64Array(a.rows);
  if (!eigenInPlace(vectors.data, a.rows, values)) throw new NotConverged('an eigenproblem did not converge');
  return { values, vectors };
}

/** How many of the descending values exceed `cut`. */
export function countAbove(values: Float64Array, cut: number): number {
  let n = 0;
  while (n < values.length && values[n] > cut) n++;
  return n;
}

/** The eigenvectors whose values exceed `cut`, each divided by the root of its value: W with W a W^T = I. */
export function whitener(e: Eigen, cut: number): Matrix {
  const n = e.vectors.cols;
  const w = matrix(countAbove(e.values, cut), n);
  for (let i = 0; i < w.rows; i++) {
    const deviation = Math.sqrt(e.values[i]);
    for (let j = 0; j < n; j++) w.data[i * n + j] = e.vectors.data[i * n + j] / deviation;
  }
  return w;
}

/** QL steps that an eigenvalue may take before it counts as lost; two or three are usual. */
const MOST_STEPS = 60;

/**
 * The symmetric eigenproblem: Householder reflections to tridiagonal form, then implicit QL. `a` (n, n) is replaced by the
 * eigenvectors as rows, `values` (n) are descending. Only the upper triangle is read. False where a number is not finite or
 * the iteration does not end. Every loop runs along rows, which is how the matrix lies in memory.
 */
export function eigenInPlace(a: Float64Array, n: number, values: Float64Array): boolean {
  if (n === 0) return true;
  let largest = 0;
  for (let i = 0; i < n; i++)
    for (let j = i; j < n; j++) {
      const v = Math.abs(a[i * n + j]);
      if (!(v < Infinity)) return false;
      if (v > largest) largest = v;
    }
  // A power of two, so that scaling rounds nothing; it keeps squares away from overflow and underflow.
  const scale = largest > 0 ? 2 ** Math.round(Math.log2(largest)) : 1;
  if (scale !== 1) for (let i = 0; i < n * n; i++) a[i] /= scale;
  const coupling = new Float64Array(n);
  tridiagonalise(a, n, values, coupling);
  if (!diagonalise(values, coupling, a, n)) return false;
  sortDescending(values, a, n);
  if (scale !== 1) for (let i = 0; i < n; i++) values[i] *= scale;
  return true;
}

/** a = Q T Q^T: the diagonal and couplings of T, and Q^T in place of a. */
function tridiagonalise(a: Float64Array, n: number, diagonal: Float64Array, coupling: Float64Array): void {
  const v = new Float64Array(n);
  const p = new Float64Array(n);
  const betas = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    diagonal[k] = a[k * n + k];
    const first = a[k * n + k + 1];
    let tail = 0;
    for (let j = k + 2; j < n; j++) tail += a[k * n + j] * a[k * n + j];
    if (tail === 0) {
      coupling[k] = first;
      continue;
    }
    // The reflection I - beta v v^T takes the row beyond the diagonal to (target, 0, ..).
    const norm = Math.sqrt(first * first + tail);
    const target = first > 0 ? -norm : norm;
    const beta = 1 / (norm * (norm + Math.abs(first)));
    coupling[k] = target;
    betas[k] = beta;
    a[k * n + k + 1] = first - target;
    for (let j = k + 1; j < n; j++) {
      v[j] = a[k * n + j];
      p[j] = 0;
    }
    // p = beta A v, both triangles of A from the upper one.
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const vi = v[i];
      let sum = a[row + i] * vi;
      for (let j = i + 1; j < n; j++) {
        const x = a[row + j];
        sum += x * v[j];
        p[j] += x * vi;
      }
      p[i] += sum;
    }
    let along = 0;
    for (let j = k + 1; j < n; j++) {
      p[j] *= beta;
      along += p[j] * v[j];
    }
    along *= 0.5 * beta;
    for (let j = k + 1; j < n; j++) p[j] -= along * v[j];
    for (let i = k + 1; i < n; i++) {
      const row = i * n;
      const vi = v[i];
      const pi = p[i];
      for (let j = i; j < n; j++) a[row + j] -= vi * p[j] + pi * v[j];
    }
  }
  diagonal[n - 1] = a[n * n - 1];
  // Q^T = H_last .. H_0, from the last reflection, which touches the least, to the first.
  a[n * n - 1] = 1;
  for (let k = n - 2; k >= 0; k--) {
    const beta = betas[k];
    if (beta !== 0) {
      for (let j = k + 1; j < n; j++) v[j] = a[k * n + j];
      for (let i = k + 1; i < n; i++) {
        const row = i * n;
        let sum = 0;
        for (let j = k + 1; j < n; j++) sum += a[row + j] * v[j];
        sum *= beta;
        for (let j = k + 1; j < n; j++) a[row + j] -= sum * v[j];
      }
    }
    a[k * n + k] = 1;
    for (let j = k + 1; j < n; j++) {
      a[k * n + j] = 0;
      a[j * n + k] = 0;
    }
  }
}

/** Implicit QL with Wilkinson's shift; every rotation also turns two rows of `rows`. */
function diagonalise(d: Float64Array, e: Float64Array, rows: Float64Array, n: number): boolean {
  for (let low = 0; low < n; low++) {
    for (let step = 0; ; step++) {
      let high = low;
      while (high < n - 1) {
        const size = Math.abs(d[high]) + Math.abs(d[high + 1]);
        if (Math.abs(e[high]) <= Number.EPSILON * size + NEGLIGIBLE_COUPLING) break;
        high++;
      }
      if (high === low) break;
      if (step === MOST_STEPS) return false;
      const half = (d[low + 1] - d[low]) / (2 * e[low]);
      const root = Math.sqrt(half * half + 1);
      const shift = d[low] - e[low] / (half + (half < 0 ? -root : root));
      let bulge = d[high] - shift;
      let sine = 1;
      let cosine = 1;
      let carried = 0;
      let i = high - 1;
      for (; i >= low; i--) {
        const out = sine * e[i];
        const kept = cosine * e[i];
        const length = Math.sqrt(out * out + bulge * bulge);
        e[i + 1] = length;
        if (length === 0) break;
        sine = out / length;
        cosine = bulge / length;
        const before = d[i + 1] - carried;
        const turn = (d[i] - before) * sine + 2 * cosine * kept;
        carried = sine * turn;
        d[i + 1] = before + carried;
        bulge = cosine * turn - kept;
        rotateRows(rows, i * n, (i + 1) * n, cosine, sine, n);
      }
      if (i >= low) {
        // The matrix has split here: the next step starts on the smaller part.
        d[i + 1] -= carried;
        e[high] = 0;
        continue;
      }
      d[low] -= carried;
      e[low] = bulge;
      e[high] = 0;
    }
  }
  return true;
}

function rotateRows(
  a: Float64Array,
  upper: number,
  lower: number,
  cosine: number,
  sine: number,
  n: number,
): void {
  for (let k = 0; k < n; k++) {
    const x = a[upper + k];
    const y = a[lower + k];
    a[lower + k] = sine * x + cosine * y;
    a[upper + k] = cosine * x - sine * y;
  }
}

function sortDescending(values: Float64Array, rows: Float64Array, n: number): void {
  for (let i = 0; i < n - 1; i++) {
    let best = i;
    for (let j = i + 1; j < n; j++) if (values[j] > values[best]) best = j;
    if (best === i) continue;
    const value = values[i];
    values[i] = values[best];
    values[best] = value;
    for (let k = 0; k < n; k++) {
      const x = rows[i * n + k];
      rows[i * n + k] = rows[best * n + k];
      rows[best * n + k] = x;
    }
  }
}
