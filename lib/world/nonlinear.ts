import { z } from 'zod';
import type { MlpView } from '../backend/views.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, parse } from '../base/validate.js';
import { normals } from '../random/philox.js';
import { type WorldSpec, worldSchema } from './world.js';

/**
 * A world whose observation is a nonlinear function of its states: o = g([s; x]) + sensor noise, with g a fixed random multilayer
 * perceptron (docs/theory.md, "Nonlinear worlds"). States, actions and paired views are those of the linear world.
 */
export interface MlpWorldSpec
  extends Pick<
    WorldSpec,
    | 'endogenousDecay'
    | 'exogenousDecay'
    | 'actionScale'
    | 'exogenousScale'
    | 'policyNoise'
    | 'processNoise'
    | 'sensorNoise'
    | 'stateFeedback'
    | 'exogenousFeedback'
    | 'actionExogenousCorrelation'
    | 'exogenousInitialScale'
    | 'seed'
  > {
  /** Always `mlp`. */
  readonly kind: 'mlp';
  /** Coordinates of an observation, 1 to 65536. Default 32. */
  readonly observationDim?: number | undefined;
  /** Coordinates of the endogenous state s, 1 to 4096. Default 4. */
  readonly endogenousDim?: number | undefined;
  /** Coordinates of the exogenous state x, 1 to 4096. Default 4. */
  readonly exogenousDim?: number | undefined;
  /** Coordinates of the action, from 1; at most endogenousDim. Default 2. */
  readonly actionDim?: number | undefined;
  /** Units of a hidden layer of g, 1 to 4096. Default 64. */
  readonly width?: number | undefined;
  /** Hidden layers of g, 1 to 8: tanh each. Default 1. */
  readonly depth?: number | undefined;
  /** Standard deviation of a hidden layer's weights times the root of its inputs, more than 0: near 0, g is linear. Default 1. */
  readonly gain?: number | undefined;
}

const dimension = z.int().min(1).max(4096);
const shape = worldSchema.shape;

/** What {@link MlpWorldSpec} says, checked: its parse fills in the defaults. */
export const mlpWorldSchema = describes<MlpWorldSpec>()(
  z.strictObject({
    kind: z.literal('mlp'),
    observationDim: z.int().min(1).max(65_536).default(32),
    endogenousDim: dimension.default(4),
    exogenousDim: dimension.default(4),
    actionDim: dimension.default(2),
    endogenousDecay: shape.endogenousDecay,
    exogenousDecay: shape.exogenousDecay,
    actionScale: shape.actionScale,
    exogenousScale: shape.exogenousScale,
    policyNoise: shape.policyNoise,
    processNoise: shape.processNoise,
    sensorNoise: shape.sensorNoise,
    stateFeedback: shape.stateFeedback,
    exogenousFeedback: shape.exogenousFeedback,
    actionExogenousCorrelation: shape.actionExogenousCorrelation,
    exogenousInitialScale: shape.exogenousInitialScale,
    width: dimension.default(64),
    depth: z.int().min(1).max(8).default(1),
    gain: z.number().gt(0).default(1),
    seed: shape.seed,
  }),
);

/** Stream of g's weights, layer after layer: away from those of the linear world's matrices (lib/world/world.ts). */
const WEIGHT_STREAM = 1010;

/** Checks an MLP world and fills in its defaults. */
export function mlpWorld(input: MlpWorldSpec, what = 'world'): z.output<typeof mlpWorldSchema> {
  const spec = parse(mlpWorldSchema, input, what);
  if (spec.actionDim > spec.endogenousDim)
    throw new ExolamError(
      'input',
      `${what}.actionDim: expected at most endogenousDim (${spec.endogenousDim}) but received ${spec.actionDim}: actionEffect has orthonormal columns`,
    );
  return spec;
}

/** g itself: in a hidden layer weights ~ N(0, gain^2 / inputs), a constant 1 among the inputs; N(0, 1 / inputs) in the last. */
export function mlpView(spec: z.output<typeof mlpWorldSchema>): MlpView {
  const hidden = new Array<number>(spec.depth).fill(spec.width);
  const sizes = Int32Array.of(spec.endogenousDim + spec.exogenousDim, ...hidden, spec.observationDim);
  const last = sizes.length - 2;
  const inputs = (layer: number) => sizes[layer] + (layer < last ? 1 : 0);
  const count = Array.from({ length: last + 1 }, (_, layer) => inputs(layer) * sizes[layer + 1]);
  const total = count.reduce((sum, n) => sum + n, 0);
  requireMemory(12 * total, `the weights of a view of ${total} numbers`);
  const weights = Float32Array.from(normals(spec.seed, WEIGHT_STREAM, 0, total));
  let at = 0;
  for (let layer = 0; layer <= last; at += count[layer], layer++) {
    const deviation = (layer < last ? spec.gain : 1) / Math.sqrt(inputs(layer));
    for (let i = at; i < at + count[layer]; i++) weights[i] *= deviation;
  }
  return { kind: 'mlp', sizes, weights };
}
