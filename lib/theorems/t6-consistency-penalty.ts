import { multiply, orthonormalise, solveSemidefinite } from '../linalg/dense.js';
import { type Matrix, minus, transpose } from '../linalg/matrix.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import { solveBatch } from '../solve/population.js';
import { type Equations, equations, residual, variance } from '../world/equations.js';
import { createWorld } from '../world/world.js';
import { type CheckContext, type Comparison, defineTheorem, type Trials } from './check.js';
import { overlappingWorld, thresholdWorld } from './draw.js';
import { boundaries } from './search.js';
import { leading } from './t2-largest-innovations.js';
import { alternate } from './unconstrained.js';

/** Weights of the penalty at which the approach to its limit is measured. */
const WEIGHTS = [1e4, 1e5] as const;
/** Share of the way from plain reconstruction to the constrained minimum that an optimiser without the constraint may leave. */
const VOID = 0.01;

/** The innovation on orthonormal inputs, and how they move between the views, beyond what o - o2 predicts. */
function innovationOf(world: Equations): { target: Matrix; moved: Matrix } {
  const { observation, observationNext, pairObservation, pairObservationNext } = world;
  const r = residual(observationNext, observation);
  const { basis } = orthonormalise(transpose(r));
  const target = multiply(r, basis);
  // The inputs are q = (T^T T)^-1 T^T r; of r less its pair, Gamma (o - o2) is what o - o2 predicts.
  const move = residual(minus(observationNext, pairObservationNext), minus(observation, pairObservation));
  const q = solveSemidefinite(multiply(transpose(target), target), transpose(target), 1e-12);
  return { target, moved: multiply(q, move) };
}

const theory = {
  criticalWeight: (alpha: number, beta: number): number => Math.max(0, (beta / alpha - 1) / 2),
  exogenousEigenvalue: (beta: number, weight: number): number => beta / (1 + 2 * weight),
  fading: (): number => 2,
  /** Infimum without the constraint, from the minimum without a penalty and that with the constraint. */
  infimum: (plain: number, _constrained: number): number => plain,
  minimise: alternate,
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

/** Overlapping worlds: how leakage fades as the weight grows. */
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
  return overlapping.flatMap((_, i): Comparison[] => {
    const [weak, strong] = [first[i]?.metrics, second[i]?.metrics];
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
    ];
  });
}

/** Overlapping worlds in which the penalty costs something: an optimiser that knows no constraint goes back to plain reconstruction. */
async function withoutConstraint(
  predict: Predict,
  trials: Trials,
  context: CheckContext,
): Promise<Comparison[]> {
  const worlds = trials.draw(
    (random) => ({ spec: overlappingWorld(random), weight: random.logUniform(0.5, 20) }),
    'void',
  );
  const minima = (objectives: readonly ObjectiveSpec[]) =>
    solveBatch(
      worlds.map(({ spec }, i) => ({ world: spec, objective: objectives[i], latentDim: spec.actionDim })),
      context,
    );
  const plain = await minima(worlds.map(() => ({ kind: 'reconstruction' })));
  const constrained = await minima(worlds.map(({ weight }) => ({ kind: 'exogenous-robust', weight })));
  return worlds.flatMap(({ spec, weight }, i): Comparison[] => {
    const [least, most] = [plain[i]?.loss ?? Number.NaN, constrained[i]?.loss ?? Number.NaN];
    const { target, moved } = innovationOf(equations(createWorld(spec)));
    // Where the constrained minimum is as low, there is no way to tell.
    if (!(most - least > 1e-3 * variance(target))) return [];
    const reached = predict.minimise(target, moved, weight, spec.actionDim, trials.random(i, 'start'));
    return [
      {
        what: 'what an optimiser without the constraint reaches, overlapping mixing',
        predicted: predict.infimum(least, most),
        measured: reached,
        tolerance: VOID,
        scale: most - least,
      },
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
      ...(await withoutConstraint(predict, trials, context)),
    ];
  },
});
