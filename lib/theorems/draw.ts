import type { World } from '../world/world.js';
import type { Random } from './random.js';

/** A world with nothing left to default. */
export type DrawnSpec = Omit<World['spec'], 'matrices'>;

/** A world of section 5's premise and its two innovation variances. */
export interface ThresholdWorld {
  readonly spec: DrawnSpec;
  /** (actionScale policyNoise)^2: variance of every action direction of the innovation. */
  readonly alpha: number;
  /** exogenousScale^2 */
  readonly beta: number;
}

/** Logarithm of beta / alpha: on either side of 0, never within 2 % of a tie. */
function logRatio(random: Random): number {
  return random.pick([-1, 1]) * random.uniform(0.02, 1.6);
}

/**
 * Orthonormal and noise-free, with any policy: its feedback does not matter where o reveals the state. Half of the worlds have
 * beta > alpha.
 */
export function thresholdWorld(random: Random, feedback = true): ThresholdWorld {
  const endogenousDim = random.integer(1, 5);
  const exogenousDim = random.integer(1, 5);
  const actionScale = random.logUniform(0.4, 2);
  const policyNoise = random.logUniform(0.4, 2);
  const alpha = (actionScale * policyNoise) ** 2;
  const beta = alpha * Math.exp(logRatio(random));
  const spec: DrawnSpec = {
    observationDim: endogenousDim + exogenousDim + random.integer(0, 4),
    endogenousDim,
    exogenousDim,
    actionDim: random.integer(1, endogenousDim),
    mixing: 'orthonormal',
    endogenousDecay: random.uniform(0.5, 1),
    exogenousDecay: random.uniform(),
    actionScale,
    exogenousScale: Math.sqrt(beta),
    policyNoise,
    processNoise: 0,
    sensorNoise: 0,
    stateFeedback: feedback ? random.pick([0, 0.7]) : 0,
    exogenousFeedback: feedback ? random.pick([0, 0.5]) : 0,
    exogenousInitialScale: 1,
    actionExogenousCorrelation: 0,
    seed: random.integer(0, 2 ** 31),
  };
  return { spec, alpha, beta };
}

/** Overlapping (gaussian) mixing of full column rank without sensor noise; conditioned well enough to see limits in f64. */
export function overlappingWorld(random: Random): DrawnSpec {
  const endogenousDim = random.integer(1, 4);
  const exogenousDim = random.integer(1, 4);
  return {
    observationDim: 3 * (endogenousDim + exogenousDim) + random.integer(0, 6),
    endogenousDim,
    exogenousDim,
    actionDim: random.integer(1, endogenousDim),
    mixing: 'gaussian',
    endogenousDecay: random.uniform(0.5, 1),
    exogenousDecay: random.uniform(),
    actionScale: random.logUniform(0.5, 2),
    exogenousScale: random.logUniform(0.5, 4),
    policyNoise: random.logUniform(0.5, 2),
    processNoise: 0,
    sensorNoise: 0,
    stateFeedback: random.pick([0, 0.7]),
    exogenousFeedback: random.pick([0, 0.5]),
    exogenousInitialScale: 1,
    actionExogenousCorrelation: 0,
    seed: random.integer(0, 2 ** 31),
  };
}

/** Anything the world of section 1 can be: noise of both kinds, feedback, correlation, either mixing. */
export function anyWorld(random: Random): DrawnSpec {
  const endogenousDim = random.integer(1, 4);
  const exogenousDim = random.integer(1, 3);
  return {
    observationDim: endogenousDim + exogenousDim + random.integer(0, 3),
    endogenousDim,
    exogenousDim,
    actionDim: random.integer(1, endogenousDim),
    mixing: random.pick(['orthonormal', 'gaussian'] as const),
    endogenousDecay: random.uniform(0.5, 1),
    exogenousDecay: random.uniform(),
    actionScale: random.uniform(0.4, 1.4),
    exogenousScale: random.uniform(0.2, 2.2),
    policyNoise: random.uniform(0.3, 1.3),
    processNoise: random.pick([0, 0.1, 0.3]),
    sensorNoise: random.pick([0, 0.05, 0.2]),
    stateFeedback: random.pick([0, 0.5]),
    exogenousFeedback: random.pick([0, 0.4]),
    exogenousInitialScale: 1,
    actionExogenousCorrelation: random.pick([0, 0.6]),
    seed: random.integer(0, 2 ** 31),
  };
}
