import { EXTREME_REACHED } from '../../base/conventions.js';
import { multiply, multiplyTransposed } from '../../linalg/dense.js';
import { eigen } from '../../linalg/eigen.js';
import { copy, firstRows, type Matrix, trace } from '../../linalg/matrix.js';

/** The least and the greatest that j directions out of those that tie can make of a metric: theory.md, "Ties". */
export type Range = readonly [low: number, high: number];

/** Sums of the j least and of the j greatest of the values. */
export function extremeSums(values: readonly number[], j: number): Range {
  const sorted = [...values].sort((a, b) => a - b);
  const sum = (part: readonly number[]) => part.reduce((total, v) => total + v, 0);
  return [sum(sorted.slice(0, j)), sum(sorted.slice(sorted.length - j))];
}

/** Extremes of (whole + sum) / (count + n) over choices of n of the values and j - n of `empty` directions that hold nothing. */
export function extremeMeans(
  whole: number,
  count: number,
  values: readonly number[],
  empty: number,
  j: number,
): Range {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let n = Math.max(0, j - empty); n <= Math.min(j, values.length); n++) {
    if (count + n === 0) continue;
    const [least, greatest] = extremeSums(values, n);
    low = Math.min(low, (whole + least) / (count + n));
    high = Math.max(high, (whole + greatest) / (count + n));
  }
  return low <= high ? [low, high] : [Number.NaN, Number.NaN];
}

/** A quadratic form of the tied latents, and of `copies` more directions, each of which adds `each`. */
export interface Form {
  readonly fixed: number;
  readonly tied: Matrix;
  readonly each: number;
}

/**
 * Extremes of (above.fixed + tr W above W^T) / (below.fixed + tr W below W^T) over W with j orthonormal rows: a ratio is
 * extreme where tr W (above - ratio below) W^T is, at eigenvectors of that; Newton's steps on the ratio climb to it.
 */
export function extremeRatios(above: Form, below: Form, copies: number, j: number): Range {
  return [ratio(above, below, copies, j, -1), ratio(above, below, copies, j, 1)];
}

const MOST_STEPS = 60;

function ratio(above: Form, below: Form, copies: number, j: number, sign: 1 | -1): number {
  let value = 0;
  for (let step = 0; step < MOST_STEPS; step++) {
    const mixed = copy(above.tied);
    for (let i = 0; i < mixed.data.length; i++)
      mixed.data[i] = sign * (above.tied.data[i] - value * below.tied.data[i]);
    const { values, vectors } = eigen(mixed);
    const each = sign * (above.each - value * below.each);
    let rows = 0;
    while (rows < Math.min(j, values.length) && (values[rows] >= each || j - rows > copies)) rows++;
    const w = firstRows(vectors, rows);
    const along = (form: Form) =>
      form.fixed + trace(multiplyTransposed(multiply(w, form.tied), w)) + (j - rows) * form.each;
    const better = along(above) / along(below);
    if (!(Math.abs(better - value) > EXTREME_REACHED * Math.abs(better))) return better;
    value = better;
  }
  return value;
}
