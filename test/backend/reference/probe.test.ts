import { determinant, Matrix, solve } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { probe } from '../../../lib/backend/reference/probe.js';
import type { ProbeRequest } from '../../../lib/backend/requests.js';
import { backends } from '../../support/backends.js';
import { generator, noise } from '../../support/generator.js';

const D = 5;
const ROWS = 3;
const COLUMNS = {
  observation: 0,
  observationNext: D,
  pair: 2 * D,
  pairNext: 3 * D,
  action: 4 * D,
  exogenous: 4 * D + 2,
};
const WIDTH = 4 * D + 4;
const RIDGE = 1e-3;

/** Rows of [o o' o2 o2' a x'], correlated through one random mixing of independent numbers. */
function rowsOf(count: number, seed: number): Matrix {
  const random = generator(seed);
  const mixing = new Matrix(
    Array.from({ length: WIDTH }, () => Array.from(noise(generator(7 + (seed % 1)), WIDTH))),
  );
  for (let i = 0; i < WIDTH; i++) mixing.setRow(i, Array.from(noise(generator(100 + i), WIDTH)));
  return new Matrix(Array.from({ length: count }, () => Array.from(noise(random, WIDTH)))).mmul(mixing);
}

const columns = (m: Matrix, begin: number, width: number): Matrix =>
  m.subMatrix(0, m.rows - 1, begin, begin + width - 1);
const moments = (m: Matrix): Float64Array =>
  Float64Array.from(Matrix.div(m.transpose().mmul(m), m.rows).to1DArray());
const squares = (m: Matrix): number => m.to1DArray().reduce((sum, v) => sum + v * v, 0) / m.rows;

/** A ridge regression fitted on rows: returns what it predicts for other rows. */
function fitted(from: Matrix, to: Matrix): (other: Matrix) => Matrix {
  const gram = Matrix.div(from.transpose().mmul(from), from.rows);
  const add = (RIDGE * gram.trace()) / gram.rows;
  const weights = solve(
    Matrix.add(gram, Matrix.mul(Matrix.eye(gram.rows), add)),
    Matrix.div(from.transpose().mmul(to), from.rows),
  );
  return (other) => other.mmul(weights);
}

/** The same on latents scaled to unit variance. */
function fittedOnUnit(from: Matrix, to: Matrix): (other: Matrix) => Matrix {
  const scale = Matrix.diag(
    from
      .transpose()
      .to2DArray()
      .map((z) => (1 / Math.hypot(...z)) * Math.sqrt(from.rows)),
  );
  const predict = fitted(from.mmul(scale), to);
  return (other) => predict(other.mmul(scale));
}

const random = generator(3);
const encoderC = new Matrix(Array.from({ length: ROWS }, () => Array.from(noise(random, D))));
const encoderD = new Matrix(Array.from({ length: ROWS }, () => Array.from(noise(random, D))));
const latents = (m: Matrix, now: number, next: number): Matrix =>
  Matrix.add(columns(m, now, D).mmul(encoderC.transpose()), columns(m, next, D).mmul(encoderD.transpose()));

const train = rowsOf(300, 1);
const heldOut = rowsOf(120, 2);
const request: ProbeRequest = {
  width: WIDTH,
  train: moments(train),
  heldOut: moments(heldOut),
  observation: COLUMNS.observation,
  observationNext: COLUMNS.observationNext,
  observationDim: D,
  encoderC: Float64Array.from(encoderC.to1DArray()),
  encoderD: Float64Array.from(encoderD.to1DArray()),
  rows: ROWS,
  latentDims: Int32Array.of(1, 2, 3),
  targets: Int32Array.of(COLUMNS.action, 2, COLUMNS.exogenous, 2),
  ridge: RIDGE,
  pairObservation: COLUMNS.pair,
  pairObservationNext: COLUMNS.pairNext,
};

function expectClose(actual: number, wanted: number): void {
  expect(Math.abs(actual - wanted), `${actual} and ${wanted}`).toBeLessThanOrEqual(
    1e-10 * Math.max(1, Math.abs(wanted)),
  );
}

describe('probe, against ridge regressions on the rows themselves', () => {
  const o = (m: Matrix): Matrix => columns(m, COLUMNS.observation, D);
  const cases = [COLUMNS.action, COLUMNS.exogenous].flatMap((target, t) =>
    [1, 2, 3].map((k) => ({ target, t, k })),
  );

  it.each(backends)('does not depend on the scale of a latent: %s', async (_, backend) => {
    const scaled = (m: Matrix) =>
      Float64Array.from(m.to1DArray(), (v, i) => v * 30 ** (1 - Math.floor(i / D)));
    const [one, other] = [
      await backend.probe(request),
      await backend.probe({ ...request, encoderC: scaled(encoderC), encoderD: scaled(encoderD) }),
    ];
    for (const name of ['conditional', 'raw', 'information'] as const)
      one[name].forEach((v, i) => {
        expectClose(other[name][i], v);
      });
  });

  it.each(cases)('target at $target, $k latents', async ({ target, t, k }) => {
    const answer = await probe(request);
    const at = (k - 1) * 2 + t;
    const z = (m: Matrix): Matrix => columns(latents(m, COLUMNS.observation, COLUMNS.observationNext), 0, k);
    const wanted = (m: Matrix): Matrix => columns(m, target, 2);
    const targetFromO = fitted(o(train), wanted(train));
    const latentsFromO = fitted(o(train), z(train));
    const targetLeft = (m: Matrix): Matrix => Matrix.sub(wanted(m), targetFromO(o(m)));
    const latentsLeft = (m: Matrix): Matrix => Matrix.sub(z(m), latentsFromO(o(m)));

    expectClose(answer.remaining[t], squares(targetLeft(heldOut)));
    const conditional = fittedOnUnit(latentsLeft(train), targetLeft(train));
    const error = squares(Matrix.sub(targetLeft(heldOut), conditional(latentsLeft(heldOut))));
    expectClose(answer.conditional[at], error / answer.remaining[t]);
    const raw = fittedOnUnit(z(train), wanted(train));
    const rawError = squares(Matrix.sub(wanted(heldOut), raw(z(heldOut))));
    expectClose(answer.raw[at], rawError / squares(wanted(heldOut)));

    const back = fitted(targetLeft(train), latentsLeft(train));
    const unexplained = Matrix.sub(latentsLeft(heldOut), back(targetLeft(heldOut)));
    const det = (m: Matrix): number => determinant(Matrix.div(m.transpose().mmul(m), m.rows));
    expectClose(
      answer.information[at],
      Math.max(0, 0.5 * Math.log(det(latentsLeft(heldOut)) / det(unexplained))),
    );
  });

  it.each([1, 2, 3])('consistency of %i latents', async (k) => {
    const { consistency } = await probe(request);
    const z = columns(latents(heldOut, COLUMNS.observation, COLUMNS.observationNext), 0, k);
    const z2 = columns(latents(heldOut, COLUMNS.pair, COLUMNS.pairNext), 0, k);
    expectClose(consistency[k - 1], squares(Matrix.sub(z, z2)) / (2 * squares(z)));
  });

  it('has no consistency without a pair, no answer for a target that o fixes, infinity for one that z is', async () => {
    const alone = await probe({ ...request, pairObservation: -1, pairObservationNext: -1 });
    expect([...alone.consistency].every(Number.isNaN)).toBe(true);
    const exact = { ...request, ridge: 0, encoderC: request.encoderC.map(() => 0) };
    const fixed = await probe({ ...exact, targets: Int32Array.of(COLUMNS.observation, 2) });
    expect([...fixed.conditional, ...fixed.information].every(Number.isNaN)).toBe(true);
    const itself = await probe({ ...exact, targets: Int32Array.of(COLUMNS.observationNext, D) });
    expect([...itself.information]).toEqual([Infinity, Infinity, Infinity]);
    const constant = await probe({ ...exact, encoderD: request.encoderC.map(() => 0) });
    expect([...constant.information].every((v) => v === 0)).toBe(true);
    constant.conditional.forEach((v) => {
      expectClose(v, 1);
    });
  });
});
