import { multiply, orthonormalise } from '../linalg/dense.js';
import { columns, hstack, type Matrix, transpose, vstack } from '../linalg/matrix.js';
import { lineChart, type Series } from '../report/charts.js';
import { drawnMoments, encoderOf, fitted } from '../theorems/fit.js';
import { Random } from '../theorems/random.js';
import { symmetricBeta } from '../theorems/statistics.js';
import { equations, residual, variance } from '../world/equations.js';
import { createWorld, fullMixing, type WorldSpec } from '../world/world.js';
import { geometric, type ReproduceSpec } from './spec.js';
import { breathe, need, type Run, type Study } from './study.js';
import { type Row, rowsOf, tableOf } from './table.js';

const COLOURS = ['#0b6bcb', '#3fa0d8', '#86b6c9', '#d9a066', '#d4672a', 'var(--hot)'] as const;
/** Half-width of a 95 % interval, in standard deviations. */
const INTERVAL = 1.96;

/** One action and one exogenous direction: where the probability of a leak has a closed form. */
function smallWorld(ratio: number): WorldSpec {
  return {
    observationDim: 2,
    endogenousDim: 1,
    exogenousDim: 1,
    actionDim: 1,
    endogenousDecay: 1,
    exogenousDecay: 0.8,
    exogenousScale: Math.sqrt(ratio),
    seed: 0,
  };
}

/** Share of fits on `count` transitions whose one latent prefers the exogenous direction. */
async function leakShare(ratio: number, count: number, run: Run): Promise<number> {
  const world = createWorld(smallWorld(ratio));
  const { fits } = run.spec.samples;
  const seed = new Random(run.spec.seed, 'small', ratio, count).integer(0, 2 ** 32 - 1);
  const moments = await drawnMoments(equations(world), count, fits, seed, run.backend, run);
  const answer = await fitted(moments, fits, 2, 1, run.backend, run);
  const mixing = fullMixing(world);
  let leaks = 0;
  for (let n = 0; n < fits; n++) {
    const { D } = encoderOf(answer, n, 1, 2);
    const weightOf = (from: number) => variance(multiply(D, columns(mixing, from, from + 1)));
    leaks += Number(weightOf(1) > weightOf(0));
  }
  return leaks / fits;
}

/** Population futureLeakage of reconstruction fitted to `count` transitions, for each of several fits. */
async function fittedLeakage(ratio: number, count: number, run: Run): Promise<number[]> {
  const { world: base, latentDim, seed } = run.spec;
  // No coordinates that hold nothing: the world is noise-free.
  const observationDim = base.endogenousDim + base.exogenousDim;
  const world = createWorld({
    ...base,
    observationDim,
    mixing: 'orthonormal',
    exogenousScale: Math.sqrt(ratio),
    seed,
  });
  const source = equations(world);
  const fits = run.spec.samples.largeFits;
  const drawSeed = new Random(seed, 'large', ratio, count).integer(0, 2 ** 32 - 1);
  const moments = await drawnMoments(source, count, fits, drawSeed, run.backend, run);
  const answer = await fitted(moments, fits, observationDim, latentDim, run.backend, run);
  const both = vstack([source.observation, source.observationNext]);
  const exogenous = residual(source.exogenousNext, source.observation);
  // Residuals of everything given o, once: z's is linear in that of o'.
  const innovation: Matrix = residual(both, source.observation);
  return Array.from({ length: fits }, (_, n) => {
    const { C, D } = encoderOf(answer, n, latentDim, observationDim);
    const { basis } = orthonormalise(transpose(multiply(hstack([C, D]), innovation)));
    return variance(multiply(exogenous, basis)) / variance(exogenous);
  });
}

const transitionsAxis = (all: readonly number[]) => ({
  field: 'x',
  title: 'transitions N in the data set',
  log: true,
  domain: [all[0], all.at(-1) as number] as const,
  ticks: [1, 10, 100, 1000, 10_000].filter((t) => t >= all[0] && t <= (all.at(-1) as number)),
});

/** Of the large worlds: few ratios, on either side of 1. */
const colourOf = (ratio: number) =>
  COLOURS[ratio < 1 ? (ratio < 0.7 ? 0 : 1) : ratio < 1.5 ? 4 : 5] as string;

/** The measured probability of a leak with its 95 % interval, over the closed form. */
function probabilityPanel(small: readonly Row[], spec: ReproduceSpec) {
  const { ratios, counts, fits } = spec.samples;
  const curve = geometric(counts[0], counts.at(-1) as number, 60);
  return lineChart(
    'one action and one exogenous direction',
    transitionsAxis(counts),
    { field: 'y', title: 'probability of a leak', domain: [0, 1] },
    ratios.flatMap((ratio, i): Series[] => {
      const colour = COLOURS[i % COLOURS.length] as string;
      return [
        {
          colour,
          rows: curve.map((n) => ({ x: n, y: 1 - symmetricBeta(1 / (1 + ratio), (n - 2) / 2) })),
        },
        {
          colour,
          mark: 'point',
          whisker: true,
          rows: small
            .filter((row) => row['ratio'] === ratio)
            .map((row) => {
              const y = row['leakProbability'] as number;
              const half = INTERVAL * Math.sqrt((y * (1 - y)) / fits);
              return {
                x: row['transitions'] as number,
                y,
                low: Math.max(0, y - half),
                high: Math.min(1, y + half),
              };
            }),
        },
      ];
    }),
  );
}

/** The mean leakage over fits, in a band from the 10th to the 90th percentile. */
function leakagePanel(large: readonly Row[], spec: ReproduceSpec) {
  const { largeRatios, largeCounts } = spec.samples;
  return lineChart(
    `${spec.world.actionDim} action and ${spec.world.exogenousDim} exogenous directions, latent dimension ${spec.latentDim}`,
    transitionsAxis(largeCounts),
    { field: 'y', title: 'future leakage (share of variance)', domain: [0, 1] },
    largeRatios.map((ratio) => ({
      colour: colourOf(ratio),
      band: true,
      rows: large
        .filter((row) => row['ratio'] === ratio)
        .map((row) => ({
          x: row['transitions'] as number,
          y: row['futureLeakage'] as number,
          low: row['low'] as number,
          high: row['high'] as number,
        })),
    })),
  );
}

/** What fits on finitely many transitions leak. */
export const samples: Study = {
  name: 'samples',
  title: 'Finite samples sharpen the threshold',
  theorems: ['T10'],
  claims: ['C1'],
  cost: 12,
  async measure(run: Run) {
    const { ratios, counts, fits, largeRatios, largeCounts, largeFits } = run.spec.samples;
    const total = ratios.length * counts.length + largeRatios.length * largeCounts.length;
    let done = 0;
    const small: Row[] = [];
    for (const ratio of ratios)
      for (const count of counts) {
        await breathe(run);
        const share = await leakShare(ratio, count, run);
        const predicted = 1 - symmetricBeta(1 / (1 + ratio), (count - 2) / 2);
        small.push({ ratio, transitions: count, fits, leakProbability: share, predicted });
        run.advance(++done, total);
      }
    const large: Row[] = [];
    for (const ratio of largeRatios)
      for (const count of largeCounts) {
        await breathe(run);
        const leaks = (await fittedLeakage(ratio, count, run)).sort((a, b) => a - b);
        const quantile = (q: number) => leaks[Math.round(q * (leaks.length - 1))];
        const mean = leaks.reduce((a, b) => a + b, 0) / leaks.length;
        large.push({
          ratio,
          transitions: count,
          fits: largeFits,
          futureLeakage: mean,
          low: quantile(0.1),
          high: quantile(0.9),
        });
        run.advance(++done, total);
      }
    const about = {
      ratio: ['beta / alpha'],
      transitions: ['N: transitions that each fit sees'],
      fits: ['independent fits'],
    } as const;
    return [
      tableOf(
        'samples',
        'probability that a fit on N transitions encodes the exogenous direction (one action, one exogenous direction)',
        {
          ...about,
          leakProbability: ['share of the fits that prefer the exogenous direction', 'probability'],
          predicted: ['1 - I_q((N - 2)/2, (N - 2)/2), q = alpha / (alpha + beta)', 'probability'],
        },
        small,
      ),
      tableOf(
        'samples-large',
        'population futureLeakage of fits on N transitions',
        {
          ...about,
          futureLeakage: ['mean over fits', 'share of variance'],
          low: ['10th percentile', 'share of variance'],
          high: ['90th percentile', 'share of variance'],
        },
        large,
      ),
    ];
  },
  read(tables, spec) {
    const { ratios, counts, fits, largeRatios, largeFits } = spec.samples;
    const small = rowsOf(need(tables, 'samples'));
    const large = rowsOf(need(tables, 'samples-large'));
    const ends: [number, number] = [counts[0], counts.at(-1) as number];
    const worst = Math.max(
      ...small.map((row) => Math.abs((row['leakProbability'] as number) - (row['predicted'] as number))),
    );
    const last = (ratio: number) =>
      small.find((r) => r['ratio'] === ratio && r['transitions'] === ends[1])?.['leakProbability'] as number;
    const leaking = (ratio: number) => Math.round(last(ratio) * fits);
    const [below, over] = [ratios[0], ratios.at(-1)] as [number, number];
    return {
      sentence: `Of ${fits} fits on ${ends[1]} transitions each, ${leaking(below)} leak for β = ${below} α and ${leaking(over)} for β = ${over} α; over all ${small.length} settings the share of fits that leak differs from the predicted probability by at most ${worst.toFixed(3)}.`,
      drawings: [
        {
          name: 'samples',
          title: 'The probability of a leak goes to 0 or to 1 as data grows',
          key: ratios.map((ratio, i) => ({
            kind: 'point' as const,
            label: `β = ${ratio} α`,
            colour: COLOURS[i % COLOURS.length] as string,
          })),
          panels: [probabilityPanel(small, spec)],
          caption: `A data set of N transitions has its own spectrum, so that chance can put the weaker mode first. Points: share of ${fits} fits whose latent action follows the exogenous direction, with 95 % intervals; lines: the closed form of exolam's T10. The closed form goes to 0 below β = α as data grows and to 1 above it: there no amount of data repairs the objective.`,
        },
        {
          name: 'samples-large',
          title: 'The same with several directions',
          key: largeRatios.map((ratio) => ({
            kind: 'line' as const,
            label: `β = ${ratio} α`,
            colour: colourOf(ratio),
          })),
          panels: [leakagePanel(large, spec)],
          caption: `Leakage on the whole population of a model fitted to N transitions: mean of ${largeFits} fits, band from the 10th to the 90th percentile. The moments of each data set are drawn directly (a Wishart matrix), at a cost that does not depend on N.`,
        },
      ],
    };
  },
};
