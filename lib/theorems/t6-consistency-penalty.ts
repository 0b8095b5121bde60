import { multiply, multiplyTransposed, orthonormalise } from '../linalg/dense.js';
import { type Matrix, minus, scale, sum, transpose } from '../linalg/matrix.js';
import { type Solution, solveBatch } from '../solve/population.js';
import { type Equations, equations, residual, variance } from '../world/equations.js';
import { createWorld } from '../world/world.js';
import { type CheckContext, type Comparison, defineTheorem, type Trials } from './check.js';
import { overlappingWorld, thresholdWorld } from './draw.js';
import { boundaries } from './search.js';
import { leading } from './t2-largest-innovations.js';

/** Weights of the penalty at which the approach to its limit is measured. */
const WEIGHTS = [1e4, 1e5] as const;
/** By how much z is shrunk, and its decoder stretched, on the way to the infimum. */
const SHRINKING = [1, 1e-2, 1e-4] as const;

/**
 * E|r - (B / c) (c z)|^2, r the innovation, and the penalty on c z, both from the world's equations, for the encoder that
 * reconstruction finds.
 */
function unconstrained(
  world: Equations,
  r: Matrix,
  { encoder }: Solution,
  c: number,
): { loss: number; penalty: number } {
  const { C, D } = encoder as { C: Matrix; D: Matrix };
  const { observation, observationNext, pairObservation, pairObservationNext } = world;
  const latent = (now: Matrix, next: Matrix) => scale(c, sum(multiply(C, now), multiply(D, next)));
  const z = latent(observation, observationNext);
  // The best decoder of what z is given o, which undoes c: loss(c) does not depend on it.
  const { basis } = orthonormalise(transpose(residual(z, observation)));
  const unexplained = minus(r, multiplyTransposed(multiply(r, basis), basis));
  const moved = minus(latent(observation, observationNext), latent(pairObservation, pairObservationNext));
  const unpredicted = residual(moved, minus(observation, pairObservation));
  return { loss: variance(unexplained), penalty: variance(unpredicted) };
}

const theory = {
  criticalWeight: (alpha: number, beta: number): number => Math.max(0, (beta / alpha - 1) / 2),
  exogenousEigenvalue: (beta: number, weight: number): number => beta / (1 + 2 * weight),
  fading: (): number => 2,
  /** Objective without the constraint at shrinking c, from its two parts at c = 1. */
  shrunk: (loss: number, penalty: number, c: number): number => loss + c * c * penalty,
};

type Predict = typeof theory;

/** Orthonormal worlds: the critical weight, and the minimum at a weight of its own. */
async function withConstraint(
  predict: Predict,
  trials: Trials,
  context: CheckContext,
): Promise<Comparison[]> {
  const worlds = trials.draw((random) => {
    const drawn = thresholdWorld(random);
    return {
      ...drawn,
      latentDim: random.integer(1, drawn.spec.actionDim),
      weight: random.logUniform(0.02, 5),
    };
  }, 'critical');
  const found = await boundaries(worlds.length, [1e-4, 1e3], 28, async (strengths) => {
    const solutions = await solveBatch(
      worlds.map(({ spec, latentDim }, i) => ({
        world: spec,
        objective: { kind: 'exogenous-robust', weight: strengths[i] },
        latentDim,
      })),
      context,
    );
    return solutions.map(({ metrics }) => (metrics.futureLeakage ?? 1) < 1e-6);
  });
  const constrained = await solveBatch(
    worlds.map(({ spec, latentDim, weight }) => ({
      world: spec,
      objective: { kind: 'exogenous-robust', weight },
      latentDim,
    })),
    context,
  );
  return worlds.flatMap(({ spec, alpha, beta, latentDim, weight }, i): Comparison[] => {
    const { actionDim, exogenousDim } = spec;
    const damped = predict.exogenousEigenvalue(beta, weight);
    const { action, exogenous } = leading(alpha, damped, actionDim, exogenousDim, latentDim);
    const total = alpha * actionDim + beta * exogenousDim;
    return [
      {
        what: beta > alpha ? 'critical weight' : 'weight needed where beta < alpha',
        predicted: predict.criticalWeight(alpha, beta),
        measured: found[i],
        tolerance: 1e-6,
        scale: Math.abs(beta / alpha - 1) / 2,
      },
      {
        what: 'minimum with the constraint',
        predicted: total - action * alpha - exogenous * damped,
        measured: constrained[i]?.loss ?? Number.NaN,
        tolerance: 1e-9,
        scale: total,
      },
    ];
  });
}

/** Overlapping worlds: how leakage fades as the weight grows, and the way to the infimum without the constraint. */
async function towardsLimits(predict: Predict, trials: Trials, context: CheckContext): Promise<Comparison[]> {
  const overlapping = trials.draw((random) => overlappingWorld(random), 'overlapping');
  const at = (weight: number) =>
    solveBatch(
      overlapping.map((spec) => ({
        world: spec,
        objective: { kind: 'exogenous-robust', weight },
        latentDim: spec.actionDim,
      })),
      context,
    );
  const [first, second] = [await at(WEIGHTS[0]), await at(WEIGHTS[1])];
  const plain = await solveBatch(
    overlapping.map((spec) => ({
      world: spec,
      objective: { kind: 'reconstruction' },
      latentDim: spec.actionDim,
    })),
    { ...context, encoder: true },
  );
  return overlapping.flatMap((spec, i): Comparison[] => {
    const [weak, strong] = [first[i]?.metrics, second[i]?.metrics];
    const solution = plain[i];
    const world = equations(createWorld(spec));
    const r = residual(world.observationNext, world.observation);
    const unshrunk = unconstrained(world, r, solution, 1);
    const weight = WEIGHTS[0];
    return [
      {
        what: 'fading of futureLeakage with weight (power), overlapping mixing, with the constraint',
        predicted: predict.fading(),
        measured: Math.log10((weak?.futureLeakage ?? Number.NaN) / (strong?.futureLeakage ?? Number.NaN)),
        tolerance: 0.05,
      },
      {
        what: 'actionError at a great weight, overlapping mixing, with the constraint',
        predicted: 0,
        measured: strong?.actionError ?? Number.NaN,
        tolerance: 1e-5,
      },
      ...SHRINKING.map((c): Comparison => {
        const { loss, penalty } = unconstrained(world, r, solution, c);
        return {
          what: 'objective on the way to the infimum, overlapping mixing, without the constraint',
          predicted: predict.shrunk(solution.loss, weight * unshrunk.penalty, c),
          measured: loss + weight * penalty,
          tolerance: 1e-8,
          scale: solution.loss + weight * c * c * unshrunk.penalty + 1e-6 * variance(world.observationNext),
        };
      }),
    ];
  });
}

export const t6 = defineTheorem({
  id: 'T6',
  claim: 'C3',
  title: 'consistency penalty: critical weight (beta/alpha - 1)/2, and void without B^T B = I',
  statement:
    'With B^T B = I the consistency penalty divides each exogenous eigenvalue by 1 + 2 mu, so that nothing leaks above the critical weight mu* = (beta / alpha - 1) / 2; in overlapping worlds leakage fades as 1 / mu^2. Without the constraint the penalty is void: scaling z by c and B by 1 / c keeps the loss and scales the penalty by c^2, so that the infimum is plain reconstruction.',
  hypotheses: [
    'no sensor noise',
    'action and exogenous noise uncorrelated',
    'k <= actionDim',
    'critical weight: orthonormal mixing, no process noise, alpha != beta',
    'fading: [Es Ex] of full column rank, k = actionDim',
  ],
  predict: theory,
  async compare(predict, trials, context) {
    return [
      ...(await withConstraint(predict, trials, context)),
      ...(await towardsLimits(predict, trials, context)),
    ];
  },
});
