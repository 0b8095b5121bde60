import type { Backend, Control } from '../backend/requests.js';
import type { Column } from './of-units.js';

/** Rows assembled at a time: bounds what is held beside the data itself. */
const CHUNK = 4096;

/** A scaled column of the data and where it stands among the columns of a row; width 0 of `values`: zeros. */
export interface Placed {
  readonly column: Column;
  readonly begin: number;
}

/** Sums over some rows of products of [1, variables], (width, width): column 0 is the 1. */
export async function sumsOver(
  rows: ArrayLike<number>,
  placed: readonly Placed[],
  width: number,
  backend: Backend,
  control: Control,
): Promise<Float64Array> {
  const total = new Float64Array(width * width);
  const mean = new Float64Array(width);
  for (let first = 0; first < rows.length; first += CHUNK) {
    const count = Math.min(CHUNK, rows.length - first);
    const data = new Float64Array(count * width);
    for (let i = 0; i < count; i++) {
      const row = rows[first + i];
      data[i * width] = 1;
      for (const { column, begin } of placed)
        for (let j = 0; j < column.width; j++)
          data[i * width + begin + j] =
            (column.values[row * column.width + j] - column.mean[j]) * column.factor[j];
    }
    const sums = await backend.accumulate({ rows: count, width, data, mean }, control);
    for (let i = 0; i < total.length; i++) total[i] += sums[i];
  }
  return total;
}

/** Second moments per row about `mean`, the constant's column left at 0. */
export function momentsAbout(sums: Float64Array, width: number, mean: Float64Array): Float64Array {
  const [count] = sums;
  return sums.map((v, at) => {
    const i = Math.floor(at / width);
    const j = at % width;
    if (i === 0 || j === 0) return 0;
    return v / count - (mean[i] * sums[j] + mean[j] * sums[i]) / count + mean[i] * mean[j];
  });
}

/** The mean of every column. */
export function meanOfSums(sums: Float64Array, width: number): Float64Array {
  return sums.slice(0, width).map((v) => v / sums[0]);
}
