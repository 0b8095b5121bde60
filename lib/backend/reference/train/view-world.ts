import { normalsF32 } from '../../../random/philox.js';
import type { RowNeeds, Rows, ViewWorldSource } from '../../batch-sources.js';
import { PARAMETERS } from '../../requests.js';
import { TRAIN_STREAM } from '../../train-requests.js';
import { shown, startOf } from '../views.js';
import { LATER, STREAM } from './linear-world.js';

/** out += factor x rows of `from` (m wide) gain^T, gain (n, m). */
function addProduct(out: Float64Array, from: Float64Array, gain: Float64Array, m: number, factor: number) {
  const n = gain.length / m;
  for (let row = 0; row * m < from.length; row++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < m; j++) out[row * n + i] += factor * gain[i * m + j] * from[row * m + j];
}

/** theory.md, sections "The world" and "Nonlinear worlds", step after step: o, o' and the observations after it. */
export function fillViewWorld(
  w: ViewWorldSource,
  seed: number,
  first: number,
  needs: RowNeeds,
  rows: Rows,
): void {
  const { observationDim: d, endogenousDim: ds, exogenousDim: dx, actionDim: da, view } = w;
  const { count } = rows;
  const p = Object.fromEntries(PARAMETERS.map((name, i) => [name, w.parameters[i]])) as Record<
    (typeof PARAMETERS)[number],
    number
  >;
  const draw = (stream: number, width: number, scale = 1) =>
    Float64Array.from(
      normalsF32(seed, TRAIN_STREAM.source + stream, first * width, count * width),
      (v) => scale * v,
    );
  const look = (
    into: Float32Array,
    at: number,
    width: number,
    s: Float64Array,
    x: Float64Array,
    noise: number,
  ) => {
    const seen = shown(view, count, s, ds, x, dx);
    const noises = p.sensorNoise === 0 ? null : draw(noise, d, p.sensorNoise);
    for (let r = 0; r < count; r++)
      for (let i = 0; i < d; i++)
        into[r * width + at + i] = seen[r * d + i] + (noises ? noises[r * d + i] : 0);
  };
  const begin = (stream: number) => startOf(view, draw(stream, dx, p.exogenousInitialScale), dx, 'exogenous');
  const advance = (x: Float64Array, v: Float64Array) =>
    x.map((value, i) => p.exogenousDecay * value + p.exogenousScale * v[i]);
  let s = startOf(view, draw(STREAM.s, ds), ds, 'endogenous');
  let x = begin(STREAM.x);
  let x2 = needs.pair ? begin(STREAM.x2) : x;
  look(rows.observation, 0, d, s, x, STREAM.noise);
  if (needs.pair) look(rows.pairObservation, 0, d, s, x2, STREAM.pairNoise);
  if (needs.states) {
    rows.endogenous.set(s);
    rows.exogenous.set(x);
  }
  for (let h = 0; h <= needs.later; h++) {
    const at = (stream: number) => stream + LATER * h;
    const u = draw(at(STREAM.u), da);
    const action = u.map((v) => p.policyNoise * v);
    addProduct(action, s, w.stateFeedback, ds, p.stateFeedback);
    addProduct(action, x, w.exogenousFeedback, dx, p.exogenousFeedback);
    s = draw(at(STREAM.ws), ds, p.processNoise).map((v, i) => v + p.endogenousDecay * s[i]);
    addProduct(s, action, w.actionEffect, da, p.actionScale);
    const rho = p.actionExogenousCorrelation;
    const own = draw(at(STREAM.wx), dx).map((v, i) =>
      i % dx < da ? rho * u[Math.floor(i / dx) * da + (i % dx)] + Math.sqrt(1 - rho * rho) * v : v,
    );
    x = advance(x, own);
    if (needs.pair) x2 = advance(x2, draw(at(STREAM.wx2), dx));
    const place = h === 0 ? 0 : (h - 1) * d;
    const width = h === 0 ? d : needs.later * d;
    look(h === 0 ? rows.observationNext : rows.later, place, width, s, x, at(STREAM.noiseNext));
    if (needs.pair)
      look(
        h === 0 ? rows.pairObservationNext : rows.pairLater,
        place,
        width,
        s,
        x2,
        at(STREAM.pairNoiseNext),
      );
    if (h > 0) continue;
    rows.action.set(action);
    if (needs.states) {
      rows.endogenousNext.set(s);
      rows.exogenousNext.set(x);
    }
  }
}
