// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction
import type { Random } from './random.js';

/**
 * A factor F (width, columns) of the second moments of `samples` independent rows of N(0, I): F F^T / samples is distributed as
 * they are. Bartlett's decomposition, at a cost that does not depend on `samples`; with fewer samples than coordinates the rows
 * themselves.
 */
export interface WishartFactor {
  readonly columns: number;
  readonly data: Float64Array;
}

export function wishartFactor(random: Random, width: number, samples: number): WishartFactor {
  const columns = Math.min(width, samples);
  const data = new Float64Array(width * columns);
  if (samples < width) {
    for (let i = 0; i < data.length; i++) data[i] = random.normal();
    return { columns, data };
  }
  // Lower triangular: chi of samples - i degrees on the diagonal, standard normals below.
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < i; j++) data[i * columns + j] = random.normal();
    data[i * columns + i] = Math.sqrt(random.chiSquare(samples - i));
  }
  return { columns, data };
}
