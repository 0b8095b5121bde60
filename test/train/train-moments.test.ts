import { Matrix, SVD } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { partlyLabelledLoss } from '../../lib/backend/reference/partly-labelled.js';
import type { Backend, TrainMomentsRequest } from '../../lib/backend/requests.js';
import type { Transitions } from '../../lib/data/transitions.js';
import { matrix } from '../../lib/linalg/matrix.js';
import { meanOf, secondMoments, variablesOf } from '../../lib/moments/of-data.js';
import { permutation } from '../../lib/random/permutation.js';
import { normals } from '../../lib/random/philox.js';
import { resolveObjective } from '../../lib/solve/objectives.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

const world: WorldSpec = {
  observationDim: 9,
  endogenousDim: 3,
  exogenousDim: 3,
  actionDim: 2,
  exogenousScale: 2,
  mixing: 'gaussian',
  sensorNoise: 0.05,
  stateFeedback: 0.3,
  seed: 4,
};
const WEIGHT = 20;

/** Labels on each of `rowsOf` in turn, all rows being those of the data. */
async function requestOf(
  t: Transitions,
  rowsOf: readonly Int32Array[],
  latentDim: number,
  ridge = 0,
): Promise<TrainMomentsRequest> {
  const { width, layout } = variablesOf(t);
  const all = Int32Array.from({ length: t.count }, (_, i) => i);
  const labelled = new Float64Array(rowsOf.length * width * width);
  for (const [i, rows] of rowsOf.entries())
    labelled.set(await secondMoments(t, rows, meanOf(t, rows), native), i * width * width);
  return {
    count: rowsOf.length,
    sets: 1,
    width,
    moments: await secondMoments(t, all, meanOf(t, all), native),
    set: new Int32Array(rowsOf.length),
    labelled,
    weight: new Float64Array(rowsOf.length).fill(WEIGHT),
    observationDim: t.observationDim,
    actionDim: t.actionDim,
    observation: layout.observation,
    observationNext: layout.observationNext,
    action: layout.action,
    latentDim,
    ridge,
    relativeTolerance: 1e-10,
    starts: 3,
    seed: 0,
    iterations: 2000,
  };
}

const draw = (t: Transitions, n: number, seed: number) => permutation(t.count, seed).slice(0, n);

/** Mean squared residual of y on [1, x], by least squares on rows. */
function residual(y: Matrix, x: Matrix): number {
  const ones = Matrix.ones(x.rows, 1);
  const design = new Matrix(x.rows, x.columns + 1);
  design.setSubMatrix(ones, 0, 0);
  design.setSubMatrix(x, 0, 1);
  const left = Matrix.sub(y, design.mmul(new SVD(design, { autoTranspose: true }).solve(y)));
  return left.norm('frobenius') ** 2 / y.rows;
}

/** The objective as stated, from rows: A o + B z of all, W o + H z of the labelled, with an encoder z = C o + D o'. */
function lossOnRows(t: Transitions, labelled: Int32Array, c: Matrix, d: Matrix): number {
  const rows = (values: Float64Array, width: number, of?: Int32Array) => {
    const all = Matrix.from1DArray(t.count, width, Array.from(values));
    return of
      ? all.selection(
          Array.from(of),
          Array.from({ length: width }, (_, i) => i),
        )
      : all;
  };
  const seen = (of?: Int32Array) => {
    const o = rows(t.observation, t.observationDim, of);
    const next = rows(t.observationNext, t.observationDim, of);
    const z = Matrix.add(o.mmul(c.transpose()), next.mmul(d.transpose()));
    const x = new Matrix(o.rows, o.columns + z.columns);
    x.setSubMatrix(o, 0, 0);
    x.setSubMatrix(z, 0, o.columns);
    return { x, next };
  };
  const all = seen();
  const action = rows(t.action as Float64Array, t.actionDim, labelled);
  return residual(all.next, all.x) + WEIGHT * residual(action, seen(labelled).x);
}

describe('the loss of partly labelled moments', () => {
  it('has the gradient that finite differences show', () => {
    const m = 5;
    const labels = 12;
    const w = matrix(labels, m, normals(3, 0, 0, labels * m));
    const a = matrix(labels, 2, normals(3, 1, 0, labels * 2));
    const product = (x: typeof w, y: typeof w) => {
      const out = matrix(x.cols, y.cols);
      for (let r = 0; r < labels; r++)
        for (let i = 0; i < x.cols; i++)
          for (let j = 0; j < y.cols; j++)
            out.data[i * y.cols + j] += (x.data[r * x.cols + i] * y.data[r * y.cols + j]) / labels;
      return out;
    };
    const all = { variance: Float64Array.of(4, 3, 1, 0.5, 0.1), left: 0.01 };
    const found = { n: product(w, w), p: product(w, a), q: 2, weight: 7 };
    const d = normals(3, 2, 0, 3 * m);
    const { gradient } = partlyLabelledLoss(all, found, matrix(3, m, d));
    const h = 1e-5;
    d.forEach((v, i) => {
      const at = (x: number) => partlyLabelledLoss(all, found, matrix(3, m, d.with(i, x))).value;
      expect((at(v + h) - at(v - h)) / (2 * h)).toBeCloseTo(gradient[i], 7);
    });
    expect(Math.hypot(...gradient)).toBeGreaterThan(0.1);
  });
});

describe.each(backends)('training on moments, %s', (_, backend: Backend) => {
  it.each([
    [2, 0],
    [3, 1e-3],
  ])('reaches the closed form where all rows are labelled, latentDim %i, ridge %f', async (k, ridge) => {
    const t = await transitionsOf(world, 500);
    const request = await requestOf(t, [draw(t, t.count, 1)], k, ridge);
    const found = await backend.trainMoments(request);
    const objective = resolveObjective({ kind: 'action-supervised', weight: WEIGHT, labelFraction: 1 });
    const closed = await native.solveMoments({
      count: 1,
      width: request.width,
      moments: request.moments,
      layout: variablesOf(t).layout,
      objective: objective.rows,
      coefficients: Float64Array.from(objective.coefficients),
      projection: new Float64Array(0),
      projectionDim: 0,
      latentDim: k,
      ridge,
      relativeTolerance: 1e-10,
    });
    const least = closed.spectrum.slice(0, k).reduce((loss, value) => loss - value, closed.trace[0]);
    expect(found.status[0]).toBe(0);
    expect(Math.abs(found.loss[0] / least - 1)).toBeLessThan(1e-8);
  });

  it('minimises the stated loss of rows: no encoder near it has less', async () => {
    const t = await transitionsOf(world, 300);
    const rows = draw(t, 30, 2);
    const request = await requestOf(t, [rows], 3);
    const { loss, reconstruction, head, encoderC, encoderD, status } = await backend.trainMoments(request);
    expect(status[0]).toBe(0);
    expect(loss[0]).toBeCloseTo(reconstruction[0] + WEIGHT * head[0], 12);
    const encoder = (values: Float64Array) => Matrix.from1DArray(3, 9, Array.from(values));
    const c = encoder(encoderC);
    const d = encoder(encoderD);
    expect(Math.abs(lossOnRows(t, rows, c, d) / loss[0] - 1)).toBeLessThan(1e-7);
    for (let trial = 0; trial < 20; trial++) {
      const shift = encoder(normals(trial, 0, 0, 27)).mul(1e-3 * d.norm('frobenius'));
      expect(lossOnRows(t, rows, c, Matrix.add(d, shift))).toBeGreaterThan(loss[0] * (1 + 1e-9));
    }
  });

  it('stops when it is told to', async () => {
    const t = await transitionsOf(world, 300);
    const request = await requestOf(
      t,
      Array.from({ length: 40 }, (_, i) => draw(t, 14, i)),
      3,
    );
    const stop = new AbortController();
    const running = backend.trainMoments({ ...request, starts: 1000 }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    const begun = performance.now();
    await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('answers numbers that are none with a status, and the problems beside them as before', async () => {
    const t = await transitionsOf(world, 300);
    const request = await requestOf(t, [draw(t, 40, 1), draw(t, 40, 2)], 3);
    const alone = await backend.trainMoments(request);
    const labelled = request.labelled.slice();
    labelled.fill(Number.NaN, 0, request.width ** 2);
    const { status, loss } = await backend.trainMoments({ ...request, labelled });
    expect(status[0]).not.toBe(0);
    expect([status[1], loss[1]]).toEqual([0, alone.loss[1]]);
    const moments = request.moments.map(() => Number.NaN);
    expect(Array.from((await backend.trainMoments({ ...request, moments })).status)).not.toContain(0);
  });

  it('says where nothing is left to encode, and where it was stopped by its iterations', async () => {
    const t = await transitionsOf(world, 300);
    const request = await requestOf(t, [draw(t, 14, 1)], 3);
    const early = await backend.trainMoments({ ...request, iterations: 2 });
    expect(early.status[0]).toBe(2);
    const still = { ...t, observationNext: t.observation };
    const nothing = await backend.trainMoments(await requestOf(still, [draw(t, 14, 1)], 3));
    expect(nothing.status[0]).toBe(3);
  });
});

describe('training on moments', () => {
  it('answers alike on both backends', async () => {
    const t = await transitionsOf(world, 400);
    const request = await requestOf(
      t,
      [16, 40, 200].map((n) => draw(t, n, n)),
      3,
      1e-3,
    );
    const [a, b] = await Promise.all([native.trainMoments(request), reference.trainMoments(request)]);
    expect(Array.from(a.status)).toEqual([0, 0, 0]);
    a.loss.forEach((loss, i) => {
      expect(Math.abs(loss / b.loss[i] - 1)).toBeLessThan(1e-9);
    });
    for (const name of ['encoderC', 'encoderD'] as const)
      a[name].forEach((v, i) => {
        expect(Math.abs(v - b[name][i])).toBeLessThan(1e-4);
      });
  });

  it('has the same bits for any number of threads', async () => {
    const t = await transitionsOf(world, 400);
    const request = await requestOf(
      t,
      Array.from({ length: 9 }, (_, i) => draw(t, 20 + i, i)),
      3,
    );
    const one = await native.trainMoments(request, { threads: 1 });
    for (const threads of [2, 5]) expect(await native.trainMoments(request, { threads })).toEqual(one);
  });
});
