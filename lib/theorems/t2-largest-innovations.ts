import { solveBatch } from '../solve/population.js';
import { type Comparison, defineTheorem } from './check.js';
import { thresholdWorld } from './draw.js';

export interface Picks {
  readonly action: number;
  readonly exogenous: number;
}

/** How many of the k largest of {alpha x actionDim} and {beta x exogenousDim} are of each kind. */
export function leading(
  alpha: number,
  beta: number,
  actionDim: number,
  exogenousDim: number,
  k: number,
): Picks {
  const first = Math.min(k, beta > alpha ? exogenousDim : actionDim);
  const second = Math.min(k - first, beta > alpha ? actionDim : exogenousDim);
  return beta > alpha ? { action: second, exogenous: first } : { action: first, exogenous: second };
}

export const t2 = defineTheorem({
  id: 'T2',
  claim: 'C1',
  title: 'reconstruction takes the largest innovations, exogenous ones included',
  statement:
    'Reconstruction encodes the k largest of {alpha x actionDim} and {beta x exogenousDim}: futureLeakage = (exogenous picks) / exogenousDim and actionError = 1 - (action picks) / actionDim. With beta > alpha and k <= exogenousDim it encodes nothing but the exogenous innovation.',
  hypotheses: [
    'orthonormal mixing',
    'no sensor noise, no process noise',
    'action and exogenous noise uncorrelated',
    'alpha != beta',
  ],
  predict: { picks: leading },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const drawn = thresholdWorld(random);
      const { actionDim, exogenousDim } = drawn.spec;
      return { ...drawn, latentDim: random.integer(1, actionDim + exogenousDim) };
    });
    const solutions = await solveBatch(
      worlds.map(({ spec, latentDim }) => ({
        world: spec,
        objective: { kind: 'reconstruction' },
        latentDim,
      })),
      context,
    );
    return worlds.flatMap(({ spec, alpha, beta, latentDim }, i): Comparison[] => {
      const { actionDim, exogenousDim } = spec;
      const picks = predict.picks(alpha, beta, actionDim, exogenousDim, latentDim);
      const { metrics } = solutions[i];
      return [
        {
          what: `futureLeakage, beta ${beta > alpha ? '>' : '<'} alpha`,
          predicted: picks.exogenous / exogenousDim,
          measured: metrics.futureLeakage ?? Number.NaN,
          tolerance: 1e-9,
        },
        {
          what: `actionError, beta ${beta > alpha ? '>' : '<'} alpha`,
          predicted: 1 - picks.action / actionDim,
          measured: metrics.actionError ?? Number.NaN,
          tolerance: 1e-9,
        },
      ];
    });
  },
});
