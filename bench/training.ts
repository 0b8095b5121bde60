import type { Backend } from '../lib/backend/requests.js';
import { initialState, type NetworkShape, type TrainStepsRequest } from '../lib/backend/train-requests.js';
import { orthonormalise } from '../lib/linalg/dense.js';
import { matrix } from '../lib/linalg/matrix.js';
import { normals } from '../lib/random/philox.js';
import { linearWorldSource } from '../lib/world/batch-source.js';
import { createWorld } from '../lib/world/world.js';
import { ADAM, PLAIN } from '../test/support/train.js';
import { type Case, call } from './case.js';

const [D, DA, K] = [128, 8, 8];

/** The reference study's world: o ~ N(0, I), o' = o + X a + Y b / 2 with orthonormal X and Y. */
function source() {
  const columns = (stream: number) => {
    const { data } = orthonormalise(matrix(D, DA, normals(1, stream, 0, D * DA))).basis;
    return Array.from({ length: D }, (_, i) => Array.from(data.subarray(i * DA, (i + 1) * DA)));
  };
  const identity = Array.from({ length: D }, (_, i) => Array.from({ length: D }, (_, j) => Number(i === j)));
  return linearWorldSource(
    createWorld({
      observationDim: D,
      endogenousDim: D,
      exogenousDim: DA,
      actionDim: DA,
      exogenousInitialScale: 0,
      exogenousScale: 0.5,
      matrices: {
        endogenousMixing: identity,
        exogenousMixing: columns(77),
        actionEffect: columns(78),
      },
    }),
  );
}

function request(shape: NetworkShape, batchSize: number, steps: number): TrainStepsRequest {
  return {
    shape,
    projection: new Float32Array(0),
    source: source(),
    objective: PLAIN,
    batchSize,
    seed: 1,
    optimiser: ADAM,
    state: initialState(shape, 1),
    steps,
    traceEvery: steps,
  };
}

/** Multiply-adds of a row: each weight forward and for its gradient, and backward where the layer's input is not data. */
function multiplyAdds({ encoderHidden, decoderHidden, latentDim }: NetworkShape): number {
  const chain = (widths: readonly number[], returned: number) =>
    widths
      .slice(1)
      .reduce(
        (sum, out, i) =>
          sum + out * (2 * (widths[i] as number) + (i === 0 ? returned : (widths[i] as number))),
        0,
      );
  return (
    chain([2 * D, ...encoderHidden, latentDim], 0) + chain([D + latentDim, ...decoderHidden, D], latentDim)
  );
}

/** One Adam step on fresh data, f32, as the programs of bench/peers/ take it with PyTorch, JAX and TensorFlow.js. */
export function trainingStep(
  native: Backend,
  reference: Backend,
  model: 'linear' | 'relu' | 'gelu',
  batchSize: number,
): Case {
  const hidden = model === 'linear' ? [] : [256, 256];
  const shape: NetworkShape = {
    observationDim: D,
    projectionDim: 0,
    actionDim: 0,
    latentDim: K,
    encoderInput: 'both',
    decoderInput: 'both',
    residual: false,
    encoderHidden: hidden,
    decoderHidden: hidden,
    activation: model === 'gelu' ? 'gelu' : 'relu',
    bias: model !== 'linear',
    targets: 1,
    codebook: null,
  };
  const through = (backend: Backend) => (steps: number) => {
    const asked = request(shape, batchSize, steps);
    return call(
      () => backend.trainSteps(asked, { threads: 1 }),
      ({ trace }) => trace.subarray(0, 1),
    );
  };
  const items = model === 'linear' ? 1200 : Math.round(15_360 / batchSize);
  return {
    name: `training step, ${model === 'linear' ? 'linear' : `MLP ${model}`}, batch ${batchSize}`,
    unit: 'step',
    operations: 2 * batchSize * multiplyAdds(shape),
    precision: 'f32',
    tolerance: 1e-4,
    contenders: [
      { name: 'native', threads: 1, items, prepare: through(native) },
      // Plain TypeScript takes a second for what a wide network takes a millisecond for.
      ...(model === 'linear'
        ? [{ name: 'reference' as const, threads: 1, items: 1, prepare: through(reference) }]
        : []),
    ],
    peers: {
      kind: 'training-step',
      n: batchSize,
      items: Math.ceil(items / 4),
      input: () => ({ model, observationDim: D, actionDim: DA, latentDim: K, hidden: 256 }),
    },
  };
}
