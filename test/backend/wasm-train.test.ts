import { describe, expect, it } from 'vitest';
import { referenceBackend as reference } from '../../lib/backend/reference/index.js';
import type { Backend } from '../../lib/backend/requests.js';
import { initialState, type TrainStepsRequest } from '../../lib/backend/train-requests.js';
import { hasWasm } from '../../lib/backend/wasm/index.js';
import { type TrainConfig, train } from '../../lib/train/index.js';
import { wasm as built, native } from '../support/backends.js';
import { ADAM, LINEAR, MLP, parameters, problem, ROBUST_HEADS, VARIANTS } from '../support/train.js';

const wasm = built as Backend;
const title = hasWasm() ? 'training in WebAssembly' : 'training in WebAssembly (skipped without build:wasm)';

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (v, i) => Math.abs(v - (b[i] as number))));
};
const CASES = [
  ['linear, all objectives in one', LINEAR, VARIANTS['composition']],
  ['gelu, all objectives in one', MLP, VARIANTS['composition']],
  ['the penalty beside a head', LINEAR, ROBUST_HEADS[0]],
] as const;

describe.skipIf(!hasWasm())(title, () => {
  it.each(CASES)('has the loss and the gradient of the other backends: %s', async (_, shape, variant) => {
    const request = { ...problem(shape, variant), step: 2 };
    const at = { ...request, parameters: parameters(request.shape) };
    const [a, b, c] = [await wasm.trainLoss(at), await native.trainLoss(at), await reference.trainLoss(at)];
    const size = Math.max(...Array.from(b.gradient, Math.abs));
    // In f64 on rows of f32, which each draws for itself.
    for (const other of [b, c]) {
      expect(farthest(a.parts, other.parts)).toBeLessThan(2e-6 * (b.parts[0] as number));
      expect(farthest(a.gradient, other.gradient)).toBeLessThan(5e-6 * size);
    }
  });

  it.each(CASES)('takes the steps of native in f32: %s', async (_, shape, variant) => {
    const from = problem(shape, variant);
    const optimiser = { ...ADAM, epsilon: 1e-3, learningRate: 0.01 };
    const request: TrainStepsRequest = {
      ...from,
      ...{ optimiser, state: initialState(from.shape, 2), steps: 10, traceEvery: 5 },
    };
    const [[a], b] = [await wasm.trainBatch([request]), await native.trainSteps(request)];
    expect(farthest(a?.trace ?? [], b.trace)).toBeLessThan(1e-5 * Math.max(...b.trace));
    expect(farthest(a?.state.parameters ?? [], b.state.parameters)).toBeLessThan(1e-4);
  });

  it('trains, judges and answers as native does, in minibatches and by exact gradients', async () => {
    const world = { observationDim: 6, endogenousDim: 2, exogenousDim: 2, actionDim: 1 };
    const configs: readonly TrainConfig[] = [
      { world, model: { kind: 'linear', latentDim: 1 }, optimizer: { kind: 'lbfgs' } },
      {
        world: { kind: 'mlp', ...world },
        model: { kind: 'mlp', latentDim: 2, hidden: [8] },
        ...{ steps: 40, evaluationRows: 256, batchSize: 16, probes: ['linear'] },
      },
    ];
    for (const config of configs) {
      const a = (await train(config, { backend: wasm })).result;
      const b = (await train(config, { backend: native })).result;
      expect(Math.abs(a.loss / b.loss - 1)).toBeLessThan(1e-4);
      for (const [name, value] of Object.entries(b.metrics))
        if (Number.isFinite(value))
          expect(Math.abs((a.metrics[name] as number) - value), name).toBeLessThan(1e-3);
    }
  });
});
