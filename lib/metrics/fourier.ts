import type { FeatureMap } from '../backend/judging-requests.js';
import { normals } from '../random/philox.js';

/** Streams of frequencies and phases: away from those of worlds, data and training. */
const FREQUENCIES = 0x72666601;
const PHASES = 0x72666602;
/** Rows whose distances say how wide a bandwidth is, evenly spread over all. */
const DISTANCE_ROWS = 256;
/** The second half of a map's features has a bandwidth so many times narrower. */
const FINE = 4;

/** Consecutive inputs that have a bandwidth of their own. */
export interface InputGroup {
  readonly begin: number;
  readonly size: number;
}

/** The median distance between rows in some of their columns; 1 where most rows are alike. */
export function medianDistance(data: Float64Array, rows: number, inputs: number, group: InputGroup): number {
  const used = Math.min(rows, DISTANCE_ROWS);
  const at = Array.from({ length: used }, (_, i) => Math.floor((i * rows) / used) * inputs + group.begin);
  const squares: number[] = [];
  for (let i = 0; i < used; i++)
    for (let j = 0; j < i; j++) {
      let sum = 0;
      for (let c = 0; c < group.size; c++) sum += (data[at[i] + c] - data[at[j] + c]) ** 2;
      squares.push(sum);
    }
  squares.sort((a, b) => a - b);
  return Math.sqrt(squares[Math.floor(squares.length / 2)] ?? 0) || 1;
}

/**
 * `count` random features of consecutive groups of inputs: the kernel exp(-|difference|^2 / (2 width^2)) in each group, multiplied;
 * width is the group's median distance, and for the second half of the features, in the first group, a quarter of it. Map number `map` of a seed has frequencies of its own.
 */
export function fourierMap(
  groups: readonly InputGroup[],
  widths: readonly number[],
  count: number,
  seed: number,
  map: number,
): FeatureMap {
  const size = groups.reduce((sum, g) => sum + g.size, 0);
  const frequencies = normals(seed, FREQUENCIES + 16 * map, 0, count * size);
  let begin = 0;
  groups.forEach((group, g) => {
    for (let f = 0; f < count; f++) {
      const fine = 2 * f >= count && g === 0 ? FINE : 1;
      for (let c = 0; c < group.size; c++) frequencies[f * size + begin + c] *= fine / widths[g];
    }
    begin += group.size;
  });
  // A normal of so many turns is uniform on the circle, to 1e-30.
  const phases = normals(seed, PHASES + 16 * map, 0, count).map((v) => 4 * Math.PI * v);
  return { begin: groups[0].begin, size, frequencies, phases };
}
