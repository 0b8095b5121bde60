import { normals, normalsF32 } from '../../random/philox.js';
import type { SampleAnswer, SampleRequest } from '../requests.js';
import { PARAMETERS } from '../requests.js';
import type { View } from '../views.js';
import { shown, startOf } from './views.js';

/** A stream for each source; element = transition * width + coordinate (docs/theory.md). */
const STREAM = {
  s: 1,
  x: 2,
  u: 3,
  ws: 4,
  wx: 5,
  x2: 6,
  wx2: 7,
  noise: 8,
  noiseNext: 9,
  pairNoise: 10,
  pairNoiseNext: 11,
};

/** Transitions first .. first + count, straight from the world's equations (theory.md section 1). */
export function sample(r: SampleRequest): SampleAnswer {
  return transitions(r, normals, (observation) => observation);
}

/** The same with sensor noise of the f32 streams, rounded to f32 at the end. */
export function sampleF32(r: SampleRequest): SampleAnswer<Float32Array> {
  return transitions(r, normalsF32, (observation) => Float32Array.from(observation));
}

/** out (count, n) += factor * rows of `from` (count, m) times gain^T, gain (n, m). */
function addRows(
  out: Float64Array,
  from: Float64Array,
  gain: Float64Array,
  { count, n, m, factor }: { count: number; n: number; m: number; factor: number },
): void {
  if (factor === 0) return;
  for (let row = 0; row < count; row++)
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < m; j++) sum += gain[i * m + j] * from[row * m + j];
      out[row * n + i] = out[row * n + i] + factor * sum;
    }
}

function transitions<Observation>(
  r: SampleRequest,
  sensor: (seed: number, stream: number, first: number, count: number) => ArrayLike<number>,
  finish: (observation: Float64Array) => Observation,
): SampleAnswer<Observation> {
  const { count, observationDim: d, endogenousDim: ds, exogenousDim: dx, actionDim: da } = r;
  const p = Object.fromEntries(PARAMETERS.map((name, i) => [name, r.parameters[i]])) as Record<
    (typeof PARAMETERS)[number],
    number
  >;
  const draw = (stream: number, width: number) => normals(r.seed, stream, r.first * width, count * width);
  const addProduct = (
    out: Float64Array,
    from: Float64Array,
    gain: Float64Array,
    n: number,
    m: number,
    factor: number,
  ) => addRows(out, from, gain, { count, n, m, factor });
  const combine = (a: Float64Array, fa: number, b: Float64Array, fb: number) =>
    a.map((v, i) => fa * v + fb * b[i]);

  const s = startOf(r.view, draw(STREAM.s, ds), ds, 'endogenous');
  const started = (draws: Float64Array) =>
    startOf(
      r.view,
      draws.map((v) => p.exogenousInitialScale * v),
      dx,
      'exogenous',
    );
  const x = started(draw(STREAM.x, dx));
  const u = draw(STREAM.u, da);
  const action = u.map((v) => p.policyNoise * v);
  addProduct(action, s, r.stateFeedback, da, ds, p.stateFeedback);
  addProduct(action, x, r.exogenousFeedback, da, dx, p.exogenousFeedback);
  const endogenousNext = combine(s, p.endogenousDecay, draw(STREAM.ws, ds), p.processNoise);
  addProduct(endogenousNext, action, r.actionEffect, ds, da, p.actionScale);
  const rho = p.actionExogenousCorrelation;
  const w = draw(STREAM.wx, dx).map((v, at) => {
    const [row, i] = [Math.floor(at / dx), at % dx];
    return i < da ? rho * u[row * da + i] + Math.sqrt(1 - rho * rho) * v : v;
  });
  const exogenousNext = combine(x, p.exogenousDecay, w, p.exogenousScale);
  const observe = (endogenous: Float64Array, exogenous: Float64Array, noise: number) => {
    if (r.view) return finish(looked(r, r.view, p.sensorNoise, noise, endogenous, exogenous));
    const out =
      p.sensorNoise === 0
        ? new Float64Array(count * d)
        : Float64Array.from(sensor(r.seed, noise, r.first * d, count * d), (v) => p.sensorNoise * v);
    const states = new Float64Array(count * (ds + dx));
    for (let row = 0; row < count; row++) {
      states.set(endogenous.subarray(row * ds, (row + 1) * ds), row * (ds + dx));
      states.set(exogenous.subarray(row * dx, (row + 1) * dx), row * (ds + dx) + ds);
    }
    addProduct(out, states, r.mixing, d, ds + dx, 1);
    return finish(out);
  };
  const none = new Float64Array(0);
  const x2 = r.pair ? started(draw(STREAM.x2, dx)) : none;
  const x2Next = r.pair ? combine(x2, p.exogenousDecay, draw(STREAM.wx2, dx), p.exogenousScale) : none;
  return {
    observation: observe(s, x, STREAM.noise),
    observationNext: observe(endogenousNext, exogenousNext, STREAM.noiseNext),
    pairObservation: r.pair ? observe(s, x2, STREAM.pairNoise) : finish(none),
    pairObservationNext: r.pair ? observe(endogenousNext, x2Next, STREAM.pairNoiseNext) : finish(none),
    action,
    exogenous: x,
    exogenousNext,
    endogenous: s,
    endogenousNext,
  };
}

/** Observations through a view, sensor noise of an f32 stream added. */
function looked(
  r: SampleRequest,
  view: View,
  sensorNoise: number,
  stream: number,
  endogenous: Float64Array,
  exogenous: Float64Array,
): Float64Array {
  const seen = shown(view, r.count, endogenous, r.endogenousDim, exogenous, r.exogenousDim);
  if (sensorNoise === 0) return Float64Array.from(seen);
  const noise = normalsF32(r.seed, stream, r.first * r.observationDim, seen.length);
  return Float64Array.from(seen, (v, i) => Math.fround(v + sensorNoise * noise[i]));
}
