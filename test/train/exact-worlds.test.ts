import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lbfgs } from '../../lib/backend/reference/lbfgs.js';
import type { Backend } from '../../lib/backend/requests.js';
import { multiply, multiplyTransposed, orthonormalise } from '../../lib/linalg/dense.js';
import {
  addScaled,
  hstack,
  identity,
  type Matrix,
  matrix,
  minus,
  plus,
  scale,
  sumOfSquares,
  transpose,
} from '../../lib/linalg/matrix.js';
import { normals } from '../../lib/random/philox.js';
import { type Case, solve } from '../../lib/solve/population.js';
import {
  descendWorlds,
  type ExactProblem,
  type ExactResult,
  type ExactState,
  type ExactSteps,
  exactProblem,
  stateWidths,
  zeroState,
} from '../../lib/train/exact-worlds.js';
import { equations } from '../../lib/world/equations.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';

const byLbfgs = (problem: ExactProblem, seed = 1): ExactSteps => ({
  ...{ method: 'lbfgs', steps: 2000, rate: 0, starts: 3, seed },
  state: zeroState(problem),
});
async function trained(question: Case, backend: Backend, seed = 1) {
  const problem = exactProblem(question, '');
  const [result] = await descendWorlds([problem], [byLbfgs(problem, seed)], backend, {});
  return result;
}

const folder = fileURLToPath(new URL('../golden/', import.meta.url));
const golden = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => [name, JSON.parse(readFileSync(folder + name, 'utf8')) as Case] as const);

describe.each(backends)('exact gradients on %s', (name, backend) => {
  const files = golden.filter((_, i) => name === 'native' || i % 4 === 0);

  it.each(files)('land on the closed form of %s', async (_, { expected: __, ...question }) => {
    const exact = await solve(question, { backend });
    const found = await trained(question, backend);
    expect(found.status).toBe(0);
    expect(found.gradient).toBeLessThan(1e-9);
    expect(Math.abs(found.loss - exact.loss)).toBeLessThan(1e-9 * exact.loss + 1e-15);
    if (!exact.unique) return;
    for (const [metric, value] of Object.entries(exact.metrics)) {
      const own = found.metrics[metric as keyof typeof found.metrics] as number;
      // What is exact in the closed form is nearly so here.
      if (value > 9) expect(own, metric).toBeGreaterThan(8.9);
      else expect(Math.abs(own - value), metric).toBeLessThan(1e-6 * Math.max(1, value));
    }
  });

  it('are the same in a basis of any observationDim, where noise alone is outside of it', async () => {
    const question = (observationDim: number): Case => ({
      world: { observationDim, endogenousDim: 3, exogenousDim: 2, actionDim: 2, sensorNoise: 0.3 },
      objective: { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.2 },
      latentDim: 4,
    });
    for (const d of [14, 400]) {
      const [exact, found] = [await solve(question(d)), await trained(question(d), backend)];
      expect(exactProblem(question(d), '').mixing.rows).toBeLessThanOrEqual(13);
      expect(Math.abs(found.loss / exact.loss - 1)).toBeLessThan(1e-9);
      expect(found.metrics.rawObservationError).toBeCloseTo(exact.metrics.rawObservationError as number, 7);
    }
  });
});

/** An objective as a function of every matrix of the model, straight from the world's equations. */
interface Free {
  readonly target: Matrix;
  readonly given: Matrix;
  readonly seen: Matrix;
  readonly action: Matrix;
  readonly weight: number;
}

/** E|target - A given - B E seen|^2 + weight E|action - H E seen|^2 and its gradient, the parameters side by side. */
function freeLoss({ target, given, seen, action, weight }: Free, k: number, v: Float64Array) {
  let at = 0;
  const take = (rows: number, cols: number) => {
    at += rows * cols;
    return matrix(rows, cols, v.slice(at - rows * cols, at));
  };
  const A = take(target.rows, given.rows);
  const B = take(target.rows, k);
  const E = take(k, seen.rows);
  const H = take(action.rows, k);
  const z = multiply(E, seen);
  const left = minus(target, plus(multiply(A, given), multiply(B, z)));
  const missed = minus(action, multiply(H, z));
  const back = multiply(transpose(B), left);
  addScaled(back, weight, multiply(transpose(H), missed));
  const parts = [
    multiplyTransposed(left, given),
    multiplyTransposed(left, z),
    multiplyTransposed(back, seen),
    scale(weight, multiplyTransposed(missed, z)),
  ];
  const gradient = Float64Array.from(parts.flatMap(({ data }) => Array.from(data, (x) => -2 * x)));
  return { value: sumOfSquares(left) + weight * sumOfSquares(missed), gradient };
}

const reacting: WorldSpec = {
  ...{ observationDim: 6, endogenousDim: 3, exogenousDim: 2, actionDim: 2, seed: 3 },
  mixing: 'gaussian',
  ...{ stateFeedback: 0.8, exogenousFeedback: 0.5, processNoise: 0.2, sensorNoise: 0.1 },
};
const supervised = { kind: 'action-supervised', weight: 1.5, labelFraction: 0.5 } as const;
const WITHOUT: [name: string, question: Case][] = [
  [
    'supervision below actionDim',
    { world: { ...reacting, stateFeedback: 0.3 }, objective: supervised, latentDim: 1 },
  ],
  [
    'supervision of cross-exogenous',
    {
      world: reacting,
      objective: { kind: 'composition', parts: [{ kind: 'cross-exogenous' }, supervised] },
      latentDim: 2,
    },
  ],
  [
    'supervision of augmented',
    {
      world: reacting,
      objective: {
        kind: 'composition',
        parts: [{ kind: 'augmented', encoderNoise: 0.3, decoderNoise: 0.2 }, supervised],
      },
      latentDim: 3,
    },
  ],
];

function freeOf(question: Case): Free {
  const e = equations(createWorld(question.world ?? {}));
  const parts = question.objective.kind === 'composition' ? question.objective.parts : [question.objective];
  const augmented = parts.find((part) => part.kind === 'augmented');
  const isPaired = parts.some((part) => part.kind === 'cross-exogenous');
  const d = e.observation.rows;
  /** With noise of its own sources: n1, then n2. */
  const noisy = (v: Matrix, n1: number, n2: number) =>
    hstack([v, scale(n1, identity(v.rows)), scale(n2, identity(v.rows))]);
  const { encoderNoise: n1 = 0, decoderNoise: n2 = 0 } = augmented ?? {};
  const now = noisy(e.observation, n1, 0);
  const next = noisy(e.observationNext, n1, 0);
  return {
    target: noisy(isPaired ? e.pairObservationNext : e.observationNext, 0, n2),
    given: noisy(isPaired ? e.pairObservation : e.observation, 0, n2),
    seen: transpose(hstack([transpose(now), transpose(next)])),
    action: hstack([e.action, matrix(e.action.rows, 2 * d)]),
    weight: 0.75,
  };
}

describe.each(WITHOUT)('%s has no closed form', (_, question) => {
  it('and says which command answers', async () => {
    await expect(solve(question)).rejects.toThrow(
      /exolam train CONFIG --out DIR with "optimizer": \{"kind": "lbfgs"\}/,
    );
  });

  it.each(backends)(
    'on %s: as low as an optimiser of every matrix gets, from random starts',
    async (_, backend) => {
      const found = await trained(question, backend);
      expect(found.status).toBe(0);
      const free = freeOf(question);
      const k = question.latentDim;
      const size = free.target.rows * (free.given.rows + k) + k * (free.seen.rows + free.action.rows);
      let least = Number.POSITIVE_INFINITY;
      for (let start = 0; start < 4; start++) {
        const from = normals(start, 7, 0, size).map((x) => 0.3 * x);
        const options = { iterations: 3000, tolerance: 1e-8, scale: 1, rest: async () => {} };
        const { value } = await lbfgs((x) => freeLoss(free, k, x), from, options);
        least = Math.min(least, value);
      }
      expect(Math.abs(found.loss / least - 1)).toBeLessThan(1e-6);
      expect(found.loss).toBeCloseTo(found.reconstruction + found.supervision, 12);
    },
  );
});

const small: Case = {
  world: { observationDim: 9, endogenousDim: 3, exogenousDim: 2, actionDim: 2, exogenousScale: 1.7, seed: 5 },
  objective: { kind: 'reconstruction' },
  latentDim: 2,
};

const distance = (a: Float64Array, b: Float64Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i])));

/** A state of small random numbers. */
function smallState(problem: ExactProblem, seed: number) {
  const { y, head, e } = stateWidths(problem);
  const k = problem.latentDim;
  const drawn = (count: number, stream: number) => normals(seed, stream, 0, count).map((x) => 0.2 * x);
  return { encoder: drawn(k * e, 1), decoder: drawn((y + head) * k, 2) };
}

describe('gradient descent and gradient flow', () => {
  it.each(['gradient-descent', 'gradient-flow'] as const)(
    '%s is the same on both backends',
    async (method) => {
      for (const question of [small, ...WITHOUT.map(([, q]) => q)]) {
        const problem = exactProblem(question, '');
        const run = { method, steps: 40, rate: 0.01, starts: 0, seed: 0, state: smallState(problem, 1) };
        const [one] = await descendWorlds([problem], [run], native, {});
        const [other] = await descendWorlds([problem], [run], reference, {});
        expect(one.step).toBe(40);
        expect(one.loss).toBeCloseTo(other.loss, 9);
        for (const part of [(r: ExactResult) => r.state.encoder, (r: ExactResult) => r.state.decoder])
          expect(distance(part(one), part(other))).toBeLessThan(1e-9);
        expect(distance(one.maps.decoderF, other.maps.decoderF)).toBeLessThan(1e-9);
      }
    },
  );

  it('descend the slope: a small step lowers the loss by the square of the gradient', async () => {
    for (const [, question] of WITHOUT) {
      const problem = exactProblem(question, '');
      const state = smallState(problem, 2);
      const stepping = async (steps: number, rate: number) => {
        const run = { method: 'gradient-descent', steps, rate, starts: 0, seed: 0, state } as const;
        return (await descendWorlds([problem], [run], native, {}))[0];
      };
      const [before, stepped] = [await stepping(0, 0), await stepping(1, 1e-6)];
      const moved = [...stepped.state.encoder, ...stepped.state.decoder].map(
        (v, i) => v - ([...state.encoder, ...state.decoder][i] as number),
      );
      const square = moved.reduce((sum, v) => sum + (v / 1e-6) ** 2, 0);
      expect((before.loss - stepped.loss) / 1e-6 / square).toBeCloseTo(1, 3);
    }
  });

  it('come to the closed form', async () => {
    const exact = await solve(small);
    const problem = exactProblem(small, '');
    for (const method of ['gradient-descent', 'gradient-flow'] as const) {
      const run = { method, steps: 4000, rate: 0.02, starts: 0, seed: 0, state: smallState(problem, 3) };
      const [found] = await descendWorlds([problem], [run], native, {});
      expect(Math.abs(found.loss / exact.loss - 1)).toBeLessThan(1e-9);
      expect(found.metrics.futureLeakage).toBeCloseTo(exact.metrics.futureLeakage as number, 6);
    }
  });

  it('T11: from a balanced start a0 mode i is half learned at ln((1 - a0) / a0) / (4 lambda_i)', async () => {
    const question: Case = {
      world: { ...small.world, exogenousScale: 1.5, mixing: 'gaussian', actionScale: 1 },
      objective: { kind: 'reconstruction' },
      latentDim: 5,
    };
    const problem = exactProblem(question, '');
    const { spectrum } = await solve({ ...question, latentDim: 4 });
    const [start, rate, stretch] = [1e-3, 0.002, 5];
    const R = orthonormalise(matrix(5, 5, normals(9, 0, 0, 25))).basis;
    let state: ExactState = {
      encoder: R.data.map((x) => Math.sqrt(start) * x),
      decoder: transpose(R).data.map((x) => Math.sqrt(start) * x),
    };
    // The share of a mode's variance that B D has learned, read off the loss: modes are learned one after the other.
    const directions = (await solve({ ...question, latentDim: 4 }, { encoder: true })).encoder as {
      D: Matrix;
    };
    const basis = problem.basis();
    const modes = multiply(directions.D, basis);
    const learned = (s: typeof state) => {
      const [g, b] = [matrix(5, 5, s.encoder), matrix(5, 5, s.decoder)];
      const bd = multiply(b, g);
      return Array.from({ length: 4 }, (_, i) => {
        const row = matrix(1, 5, modes.data.slice(5 * i, 5 * i + 5));
        return multiplyTransposed(multiply(row, bd), row).data[0] / sumOfSquares(row);
      });
    };
    const half = new Array<number>(4).fill(Number.NaN);
    for (let time = 0; half.some(Number.isNaN) && time < 40; time += rate * stretch) {
      const before = learned(state);
      const run = { method: 'gradient-flow', steps: stretch, rate, starts: 0, seed: 0, state } as const;
      [{ state }] = await descendWorlds([problem], [run], native, {});
      learned(state).forEach((share, i) => {
        if (!Number.isNaN(half[i]) || share < 0.5) return;
        const last = before[i];
        half[i] = time + (rate * stretch * (0.5 - last)) / (share - last);
      });
    }
    spectrum.forEach((lambda, i) => {
      const predicted = Math.log((1 - start) / start) / (4 * lambda);
      expect(Math.abs((half[i] as number) / predicted - 1), `mode ${i}`).toBeLessThan(0.05);
    });
  });

  it('say where they have diverged', async () => {
    const problem = exactProblem(small, '');
    for (const backend of [native, reference]) {
      const run = {
        ...({ method: 'gradient-descent', steps: 500, rate: 5, starts: 0, seed: 0 } as const),
        state: smallState(problem, 1),
      };
      const [found] = await descendWorlds([problem], [run], backend, {});
      expect(found.status).toBe(1);
      expect(found.step).toBeLessThan(500);
    }
  });
});

describe('many runs in one call', () => {
  it('have the bits of each alone, for any number of threads, also where they are cut in two', async () => {
    const problems = [1, 2, 3].map((seed) => exactProblem({ ...small, world: { ...small.world, seed } }, ''));
    const runs = problems.map((problem, i) => byLbfgs(problem, i));
    const flows = problems.map((problem, i) => ({
      ...({ method: 'gradient-flow', steps: 10, rate: 0.02, starts: 0, seed: 0 } as const),
      state: smallState(problem, i),
    }));
    const mixed = [...runs, ...flows];
    const all = await descendWorlds([...problems, ...problems], mixed, native, { threads: 2 });
    for (const [i, run] of mixed.entries()) {
      const problem = problems[i % 3] as ExactProblem;
      const [alone] = await descendWorlds([problem], [run], native, { threads: 1 });
      expect(all[i]).toEqual(alone);
      if (run.method === 'lbfgs') continue;
      const [begun] = await descendWorlds([problem], [{ ...run, steps: 4 }], native, {});
      const [ended] = await descendWorlds([problem], [{ ...run, steps: 6, state: begun.state }], native, {});
      expect(ended.state).toEqual(alone.state);
      expect(ended.loss).toBe(alone.loss);
    }
  });

  it('stop when the signal fires', async () => {
    const problem = exactProblem(small, '');
    const run = {
      ...({ method: 'gradient-flow', steps: 1e9, rate: 1e-9, starts: 0, seed: 0 } as const),
      state: smallState(problem, 1),
    };
    for (const backend of [native, reference]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 50);
      const since = performance.now();
      await expect(
        descendWorlds([problem], [run], backend, { signal: controller.signal }),
      ).rejects.toMatchObject({ kind: 'cancelled' });
      expect(performance.now() - since).toBeLessThan(2000);
    }
  });
});
