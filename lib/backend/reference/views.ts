import type { MlpView, SpriteView, View } from '../views.js';

/** Numbers between 0 and `period`: where something is on a circle. */
const wrapped = (value: number, period: number) => value - period * Math.floor(value / period);

/**
 * States before a transition, rows of `width`, from draws of variance 1. Sprites start around where they are at home: the agent in the
 * middle, n distractors evenly on a circle around it, 3/8 of the frame away, the first in the direction of the columns.
 */
export function startOf(
  view: View | undefined,
  draws: Float64Array,
  width: number,
  of: 'endogenous' | 'exogenous',
): Float64Array {
  if (view?.kind !== 'sprites') return draws;
  return draws.map((v, at) => {
    const i = at % width;
    const turn = (2 * Math.PI * Math.floor(i / 2)) / (width / 2);
    const away =
      of === 'endogenous' ? 0 : 0.375 * view.size * (i % 2 === 0 ? Math.cos(turn) : Math.sin(turn));
    return wrapped(view.size / 2 + away + view.spread * v, view.size);
  });
}

/** Observations of `count` rows of [s; x] (ds, dx wide), rounded to f32 first; sensor noise left out. */
export function shown(
  view: View,
  count: number,
  s: Float64Array,
  ds: number,
  x: Float64Array,
  dx: number,
): Float32Array {
  const rows = Array.from({ length: count }, (_, row) => ({
    s: Float32Array.from(s.subarray(row * ds, (row + 1) * ds)),
    x: Float32Array.from(x.subarray(row * dx, (row + 1) * dx)),
  }));
  const frames = rows.map((row) =>
    view.kind === 'mlp' ? layered(view, row.s, row.x) : frame(view, row.s, row.x),
  );
  const out = new Float32Array(count * (frames[0]?.length ?? 0));
  frames.forEach((values, row) => {
    out.set(values, row * values.length);
  });
  return out;
}

function layered(view: MlpView, s: Float32Array, x: Float32Array): Float32Array {
  let values = Float32Array.from([...s, ...x]);
  let at = 0;
  const last = view.sizes.length - 2;
  for (let layer = 0; layer <= last; layer++) {
    const inputs = layer < last ? [...values, 1] : [...values];
    values = Float32Array.from({ length: view.sizes[layer + 1] }, (_, i) => {
      const row = view.weights.subarray(at + i * inputs.length, at + (i + 1) * inputs.length);
      const sum = inputs.reduce((total, v, j) => total + v * row[j], 0);
      return layer < last ? Math.tanh(sum) : sum;
    });
    at += values.length * inputs.length;
  }
  return values;
}

/** (1 - (d / r)^2)^2 for the distance d of each pixel's middle on the circle, 0 from r on. */
function profile(size: number, position: number, radius: number): Float64Array {
  const middle = wrapped(position, size);
  return Float64Array.from({ length: size }, (_, pixel) => {
    const apart = Math.abs(pixel + 0.5 - middle);
    const distance = Math.min(apart, size - apart) / radius;
    return distance < 1 ? (1 - distance ** 2) ** 2 : 0;
  });
}

/** Light over light: v + c (1 - v) for each sprite c in turn, so that pixels stay in [0, 1]. */
function frame(view: SpriteView, s: Float32Array, x: Float32Array): Float32Array {
  const { size } = view;
  const out = new Float64Array(size * size);
  const add = (column: number, row: number, radius: number, brightness: number) => {
    const [across, down] = [profile(size, column, radius), profile(size, row, radius)];
    out.forEach((v, at) => {
      const light = brightness * down[Math.floor(at / size)] * across[at % size];
      out[at] = v + light * (1 - v);
    });
  };
  add(s[0], s[1], view.agentRadius, view.agentBrightness);
  for (let i = 0; i < x.length; i += 2) add(x[i], x[i + 1], view.distractorRadius, view.distractorBrightness);
  return Float32Array.from(out);
}
