import { type Matrix, matrix } from '../linalg/matrix.js';
import type { Backend, Control } from './requests.js';

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
    return own;
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
