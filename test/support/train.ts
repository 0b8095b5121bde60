import type { BatchSource } from '../../lib/backend/batch-sources.js';
import {
  type CodebookShape,
  initialState,
  type NetworkShape,
  type TrainObjective,
  type TrainOptimiser,
  type TrainProblem,
} from '../../lib/backend/train-requests.js';
import { linearWorldSource } from '../../lib/world/batch-source.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';

export const WORLD: WorldSpec = {
  observationDim: 7,
  endogenousDim: 3,
  exogenousDim: 2,
  actionDim: 2,
  stateFeedback: 0.3,
  processNoise: 0.2,
  sensorNoise: 0.1,
  seed: 5,
};

export const source = (spec: WorldSpec = WORLD) => linearWorldSource(createWorld(spec));

export const LINEAR: NetworkShape = {
  observationDim: 7,
  projectionDim: 0,
  actionDim: 0,
  latentDim: 4,
  encoderInput: 'both',
  decoderInput: 'both',
  residual: false,
  encoderHidden: [],
  decoderHidden: [],
  activation: 'relu',
  bias: false,
  targets: 1,
  codebook: null,
};
export const MLP: NetworkShape = {
  ...LINEAR,
  encoderHidden: [9, 6],
  decoderHidden: [8],
  activation: 'gelu',
  bias: true,
};
export const BOOK: CodebookShape = {
  size: 5,
  codes: 2,
  update: 'loss',
  decay: 0.9,
  commitment: 0.25,
  reviveBelow: 0.05,
};

export const PLAIN: TrainObjective = {
  crossExogenous: false,
  encoderNoise: 0,
  decoderNoise: 0,
  actionWeight: 0,
  labelFraction: 1,
  labelMean: 'rows',
  robustWeight: 0,
  robustOn: 'latent',
};

export const ADAM: TrainOptimiser = {
  kind: 'adam',
  learningRate: 1e-3,
  momentum: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  warmupSteps: 0,
  cosineSteps: 0,
  finalShare: 0,
};

export interface Variant {
  readonly shape?: Partial<NetworkShape>;
  readonly objective?: Partial<TrainObjective>;
  readonly source?: BatchSource;
  readonly batchSize?: number;
}

/** Rows of the projection (3, 7). */
const PROJECTION = Float32Array.from({ length: 21 }, (_, i) => Math.sin(1 + 3 * i));

export function problem(base: NetworkShape, variant: Variant = {}): TrainProblem {
  const shape = { ...base, ...variant.shape };
  return {
    shape,
    projection: shape.projectionDim > 0 ? PROJECTION : new Float32Array(0),
    source: variant.source ?? source(),
    objective: { ...PLAIN, ...variant.objective },
    batchSize: variant.batchSize ?? 11,
    seed: 3,
  };
}

/** One case for every objective, input, target and layer. */
export const VARIANTS: Record<string, Variant> = {
  reconstruction: {},
  'identity decoder': { shape: { decoderInput: 'latent', encoderInput: 'difference', residual: true } },
  residual: { shape: { residual: true } },
  representation: { shape: { projectionDim: 3 }, objective: { encoderNoise: 0.2 } },
  supervised: { shape: { actionDim: 2 }, objective: { actionWeight: 3, labelFraction: 0.6 } },
  'supervised by the labelled': {
    shape: { actionDim: 2 },
    objective: { actionWeight: 3, labelFraction: 0.4, labelMean: 'labelled' },
  },
  'cross-exogenous': { objective: { crossExogenous: true } },
  'exogenous-robust': { objective: { robustWeight: 0.7 } },
  augmented: { objective: { encoderNoise: 0.5, decoderNoise: 0.3 } },
  'several targets': { shape: { targets: 3 }, objective: { decoderNoise: 0.2 } },
  composition: {
    shape: { projectionDim: 3, actionDim: 2, targets: 2, residual: true },
    objective: {
      crossExogenous: true,
      actionWeight: 2,
      robustWeight: 0.5,
      encoderNoise: 0.1,
      decoderNoise: 0.1,
    },
  },
};

/** The penalty of a linear decoder that has an action head beside it, in both countings of labels. */
export const ROBUST_HEADS: readonly Variant[] = (['rows', 'labelled'] as const).map((labelMean) => ({
  shape: { actionDim: 2, bias: true },
  objective: { robustWeight: 0.7, robustOn: 'decoded', actionWeight: 3, labelFraction: 0.4, labelMean },
}));

/** Parameters that are not those of the first step, in f64: codebook rows apart from each other. */
export function parameters(shape: NetworkShape, seed = 1): Float64Array {
  const { parameters } = initialState(shape, seed);
  return Float64Array.from(parameters, (v, i) => (v === 0 ? 0.4 * Math.sin(7 * i) : v));
}
