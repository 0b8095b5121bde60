import { Matrix } from 'ml-matrix';
import { expect, it } from 'vitest';
import { lbfgs } from '../../lib/backend/reference/lbfgs.js';
import { meanOf, secondMoments, variablesOf } from '../../lib/moments/of-data.js';
import { permutation } from '../../lib/random/permutation.js';
import { normals } from '../../lib/random/philox.js';
import { native } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

/**
 * The objective of few labels as it is stated, with nothing eliminated and nothing known: A, B, C, D and the head H are all
 * numbers that go downhill. What the product says of the minimum (docs/estimates.md, "How many labels") has to be found by it.
 */
const [D, K, DA, WEIGHT] = [5, 2, 2, 5];

/** E over all rows |o' - A o - B z|^2 + weight E over labelled rows |a - H z|^2, z = C [o; o'], and its gradient. */
function stated(all: Matrix, labelled: Matrix) {
  const shapes = [
    [D, D],
    [D, K],
    [K, 2 * D],
    [DA, K],
  ] as const;
  return (x: Float64Array) => {
    let at = 0;
    const [a, b, c, h] = shapes.map(([rows, columns]) => {
      const values = Array.from(x.subarray(at, at + rows * columns));
      at += rows * columns;
      return Matrix.from1DArray(rows, columns, values);
    });
    // Loadings of both errors on [o, o'] and on [o, o', a].
    const error = b.mmul(c).mul(-1);
    for (let i = 0; i < D; i++)
      for (let j = 0; j < D; j++) {
        error.set(i, j, error.get(i, j) - a.get(i, j));
        error.set(i, D + j, error.get(i, D + j) + Number(i === j));
      }
    const miss = Matrix.zeros(DA, 2 * D + DA);
    miss.setSubMatrix(h.mmul(c).mul(-1), 0, 0);
    miss.setSubMatrix(Matrix.eye(DA), 0, 2 * D);
    const [es, fq] = [error.mmul(all), miss.mmul(labelled)];
    const seen = fq.subMatrix(0, DA - 1, 0, 2 * D - 1);
    const gradients = [
      es.subMatrix(0, D - 1, 0, D - 1).mul(-2),
      es.mmul(c.transpose()).mul(-2),
      Matrix.add(b.transpose().mmul(es), h.transpose().mmul(seen).mul(WEIGHT)).mul(-2),
      seen.mmul(c.transpose()).mul(-2 * WEIGHT),
    ];
    const value = Matrix.mul(es, error).sum() + WEIGHT * Matrix.mul(fq, miss).sum();
    return { value, gradient: Float64Array.from(gradients.flatMap((g) => g.to1DArray())) };
  };
}

it('few labels leave the minimum at plain reconstruction: an optimiser that knows no theory ends there, and at no less', async () => {
  const t = await transitionsOf(
    {
      observationDim: D,
      endogenousDim: 2,
      exogenousDim: 2,
      actionDim: DA,
      exogenousScale: 2,
      mixing: 'gaussian',
      sensorNoise: 0.1,
      seed: 4,
    },
    300,
  );
  const { width, layout } = variablesOf(t);
  const momentsOf = (rows: Int32Array) => secondMoments(t, rows, meanOf(t, rows), native);
  const places = (...parts: readonly (readonly [number, number])[]) =>
    parts.flatMap(([begin, count]) => Array.from({ length: count }, (_, i) => begin + i));
  const of = (moments: Float64Array, at: readonly number[]) =>
    Matrix.from1DArray(width, width, Array.from(moments)).selection(at as number[], at as number[]);
  const [o, next, a] = [
    [layout.observation, D],
    [layout.observationNext, D],
    [layout.action, DA],
  ] as const;
  const all = await momentsOf(Int32Array.from({ length: t.count }, (_, i) => i));
  const order = permutation(t.count, 1);
  const leastOf = async (n: number) => {
    const labelled = n > 0 ? await momentsOf(order.slice(0, n)) : all.map(() => 0);
    const { loss } = await native.trainMoments({
      count: 1,
      sets: 1,
      width,
      moments: all,
      set: Int32Array.of(0),
      labelled,
      weight: Float64Array.of(n > 0 ? WEIGHT : 0),
      observationDim: D,
      actionDim: DA,
      observation: layout.observation,
      observationNext: layout.observationNext,
      action: layout.action,
      latentDim: K,
      ridge: 0,
      relativeTolerance: 1e-10,
      starts: 3,
      seed: 0,
      iterations: 2000,
    });
    const start = normals(1, 0, 0, D * D + D * K + 2 * K * D + DA * K).map((v) => 0.1 * v);
    const descent = await lbfgs(stated(of(all, places(o, next)), of(labelled, places(o, next, a))), start, {
      iterations: 20_000,
      tolerance: 1e-8,
      scale: 1,
      rest: async () => {},
    });
    expect(Math.abs(descent.value / loss[0] - 1), `${n} labels`).toBeLessThan(1e-6);
    return loss[0];
  };
  const reconstruction = await leastOf(0);
  expect(Math.abs((await leastOf(D + 1)) / reconstruction - 1)).toBeLessThan(1e-9);
  expect(await leastOf(4 * D)).toBeGreaterThan(2 * reconstruction);
});
