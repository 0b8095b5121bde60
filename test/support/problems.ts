import {
  type ObjectiveRows,
  PARAMETERS,
  type PopulationRequest,
  type Variable,
} from '../../lib/backend/requests.js';
import { generator, noise } from './generator.js';
import { type GoldenCase, orthonormalRows } from './golden.js';

const rowsOf = (values: Float64Array, cols: number): number[][] =>
  Array.from({ length: values.length / cols }, (_, i) =>
    Array.from(values.subarray(i * cols, (i + 1) * cols)),
  );

export const OBJECTIVES: GoldenCase['objective'][] = [
  { kind: 'reconstruction' },
  { kind: 'reconstruction', decoder: 'identity' },
  { kind: 'action-supervised', weight: 1.7, labelFraction: 0.5 },
  { kind: 'cross-exogenous' },
  { kind: 'exogenous-robust', weight: 0.7 },
  { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 },
];

/** A world drawn at random, overlapping mixing, in the form of a golden case without its answer. */
export function randomCase(seed: number, objective: GoldenCase['objective'], latentDim: number): GoldenCase {
  const random = generator(seed);
  const [ds, dx, da, extra] = [3, 2, 2, 4];
  const d = ds + dx + extra;
  const uniform = (low: number, high: number): number => low + (high - low) * random();
  const gaussian = (rows: number, cols: number): number[][] => rowsOf(noise(random, rows * cols), cols);
  const matrices = {
    endogenousMixing: gaussian(d, ds).map((row) => row.map((v) => v / Math.sqrt(d))),
    exogenousMixing: gaussian(d, dx).map((row) => row.map((v) => v / Math.sqrt(d))),
    actionEffect: transposed(orthonormalRows(gaussian(da, ds))),
    stateFeedback: gaussian(da, ds),
    exogenousFeedback: gaussian(da, dx),
  };
  const world = {
    observationDim: d,
    endogenousDim: ds,
    exogenousDim: dx,
    actionDim: da,
    endogenousDecay: uniform(0.6, 1),
    exogenousDecay: uniform(0, 1),
    actionScale: uniform(0.5, 1.5),
    exogenousScale: uniform(0.3, 2),
    policyNoise: uniform(0.4, 1.2),
    processNoise: 0.2,
    sensorNoise: 0.1,
    stateFeedback: 0.5,
    exogenousFeedback: 0.3,
    actionExogenousCorrelation: 0.3,
    complementDim: Number.NaN, // the basis decides
  };
  return {
    world: { ...world, matrices },
    objective,
    latentDim,
    expected: { loss: Number.NaN, spectrum: [], metrics: {} },
  };
}

export function transposed(a: number[][]): number[][] {
  return (a[0] ?? []).map((_, j) => a.map((row) => row[j]));
}

/** The same problem with every observed coordinate in the basis and no complement: what a solver without the reduction would see. */
export function unreduced(request: PopulationRequest, golden: GoldenCase): PopulationRequest {
  const d = golden.world.observationDim;
  const { endogenousMixing, exogenousMixing } = golden.world.matrices;
  const parameters = request.parameters.slice();
  parameters[PARAMETERS.indexOf('complementDim')] = 0;
  const mixing = endogenousMixing.flatMap((row, i) => [...row, ...exogenousMixing[i]]);
  return { ...request, basis: d, parameters, mixing: Float64Array.from(mixing) };
}

/** A matrix for every name: rows over independent sources. */
export type Loadings = Record<Variable | 'exogenousNext', number[][]>;

/** Loadings of every variable straight from the equations, on the full observation: rows over independent sources. */
export function loadingsOf(golden: GoldenCase): Loadings {
  const w = golden.world;
  const { observationDim: d, endogenousDim: ds, exogenousDim: dx, actionDim: da } = w;
  const widths = [ds, dx, da, ds, dx, dx, dx, d, d, d, d, d, d];
  const begins = widths.map((_, i) => widths.slice(0, i).reduce((a, b) => a + b, 0));
  const p = widths.reduce((a, b) => a + b, 0);
  const source = (i: number, scale = 1): number[][] =>
    Array.from({ length: widths[i] }, (_, r) =>
      Array.from({ length: p }, (_, c) => (c === begins[i] + r ? scale : 0)),
    );
  const times = (m: number[][], v: number[][], scale = 1): number[][] =>
    m.map((row) =>
      Array.from({ length: p }, (_, c) => scale * row.reduce((sum, x, k) => sum + x * v[k][c], 0)),
    );
  const plus = (...all: number[][][]): number[][] =>
    all[0].map((row, i) => row.map((_, c) => all.reduce((sum, a) => sum + a[i][c], 0)));
  const scaled = (v: number[][], scale: number): number[][] => v.map((row) => row.map((x) => scale * x));
  const m = w.matrices;
  const [s, x] = [source(0), source(1)];
  const a = plus(
    source(2, w.policyNoise),
    times(m.stateFeedback, s, w.stateFeedback),
    times(m.exogenousFeedback, x, w.exogenousFeedback),
  );
  const sNext = plus(
    scaled(s, w.endogenousDecay),
    times(m.actionEffect, a, w.actionScale),
    source(3, w.processNoise),
  );
  const rho = w.actionExogenousCorrelation;
  const step = source(4).map((row, i) =>
    row.map((v, c) => (i < da ? Math.sqrt(1 - rho * rho) * v + rho * source(2)[i][c] : v)),
  );
  const xNext = plus(scaled(x, w.exogenousDecay), scaled(step, w.exogenousScale));
  const x2Next = plus(scaled(source(5), w.exogenousDecay), source(6, w.exogenousScale));
  const observe = (sNow: number[][], xNow: number[][], noiseOf: number): number[][] =>
    plus(times(m.endogenousMixing, sNow), times(m.exogenousMixing, xNow), source(noiseOf, w.sensorNoise));
  return {
    action: a,
    exogenousNext: xNext,
    observation: observe(s, x, 7),
    observationNext: observe(sNext, xNext, 8),
    pairObservation: observe(s, source(5), 9),
    pairObservationNext: observe(sNext, x2Next, 10),
    encoderNoise: source(11),
    decoderNoise: source(12),
  };
}

/** The rows of a stack, term by term. No block is projected. */
export function stackOf(
  stack: ObjectiveRows['y'],
  loadings: Loadings,
  coefficients: ArrayLike<number>,
): number[][] {
  return stack.flatMap(({ terms }) => {
    const parts = terms.map((t) => {
      const factor = (t.negative ? -1 : 1) * (t.coefficient === null ? 1 : coefficients[t.coefficient]);
      return loadings[t.variable].map((row) => row.map((v) => factor * v));
    });
    return parts[0].map((row, i) => row.map((_, c) => parts.reduce((sum, part) => sum + part[i][c], 0)));
  });
}
