import { solveBatch } from '../solve/population.js';
import { type Comparison, defineTheorem } from './check.js';
import { thresholdWorld } from './draw.js';

export const t7 = defineTheorem({
  id: 'T7',
  claim: 'C1',
  title: 'a deterministic policy leaves nothing of the action to encode',
  statement:
    'The action eigenvalue is actionScale^2 times the conditional variance of the action given o, policyNoise^2, however strongly the policy reacts to o. Where the policy is a deterministic function of o nothing of the action is left to encode: the rank is exogenousDim and z is exogenous.',
  hypotheses: [
    'orthonormal mixing',
    'no sensor noise, no process noise',
    'action and exogenous noise uncorrelated',
  ],
  predict: {
    actionEigenvalue: (spec: { actionScale: number; policyNoise: number; stateFeedback: number }): number =>
      (spec.actionScale * spec.policyNoise) ** 2,
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const { spec } = thresholdWorld(random);
      const { actionDim, exogenousDim } = spec;
      return {
        spec: { ...spec, stateFeedback: random.uniform(0.5, 2), exogenousFeedback: random.uniform(0, 1) },
        latentDim: random.integer(1, actionDim + exogenousDim),
      };
    });
    const solve = (deterministic: boolean) =>
      solveBatch(
        worlds.map(({ spec, latentDim }) => ({
          world: deterministic ? { ...spec, policyNoise: 0 } : spec,
          objective: { kind: 'reconstruction' },
          latentDim: deterministic ? latentDim : spec.actionDim + spec.exogenousDim,
        })),
        context,
      );
    const [random, deterministic] = [await solve(false), await solve(true)];
    return worlds.flatMap(({ spec, latentDim }, i): Comparison[] => {
      const { actionDim, exogenousDim } = spec;
      const values = [
        ...new Array<number>(actionDim).fill(predict.actionEigenvalue(spec)),
        ...new Array<number>(exogenousDim).fill(spec.exogenousScale ** 2),
      ].sort((a, b) => b - a);
      const { spectrum } = random[i];
      const { metrics, rank } = deterministic[i];
      const silent = { ...spec, policyNoise: 0 };
      const actionModes = predict.actionEigenvalue(silent) > 0 ? actionDim : 0;
      return [
        ...values.map((predicted, j) => ({
          what: 'eigenvalue, policy with noise',
          predicted,
          measured: spectrum[j],
          tolerance: 1e-9,
          scale: values[0],
        })),
        {
          what: 'rank, deterministic policy',
          predicted: exogenousDim + actionModes,
          measured: rank,
          tolerance: 0.5,
        },
        {
          what: 'futureLeakage, deterministic policy',
          predicted: Math.min(latentDim, exogenousDim) / exogenousDim,
          measured: metrics.futureLeakage ?? Number.NaN,
          tolerance: 1e-9,
        },
        {
          what: 'defined action errors, deterministic policy',
          predicted: 0,
          measured: Number(metrics.actionError !== undefined),
          tolerance: 0.5,
        },
      ];
    });
  },
});
