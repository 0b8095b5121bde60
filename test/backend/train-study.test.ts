/**
 * The world of a public reference study (docs/theory.md, section 6), its model, batch and optimiser, in a shortened form: the rate
 * falls along a cosine, so that 4,000 steps arrive where a constant rate of 1e-3 takes 40,000.
 */
import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../lib/backend/load-addon.js';
import { nativeBackend } from '../../lib/backend/native.js';
import { initialState } from '../../lib/backend/train-requests.js';
import { orthonormalise } from '../../lib/linalg/dense.js';
import { matrix } from '../../lib/linalg/matrix.js';
import { score } from '../../lib/metrics/score.js';
import { normals } from '../../lib/random/philox.js';
import { solve } from '../../lib/solve/population.js';
import { trainBatch } from '../../lib/train/index.js';
import { linearWorldSource } from '../../lib/world/batch-source.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { ADAM, LINEAR, PLAIN } from '../support/train.js';

const [D, DA] = [128, 8];
const STEPS = 4000;

function study(sigma: number): WorldSpec {
  const columns = (stream: number) => {
    const { data } = orthonormalise(matrix(D, DA, normals(1, stream, 0, D * DA))).basis;
    return Array.from({ length: D }, (_, i) => Array.from(data.subarray(i * DA, (i + 1) * DA)));
  };
  return {
    observationDim: D,
    endogenousDim: D,
    exogenousDim: DA,
    actionDim: DA,
    exogenousInitialScale: 0,
    exogenousScale: sigma,
    matrices: {
      endogenousMixing: Array.from({ length: D }, (_, i) =>
        Array.from({ length: D }, (_, j) => Number(i === j)),
      ),
      exogenousMixing: columns(77),
      actionEffect: columns(78),
    },
  };
}

describe('the reference study, shortened', () => {
  // Neighbouring eigenvalues: rows of the encoder that drift together made the loss stiff, and some starts never came to rest.
  it('is brought to rest by exact gradients from every start, soon', async () => {
    const world = study(0.5);
    const runs = await trainBatch(
      Array.from({ length: 30 }, (_, seed) => ({
        ...{ world, model: { kind: 'linear', latentDim: 10 }, seed },
        ...{ optimizer: { kind: 'lbfgs', starts: 1 }, evaluateEvery: 2000 },
      })),
    );
    for (const { result } of runs) {
      expect(result.stopped).toBe('converged');
      expect(result.steps).toBeLessThan(250);
      expect(Math.abs(result.loss / (result.exact?.loss as number) - 1)).toBeLessThan(1e-10);
    }
  });

  it.each([
    [0.5, 4],
    [2, 8],
  ])(
    'sigma %d, latentDim %d: minibatches of fresh samples end at the exact answer',
    async (sigma, latentDim) => {
      const world = study(sigma);
      const exact = await solve({ world, objective: { kind: 'reconstruction' }, latentDim });
      const shape = { ...LINEAR, observationDim: D, latentDim };
      const { state, trace } = await nativeBackend(loadAddon()).trainSteps({
        shape,
        projection: new Float32Array(0),
        source: linearWorldSource(createWorld(world)),
        objective: PLAIN,
        batchSize: 128,
        seed: 1,
        optimiser: { ...ADAM, learningRate: 1e-2, cosineSteps: STEPS },
        state: initialState(shape, 1),
        steps: STEPS,
        traceEvery: STEPS / 10,
      });
      expect(Math.abs((trace[9] as number) / exact.loss - 1)).toBeLessThan(0.02);
      // [C D] is the first tensor: rows of 2 D.
      const rows = (from: number) =>
        Array.from({ length: latentDim }, (_, i) =>
          Array.from(state.parameters.subarray(2 * D * i + from, 2 * D * i + from + D)),
        );
      const found = await score({ C: rows(0), D: rows(D) }, { world });
      for (const metric of ['actionError', 'futureLeakage'] as const)
        expect(Math.abs((found.metrics[metric] as number) - (exact.metrics[metric] as number))).toBeLessThan(
          0.02,
        );
    },
  );
});
