// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction

import { normals } from '../../random/philox.js';
import type { WishartRequest } from '../requests.js';

/** Streams beside those of sampling.ts: entries below the diagonal, and attempt t at a diagonal entry on DIAGONAL + t 2^32. */
const BELOW = 12;
const DIAGONAL = 13;

/**
 * One attempt at chi of `degrees` degrees of freedom from four standard normals; undefined where it is rejected. Marsaglia and
 * Tsang (ACM TOMS 26, 2000) for the gamma variable of shape degrees / 2 >= 1; -(z2^2 + z3^2) / 2 is the logarithm of their
 * uniform number, exactly.
 */
function chiAttempt(degrees: number, z: Float64Array): number | undefined {
  const x = z[0]!;
  if (degrees === 1) return Math.abs(x);
  const d = degrees / 2 - 1 / 3;
  const v = (1 + x / Math.sqrt(9 * d)) ** 3;
  if (!(v > 0)) return undefined;
  const accepted = -0.5 * (z[2]! ** 2 + z[3]! ** 2) < 0.5 * x * x + d * (1 - v + Math.log(v));
  return accepted ? Math.sqrt(2 * d * v) : undefined;
}

function chi(r: WishartRequest, draw: number, i: number): number {
  for (let attempt = 0; ; attempt++) {
    const z = normals(r.seed, DIAGONAL + attempt * 2 ** 32, 4 * (draw * r.sources + i), 4);
    const found = chiAttempt(r.degrees - i, z);
    if (found !== undefined) return found;
  }
}

/** Bartlett's lower trapezoidal factor T of one draw, W = T T^T: (sources, min(sources, degrees)). */
function factor(r: WishartRequest, draw: number): { columns: number; data: Float64Array } {
  const n = r.sources;
  const columns = Math.min(n, r.degrees);
  const below = (n * (n - 1)) / 2;
  const entries = normals(r.seed, BELOW, draw * below, below);
  const data = new Float64Array(n * columns);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < Math.min(i, columns); j++) data[i * columns + j] = entries[(i * (i - 1)) / 2 + j]!;
    if (i < columns) data[i * columns + i] = chi(r, draw, i);
  }
  return { columns, data };
}

/** Each draw is loadings T T^T loadings^T / degrees. */
export function wishart(r: WishartRequest): Float64Array {
  const { count, width, sources, loadings } = r;
  const moments = new Float64Array(count * width * width);
  for (let n = 0; n < count; n++) {
    const { columns, data } = factor(r, r.first + n);
    const rows = new Float64Array(width * columns);
    for (let i = 0; i < width; i++)
      for (let p = 0; p < sources; p++)
        for (let j = 0; j < Math.min(p + 1, columns); j++)
          rows[i * columns + j]! += loadings[i * sources + p]! * data[p * columns + j]!;
    const out = moments.subarray(n * width * width, (n + 1) * width * width);
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let c = 0; c < columns; c++) sum += rows[i * columns + c]! * rows[j * columns + c]!;
        out[i * width + j] = out[j * width + i] = sum / r.degrees;
      }
  }
  return moments;
}
