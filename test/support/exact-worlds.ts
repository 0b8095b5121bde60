import { generator, noise } from './generator.js';
import { type GoldenCase, orthonormalRows } from './golden.js';

const rowsOf = (values: Float64Array, cols: number): number[][] =>
  Array.from({ length: values.length / cols }, (_, i) =>
    Array.from(values.subarray(i * cols, (i + 1) * cols)),
  );

const transposed = (a: number[][]): number[][] => a[0].map((_, j) => a.map((row) => row[j]));

const KINDS = [
  'reconstruction',
  'identity',
  'representation',
  'action-supervised',
  'cross-exogenous',
  'exogenous-robust',
  'augmented',
];

/**
 * World and objective number `index` of test/golden/exact/answers.json, drawn with overlapping mixing and (but for every eighth) sensor
 * noise. `extreme`: an exogenous scale between 1e-6 and 1e6 in place of one near 1. exact.py has the answers to 40 digits.
 */
export function exactCase(index: number, extreme = false): GoldenCase {
  const random = generator(7001 + 2 * index + (extreme ? 1 : 0));
  const pick = <T>(...values: T[]): T => values[Math.floor(random() * values.length)];
  const uniform = (low: number, high: number): number => low + (high - low) * random();
  const gaussian = (rows: number, cols: number, scale = 1): number[][] =>
    rowsOf(
      noise(random, rows * cols).map((v) => v * scale),
      cols,
    );
  const [ds, dx, extra] = [pick(2, 3, 4), pick(1, 2, 3), pick(0, 1, 3)];
  const da = Math.min(ds, pick(1, 2, 3));
  const d = ds + dx + extra;
  const kind = KINDS[index % KINDS.length];
  const matrices = {
    endogenousMixing: gaussian(d, ds, 1 / Math.sqrt(d)),
    exogenousMixing: gaussian(d, dx, 1 / Math.sqrt(d)),
    actionEffect: transposed(orthonormalRows(gaussian(da, ds))),
    stateFeedback: gaussian(da, ds, 1 / Math.sqrt(ds)),
    exogenousFeedback: gaussian(da, dx, 1 / Math.sqrt(dx)),
  };
  const world = {
    observationDim: d,
    endogenousDim: ds,
    exogenousDim: dx,
    actionDim: da,
    endogenousDecay: uniform(0.5, 1),
    exogenousDecay: uniform(0, 1),
    actionScale: uniform(0.4, 1.6),
    exogenousScale: extreme ? 10 ** (((index * 5) % 13) - 6) : 10 ** uniform(-0.7, 0.7),
    exogenousInitialScale: pick(1, 1, 0.4, 0),
    policyNoise: uniform(0.3, 1.2),
    processNoise: pick(0, 0.1, 0.3),
    sensorNoise: index % 8 === 7 ? 0 : pick(0.01, 0.05, 0.2),
    stateFeedback: pick(0, 0.5),
    exogenousFeedback: pick(0, 0.4),
    actionExogenousCorrelation: pick(0, 0, 0.5),
    complementDim: Number.NaN, // the basis decides
  };
  const objective: Record<string, GoldenCase['objective']> = {
    identity: { kind: 'reconstruction', decoder: 'identity' },
    representation: { kind, projection: gaussian(pick(d, d - 1), d) },
    'action-supervised': { kind, weight: uniform(0, 5), labelFraction: pick(1, 0.1) },
    'exogenous-robust': { kind, weight: uniform(0, 4) },
    augmented: { kind, encoderNoise: 0.1, decoderNoise: pick(0, 0.1, 0.5) },
  };
  const least = kind === 'action-supervised' ? da : 1;
  return {
    world: { ...world, matrices },
    objective: objective[kind] ?? { kind },
    latentDim: least + Math.floor(random() * (ds + dx + 1 - least)),
    expected: { loss: Number.NaN, spectrum: [], metrics: {} },
  };
}
