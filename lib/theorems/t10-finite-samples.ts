import type { Backend } from '../backend/requests.js';
import { multiply, orthonormalise } from '../linalg/dense.js';
import { eigen } from '../linalg/eigen.js';
import { columns, sum, symmetric, transpose } from '../linalg/matrix.js';
import { covariance, type Equations, equations, residual, variance } from '../world/equations.js';
import { createWorld, fullMixing } from '../world/world.js';
import { type CheckContext, type Comparison, defineTheorem, type Trials } from './check.js';
import { anyWorld, type DrawnSpec, thresholdWorld } from './draw.js';
import { drawnMoments, encoderOf, fitted, sampledMoments, wishart } from './fit.js';
import { criticalDistance, distance, symmetricBeta } from './statistics.js';

/** Fits of each route whose spectra are compared. */
const FITS = 400;
/** Chance that a right answer is taken for a wrong one, for each comparison of distributions. */
const FALSE_ALARM = 1e-9;
/** Fits whose mean loss is compared: enough to tell one degree of freedom more or less. */
const AVERAGED = 12_000;
/** Transitions, and fits on so many whose leaks are counted; the fewest transitions tell a degree of freedom best. */
const COUNTED = [
  [4, 20_000],
  [16, 8000],
  [64, 8000],
] as const;
/** How many standard deviations a mean or a share may stray. */
const DEVIATIONS = 6;
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
  /** E tr of the innovation's variance in a fit on so many transitions, over that of the population: o takes up `given` of them. */
  left: (samples: number, given: number): number => (samples - given) / samples,
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

/**
 * The mean innovation of fits, on both routes, against what n - p degrees of freedom leave of it: the innovation's moments are
 * Wishart with so many, whose trace has a variance of 2 tr Sigma^2 (n - p) / n^2.
 */
const degreesOfFreedom: Part = async (predict, trials, context) => {
  const { backend } = context;
  const rows: Comparison[] = [];
  const compared = Math.min(6, Math.ceil(trials.count / 25));
  for (let i = 0; i < compared; i++) {
    const random = trials.random(i, 'degrees');
    const spec = anyWorld(random);
    const given = spec.endogenousDim + spec.exogenousDim;
    // As many coordinates as the state has, so that o takes up exactly so many degrees.
    const world = createWorld({ ...spec, observationDim: given, sensorNoise: 0 });
    const source = equations(world);
    const samples = source.sources + random.integer(0, 2);
    const r = residual(source.observationNext, source.observation);
    const variances = eigen(symmetric(covariance(r, r))).values;
    const total = variances.reduce((sum, v) => sum + v, 0);
    const squares = variances.reduce((sum, v) => sum + v * v, 0);
    const deviation = Math.sqrt((2 * squares * (samples - given)) / AVERAGED) / samples / total;
    const seed = () => random.integer(0, 2 ** 31);
    const drawn = await drawnMoments(source, samples, AVERAGED, seed(), backend, context, predict.draw);
    const sampled = await sampledMoments(world, samples, AVERAGED, seed(), backend, context);
    for (const [route, moments] of [
      ['drawn', drawn],
      ['sampled', sampled],
    ] as const) {
      const { trace } = await fitted(moments, AVERAGED, given, 1, backend, context);
      rows.push({
        what: `mean innovation of fits on ${route} moments, of the population's`,
        predicted: predict.left(samples, given),
        measured: trace.reduce((sum, v) => sum + v, 0) / AVERAGED / total,
        tolerance: DEVIATIONS,
        scale: deviation,
      });
    }
  }
  return rows;
};

/** The share of fits that prefer the exogenous direction, by the number of transitions. */
const leakProbability: Part = async (predict, trials, context) => {
  const { backend } = context;
  const rows: Comparison[] = [];
  const worlds = Math.min(4, Math.ceil(trials.count / 50));
  for (let i = 0; i < worlds; i++) {
    const random = trials.random(i, 'probability');
    const alpha = random.logUniform(0.3, 3);
    const beta = alpha * Math.exp((i % 2 ? -1 : 1) * random.uniform(0.5, 0.8));
    const world = createWorld(smallWorld(alpha, beta, random.integer(0, 2 ** 31)));
    const mixing = fullMixing(world);
    const [inner, outer] = [columns(mixing, 0, 1), columns(mixing, 1, 2)];
    for (const [samples, counted] of COUNTED) {
      const seed = random.integer(0, 2 ** 31);
      const moments = await sampledMoments(world, samples, counted, seed, backend, context);
      const fits = await fitted(moments, counted, 2, 1, backend, context);
      let leaks = 0;
      for (let n = 0; n < counted; n++) {
        const { D } = encoderOf(fits, n, 1, 2);
        leaks += Number(variance(multiply(D, outer)) > variance(multiply(D, inner)));
      }
      const predicted = predict.leakProbability(alpha, beta, samples);
      rows.push({
        what: `probability of a leak on ${samples} sampled transitions`,
        predicted,
        measured: leaks / counted,
        tolerance: DEVIATIONS,
        scale: Math.sqrt(Math.max(predicted * (1 - predicted), 1 / counted) / counted),
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
    'The second moments of N transitions are a Wishart matrix seen through the source loadings: fits on drawn and on sampled moments have the same distribution, and the remainder of the next observation given o has N less as many degrees of freedom as o has directions. With one action and one exogenous direction a fit on N transitions prefers the exogenous one with probability 1 - I_q((N - 2) / 2, (N - 2) / 2), q = alpha / (alpha + beta); in every world of the premise the probability of a leak falls to 0 for beta < alpha and rises to 1 for beta > alpha.',
  hypotheses: [
    'independent transitions, uncentred moments',
    'leak probability: orthonormal mixing, no sensor noise, no process noise, uncorrelated, k <= actionDim, alpha != beta',
  ],
  predict: theory,
  async compare(predict, trials, context) {
    const rows: Comparison[] = [];
    for (const part of [sameDistribution, degreesOfFreedom, leakProbability, limits])
      rows.push(...(await part(predict, trials, context)));
    return rows;
  },
});
