import type { Algebra } from '../backend/algebra.js';
import type { Transitions } from '../data/transitions.js';
import { type Matrix, matrix, plus } from '../linalg/matrix.js';
import type { Variables } from './of-data.js';

/** The golden ratio's fractional part: its multiples cover an interval evenly, however many of them are taken. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;
/** Rows assembled at a time. */
const CHUNK = 4096;

/**
 * Covariances of h and h' (h = map o) with the action, [cov(h, a); cov(h', a)], estimated from the first n labelled
 * transitions alone, for each n that is asked for, ascending or not. Labels are nested: of two sets the smaller lies in the
 * larger, and each is spread evenly over the training rows. All rows together give the training moments.
 */
export function labelledMoments(
  algebra: Algebra,
  t: Transitions,
  v: Variables,
  rows: Int32Array,
  mean: Float64Array,
  map: Matrix | null,
): (counts: readonly number[]) => Promise<Matrix[]> {
  const { observationDim: d, actionDim: da } = t;
  const turn = (i: number) => (i * GOLDEN) % 1;
  const order = Array.from(rows, (row, i) => ({ row, at: turn(i) }))
    .sort((a, b) => a.at - b.at)
    .map(({ row }) => row);
  const views = [
    [t.observation, v.layout.observation],
    [t.observationNext, v.layout.observationNext],
  ] as const;
  const action = t.action as Float64Array;

  /** Sums over labels from .. to of [o; o'; 1] [a 1]^T, all about the means, (2 d + 1, da + 1). */
  const sumsOf = async (from: number, to: number): Promise<Matrix> => {
    let sums = matrix(2 * d + 1, da + 1);
    for (let first = from; first < to; first += CHUNK) {
      const part = order.slice(first, Math.min(to, first + CHUNK));
      const left = matrix(part.length, 2 * d + 1);
      const right = matrix(part.length, da + 1);
      part.forEach((row, i) => {
        views.forEach(([values, column], view) => {
          for (let j = 0; j < d; j++)
            left.data[i * left.cols + view * d + j] = values[row * d + j] - mean[column + j];
        });
        for (let j = 0; j < da; j++)
          right.data[i * right.cols + j] = action[row * da + j] - mean[v.layout.action + j];
        left.data[(i + 1) * left.cols - 1] = 1;
        right.data[(i + 1) * right.cols - 1] = 1;
      });
      sums = plus(sums, await algebra.transposedTimes(left, right));
    }
    return sums;
  };
  const known: { count: number; sums: Matrix }[] = [{ count: 0, sums: matrix(2 * d + 1, da + 1) }];
  const upTo = async (count: number): Promise<Matrix> => {
    const nearest = known.filter((k) => k.count <= count).reduce((a, b) => (b.count > a.count ? b : a));
    if (nearest.count === count) return nearest.sums;
    const sums = plus(nearest.sums, await sumsOf(nearest.count, count));
    known.push({ count, sums });
    return sums;
  };

  return async (counts) => {
    const all: Matrix[] = [];
    for (const n of counts) {
      const { data, cols } = await upTo(n);
      const covariance = matrix(2 * d, da);
      for (let i = 0; i < 2 * d; i++)
        for (let j = 0; j < da; j++)
          covariance.data[i * da + j] =
            (data[i * cols + j] - (data[i * cols + da] * data[2 * d * cols + j]) / n) / n;
      all.push(map ? await throughMap(algebra, map, covariance) : covariance);
    }
    return all;
  };
}

/** The map on the rows of o and on those of o'. */
async function throughMap(algebra: Algebra, map: Matrix, both: Matrix): Promise<Matrix> {
  const half = both.data.length / 2;
  const out = matrix(2 * map.rows, both.cols);
  for (const view of [0, 1]) {
    const own = matrix(map.cols, both.cols, both.data.slice(view * half, (view + 1) * half));
    out.data.set((await algebra.times(map, own)).data, (view * out.data.length) / 2);
  }
  return out;
}
