import { choleskyInPlace, choleskySolveInPlace, multiply as product } from '../../linalg/dense.js';
import { eigenInPlace } from '../../linalg/eigen.js';
import { type Matrix, matrix, transpose } from '../../linalg/matrix.js';
import { Pace } from '../pace.js';
import type { AccumulateRequest, Control, MultiplyRequest } from '../requests.js';

/** Rows added to the sums at a time. */
const ROWS = 4;

/** Sum over rows of (x - mean)^T (x - mean): four rows at a time into the upper triangle, mirrored at the end. */
export async function accumulate(request: AccumulateRequest, control?: Control): Promise<Float64Array> {
  const { rows, width: w, data, mean } = request;
  const sums = new Float64Array(w * w);
  const x = new Float64Array(ROWS * w);
  const pace = new Pace(control, Math.ceil(rows / ROWS));
  for (let first = 0; first < rows; first += ROWS) {
    const here = Math.min(ROWS, rows - first);
    x.fill(0);
    for (let r = 0; r < here; r++)
      for (let j = 0; j < w; j++) x[r * w + j] = data[(first + r) * w + j] - mean[j];
    for (let i = 0; i < w; i++) {
      const x0 = x[i];
      const x1 = x[w + i];
      const x2 = x[2 * w + i];
      const x3 = x[3 * w + i];
      const to = i * w;
      for (let j = i; j < w; j++) {
        sums[to + j] += x0 * x[j] + x1 * x[w + j] + (x2 * x[2 * w + j] + x3 * x[3 * w + j]);
      }
    }
    await pace.advance();
  }
  for (let i = 0; i < w; i++) for (let j = 0; j < i; j++) sums[i * w + j] = sums[j * w + i];
  pace.finish();
  return sums;
}

export async function symmetricEigen(
  matrices: Float64Array,
  n: number,
  count: number,
  control?: Control,
  into?: { values: Float64Array; vectors: Float64Array },
): Promise<{ values: Float64Array; vectors: Float64Array }> {
  const { values, vectors } = into ?? {
    values: new Float64Array(count * n),
    vectors: new Float64Array(count * n * n),
  };
  vectors.set(matrices.subarray(0, count * n * n));
  const pace = new Pace(control, count);
  for (let c = 0; c < count; c++) {
    const a = vectors.subarray(c * n * n, (c + 1) * n * n);
    const w = values.subarray(c * n, (c + 1) * n);
    if (!eigenInPlace(a, n, w)) {
      a.fill(Number.NaN);
      w.fill(Number.NaN);
    }
    await pace.advance();
  }
  pace.finish();
  return into ?? { values, vectors };
}

/** Rows multiplied between two looks at the clock. */
const PANEL = 64;

export async function multiply(request: MultiplyRequest, control?: Control): Promise<Float64Array> {
  const { rows, inner, cols, a, b, transposeA, transposeB } = request;
  const straight = (values: Float64Array, r: number, c: number, isTransposed: boolean): Matrix =>
    isTransposed ? transpose(matrix(c, r, values)) : matrix(r, c, values);
  const left = straight(a, rows, inner, transposeA);
  const right = straight(b, inner, cols, transposeB);
  const out = new Float64Array(rows * cols);
  const pace = new Pace(control, Math.ceil(rows / PANEL));
  for (let first = 0; first < rows; first += PANEL) {
    const end = Math.min(rows, first + PANEL);
    const panel = matrix(end - first, inner, left.data.subarray(first * inner, end * inner));
    out.set(product(panel, right).data, first * cols);
    await pace.advance();
  }
  pace.finish();
  return out;
}

export async function choleskySolve(
  matrices: Float64Array,
  rightSides: Float64Array,
  n: number,
  m: number,
  count: number,
  control?: Control,
  into?: Float64Array,
): Promise<Float64Array> {
  const factors = matrices.slice(0, count * n * n);
  const solutions = into ?? new Float64Array(count * n * m);
  solutions.set(rightSides.subarray(0, count * n * m));
  const pace = new Pace(control, count);
  for (let c = 0; c < count; c++) {
    if (choleskyInPlace(factors, c * n * n, n) > 0)
      choleskySolveInPlace(factors, c * n * n, n, solutions, c * n * m, m);
    else solutions.fill(Number.NaN, c * n * m, (c + 1) * n * m);
    await pace.advance();
  }
  pace.finish();
  return solutions;
}
