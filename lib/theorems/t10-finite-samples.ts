import type { Backend } from '../backend/requests.js';
import { multiply, orthonormalise } from '../linalg/dense.js';
import { columns, sum, transpose } from '../linalg/matrix.js';
import { type Equations, equations, residual, variance } from '../world/equations.js';
import { createWorld, fullMixing } from '../world/world.js';
import { type CheckContext, type Comparison, defineTheorem, type Trials } from './check.js';
import { anyWorld, type DrawnSpec, thresholdWorld } from './draw.js';
import { drawnMoments, encoderOf, fitted, sampledMoments, wishart } from './fit.js';
import { criticalDistance, distance, symmetricBeta } from './statistics.js';

/** Fits of each route whose spectra are compared. */
const FITS = 400;
/** Chance that a right answer is taken for a wrong one, for each comparison of distributions. */
const FALSE_ALARM = 1e-9;
/** Fits whose leaks are counted, and how many standard deviations their share may stray. */
const COUNTED = 8000;
const DEVIATIONS = 6;
const SAMPLES = [4, 16, 64] as const;
/** Transitions that stand for infinitely many, and fits on so many. */
const MANY = 1e9;
const FEW_FITS = 4;

/** The futureLeakage of z = C o + D o' on the population. */
function leakage(world: Equations, { C, D }: ReturnType<typeof encoderOf>): number {
  const z = sum(multiply(C, world.observation), multiply(D, world.observationNext));
  const { basis } = orthonormalise(transpose(residual(z, world.observation)));
  const exogenous = residual(world.exogenousNext, world.observation);
  return variance(multiply(exogenous, basis)) / variance(exogenous);
}

/** One action and one exogenous direction of innovation variances alpha and beta: the case with an exact leak probability. */
function smallWorld(alpha: number, beta: number, seed: number): DrawnSpec {
  return {
    observationDim: 2,
    endogenousDim: 1,
    exogenousDim: 1,
    actionDim: 1,
    mixing: 'orthonormal',
    endogenousDecay: 0.9,
    exogenousDecay: 0.8,
    actionScale: Math.sqrt(alpha),
    exogenousScale: Math.sqrt(beta),
    policyNoise: 1,
    processNoise: 0,
    sensorNoise: 0,
    stateFeedback: 0.5,
    exogenousFeedback: 0.5,
    exogenousInitialScale: 1,
    actionExogenousCorrelation: 0,
    seed,
  };
}

const theory = {
  draw: wishart,
  leakProbability: (alpha: number, beta: number, samples: number): number =>
    1 - symmetricBeta(alpha / (alpha + beta), (samples - 2) / 2),
  /** futureLeakage of a fit on infinitely many transitions. */
  limit: (alpha: number, beta: number, latentDim: number, exogenousDim: number): number =>
    beta > alpha ? Math.min(1, latentDim / exogenousDim) : 0,
};

type Part = (
  predict: typeof theory,
  trials: Trials,
  context: CheckContext & { backend: Backend },
) => Promise<Comparison[]>;

/** Fits on drawn and on sampled moments have one distribution of spectra. */
const sameDistribution: Part = async (predict, trials, context) => {
  const { backend } = context;
  const rows: Comparison[] = [];
  const compared = Math.min(8, Math.ceil(trials.count / 25));
  for (let i = 0; i < compared; i++) {
    const random = trials.random(i, 'spectrum');
    const world = createWorld({ ...anyWorld(random), sensorNoise: 0.2 });
    const { observationDim: d } = world.spec;
    const source = equations(world);
    const samples = source.sources + random.integer(0, 10);
    const drawn = await drawnMoments(
      source,
      samples,
      FITS,
      random.integer(0, 2 ** 31),
      backend,
      context,
      predict.draw,
    );
    const sampled = await sampledMoments(world, samples, FITS, random.integer(0, 2 ** 31), backend, context);
    const [a, b] = [
      await fitted(drawn, FITS, d, 1, backend, context),
      await fitted(sampled, FITS, d, 1, backend, context),
    ];
    const tolerance = criticalDistance(FITS, FALSE_ALARM);
    const row = (what: string, measured: number) =>
      rows.push({ what: `distance between drawn and sampled: ${what}`, predicted: 0, measured, tolerance });
    row('trace of the innovation', distance(a.trace, b.trace));
    for (const order of [0, 1]) {
      const eigenvalue = (spectrum: Float64Array) =>
        Array.from({ length: FITS }, (_, n) => spectrum[n * (spectrum.length / FITS) + order]);
      row(`eigenvalue ${order + 1}`, distance(eigenvalue(a.spectrum), eigenvalue(b.spectrum)));
    }
  }
  return rows;
};

/** The share of fits that prefer the exogenous direction, by the number of transitions. */
const leakProbability: Part = async (predict, trials, context) => {
  const { backend } = context;
  const rows: Comparison[] = [];
  const counted = Math.min(4, Math.ceil(trials.count / 50));
  for (let i = 0; i < counted; i++) {
    const random = trials.random(i, 'probability');
    const alpha = random.logUniform(0.3, 3);
    const beta = alpha * Math.exp((i % 2 ? -1 : 1) * random.uniform(0.3, 0.6));
    const world = createWorld(smallWorld(alpha, beta, random.integer(0, 2 ** 31)));
    const mixing = fullMixing(world);
    const [inner, outer] = [columns(mixing, 0, 1), columns(mixing, 1, 2)];
    for (const samples of SAMPLES) {
      const seed = random.integer(0, 2 ** 31);
      const moments = await sampledMoments(world, samples, COUNTED, seed, backend, context);
      const fits = await fitted(moments, COUNTED, 2, 1, backend, context);
      let leaks = 0;
      for (let n = 0; n < COUNTED; n++) {
        const { D } = encoderOf(fits, n, 1, 2);
        leaks += Number(variance(multiply(D, outer)) > variance(multiply(D, inner)));
      }
      const predicted = predict.leakProbability(alpha, beta, samples);
      rows.push({
        what: `probability of a leak on ${samples} sampled transitions`,
        predicted,
        measured: leaks / COUNTED,
        tolerance: DEVIATIONS,
        scale: Math.sqrt(Math.max(predicted * (1 - predicted), 1 / COUNTED) / COUNTED),
      });
    }
  }
  return rows;
};

/** The leakage of fits on so many transitions that chance plays no part. */
const limits: Part = async (predict, trials, context) => {
  const { backend } = context;
  const rows: Comparison[] = [];
  for (const [i, drawn] of trials.draw((random) => thresholdWorld(random), 'limit').entries()) {
    const random = trials.random(i, 'fits');
    const { spec, alpha, beta } = drawn;
    const latentDim = random.integer(1, spec.actionDim);
    // Coordinates that hold nothing are left out: moments of noise-free worlds have no others.
    const world = createWorld({ ...spec, observationDim: spec.endogenousDim + spec.exogenousDim });
    const source = equations(world);
    const { observationDim: d } = world.spec;
    const seed = random.integer(0, 2 ** 31);
    const moments = await drawnMoments(source, MANY, FEW_FITS, seed, backend, context);
    const fits = await fitted(moments, FEW_FITS, d, latentDim, backend, context);
    for (let n = 0; n < FEW_FITS; n++)
      rows.push({
        what: `futureLeakage of a fit on 1e9 transitions, beta ${beta > alpha ? '>' : '<'} alpha`,
        predicted: predict.limit(alpha, beta, latentDim, spec.exogenousDim),
        measured: leakage(source, encoderOf(fits, n, latentDim, d)),
        tolerance: 1e-4,
      });
  }
  return rows;
};

export const t10 = defineTheorem({
  id: 'T10',
  claim: 'C1',
  title: 'finite samples: the Wishart route, and a leak probability that goes to 0 or 1',
  statement:
    'The second moments of N transitions are a Wishart matrix seen through the source loadings: fits on drawn and on sampled moments have the same distribution. With one action and one exogenous direction a fit on N transitions prefers the exogenous one with probability 1 - I_q((N - 2) / 2, (N - 2) / 2), q = alpha / (alpha + beta); in every world of the premise the probability of a leak falls to 0 for beta < alpha and rises to 1 for beta > alpha.',
  hypotheses: [
    'independent transitions, uncentred moments',
    'leak probability: orthonormal mixing, no sensor noise, no process noise, uncorrelated, k <= actionDim, alpha != beta',
  ],
  predict: theory,
  async compare(predict, trials, context) {
    const rows: Comparison[] = [];
    for (const part of [sameDistribution, leakProbability, limits])
      rows.push(...(await part(predict, trials, context)));
    return rows;
  },
});
