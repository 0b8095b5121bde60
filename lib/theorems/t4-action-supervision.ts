import { solveBatch } from '../solve/population.js';
import { variance } from '../world/equations.js';
import { createWorld } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import { overlappingWorld, thresholdWorld } from './draw.js';
import { boundaries } from './search.js';

/** Weights, in units of the greater of alpha and beta over policyNoise^2, at which the approach to the limit is measured. */
const WEIGHTS = [1e4, 1e5] as const;

export const t4 = defineTheorem({
  id: 'T4',
  claim: 'C3',
  title: 'action supervision: critical weight (beta - alpha) / policyNoise^2',
  statement:
    'Action supervision adds weight x labelFraction x policyNoise^2 to each action eigenvalue, so that nothing leaks above the critical weight (beta - alpha) / policyNoise^2. As the weight grows futureLeakage tends to 0 as 1 / weight^2 in every noise-free world, overlapping mixing included, and consistencyError to exogenousFeedback^2 |Kx|^2 / (actionDim policyNoise^2), which is 0 where the policy ignores the exogenous state.',
  hypotheses: [
    'no sensor noise',
    'action and exogenous noise uncorrelated',
    'k <= actionDim (k = actionDim where the policy reacts to o)',
    'critical weight: orthonormal mixing, no process noise, alpha != beta',
    'limits: [Es Ex] of full column rank; consistencyError: no process noise',
  ],
  predict: {
    criticalWeight: (alpha: number, beta: number, policyNoise: number): number =>
      Math.max(0, (beta - alpha) / policyNoise ** 2),
    /** Power of the weight with which leakage fades. */
    fading: (): number => 2,
    /** Of consistencyError; `reaction` is the variance of exogenousFeedback Kx x. */
    limit: (reaction: number, actionDim: number, policyNoise: number): number =>
      reaction / (actionDim * policyNoise ** 2),
  },
  async compare(predict, trials, context) {
    const worlds = trials.draw((random) => {
      const full = random.uniform() < 0.5;
      const drawn = thresholdWorld(random, full);
      const latentDim = full ? drawn.spec.actionDim : random.integer(1, drawn.spec.actionDim);
      return { ...drawn, latentDim, labelFraction: random.pick([1, 0.1, 0.02]) };
    }, 'critical');
    // The search runs over weight x labelFraction, in units of beta / policyNoise^2.
    const units = worlds.map(({ spec, beta }) => beta / spec.policyNoise ** 2);
    const found = await boundaries(worlds.length, [1e-6, 1e3], 28, async (strengths) => {
      const solutions = await solveBatch(
        worlds.map(({ spec, latentDim, labelFraction }, i) => ({
          world: spec,
          objective: {
            kind: 'action-supervised',
            weight: (strengths[i] * units[i]) / labelFraction,
            labelFraction,
          },
          latentDim,
        })),
        context,
      );
      return solutions.map(({ metrics }) => (metrics.futureLeakage ?? 1) < 1e-6);
    });
    const rows: Comparison[] = worlds.map(({ spec, alpha, beta }, i) => ({
      what: beta > alpha ? 'critical weight x labelFraction' : 'weight needed where beta < alpha',
      predicted: predict.criticalWeight(alpha, beta, spec.policyNoise),
      measured: found[i] * units[i],
      tolerance: 1e-6,
      scale: Math.abs(beta - alpha) / spec.policyNoise ** 2,
    }));

    const overlapping = trials.draw((random) => overlappingWorld(random), 'limits');
    const at = async (weight: number) =>
      solveBatch(
        overlapping.map((spec) => ({
          world: spec,
          objective: {
            kind: 'action-supervised',
            weight:
              (weight * Math.max(spec.actionScale * spec.policyNoise, spec.exogenousScale) ** 2) /
              spec.policyNoise ** 2,
          },
          latentDim: spec.actionDim,
        })),
        context,
      );
    const [near, far] = [await at(WEIGHTS[0]), await at(WEIGHTS[1])];
    overlapping.forEach((spec, i) => {
      const world = createWorld(spec);
      const { policyNoise, actionDim, exogenousFeedback } = world.spec;
      const [first, second] = [near[i]?.metrics, far[i]?.metrics];
      const leakage = second?.futureLeakage ?? Number.NaN;
      rows.push(
        {
          what: 'futureLeakage at a great weight, overlapping mixing',
          predicted: 0,
          measured: leakage,
          tolerance: 1e-6,
        },
        {
          what: 'fading of futureLeakage with weight (power)',
          predicted: predict.fading(),
          measured: Math.log10((first?.futureLeakage ?? Number.NaN) / leakage),
          tolerance: 0.05,
        },
        {
          what: 'limit of consistencyError, overlapping mixing',
          predicted: predict.limit(
            exogenousFeedback ** 2 * variance(world.exogenousFeedback),
            actionDim,
            policyNoise,
          ),
          measured: second?.consistencyError ?? Number.NaN,
          tolerance: 1e-4,
        },
      );
    });
    return rows;
  },
});
