import { Matrix, pseudoInverse } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { solve } from '../../lib/solve/population.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { backends } from '../support/backends.js';
import { observations } from '../support/loadings.js';

/** A small deterministic generator for drawing test worlds. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomWorld(seed: number): { world: WorldSpec; latentDim: number } {
  const random = generator(seed * 7919 + 1);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  for (let i = 0; i < 5; i++) random();
  const endogenousDim = 2 + Math.floor(random() * 3);
  const exogenousDim = 1 + Math.floor(random() * 3);
  const actionDim = 1 + Math.floor(random() * endogenousDim);
  return {
    world: {
      observationDim: endogenousDim + exogenousDim + Math.floor(random() * 4),
      endogenousDim,
      exogenousDim,
      actionDim,
      mixing: pick(['orthonormal', 'gaussian'] as const),
      endogenousDecay: 0.5 + random() / 2,
      exogenousDecay: random(),
      actionScale: 0.4 + random(),
      exogenousScale: 0.2 + 2 * random(),
      policyNoise: 0.3 + random(),
      processNoise: pick([0, 0.1, 0.3]),
      sensorNoise: pick([0, 0.05, 0.2]),
      stateFeedback: pick([0, 0.5]),
      exogenousFeedback: pick([0, 0.4]),
      actionExogenousCorrelation: pick([0, 0.6]),
      seed,
    },
    latentDim: 1 + Math.floor(random() * (endogenousDim + exogenousDim)),
  };
}

/**
 * Alternating least squares on E|o' - A o - B (C o + D o')|^2 over A, B, C, D: each half is an ordinary regression. It knows
 * neither innovations nor eigenvectors.
 */
function alternatingLeastSquares(now: Matrix, next: Matrix, k: number, free: boolean, seed: number): number {
  const random = generator(seed + 99);
  const both = Matrix.zeros(now.rows * 2, now.columns);
  both.setSubMatrix(now, 0, 0);
  both.setSubMatrix(next, now.rows, 0);
  const target = free ? next : Matrix.sub(next, now);
  const inputs = free ? both : target;
  const sInputs = inputs.mmul(inputs.transpose());
  const inverseInputs = pseudoInverse(sInputs, 1e-13);
  let encoder = Matrix.zeros(k, inputs.rows).apply(function (this: Matrix, i, j) {
    this.set(i, j, random() - 0.5);
  });
  let loss = Number.POSITIVE_INFINITY;
  let before = encoder;
  let steps = 0;
  for (let iteration = 0; iteration < 10000; iteration++) {
    // Momentum, dropped whenever a step makes things worse: near ties are slow without it.
    const ahead = Matrix.add(encoder, Matrix.sub(encoder, before).mul(steps / (steps + 3)));
    before = encoder;
    const z = ahead.mmul(inputs);
    const regressors = free ? Matrix.zeros(now.rows + k, now.columns) : z;
    if (free) {
      regressors.setSubMatrix(now, 0, 0);
      regressors.setSubMatrix(z, now.rows, 0);
    }
    const weights = target
      .mmul(regressors.transpose())
      .mmul(pseudoInverse(regressors.mmul(regressors.transpose()), 1e-13));
    const a = free ? weights.subMatrix(0, now.rows - 1, 0, now.rows - 1) : null;
    const b = free ? weights.subMatrix(0, now.rows - 1, now.rows, now.rows + k - 1) : weights;
    const left = a ? Matrix.sub(target, a.mmul(now)) : target;
    // Given A and B, the best encoder regresses B^+ (what is left) on the inputs.
    encoder = pseudoInverse(b, 1e-13).mmul(left.mmul(inputs.transpose()).mmul(inverseInputs));
    const error = Matrix.sub(left, b.mmul(encoder.mmul(inputs)));
    const reached = error.to1DArray().reduce((sum, v) => sum + v * v, 0);
    if (Math.abs(loss - reached) < 1e-14 * Math.max(1, reached)) return Math.min(loss, reached);
    steps = reached > loss ? 0 : steps + 1;
    loss = reached;
  }
  return loss;
}

describe('T1: no optimiser beats the closed form, and one reaches it', () => {
  it.each(Array.from({ length: 100 }, (_, i) => i))('world %i', async (seed) => {
    const { world, latentDim } = randomWorld(seed);
    const free = seed % 3 !== 0;
    const { now, next } = observations(createWorld(world));
    const reached = alternatingLeastSquares(new Matrix(now), new Matrix(next), latentDim, free, seed);
    for (const [name, backend] of backends) {
      const { loss } = await solve(
        { world, latentDim, objective: { kind: 'reconstruction', decoder: free ? 'free' : 'identity' } },
        { backend },
      );
      const scale = Math.max(loss, 1e-6 * next.flat().reduce((sum, v) => sum + v * v, 0));
      const figures = `${name}: closed form ${loss}, optimiser ${reached}`;
      expect(reached - loss, figures).toBeGreaterThan(-1e-9 * scale - 1e-12);
      expect(reached - loss, figures).toBeLessThan(1e-6 * scale);
    }
  });
});
