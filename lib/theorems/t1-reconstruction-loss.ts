import { eigen } from '../linalg/eigen.js';
import { minus, symmetric } from '../linalg/matrix.js';
import { solveBatch } from '../solve/population.js';
import { covariance, equations, residual } from '../world/equations.js';
import { createWorld } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import { anyWorld } from './draw.js';
import { descend } from './optimiser.js';

export const t1 = defineTheorem({
  id: 'T1',
  claim: 'C1',
  title: 'least reconstruction loss = sum of the eigenvalues left out',
  statement:
    "The least reconstruction loss is the sum of the eigenvalues of Sigma_r beyond the k-th, r = o' - E[o' given o]; with an identity decoder, of Sigma_(o' - o).",
  hypotheses: ['none: any world of section 1'],
  predict: {
    /** From all eigenvalues, descending. */
    loss: (spectrum: ArrayLike<number>, latentDim: number): number =>
      Array.from(spectrum)
        .slice(latentDim)
        .reduce((total, value) => total + Math.max(0, value), 0),
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random, i) => {
      const spec = anyWorld(random);
      const latentDim = random.integer(1, spec.endogenousDim + spec.exogenousDim);
      return { spec, latentDim, decoder: i % 3 === 0 ? ('identity' as const) : ('free' as const) };
    });
    const solutions = await solveBatch(
      worlds.map(({ spec, latentDim, decoder }) => ({
        world: spec,
        objective: { kind: 'reconstruction', decoder },
        latentDim,
      })),
      context,
    );
    return worlds.flatMap(({ spec, latentDim, decoder }, i): Comparison[] => {
      const { observation, observationNext } = equations(createWorld(spec));
      // The spectrum from the equations, so that nothing of what is checked is what it is checked by.
      const changed =
        decoder === 'free' ? residual(observationNext, observation) : minus(observationNext, observation);
      const spectrum = eigen(symmetric(covariance(changed, changed))).values;
      const random = trials.random(i, 'start');
      const reached = descend(observation, observationNext, latentDim, decoder === 'free', random);
      const predicted = predict.loss(spectrum, latentDim);
      // Where nothing is left out the loss is 0, and the scale is that of what there is to encode.
      const scale = Math.max(predicted, 1e-4 * predict.loss(spectrum, 0));
      return [
        {
          what: `loss that descent reaches, ${decoder} decoder`,
          predicted,
          measured: reached.loss,
          tolerance: 1e-6,
          scale,
        },
        {
          what: `loss of the solver, ${decoder} decoder`,
          predicted,
          measured: solutions[i]?.loss ?? Number.NaN,
          tolerance: 1e-9,
          scale,
        },
        {
          what: `loss of the solver beside what descent reaches, ${decoder} decoder`,
          predicted: reached.loss,
          measured: solutions[i]?.loss ?? Number.NaN,
          tolerance: 1e-6,
          scale,
        },
      ];
    });
  },
});
