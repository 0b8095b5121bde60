import type { EstimatedData } from '../../lib/moments/of-units.js';
import { normals } from '../../lib/random/philox.js';

/** Uniform numbers in [0, 1), one after another: splitmix32. */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x ^= x >>> 15;
    x = Math.imul(x, 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A random world of persistent actions, autocorrelated clutter and sensor noise, as a sampler of fresh episodes. */
export interface SimulatedWorld {
  readonly latentDim: number;
  readonly episodes: (count: number, rows: number) => EstimatedData;
}

const [STATE, CLUTTER, ACTION] = [3, 2, 2];

/** `nothing`: observations, clutter and actions that have nothing to do with each other. */
export function simulatedWorld(seed: number, nothing = false): SimulatedWorld {
  const uniform = uniforms(seed * 2 + Number(nothing) + 1);
  const between = (low: number, high: number) => low + (high - low) * uniform();
  let stream = 0;
  const draw = (count: number) => normals(seed, ++stream, 0, count);
  const d = Math.floor(between(6, 16));
  const mixing = draw((STATE + CLUTTER) * d).map((v) => v / Math.sqrt(d));
  const angle = between(0, 2 * Math.PI);
  // Two orthonormal directions of the agent's state.
  const effect = [
    [Math.cos(angle), Math.sin(angle), 0],
    [-Math.sin(angle) * 0.6, Math.cos(angle) * 0.6, 0.8],
  ];
  const strength = Math.exp(between(Math.log(0.2), Math.log(3)));
  const [noise, persistence, decay] = [between(0.02, 0.2), between(0, 0.9), between(0.5, 0.95)];
  const latentDim = 1 + Math.floor(between(0, 4));

  /** (rows + 1, width) of an autocorrelated sequence of unit variance. */
  const sequence = (rows: number, width: number, correlation: number): Float64Array => {
    const e = draw((rows + 1) * width);
    const fresh = Math.sqrt(1 - correlation ** 2);
    for (let i = width; i < e.length; i++) e[i] = correlation * e[i - width] + fresh * e[i];
    return e;
  };

  const episode = (rows: number) => {
    const a = sequence(rows, ACTION, persistence);
    const x = sequence(rows, CLUTTER, decay).map((v) => v * (nothing ? 1 : strength));
    if (nothing) return { a, x, o: sequence(rows, d, 0.9) };
    const drift = sequence(rows, STATE, 0.9);
    const s = drift.slice();
    const o = draw((rows + 1) * d).map((v) => v * noise);
    for (let t = 0; t <= rows; t++) {
      for (let j = 0; j < STATE && t < rows; j++)
        s[(t + 1) * STATE + j] =
          0.9 * s[t * STATE + j] +
          a[t * ACTION] * effect[0][j] +
          a[t * ACTION + 1] * effect[1][j] +
          0.1 * drift[t * STATE + j];
      for (let j = 0; j < d; j++) {
        for (let i = 0; i < STATE; i++) o[t * d + j] += s[t * STATE + i] * mixing[i * d + j];
        for (let i = 0; i < CLUTTER; i++) o[t * d + j] += x[t * CLUTTER + i] * mixing[(STATE + i) * d + j];
      }
    }
    return { a, x, o };
  };

  const episodes = (count: number, rows: number): EstimatedData => {
    const array = (width: number) => new Float64Array(count * rows * width);
    const [observation, observationNext, action] = [array(d), array(d), array(ACTION)];
    const [exogenous, exogenousNext] = [array(CLUTTER), array(CLUTTER)];
    for (let e = 0; e < count; e++) {
      const { a, x, o } = episode(rows);
      observation.set(o.subarray(0, rows * d), e * rows * d);
      observationNext.set(o.subarray(d), e * rows * d);
      action.set(a.subarray(0, rows * ACTION), e * rows * ACTION);
      exogenous.set(x.subarray(0, rows * CLUTTER), e * rows * CLUTTER);
      exogenousNext.set(x.subarray(CLUTTER), e * rows * CLUTTER);
    }
    return {
      count: count * rows,
      observationDim: d,
      actionDim: ACTION,
      exogenousDim: CLUTTER,
      observation,
      observationNext,
      action,
      exogenous,
      exogenousNext,
      episode: Int32Array.from({ length: count * rows }, (_, i) => Math.floor(i / rows)),
    };
  };
  return { latentDim, episodes };
}
