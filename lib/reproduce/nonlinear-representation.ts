import type { Backend, Control } from '../backend/requests.js';
import type { AnyWorldSpec } from '../world/any-world.js';
import { sampleTransitions } from '../world/sample.js';

/** P, (rows, observationDim) in f32. */
export interface Projection {
  readonly rows: number;
  readonly data: Float32Array;
}

/** The same world without exogenous state: its agent's states are those of the world itself, transition by transition. */
function bare(world: AnyWorldSpec): AnyWorldSpec {
  return world.kind === 'sprites'
    ? { ...world, distractorBrightness: 1e-9 }
    : { ...world, exogenousScale: 0, exogenousInitialScale: 0 };
}

async function observationsOf(world: AnyWorldSpec, count: number, backend: Backend, control: Control) {
  const { signal, threads } = control;
  for await (const { observation } of sampleTransitions(world, {
    samples: count,
    batch: count,
    backend,
    ...{ signal, threads },
  }))
    return observation as Float64Array;
  return new Float64Array(0);
}

/** Of the variance that is predicted, what the representation keeps; and how many rows it has at most. */
const KEPT = 0.95;
const MOST_ROWS = 64;

/** A representation that focuses on the endogenous part of a world: see {@link focusedOn}. */
export async function withoutExogenous(
  world: AnyWorldSpec,
  count: number,
  backend: Backend,
  control: Control,
): Promise<Projection> {
  const seen = await observationsOf(world, count, backend, control);
  return focusedOn(seen, await observationsOf(bare(world), count, backend, control), count, backend, control);
}

/**
 * A representation that focuses on the endogenous part: the best linear prediction, from rows of o, of what they would be without
 * exogenous state, in the principal directions that hold 95 % of it. A linear map, so what is exogenous is dimmed and not gone.
 */
export async function focusedOn(
  seen: Float64Array,
  clean: Float64Array,
  count: number,
  backend: Backend,
  control: Control,
): Promise<Projection> {
  const d = seen.length / count;
  const centred = (values: Float64Array) => {
    const mean = new Float64Array(d);
    for (let i = 0; i < values.length; i++) mean[i % d] += values[i] / count;
    return values.map((v, i) => v - mean[i % d]);
  };
  const [o, target] = [centred(seen), centred(clean)];
  const product = (a: Float64Array, b: Float64Array) =>
    backend.multiply({ rows: d, inner: count, cols: d, a, b, transposeA: true, transposeB: false }, control);
  const soo = await product(o, o);
  const total = Array.from({ length: d }, (_, i) => soo[i * d + i]).reduce((a, b) => a + b, 0);
  const ridged = soo.slice();
  for (let i = 0; i < d; i++) ridged[i * d + i] += (1e-4 * total) / d;
  // w (d, d): target ~ w^T o; cov(prediction) = w^T soo w.
  const w = await backend.choleskySolve(ridged, await product(o, target), d, d, 1, control);
  const square = { rows: d, inner: d, cols: d };
  const half = await backend.multiply(
    { ...square, a: soo, b: w, transposeA: false, transposeB: false },
    control,
  );
  const predicted = await backend.multiply(
    { ...square, a: w, b: half, transposeA: true, transposeB: false },
    control,
  );
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) predicted[i * d + j] = predicted[j * d + i];
  const { values, vectors } = await backend.symmetricEigen(predicted, d, 1, control);
  const all = values.reduce((sum, v) => sum + Math.max(v, 0), 0);
  let [rows, held] = [0, 0];
  while (rows < Math.min(d, MOST_ROWS) && held < KEPT * all) held += values[rows++];
  const p = await backend.multiply(
    { rows, inner: d, cols: d, a: vectors.slice(0, rows * d), b: w, transposeA: false, transposeB: true },
    control,
  );
  return { rows, data: Float32Array.from(p) };
}
