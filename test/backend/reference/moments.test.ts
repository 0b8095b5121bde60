import { describe, expect, it } from 'vitest';
import { solveMoments } from '../../../lib/backend/reference/moments.js';
import { solvePopulation } from '../../../lib/backend/reference/population.js';
import type { MomentsRequest, PopulationRequest } from '../../../lib/backend/requests.js';
import { STATUS } from '../../../lib/backend/requests.js';
import { generator, noise } from '../../support/generator.js';
import { type GoldenCase, orthonormalRows, requestOf } from '../../support/golden.js';
import { loadingsOf, OBJECTIVES, randomCase, unreduced } from '../../support/problems.js';

const ORDER = ['action', 'observation', 'pairObservation', 'observationNext', 'pairObservationNext'] as const;

/** The exact joint moments of a world, the variables in an order of no meaning. */
function momentsRequest(golden: GoldenCase, population: PopulationRequest): MomentsRequest {
  const loadings = loadingsOf(golden);
  const rows = ORDER.flatMap((name) => loadings[name]);
  const column = (name: (typeof ORDER)[number]): number =>
    ORDER.slice(0, ORDER.indexOf(name)).reduce((sum, before) => sum + loadings[before].length, 0);
  const width = rows.length;
  const moments = Float64Array.from(
    rows.flatMap((a) => rows.map((b) => a.reduce((sum, v, i) => sum + v * b[i], 0))),
  );
  return {
    count: 1,
    width,
    moments,
    layout: {
      observationDim: loadings.observation.length,
      actionDim: loadings.action.length,
      observation: column('observation'),
      observationNext: column('observationNext'),
      pairObservation: column('pairObservation'),
      pairObservationNext: column('pairObservationNext'),
      action: column('action'),
    },
    objective: population.objective,
    coefficients: population.coefficients,
    projection: Float64Array.from((golden.objective.projection ?? []).flat()),
    projectionDim: golden.objective.projection?.length ?? 0,
    latentDim: golden.latentDim,
    ridge: 0,
    relativeTolerance: 1e-10,
  };
}

function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = 1e-10): void {
  for (let i = 0; i < wanted.length; i++)
    expect(Math.abs(actual[i] - wanted[i]), `number ${i}: ${actual[i]} and ${wanted[i]}`).toBeLessThanOrEqual(
      tolerance,
    );
}

describe('solveMoments', () => {
  it.each(OBJECTIVES)(
    'agrees with the population it is given the moments of: $kind $decoder',
    async (objective) => {
      const golden = randomCase(41, objective, 4);
      const population = unreduced(requestOf([golden]), golden);
      const request = momentsRequest(golden, population);
      const [answer, exact] = [await solveMoments(request), await solvePopulation(population)];
      expect(answer.status[0]).toBe(STATUS.ok);
      expect(answer.rank).toEqual(exact.rank);
      expectClose(answer.spectrum, exact.spectrum);
      const k = golden.latentDim;
      expectClose([answer.trace[0] - answer.spectrum.slice(0, k).reduce((a, b) => a + b, 0)], exact.loss);
      expectClose(answer.encoderC, exact.encoderC, 1e-8);
      expectClose(answer.encoderD, exact.encoderD, 1e-8);
    },
  );

  it('sees observations through a projection', async () => {
    const projection = orthonormalRows(
      Array.from({ length: 4 }, (_, i) => Array.from(noise(generator(i + 1), 9))),
    );
    const golden = randomCase(42, { kind: 'representation', projection }, 3);
    const population = requestOf([golden]);
    const [answer, exact] = [
      await solveMoments(momentsRequest(golden, population)),
      await solvePopulation(population),
    ];
    expect(answer.spectrum).toHaveLength(4);
    expectClose(answer.spectrum, exact.spectrum);
    expectClose([answer.trace[0] - answer.spectrum.slice(0, 3).reduce((a, b) => a + b, 0)], exact.loss);
    // The encoder sees P o and P o' alone.
    for (const map of [answer.encoderC, answer.encoderD])
      for (let i = 0; i < 3; i++) {
        const row = Array.from(map.subarray(i * 9, (i + 1) * 9));
        const seen = projection.map((p) => p.reduce((sum, v, j) => sum + v * row[j], 0));
        expectClose(
          row.map((v, j) => v - seen.reduce((sum, s, r) => sum + s * projection[r][j], 0)),
          new Array(9).fill(0),
        );
      }
  });

  it('adds the ridge to the free regressor, relative to its mean diagonal', async () => {
    // o in one dimension with variance 4, o' = 3 o + innovation of variance 2: the ridge halves the weight.
    const request: MomentsRequest = {
      ...momentsRequest(randomCase(1, OBJECTIVES[0], 1), requestOf([randomCase(1, OBJECTIVES[0], 1)])),
      width: 2,
      moments: Float64Array.of(4, 12, 12, 38),
      layout: {
        observationDim: 1,
        actionDim: 0,
        observation: 0,
        observationNext: 1,
        pairObservation: -1,
        pairObservationNext: -1,
        action: -1,
      },
      ridge: 1,
    };
    const answer = await solveMoments(request);
    expectClose(answer.trace, [2 + 1.5 * 1.5 * 4], 1e-14);
    expectClose(answer.encoderC, [-1.5], 1e-14);
    expectClose(answer.encoderD, [1], 1e-14);
  });

  it('solves several problems, each with its own coefficient and status', async () => {
    const golden = randomCase(43, OBJECTIVES[2], 2);
    const one = momentsRequest(golden, unreduced(requestOf([golden]), golden));
    const broken = one.moments.map(() => Number.NaN);
    // o' = o exactly: nothing is left.
    const still = one.moments.slice();
    const { observation: o, observationNext: next, observationDim: d } = one.layout;
    for (let i = 0; i < one.width; i++)
      for (let j = 0; j < d; j++) still[i * one.width + next + j] = still[i * one.width + o + j];
    for (let i = 0; i < d; i++)
      still.copyWithin((next + i) * one.width, (o + i) * one.width, (o + i + 1) * one.width);
    const answer = await solveMoments({
      ...one,
      count: 4,
      moments: Float64Array.of(...one.moments, ...broken, ...one.moments, ...still),
      coefficients: Float64Array.of(one.coefficients[0], 1, 2 * one.coefficients[0], 0),
    });
    expect(answer.status[0]).toBe(STATUS.ok);
    expect([STATUS.nonFinite, STATUS.notConverged]).toContain(answer.status[1]);
    expect(answer.status[2]).toBe(STATUS.ok);
    expect(answer.status[3]).toBe(STATUS.emptyProblem);
    expect(answer.rank[3]).toBe(0);
    const alone = await solveMoments(one);
    expect(answer.spectrum.slice(0, d)).toEqual(alone.spectrum);
    expect(answer.spectrum[2 * d]).toBeGreaterThan(answer.spectrum[0]);
  });
});
