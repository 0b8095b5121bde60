import { describe, expect, it } from 'vitest';
import type { Backend, MomentsDescentRequest } from '../../lib/backend/requests.js';
import { populationMoments } from '../../lib/moments/drawn.js';
import { normals } from '../../lib/random/philox.js';
import { type ObjectiveSpec, resolveForTraining } from '../../lib/solve/objectives.js';
import { descendWorlds, exactProblem, stateWidths, zeroState } from '../../lib/train/exact-worlds.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';

const world: WorldSpec = {
  ...{ observationDim: 6, endogenousDim: 3, exogenousDim: 2, actionDim: 2, seed: 3, mixing: 'gaussian' },
  ...{ stateFeedback: 0.4, exogenousFeedback: 0.5, processNoise: 0.2, sensorNoise: 0.1 },
};
const supervised = { kind: 'action-supervised', weight: 3, labelFraction: 0.5 } as const;
const projection = [
  [1, 0, 0, 0.5, 0, 0],
  [0, 1, 0, 0, -1, 0],
  [0, 0, 1, 0, 0, 0.3],
];
const OBJECTIVES: [latentDim: number, objective: ObjectiveSpec][] = [
  [2, { kind: 'reconstruction' }],
  [2, { kind: 'reconstruction', decoder: 'identity' }],
  [2, supervised],
  [1, supervised],
  [2, { kind: 'cross-exogenous' }],
  [2, { kind: 'exogenous-robust', weight: 0.7 }],
  [3, { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 }],
  [2, { kind: 'composition', parts: [{ kind: 'cross-exogenous' }, supervised] }],
  [1, { kind: 'composition', parts: [supervised, { kind: 'exogenous-robust', weight: 0.7 }] }],
  [2, { kind: 'composition', parts: [{ kind: 'representation', projection }, supervised] }],
];

/** A request on the moments of a world as if they were those of data. */
function requestOf(
  objective: ObjectiveSpec,
  latentDim: number,
  labelled?: Float64Array,
): MomentsDescentRequest {
  const { width, layout, moments } = populationMoments(createWorld(world));
  const resolved = resolveForTraining(objective, latentDim >= layout.actionDim);
  return {
    count: 1,
    ...{ width, layout, moments, labelled: labelled ?? moments },
    objective: resolved.rows,
    coefficients: Float64Array.from(resolved.coefficients),
    projection: resolved.projection?.data ?? new Float64Array(0),
    projectionDim: resolved.projection?.rows ?? 0,
    ...{ ridge: 0, relativeTolerance: 1e-10, latentDim, head: resolved.head },
    ...{ method: 'lbfgs', steps: 3000, starts: 4 },
    rate: Float64Array.of(0),
    seed: Float64Array.of(1),
    ...states(objective, latentDim),
  };
}

function states(objective: ObjectiveSpec, latentDim: number) {
  const problem = exactProblem({ world, objective, latentDim }, '');
  const { y, head, e } = stateWidths(problem);
  return {
    encoderState: normals(5, 1, 0, latentDim * e).map((x) => 0.2 * x),
    decoderState: normals(5, 2, 0, (y + head) * latentDim).map((x) => 0.2 * x),
  };
}

const onMoments = (backend: Backend, objective: ObjectiveSpec, latentDim: number) =>
  backend.descendMoments(requestOf(objective, latentDim));

describe.each(backends)('gradients on the moments of data, %s', (_, backend) => {
  it.each(OBJECTIVES)(
    'are those of the world that has these moments: latentDim %i, %o',
    async (latentDim, objective) => {
      const problem = exactProblem({ world, objective, latentDim }, '');
      const run = {
        method: 'lbfgs',
        steps: 3000,
        rate: 0,
        starts: 4,
        seed: 1,
        state: zeroState(problem),
      } as const;
      const [exact] = await descendWorlds([problem], [run], native, {});
      const found = await onMoments(backend, objective, latentDim);
      expect(found.status[0]).toBe(0);
      expect(Math.abs(found.loss[0] / exact.loss - 1)).toBeLessThan(1e-8);
      expect(found.reconstruction[0]).toBeCloseTo(exact.reconstruction, 5);
    },
  );
});

describe('gradient descent on the moments of data', () => {
  it('is the same on both backends, labels of their own included', async () => {
    for (const [latentDim, objective] of OBJECTIVES) {
      const { moments, width } = requestOf(objective, latentDim);
      const labelled = moments.map((v, i) => (i % (width + 1) === 0 ? 1.3 * v : v));
      const request = {
        ...requestOf(objective, latentDim, labelled),
        steps: 30,
        rate: Float64Array.of(0.01),
      };
      for (const method of ['gradient-descent', 'gradient-flow'] as const) {
        const one = await native.descendMoments({ ...request, method });
        const other = await reference.descendMoments({ ...request, method });
        expect(one.loss[0]).toBeCloseTo(other.loss[0], 9);
        for (const name of ['encoderC', 'encoderD', 'decoderF', 'encoderState', 'decoderState'] as const) {
          const gap = one[name].map((v, i) => Math.abs(v - other[name][i]));
          expect(Math.max(...gap), name).toBeLessThan(1e-8);
        }
      }
    }
  });
});
