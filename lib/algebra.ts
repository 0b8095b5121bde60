import type { Backend, Control } from './backend.js';
import { type Matrix, matrix } from './matrix.js';

/** Eigenvalues descending, one unit eigenvector a row. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Matrix;
}

/** Products and eigenproblems of dense matrices, done by a backend. */
export class Algebra {
  private work = new Float64Array(0);

  constructor(
    private readonly backend: Backend,
    private readonly control: Control,
  ) {}

  /** a b */
  async times(a: Matrix, b: Matrix): Promise<Matrix> {
    return this.product(a, b, false, false);
  }

  /** a^T b */
  async transposedTimes(a: Matrix, b: Matrix): Promise<Matrix> {
    return this.product(a, b, true, false);
  }

  /** a b^T */
  async timesTransposed(a: Matrix, b: Matrix): Promise<Matrix> {
    return this.product(a, b, false, true);
  }

  /** Of a symmetric matrix. */
  async eigen(a: Matrix): Promise<Eigen> {
    const [own] = await this.eigenOfMany(1, a.rows, (_, into) => into.set(a.data));
    return own as Eigen;
  }

  /** Of `count` symmetric n x n matrices that `fill` writes. */
  async eigenOfMany(
    count: number,
    n: number,
    fill: (index: number, into: Float64Array) => void,
  ): Promise<Eigen[]> {
    const size = n * n;
    // Kept between calls: the problems of a search are as large as the rest of its work together.
    if (this.work.length < count * size) this.work = new Float64Array(count * size);
    const all = this.work.subarray(0, count * size);
    for (let i = 0; i < count; i++) fill(i, all.subarray(i * size, (i + 1) * size));
    const { values, vectors } = await this.backend.symmetricEigen(all, n, count, this.control);
    return Array.from({ length: count }, (_, i) => ({
      values: values.subarray(i * n, (i + 1) * n),
      vectors: matrix(n, n, vectors.subarray(i * size, (i + 1) * size)),
    }));
  }

  private async product(a: Matrix, b: Matrix, transposeA: boolean, transposeB: boolean): Promise<Matrix> {
    const [rows, inner] = transposeA ? [a.cols, a.rows] : [a.rows, a.cols];
    const cols = transposeB ? b.rows : b.cols;
    if (rows === 0 || cols === 0 || inner === 0) return matrix(rows, cols);
    const request = { rows, inner, cols, a: a.data, b: b.data, transposeA, transposeB };
    return matrix(rows, cols, await this.backend.multiply(request, this.control));
  }
}

/** a + factor b */
export function plus(a: Matrix, b: Matrix, factor = 1): Matrix {
  const out = matrix(a.rows, a.cols);
  for (let i = 0; i < out.data.length; i++)
    out.data[i] = (a.data[i] as number) + factor * (b.data[i] as number);
  return out;
}

export function trace(a: Matrix): number {
  let sum = 0;
  for (let i = 0; i < Math.min(a.rows, a.cols); i++) sum += a.data[i * a.cols + i] as number;
  return sum;
}

/** rows x cols at (top, left). */
export function cut(a: Matrix, top: number, rows: number, left: number, cols: number): Matrix {
  const part = matrix(rows, cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0, from = (top + i) * a.cols + left; j < cols; j++)
      part.data[i * cols + j] = a.data[from + j] as number;
  return part;
}

/** Row i times factors[i]. */
export function scaleRows(a: Matrix, factors: ArrayLike<number>): Matrix {
  return scaleBoth(a, factors, null);
}

/** Column j times factors[j]. */
export function scaleColumns(a: Matrix, factors: ArrayLike<number>): Matrix {
  return scaleBoth(a, null, factors);
}

function scaleBoth(a: Matrix, left: ArrayLike<number> | null, right: ArrayLike<number> | null): Matrix {
  const out = matrix(a.rows, a.cols);
  for (let i = 0; i < a.rows; i++) {
    const row = left ? (left[i] as number) : 1;
    for (let j = 0; j < a.cols; j++)
      out.data[i * a.cols + j] =
        row * (right ? (right[j] as number) : 1) * (a.data[i * a.cols + j] as number);
  }
  return out;
}

/** One above the other. */
export function stackRows(all: readonly Matrix[], cols: number): Matrix {
  const stacked = matrix(
    all.reduce((sum, m) => sum + m.rows, 0),
    cols,
  );
  let at = 0;
  for (const m of all) {
    stacked.data.set(m.data, at);
    at += m.data.length;
  }
  return stacked;
}

/** Exactly symmetric: rounding leaves products such as A S A^T a little off. */
export function symmetric(a: Matrix): Matrix {
  const n = a.rows;
  const out = matrix(n, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      out.data[i * n + j] = 0.5 * ((a.data[i * n + j] as number) + (a.data[j * n + i] as number));
  return out;
}
