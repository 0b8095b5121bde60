/** A dense row-major matrix: the form in which this layer hands numbers to a backend. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

export function matrix(
  rows: number,
  cols: number,
  data: Float64Array = new Float64Array(rows * cols),
): Matrix {
  return { rows, cols, data };
}

export function fromRows(rows: readonly (readonly number[])[]): Matrix {
  const cols = rows[0]?.length ?? 0;
  return matrix(rows.length, cols, Float64Array.from(rows.flat()));
}

export function toRows(m: Matrix): number[][] {
  return Array.from({ length: m.rows }, (_, i) => Array.from(m.data.subarray(i * m.cols, (i + 1) * m.cols)));
}

export function identity(n: number): Matrix {
  const m = matrix(n, n);
  for (let i = 0; i < n; i++) m.data[i * n + i] = 1;
  return m;
}

export function copy(a: Matrix): Matrix {
  return matrix(a.rows, a.cols, a.data.slice());
}

export function transpose(a: Matrix): Matrix {
  const t = matrix(a.cols, a.rows);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.cols; j++) t.data[j * a.rows + i] = a.data[i * a.cols + j];
  return t;
}

/** [a b ..]: matrices of as many rows, one beside the other. */
export function hstack(parts: readonly Matrix[]): Matrix {
  const [first] = parts as readonly [Matrix];
  const out = matrix(
    first.rows,
    parts.reduce((cols, part) => cols + part.cols, 0),
  );
  let left = 0;
  for (const { rows, cols, data } of parts) {
    for (let i = 0; i < rows; i++) out.data.set(data.subarray(i * cols, (i + 1) * cols), i * out.cols + left);
    left += cols;
  }
  return out;
}

/** Matrices of `cols` columns, one under the other; `cols` is needed where there may be none. */
export function vstack(parts: readonly Matrix[], cols = parts[0]?.cols ?? 0): Matrix {
  const out = matrix(
    parts.reduce((rows, part) => rows + part.rows, 0),
    cols,
  );
  let at = 0;
  for (const { data } of parts) {
    out.data.set(data, at);
    at += data.length;
  }
  return out;
}

/** A copy of the rows x cols block whose first entry is (top, left). */
export function block(a: Matrix, top: number, rows: number, left: number, cols: number): Matrix {
  const part = matrix(rows, cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0, from = (top + i) * a.cols + left; j < cols; j++)
      part.data[i * cols + j] = a.data[from + j];
  return part;
}

/** A copy of columns `begin` up to, not including, `end`. */
export function columns(a: Matrix, begin: number, end: number): Matrix {
  return block(a, 0, a.rows, begin, end - begin);
}

/** The first `rows` rows, sharing memory. */
export function firstRows(a: Matrix, rows: number): Matrix {
  return rows === a.rows ? a : matrix(rows, a.cols, a.data.subarray(0, rows * a.cols));
}

/** a + factor b */
export function plus(a: Matrix, b: Matrix, factor = 1): Matrix {
  const out = copy(a);
  addScaled(out, factor, b);
  return out;
}

export function minus(a: Matrix, b: Matrix): Matrix {
  return plus(a, b, -1);
}

export function sum(...terms: readonly [Matrix, ...Matrix[]]): Matrix {
  const total = copy(terms[0]);
  for (const term of terms.slice(1)) addScaled(total, 1, term);
  return total;
}

/** a + factor b, in place of a. */
export function addScaled(a: Matrix, factor: number, b: Matrix): void {
  const x = a.data;
  const y = b.data;
  for (let i = 0; i < x.length; i++) x[i] += factor * y[i];
}

export function scale(factor: number, a: Matrix): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((v) => factor * v),
  );
}

/** Row i times factors[i]. */
export function scaleRows(a: Matrix, factors: ArrayLike<number>): Matrix {
  const out = copy(a);
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.cols; j++) out.data[i * a.cols + j] *= factors[i];
  return out;
}

/** Column j times factors[j]. */
export function scaleColumns(a: Matrix, factors: ArrayLike<number>): Matrix {
  const out = copy(a);
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.cols; j++) out.data[i * a.cols + j] *= factors[j];
  return out;
}

/** The mean of a and its transpose: rounding leaves products such as A S A^T a little asymmetric. */
export function symmetric(a: Matrix): Matrix {
  const n = a.rows;
  const out = matrix(n, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) out.data[i * n + j] = 0.5 * (a.data[i * n + j] + a.data[j * n + i]);
  return out;
}

export function trace(a: Matrix): number {
  let total = 0;
  for (let i = 0; i < a.rows; i++) total += a.data[i * a.cols + i];
  return total;
}

/** The sum of the squares of all entries: of loadings, the trace of the covariance. */
export function sumOfSquares(a: Matrix): number {
  return a.data.reduce((total, x) => total + x * x, 0);
}
