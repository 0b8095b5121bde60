import { multiply } from '../linalg/dense.js';
import { columns, type Matrix } from '../linalg/matrix.js';
import { type Solution, solveBatch } from '../solve/population.js';
import { variance } from '../world/equations.js';
import { createWorld, fullMixing } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import { type DrawnSpec, overlappingWorld } from './draw.js';

/** Sensor noise, in units of the smallest scale of the world, at which the order of the leak is measured. */
const NOISE = [0.02, 0.01] as const;

/** |D Ex|^2 / |D|^2: the share of the encoder of o' that lies in the exogenous subspace. */
function exogenousShare(spec: DrawnSpec, { encoder }: Solution): number {
  const { D } = encoder as { D: Matrix };
  const mixing = fullMixing(createWorld(spec));
  return variance(multiply(D, columns(mixing, spec.endogenousDim, mixing.cols))) / variance(D);
}

export const t5 = defineTheorem({
  id: 'T5',
  claim: 'C3',
  title: 'cross-exogenous reconstruction leaks nothing, whatever beta and mixing',
  statement:
    'Cross-exogenous reconstruction leaks nothing for any beta, any mixing of full column rank and any policy; with k >= actionDim it fixes the action, its encoder is blind to Ex (the oblique projector onto Es along Ex) and its latents are consistent. With k = actionDim, sensor noise lets in no more than O(sensorNoise^4).',
  hypotheses: [
    '[Es Ex] of full column rank',
    'no sensor noise (but for the orders)',
    'action and exogenous noise uncorrelated',
  ],
  predict: {
    leakage: (): number => 0,
    /** Power of sensorNoise with which leakage sets in. */
    order: (): number => 4,
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const drawn = overlappingWorld(random);
      const { actionDim, exogenousDim } = drawn;
      const spec: DrawnSpec = {
        ...drawn,
        mixing: random.pick(['gaussian', 'gaussian', 'orthonormal'] as const),
        exogenousScale: random.logUniform(0.1, 10),
        processNoise: random.pick([0, 0.3]),
      };
      return { spec, latentDim: random.integer(actionDim, actionDim + exogenousDim) };
    });
    const objective = { kind: 'cross-exogenous' } as const;
    const solutions = await solveBatch(
      worlds.map(({ spec, latentDim }) => ({ world: spec, objective, latentDim })),
      { ...context, encoder: true },
    );
    const rows = worlds.flatMap(({ spec }, i): Comparison[] => {
      const solution = solutions[i];
      const { metrics } = solution;
      const compared = (what: string, predicted: number, measured: number | undefined): Comparison => ({
        what: `${what}, ${spec.mixing} mixing`,
        predicted,
        measured: measured ?? Number.NaN,
        tolerance: 1e-8,
      });
      const leakage = predict.leakage();
      return [
        compared('futureLeakage', leakage, metrics.futureLeakage),
        compared('consistencyError', leakage, metrics.consistencyError),
        compared('share of Ex in the encoder', leakage, exogenousShare(spec, solution)),
        ...(spec.processNoise === 0 ? [compared('actionError', 0, metrics.actionError)] : []),
      ];
    });

    const noisy = trials.draw((random) => {
      const spec = overlappingWorld(random);
      return { ...spec, actionScale: 1, policyNoise: 1, exogenousScale: random.uniform(0.7, 2) };
    }, 'noise');
    const at = (sensorNoise: number) =>
      solveBatch(
        noisy.map((spec) => ({ world: { ...spec, sensorNoise }, objective, latentDim: spec.actionDim })),
        context,
      );
    const [first, second] = [await at(NOISE[0]), await at(NOISE[1])];
    noisy.forEach((_, i) => {
      const [much, little] = [first[i]?.metrics.futureLeakage, second[i]?.metrics.futureLeakage];
      rows.push({
        what: 'order of futureLeakage in sensorNoise, k = actionDim',
        predicted: predict.order(),
        measured: Math.log((much ?? Number.NaN) / (little ?? Number.NaN)) / Math.log(NOISE[0] / NOISE[1]),
        tolerance: 0.2,
      });
    });
    return rows;
  },
});
