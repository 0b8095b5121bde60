import { normalsF32 } from '../../../random/philox.js';
import type { LinearWorldSource, RowNeeds, Rows } from '../../batch-sources.js';
import { PARAMETERS } from '../../requests.js';
import { TRAIN_STREAM } from '../../train-requests.js';

/** Streams of a world's sources, from TRAIN_STREAM.source; those of the step after o' + h are `later` x h further. */
export const STREAM = {
  s: 0,
  x: 1,
  u: 2,
  ws: 3,
  wx: 4,
  x2: 5,
  wx2: 6,
  noise: 7,
  noiseNext: 8,
  pairNoise: 9,
  pairNoiseNext: 10,
};
export const LATER = 32;

/** A matrix inside a larger one: rows of `step` numbers from `begin`. */
interface Part {
  readonly at: Float64Array;
  readonly begin?: number;
  readonly step: number;
}

/** to (rows, n) += factor x from (rows, m) gain^T, gain (n, m). */
function addProduct(to: Float64Array, from: Float64Array, gain: Part, n: number, m: number, factor: number) {
  const { at, begin = 0, step } = gain;
  for (let row = 0; row * m < from.length; row++)
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < m; j++) sum += at[begin + i * step + j] * from[row * m + j];
      to[row * n + i] += factor * sum;
    }
}

/** Some rows of a world. e: Es s, which is carried beside s. */
class Drawing {
  readonly p: Record<(typeof PARAMETERS)[number], number>;

  constructor(
    private readonly w: LinearWorldSource,
    private readonly seed: number,
    private readonly first: number,
    private readonly count: number,
  ) {
    this.p = Object.fromEntries(PARAMETERS.map((name, i) => [name, w.parameters[i]])) as typeof this.p;
  }

  draw(stream: number, width: number, scale = 1): Float64Array {
    const draws = normalsF32(this.seed, TRAIN_STREAM.source + stream, this.first * width, this.count * width);
    return Float64Array.from(draws, (v) => scale * v);
  }

  /** Es s. */
  mixed(s: Float64Array): Float64Array {
    const { observationDim: d, endogenousDim: ds, exogenousDim: dx, mixing } = this.w;
    const e = new Float64Array(this.count * d);
    addProduct(e, s, { at: mixing, step: ds + dx }, d, ds, 1);
    return e;
  }

  /** s and Es s of a draw, which is the latter where Es is square and orthonormal. */
  both(draws: Float64Array): { s: Float64Array; e: Float64Array } {
    const { observationDim: d, endogenousDim: ds, exogenousDim: dx, mixing, squareMixing } = this.w;
    if (!squareMixing) return { s: draws, e: this.mixed(draws) };
    const back = new Float64Array(ds * d);
    for (let i = 0; i < d; i++) for (let j = 0; j < ds; j++) back[j * d + i] = mixing[i * (ds + dx) + j];
    const s = new Float64Array(this.count * ds);
    addProduct(s, draws, { at: back, step: d }, ds, d, 1);
    return { s, e: draws };
  }

  /** Es s + Ex x + noise, into columns `at` .. of rows of `width` numbers. */
  observe(into: Float32Array, at: number, width: number, e: Float64Array, x: Float64Array, noise: number) {
    const { observationDim: d, endogenousDim: ds, exogenousDim: dx, mixing } = this.w;
    const out = e.slice();
    addProduct(out, x, { at: mixing, begin: ds, step: ds + dx }, d, dx, 1);
    const n = this.p.sensorNoise === 0 ? null : this.draw(noise, d, this.p.sensorNoise);
    for (let r = 0; r < this.count; r++)
      for (let i = 0; i < d; i++) into[r * width + at + i] = out[r * d + i] + (n ? n[r * d + i] : 0);
  }

  start(stream: number): Float64Array {
    return this.draw(stream, this.w.exogenousDim, this.p.exogenousInitialScale);
  }

  advance(x: Float64Array, v: Float64Array): Float64Array {
    return x.map((value, i) => this.p.exogenousDecay * value + this.p.exogenousScale * v[i]);
  }

  act(u: Float64Array, s: Float64Array, x: Float64Array): Float64Array {
    const { endogenousDim: ds, exogenousDim: dx, actionDim: da, stateFeedback, exogenousFeedback } = this.w;
    const action = u.map((v) => this.p.policyNoise * v);
    addProduct(action, s, { at: stateFeedback, step: ds }, da, ds, this.p.stateFeedback);
    addProduct(action, x, { at: exogenousFeedback, step: dx }, da, dx, this.p.exogenousFeedback);
    return action;
  }

  /** s' and Es s' after an action. */
  move(s: Float64Array, e: Float64Array, action: Float64Array, stream: number) {
    const { endogenousDim: ds, actionDim: da, actionEffect } = this.w;
    const moved = new Float64Array(this.count * ds);
    addProduct(moved, action, { at: actionEffect, step: da }, ds, da, this.p.actionScale);
    const step = this.mixed(moved);
    const noise = this.both(this.draw(stream, ds, this.p.processNoise));
    const decay = this.p.endogenousDecay;
    return {
      s: s.map((v, i) => decay * v + moved[i] + noise.s[i]),
      e: e.map((v, i) => decay * v + step[i] + noise.e[i]),
    };
  }

  /** w_x, which shares a part of u. */
  innovation(u: Float64Array, stream: number): Float64Array {
    const { exogenousDim: dx, actionDim: da } = this.w;
    const rho = this.p.actionExogenousCorrelation;
    return this.draw(stream, dx).map((v, i) => {
      const j = i % dx;
      return j < da ? rho * u[Math.floor(i / dx) * da + j] + Math.sqrt(1 - rho * rho) * v : v;
    });
  }
}

/** theory.md, section 1, step after step: o, o' and the observations after it. */
export function fillLinear(
  w: LinearWorldSource,
  seed: number,
  first: number,
  needs: RowNeeds,
  rows: Rows,
): void {
  const { observationDim: d, endogenousDim: ds, exogenousDim: dx, actionDim: da } = w;
  const drawing = new Drawing(w, seed, first, rows.count);
  let { s, e } = drawing.both(drawing.draw(STREAM.s, ds));
  let x = drawing.start(STREAM.x);
  let x2 = needs.pair ? drawing.start(STREAM.x2) : x;
  drawing.observe(rows.observation, 0, d, e, x, STREAM.noise);
  if (needs.pair) drawing.observe(rows.pairObservation, 0, d, e, x2, STREAM.pairNoise);
  if (needs.states) {
    rows.endogenous.set(s);
    rows.exogenous.set(x);
  }
  for (let h = 0; h <= needs.later; h++) {
    const at = (stream: number) => stream + LATER * h;
    const u = drawing.draw(at(STREAM.u), da);
    const action = drawing.act(u, s, x);
    ({ s, e } = drawing.move(s, e, action, at(STREAM.ws)));
    x = drawing.advance(x, drawing.innovation(u, at(STREAM.wx)));
    if (needs.pair) x2 = drawing.advance(x2, drawing.draw(at(STREAM.wx2), dx));
    if (h > 0) {
      const [place, width] = [(h - 1) * d, needs.later * d];
      drawing.observe(rows.later, place, width, e, x, at(STREAM.noiseNext));
      if (needs.pair) drawing.observe(rows.pairLater, place, width, e, x2, at(STREAM.pairNoiseNext));
      continue;
    }
    drawing.observe(rows.observationNext, 0, d, e, x, STREAM.noiseNext);
    if (needs.pair) drawing.observe(rows.pairObservationNext, 0, d, e, x2, STREAM.pairNoiseNext);
    rows.action.set(action);
    if (needs.states) {
      rows.endogenousNext.set(s);
      rows.exogenousNext.set(x);
    }
  }
}
