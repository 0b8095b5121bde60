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

export function transpose(a: Matrix): Matrix {
  const t = matrix(a.cols, a.rows);
  for (let i = 0; i < a.rows; i++)
    for (let j = 0; j < a.cols; j++) t.data[j * a.rows + i] = a.data[i * a.cols + j];
  return t;
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const c = matrix(a.rows, b.cols);
  for (let i = 0; i < a.rows; i++)
    for (let k = 0; k < a.cols; k++) {
      const v = a.data[i * a.cols + k];
      if (v === 0) continue;
      for (let j = 0; j < b.cols; j++)
        c.data[i * b.cols + j] = c.data[i * b.cols + j] + v * b.data[k * b.cols + j];
    }
  return c;
}

/** a b^T for few rows, which lie as they are read; four sums at a time, because one waits for itself. */
export function multiplyTransposed(
  { rows, cols: n, data: a }: Matrix,
  { rows: cols, data: b }: Matrix,
): Matrix {
  const out = matrix(rows, cols);
  for (let i = 0; i < rows; i++) {
    let j = 0;
    for (; j + 4 <= cols; j += 4) {
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let k = 0, at = i * n, b0 = j * n, b1 = b0 + n, b2 = b1 + n, b3 = b2 + n; k < n; k++) {
        const v = a[at++];
        s0 += v * b[b0++];
        s1 += v * b[b1++];
        s2 += v * b[b2++];
        s3 += v * b[b3++];
      }
      out.data.set([s0, s1, s2, s3], i * cols + j);
    }
    for (; j < cols; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += a[i * n + k] * b[j * n + k];
      out.data[i * cols + j] = sum;
    }
  }
  return out;
}

/** [a b], side by side. */
export function beside(a: Matrix, b: Matrix): Matrix {
  const c = matrix(a.rows, a.cols + b.cols);
  for (let i = 0; i < a.rows; i++) {
    c.data.set(a.data.subarray(i * a.cols, (i + 1) * a.cols), i * c.cols);
    c.data.set(b.data.subarray(i * b.cols, (i + 1) * b.cols), i * c.cols + a.cols);
  }
  return c;
}

/** Below this share of its norm, what is left of a column after projection is rounding. */
const DEPENDENT = 1e-12;

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
    const before = Math.hypot(...v);
    const coordinate = new Float64Array(Math.min(a.rows, a.cols));
    for (let pass = 0; pass < 2; pass++)
      kept.forEach((q, k) => {
        let dot = 0;
        for (let i = 0; i < a.rows; i++) dot += q[i] * v[i];
        for (let i = 0; i < a.rows; i++) v[i] = v[i] - dot * q[i];
        coordinate[k] = coordinate[k] + dot;
      });
    const norm = Math.hypot(...v);
    if (norm > DEPENDENT * before && kept.length < a.rows) {
      coordinate[kept.length] = norm;
      kept.push(v.map((x) => x / norm));
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

/** a + factor b */
export function plus(a: Matrix, b: Matrix, factor = 1): Matrix {
  const out = matrix(a.rows, a.cols);
  for (let i = 0; i < out.data.length; i++) out.data[i] = a.data[i] + factor * b.data[i];
  return out;
}

export function trace(a: Matrix): number {
  let sum = 0;
  for (let i = 0; i < Math.min(a.rows, a.cols); i++) sum += a.data[i * a.cols + i];
  return sum;
}

/** rows x cols at (top, left). */
export function cut(a: Matrix, top: number, rows: number, left: number, cols: number): Matrix {
  const part = matrix(rows, cols);
  for (let i = 0; i < rows; i++)
    for (let j = 0, from = (top + i) * a.cols + left; j < cols; j++)
      part.data[i * cols + j] = a.data[from + j];
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

export function scaleBoth(
  a: Matrix,
  left: ArrayLike<number> | null,
  right: ArrayLike<number> | null,
): Matrix {
  const out = matrix(a.rows, a.cols);
  for (let i = 0; i < a.rows; i++) {
    const row = left ? left[i] : 1;
    for (let j = 0; j < a.cols; j++)
      out.data[i * a.cols + j] = row * (right ? right[j] : 1) * a.data[i * a.cols + j];
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
    for (let j = 0; j < n; j++) out.data[i * n + j] = 0.5 * (a.data[i * n + j] + a.data[j * n + i]);
  return out;
}

export function scale(factor: number, a: Matrix): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((v) => factor * v),
  );
}

export function sum(...terms: readonly Matrix[]): Matrix {
  const [first] = terms as [Matrix];
  const total = matrix(first.rows, first.cols);
  for (const term of terms)
    for (let i = 0; i < total.data.length; i++) total.data[i] = total.data[i] + term.data[i];
  return total;
}

export function minus(a: Matrix, b: Matrix): Matrix {
  return sum(a, scale(-1, b));
}

/** a above b. */
export function above(a: Matrix, b: Matrix): Matrix {
  const both = new Float64Array(a.data.length + b.data.length);
  both.set(a.data);
  both.set(b.data, a.data.length);
  return matrix(a.rows + b.rows, a.cols, both);
}

/** Columns `begin` .. `end` of a matrix. */
export function columns(a: Matrix, begin: number, end: number): Matrix {
  const part = matrix(a.rows, end - begin);
  for (let i = 0; i < a.rows; i++)
    part.data.set(a.data.subarray(i * a.cols + begin, i * a.cols + end), i * part.cols);
  return part;
}
