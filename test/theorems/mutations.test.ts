import { describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/requests.js';
import { multiply, multiplyTransposed, solveSemidefinite } from '../../lib/linalg/dense.js';
import { eigen } from '../../lib/linalg/eigen.js';
import { identity, plus, sumOfSquares, symmetric, transpose } from '../../lib/linalg/matrix.js';
import type { Falsifiable, Theorem } from '../../lib/theorems/check.js';
import { type Draw, wishart } from '../../lib/theorems/fit.js';
import { theorems } from '../../lib/theorems/index.js';
import { symmetricBeta } from '../../lib/theorems/statistics.js';
import { t1 } from '../../lib/theorems/t1-reconstruction-loss.js';
import { leading, t2 } from '../../lib/theorems/t2-largest-innovations.js';
import { t3 } from '../../lib/theorems/t3-endogenous-representation.js';
import { t4 } from '../../lib/theorems/t4-action-supervision.js';
import { t5 } from '../../lib/theorems/t5-cross-exogenous.js';
import { t6 } from '../../lib/theorems/t6-consistency-penalty.js';
import { t7 } from '../../lib/theorems/t7-deterministic-policy.js';
import { t8 } from '../../lib/theorems/t8-over-capacity.js';
import { t9 } from '../../lib/theorems/t9-noise-augmentation.js';
import { t10 } from '../../lib/theorems/t10-finite-samples.js';
import { t11 } from '../../lib/theorems/t11-learning-order.js';
import type { Minimise } from '../../lib/theorems/unconstrained.js';
import { verify } from '../../lib/theorems/verify.js';
import { native } from '../support/backends.js';

/** A theorem with one formula broken. */
function broken<P extends object>(
  theorem: Falsifiable<P>,
  what: string,
  predict: Partial<P>,
): [string, Theorem] {
  return [`${theorem.id} with ${what}`, theorem.withPrediction(predict)];
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, v) => total + v, 0);

/** Wishart matrices whose entries beside the diagonal are left out. */
const diagonalWishart: Draw = async (request, backend, control) => {
  const { count, width, sources: n, loadings } = request;
  const identity = Float64Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));
  const drawn = await wishart({ ...request, width: n, loadings: identity }, backend, control);
  const moments = new Float64Array(count * width * width);
  for (let draw = 0, at = 0; draw < count; draw++)
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++, at++)
        for (let p = 0; p < n; p++)
          moments[at] =
            moments[at] + loadings[i * n + p] * loadings[j * n + p] * drawn[draw * n * n + p * (n + 1)];
  return moments;
};

/** The least of T6's objective where B^T B = I. */
const constrainedMinimum: Minimise = (target, moved, weight, k) => {
  const s = plus(identity(target.cols), multiplyTransposed(moved, moved), weight);
  const m = multiply(target, solveSemidefinite(s, transpose(target), 1e-13));
  return sumOfSquares(target) - sum(eigen(symmetric(m)).values.subarray(0, k));
};

const mutants: [string, Theorem][] = [
  broken(t1, 'one eigenvalue too many left out', {
    loss: (spectrum, k) => sum(Array.from(spectrum).slice(k - 1)),
  }),
  broken(t1, 'the k smallest taken', { loss: (spectrum, k) => sum(Array.from(spectrum).reverse().slice(k)) }),
  broken(t2, 'the smallest picked first', { picks: (a, b, da, dx, k) => leading(b, a, da, dx, k) }),
  broken(t2, 'the action always first', { picks: (_a, _b, da, dx, k) => leading(1, 0, da, dx, k) }),
  broken(t3, 'no square root', { criticalGain: (a, b) => a / b }),
  broken(t3, 'a little leakage', { leakageWithout: () => 1e-3 }),
  broken(t4, 'policyNoise not squared', { criticalWeight: (a, b, noise) => Math.max(0, (b - a) / noise) }),
  broken(t4, 'alpha left out', { criticalWeight: (_, b, noise) => b / noise ** 2 }),
  broken(t4, 'leakage fading as 1 / weight', { fading: () => 1 }),
  broken(t4, 'consistency for every policy', { limit: () => 0 }),
  broken(t5, 'a little leakage', { leakage: () => 1e-3 }),
  broken(t5, 'a leak of second order', { order: () => 2 }),
  broken(t6, 'twice the critical weight', { criticalWeight: (a, b) => Math.max(0, b / a - 1) }),
  broken(t6, 'half of the damping', { exogenousEigenvalue: (b, weight) => b / (1 + weight) }),
  broken(t6, 'leakage fading as 1 / mu', { fading: () => 1 }),
  broken(t6, 'a penalty that binds without the constraint', { infimum: (_, constrained) => constrained }),
  broken(t6, 'half of the penalty left without the constraint', { infimum: (a, b) => (a + b) / 2 }),
  broken(t6, 'an optimiser that holds B^T B = I', { minimise: constrainedMinimum }),
  broken(t7, 'the unconditional variance of the action', {
    actionEigenvalue: (w) => w.actionScale ** 2 * (w.policyNoise ** 2 + w.stateFeedback ** 2),
  }),
  broken(t8, 'exactly j, however strong', { leaked: (k, da, dx) => Math.min(dx, k - da) }),
  broken(t8, 'no leak', { leaked: () => 0 }),
  broken(t9, 'another gauge', { gauge: () => 1 }),
  broken(t9, 'encoder noise at a cost', { silent: (free) => free * 1.001 }),
  broken(t9, 'a free decoder at the end', { deafening: (free) => free }),
  broken(t9, 'a falling loss', { direction: () => -1 }),
  broken(t10, 'half as many degrees of freedom again', {
    draw: (request, backend, control) =>
      wishart({ ...request, degrees: Math.ceil(1.5 * request.degrees) }, backend, control),
  }),
  broken(t10, 'independent sources', { draw: diagonalWishart }),
  ...[-1, 1].map((more) =>
    broken(t10, `${more} degree of freedom in the draws`, {
      draw: (request, backend, control) =>
        wishart({ ...request, degrees: request.degrees + more }, backend, control),
    }),
  ),
  ...[-1, 1].map((more) =>
    broken(t10, `${more} degree of freedom in the probability of a leak`, {
      leakProbability: (a, b, samples) => 1 - symmetricBeta(a / (a + b), (samples - 2 + more) / 2),
    }),
  ),
  broken(t10, 'one degree of freedom more for o', { left: (n, given) => (n - given - 1) / n }),
  broken(t10, 'the sides exchanged', { limit: (a, b, k, dx) => (b < a ? Math.min(1, k / dx) : 0) }),
  broken(t11, 'half the rate', { halfTime: (start, value) => Math.log((1 - start) / start) / (2 * value) }),
  broken(t11, 'exponential growth', { halfTime: (start, value) => Math.log(1 / (2 * start)) / (4 * value) }),
];

/** A backend that answers one call wrongly. */
function wrong<Call extends 'solvePopulation' | 'solveMoments' | 'wishart' | 'sample'>(
  name: Call,
  change: (call: Backend[Call], ...args: Parameters<Backend[Call]>) => ReturnType<Backend[Call]>,
): Backend {
  return new Proxy(native, {
    get: (backend, key) => {
      const own = Reflect.get(backend, key);
      if (typeof own !== 'function') return own;
      const bound = own.bind(backend);
      return key === name
        ? (...args: Parameters<Backend[Call]>) => change(bound as Backend[Call], ...args)
        : bound;
    },
  });
}

/** What is measured, broken, and the checks that must see it. */
const instruments: [string, string, Backend][] = [
  [
    'T1',
    'losses 1e-8 too great',
    wrong('solvePopulation', async (solve, ...args) => {
      const answer = await solve(...args);
      return { ...answer, loss: answer.loss.map((v) => v * (1 + 1e-8)) };
    }),
  ],
  [
    'T6',
    'penalties of half the weight',
    wrong('solvePopulation', (solve, request, ...rest) =>
      solve({ ...request, coefficients: request.coefficients.map((v) => v / 2) }, ...rest),
    ),
  ],
  [
    'T10',
    'a degree of freedom too few',
    wrong('wishart', (draw, request, control) => draw({ ...request, degrees: request.degrees - 1 }, control)),
  ],
  [
    'T10',
    'samples whose every second row is the one before',
    wrong('sample', async (sample, ...args) => {
      const answer = await sample(...args);
      const d = args[0].observationDim;
      const twice = (rows: Float64Array) =>
        rows.map((_, i) => rows[(Math.floor(i / d) - (Math.floor(i / d) % 2)) * d + (i % d)]);
      return {
        ...answer,
        observation: twice(answer.observation),
        observationNext: twice(answer.observationNext),
      };
    }),
  ],
];

describe('a broken instrument is seen by verify', () => {
  it.each(instruments)('%s: %s', async (id, _, backend) => {
    const { passed, checks } = await verify({ only: [id], trials: 25, backend });
    expect(passed).toBe(false);
    expect(checks.map((c) => c.passed)).toEqual([false]);
  });
});

describe('a broken formula fails its check', () => {
  it.each(mutants)('%s', async (_, theorem) => {
    const { passed, rows } = await theorem.check(25, 0, { backend: native });
    expect(passed).toBe(false);
    expect(rows.some((row) => !row.passed && !(row.worst <= row.tolerance))).toBe(true);
  });

  it('every theorem has a mutant', () => {
    const mutated = new Set(mutants.map(([, { id }]) => id));
    expect(theorems.map(({ id }) => id).filter((id) => !mutated.has(id))).toEqual([]);
  });
});
