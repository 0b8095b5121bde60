/** One channel of a picture: value (x, y) begins at byte offset + y stride + x step, and is `bytes` long, little-endian. */
export interface Plane {
  readonly data: Uint8Array;
  readonly offset: number;
  readonly stride: number;
  readonly step: number;
  readonly bytes: 1 | 2;
  readonly width: number;
  readonly height: number;
}

/** Which of n samples an output sample covers, and how much of each: the weights of one sum to 1. */
interface Cover {
  readonly first: number;
  readonly weights: readonly number[];
}

function coversOf(from: number, to: number): Cover[] {
  return Array.from({ length: to }, (_, i) => {
    const [begin, end] = [(i * from) / to, ((i + 1) * from) / to];
    const first = Math.min(from - 1, Math.floor(begin));
    const last = Math.max(first, Math.ceil(end) - 1);
    const weights = Array.from(
      { length: last - first + 1 },
      (_, j) => (Math.min(end, first + j + 1) - Math.max(begin, first + j)) / (end - begin),
    );
    return { first, weights };
  });
}

/** The mean of the area that each of width x height pixels covers, row by row: what keeps small frames free of aliasing. */
export function averaged(plane: Plane, width: number, height: number): Float64Array {
  const { data, offset, stride, step, bytes } = plane;
  const [columns, rows] = [coversOf(plane.width, width), coversOf(plane.height, height)];
  const out = new Float64Array(width * height);
  rows.forEach((row, y) => {
    row.weights.forEach((share, r) => {
      const line = offset + (row.first + r) * stride;
      columns.forEach(({ first, weights }, x) => {
        let sum = 0;
        let at = line + first * step;
        for (const weight of weights) {
          sum +=
            weight *
            (bytes === 1 ? (data[at] as number) : (data[at] as number) + 256 * (data[at + 1] as number));
          at += step;
        }
        out[y * width + x] += share * sum;
      });
    });
  });
  return out;
}
