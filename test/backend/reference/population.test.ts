import { Matrix, pseudoInverse } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { solvePopulation } from '../../../lib/backend/reference/population.js';
import {
  PARAMETERS,
  POPULATION_METRICS,
  type PopulationRequest,
  STATUS,
} from '../../../lib/backend/requests.js';
import { generator } from '../../support/generator.js';
import { requestOf } from '../../support/golden.js';
import { loadingsOf, OBJECTIVES, randomCase, stackOf, unreduced } from '../../support/problems.js';

const title = (o: (typeof OBJECTIVES)[number]): string =>
  `${o.kind}${o.decoder ? `, ${o.decoder} decoder` : ''}`;
const objectives = OBJECTIVES.map((o) => [title(o), o] as const);

function withParameters(
  request: PopulationRequest,
  values: Partial<Record<string, number>>,
): PopulationRequest {
  const parameters = request.parameters.slice();
  for (const [name, value] of Object.entries(values))
    parameters.fill(
      value as number,
      PARAMETERS.indexOf(name as (typeof PARAMETERS)[number]) * request.count,
      (PARAMETERS.indexOf(name as (typeof PARAMETERS)[number]) + 1) * request.count,
    );
  return { ...request, parameters };
}

function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (Object.is(actual[i], wanted[i])) continue;
    expect(Math.abs(actual[i] - wanted[i]), `number ${i}: ${actual[i]} and ${wanted[i]}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
}

const residual = (v: Matrix, f: Matrix): Matrix =>
  Matrix.sub(
    v,
    v
      .mmul(f.transpose())
      .mmul(pseudoInverse(f.mmul(f.transpose()), 1e-13))
      .mmul(f),
  );

/** Alternating least squares on the objective itself, B kept orthonormal: it knows no eigenvectors of M. */
function alternate(y: Matrix, e: Matrix, penalty: Matrix, k: number, seed: number): number {
  const random = generator(seed);
  let g = new Matrix(Array.from({ length: k }, () => Array.from({ length: e.rows }, () => random() - 0.5)));
  const see = e.mmul(e.transpose());
  const solve = pseudoInverse(Matrix.add(see, penalty), 1e-13);
  const sye = y.mmul(e.transpose());
  let last = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20000; i++) {
    const b = orthonormalColumns(sye.mmul(g.transpose()));
    g = b.transpose().mmul(sye).mmul(solve);
    const error = Matrix.sub(y, b.mmul(g).mmul(e));
    const loss = squares(error) + g.mmul(penalty).mmul(g.transpose()).trace();
    if (Math.abs(last - loss) < 1e-15 * Math.max(1, loss)) return loss;
    last = loss;
  }
  return last;
}

const squares = (a: Matrix): number => a.to1DArray().reduce((sum, v) => sum + v * v, 0);

function orthonormalColumns(a: Matrix): Matrix {
  const q = a.clone();
  for (let pass = 0; pass < 2; pass++)
    for (let j = 0; j < q.columns; j++) {
      let v = q.getColumnVector(j);
      for (let i = 0; i < j; i++) {
        const other = q.getColumnVector(i);
        v = Matrix.sub(v, Matrix.mul(other, other.dot(v)));
      }
      q.setColumn(j, Matrix.div(v, v.norm()).to1DArray());
    }
  return q;
}

describe.each(objectives)('solvePopulation: %s', (_, objective) => {
  it.each([1, 2, 3, 4, 5])('is not beaten by an optimiser, and one reaches it: world %i', async (seed) => {
    const golden = randomCase(seed, objective, 2);
    const request = requestOf([golden]);
    const { loss } = await solvePopulation(request);
    const loadings = loadingsOf(golden);
    const { y, f, e, penalties } = request.objective;
    const stack = (blocks: typeof y): Matrix => {
      const rows = stackOf(blocks, loadings, request.coefficients);
      return rows.length > 0 ? new Matrix(rows) : Matrix.zeros(0, loadings.action[0].length);
    };
    const given = f.length > 0 ? stack(f) : null;
    const left = (v: Matrix): Matrix => (given ? residual(v, given) : v);
    const penalty = Matrix.zeros(stack(e).rows, stack(e).rows);
    for (const { of, given: on, weight } of penalties) {
      const moved = residual(stack(of), stack(on));
      penalty.add(Matrix.mul(moved.mmul(moved.transpose()), request.coefficients[weight]));
    }
    const reached = alternate(left(stack(y)), left(stack(e)), penalty, 2, seed);
    expect(reached - loss[0]).toBeGreaterThan(-1e-9 * loss[0]);
    expect(reached - loss[0]).toBeLessThan(1e-6 * loss[0]);
  });

  it('gives the same answer in the reduced basis as in all coordinates', async () => {
    for (const latentDim of [1, 3, 5, 8]) {
      const golden = randomCase(11, objective, latentDim);
      const request = requestOf([golden]);
      const reduced = await solvePopulation(request);
      const full = await solvePopulation(unreduced(request, golden));
      expectClose(reduced.loss, full.loss, 1e-12);
      expectClose(reduced.spectrum, full.spectrum, 1e-12);
      expect(reduced.rank).toEqual(full.rank);
      expectClose(reduced.metrics, full.metrics, 1e-9);
    }
  });

  it('answers every latent dimension as if asked alone, and every problem as if alone', async () => {
    const dims = [1, 2, 4, 7];
    const cases = [21, 22, 23].map((seed) => randomCase(seed, objective, 7));
    const together = await solvePopulation(requestOf(cases, dims));
    for (const [n, golden] of cases.entries()) {
      for (const [m, k] of dims.entries()) {
        const alone = await solvePopulation(requestOf([golden], [k]));
        const at = n * dims.length + m;
        expect(together.loss[at]).toBe(alone.loss[0]);
        expect(together.spectrum.slice(n * 7, n * 7 + k)).toEqual(alone.spectrum);
        POPULATION_METRICS.forEach((_, i) => {
          expect(together.metrics[i * cases.length * dims.length + at]).toBe(alone.metrics[i]);
        });
      }
    }
  });
});

describe('solvePopulation: edges', () => {
  const golden = randomCase(31, { kind: 'reconstruction' }, 3);
  const request = requestOf([golden]);
  const metric = (answer: { metrics: Float64Array }, name: (typeof POPULATION_METRICS)[number]): number =>
    answer.metrics[POPULATION_METRICS.indexOf(name)];

  it('says so where nothing is left to encode', async () => {
    const still = { policyNoise: 0, processNoise: 0, sensorNoise: 0, exogenousScale: 0, stateFeedback: 0 };
    const answer = await solvePopulation(withParameters(request, { ...still, exogenousFeedback: 0 }));
    expect(answer.status[0]).toBe(STATUS.emptyProblem);
    expect(answer.rank[0]).toBe(0);
    expect([...answer.encoderC, ...answer.encoderD].every((v) => v === 0)).toBe(true);
  });

  it('has no action metric where o fixes the action, and none of x without it', async () => {
    const fixed = await solvePopulation(withParameters(request, { policyNoise: 0, sensorNoise: 0 }));
    expect(fixed.status[0]).toBe(STATUS.ok);
    expect(metric(fixed, 'actionError')).toBeNaN();
    expect(metric(fixed, 'actionInformation')).toBeNaN();
    expect(metric(fixed, 'futureLeakage')).toBeGreaterThan(0.1);
    const none = await solvePopulation(
      withParameters(request, { policyNoise: 0, stateFeedback: 0, exogenousFeedback: 0 }),
    );
    expect(metric(none, 'rawActionError')).toBeNaN();
  });

  it('leaves rows beyond the rank empty and counts the complement by its coordinates', async () => {
    const quiet = await solvePopulation({
      ...withParameters(request, { sensorNoise: 0, processNoise: 0 }),
      latentDims: Int32Array.of(8),
    });
    expect(quiet.rank[0]).toBe(4); // two actions, two exogenous
    expect([...quiet.encoderD.subarray(4 * request.basis)].every((v) => v === 0)).toBe(true);
    expect(metric(quiet, 'actionInformation')).toBe(Number.POSITIVE_INFINITY);
    expect(metric(quiet, 'actionError')).toBeLessThan(1e-20);
    const noisy = await solvePopulation({ ...request, latentDims: Int32Array.of(9) });
    expect(noisy.rank[0]).toBe(9);
    expect([...noisy.complement]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1]);
    expect(noisy.complementEncoder[1]).toBeCloseTo(1, 12);
  });

  it('puts reduced coordinates before those of the complement where their eigenvalues tie', async () => {
    const tied = requestOf([randomCase(33, { kind: 'reconstruction', decoder: 'identity' }, 9)]);
    const answer = await solvePopulation(
      withParameters(tied, { endogenousDecay: 1, exogenousDecay: 1, processNoise: 0, exogenousScale: 0 }),
    );
    expect([...answer.complement]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1]);
    expect([...answer.spectrum].every((v, i, all) => i === 0 || v <= all[i - 1])).toBe(true);
    expect(answer.complementEncoder[0]).toBe(-answer.complementEncoder[1]);
  });

  it('reports what overflows, and only there', async () => {
    const two = requestOf([golden, golden]);
    const parameters = two.parameters.slice();
    parameters[PARAMETERS.indexOf('exogenousScale') * 2 + 1] = 1e200;
    const answer = await solvePopulation({ ...two, parameters });
    expect(answer.status[0]).toBe(STATUS.ok);
    expect([STATUS.nonFinite, STATUS.notConverged]).toContain(answer.status[1]);
    expect(answer.loss[0]).toBe((await solvePopulation(request)).loss[0]);
  });
});
