// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction

import { multiply, orthonormalise } from '../linalg/dense.js';
import { identity, type Matrix, matrix, minus, scale, sum, transpose } from '../linalg/matrix.js';
import type { Random } from './random.js';

/** Step of the integration, in units of 1 / (largest eigenvalue): the error of a half-time stays below 1e-3. */
const STEP = 0.15;

/** A random rotation (n, n). */
export function rotation(random: Random, n: number): Matrix {
  return orthonormalise(matrix(n, n, random.normals(n * n))).basis;
}

interface Pair {
  readonly B: Matrix;
  readonly D: Matrix;
}

/**
 * The half-time of each mode: when v^T B D v of each column v of `directions` first passes 1/2, Infinity if not before `until`.
 * Gradient flow of E|r - B D r|^2 from B = sqrt(start) R, D = B^T, R a rotation (d, d), by fourth-order Runge-Kutta on
 * Sigma = cov(r).
 */
export function halfTimes(
  covariance: Matrix,
  rotation: Matrix,
  start: number,
  directions: Matrix,
  largest: number,
  until: number,
): number[] {
  const one = identity(covariance.rows);
  const flow = ({ B, D }: Pair): Pair => {
    const unlearned = multiply(minus(one, multiply(B, D)), covariance);
    return { B: scale(2, multiply(unlearned, transpose(D))), D: scale(2, multiply(transpose(B), unlearned)) };
  };
  const ahead = (from: Pair, by: Pair, t: number): Pair => ({
    B: sum(from.B, scale(t, by.B)),
    D: sum(from.D, scale(t, by.D)),
  });
  const learned = ({ B, D }: Pair): number[] => {
    const [read, written] = [multiply(D, directions), multiply(transpose(B), directions)];
    return Array.from({ length: directions.cols }, (_, j) => {
      let share = 0;
      for (let i = 0; i < read.rows; i++)
        share += read.data[i * read.cols + j]! * written.data[i * read.cols + j]!;
      return share;
    });
  };
  const h = STEP / largest;
  let at: Pair = { B: scale(Math.sqrt(start), rotation), D: scale(Math.sqrt(start), transpose(rotation)) };
  let before = learned(at);
  const times = before.map(() => Number.POSITIVE_INFINITY);
  for (let t = 0; t < until && times.some((v) => !Number.isFinite(v)); t += h) {
    const k1 = flow(at);
    const k2 = flow(ahead(at, k1, h / 2));
    const k3 = flow(ahead(at, k2, h / 2));
    const k4 = flow(ahead(at, k3, h));
    at = ahead(ahead(ahead(ahead(at, k1, h / 6), k2, h / 3), k3, h / 3), k4, h / 6);
    const now = learned(at);
    now.forEach((share, j) => {
      const last = before[j]!;
      if (share < 0.5 || last >= 0.5) return;
      // Between steps the odds grow about exponentially.
      const odds = (v: number) => Math.log(v / (1 - v));
      times[j] = t + (h * odds(last)) / (odds(last) - odds(share));
    });
    before = now;
  }
  return times;
}
