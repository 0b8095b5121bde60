import { Matrix, solve as solveLinear } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { momentsDecoder, populationDecoder as onLoadings } from '../../lib/backend/reference/decoder.js';
import { type MomentsRequest, RELATIVE_TOLERANCE, STATUS } from '../../lib/backend/requests.js';
import { populationDecoder } from '../../lib/lam/decoder.js';
import { multiply } from '../../lib/linalg/dense.js';
import { matrix } from '../../lib/linalg/matrix.js';
import { type ObjectiveSpec, resolveObjective } from '../../lib/solve/objectives.js';
import { type Case, prepare, requestOf, solve } from '../../lib/solve/population.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const [d, da, latentDim] = [7, 2, 3];
const PROJECTION = Array.from({ length: 4 }, (_, i) => Array.from(noise(generator(80 + i), d)));
const objectives: ObjectiveSpec[] = [
  { kind: 'reconstruction' },
  { kind: 'reconstruction', decoder: 'identity' },
  { kind: 'action-supervised', weight: 2 },
  { kind: 'representation', projection: PROJECTION },
  { kind: 'cross-exogenous' },
  { kind: 'exogenous-robust', weight: 0.5 },
  { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 },
];
const titled = objectives.map((o) => [JSON.stringify({ ...o, projection: undefined }), o] as const);

const width = 4 * d + da;
/** Rows of (o, o', o2, o2', a) that depend on each other. */
const rowsOf = (seed: number): Matrix => {
  const random = generator(seed);
  const mix = Matrix.from1DArray(width, width, noise(random, width * width));
  return Matrix.from1DArray(300, width, noise(random, 300 * width))
    .mmul(mix)
    .div(Math.sqrt(width));
};

/** Two problems at once, so that each must find its own place. */
function requestFor(objective: ObjectiveSpec, ridge: number): MomentsRequest {
  const resolved = resolveObjective(objective);
  const moments = [1, 2].flatMap((seed) => {
    const rows = rowsOf(seed);
    return rows.transpose().mmul(rows).div(rows.rows).to1DArray();
  });
  return {
    count: 2,
    width,
    moments: Float64Array.from(moments),
    layout: {
      observationDim: d,
      actionDim: da,
      observation: 0,
      observationNext: d,
      pairObservation: 2 * d,
      pairObservationNext: 3 * d,
      action: 4 * d,
    },
    objective: resolved.rows,
    coefficients: Float64Array.from(resolved.coefficients.flatMap((c) => [c, c])),
    projection: resolved.projection?.data ?? new Float64Array(0),
    projectionDim: resolved.projection?.rows ?? 0,
    latentDim,
    decoder: true,
    ridge,
    relativeTolerance: RELATIVE_TOLERANCE,
  };
}

function expectClose(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(wanted.length);
  expect(actual.length).toBeGreaterThan(0);
  for (let i = 0; i < wanted.length; i++)
    expect(Math.abs(actual[i] - wanted[i]), `number ${i}: ${actual[i]} and ${wanted[i]}`).toBeLessThanOrEqual(
      tolerance,
    );
}

describe('the decoder of data', () => {
  it.each(titled)('is what the reference makes of the encoder: %s', async (_, objective) => {
    for (const ridge of [0, 1e-3, 0.2]) {
      const request = requestFor(objective, ridge);
      const found = await native.solveMoments(request);
      expect([...found.status]).toEqual([STATUS.ok, STATUS.ok]);
      const all = found.spectrum.length / 2;
      for (const n of [0, 1]) {
        const part = (a: Float64Array) => a.slice((n * a.length) / 2, ((n + 1) * a.length) / 2);
        const [C, D] = [found.encoderC, found.encoderD].map((a) => matrix(latentDim, d, part(a)));
        const lambda = found.spectrum.slice(n * all, n * all + latentDim);
        const wanted = momentsDecoder(request, n, { C, D }, lambda);
        expectClose(part(found.decoderA), wanted.A.data, 1e-9);
        expectClose(part(found.decoderB), wanted.B.data, 1e-9);
        expectClose(part(found.innovationC), wanted.innovationC.data, 1e-9);
      }
    }
  });

  it.each(titled)(
    'is the least squares of the target on (o, z), where nothing holds it back: %s',
    async (_, objective) => {
      // A penalty, noise, or a decoder that may not choose A is not a regression; those have the test above.
      const isRegression =
        objective.kind !== 'exogenous-robust' &&
        objective.kind !== 'augmented' &&
        !(objective.kind === 'reconstruction' && objective.decoder === 'identity');
      const found = await native.solveMoments(requestFor(objective, 0));
      const rows = rowsOf(1);
      const columns = (begin: number) => rows.subMatrix(0, rows.rows - 1, begin, begin + d - 1);
      const maps = [found.encoderC, found.encoderD].map((a) =>
        Matrix.from1DArray(latentDim, d, a.subarray(0, latentDim * d)),
      );
      const z = columns(0).mmul(maps[0].transpose()).add(columns(d).mmul(maps[1].transpose()));
      const pair = objective.kind === 'cross-exogenous';
      const p = objective.kind === 'representation' ? new Matrix(PROJECTION) : Matrix.eye(d);
      const free = columns(pair ? 2 * d : 0).mmul(p.transpose());
      const target = columns(pair ? 3 * d : d).mmul(p.transpose());
      const A = Matrix.from1DArray(p.rows, d, found.decoderA.subarray(0, p.rows * d));
      const B = Matrix.from1DArray(p.rows, latentDim, found.decoderB.subarray(0, p.rows * latentDim));
      if (!isRegression) {
        const left = Matrix.sub(target, columns(0).mmul(A.transpose()).add(z.mmul(B.transpose())));
        expect(left.norm()).toBeLessThan(target.norm());
        return;
      }
      const on = new Matrix([...free.transpose().to2DArray(), ...z.transpose().to2DArray()]).transpose();
      const weights = solveLinear(on.transpose().mmul(on), on.transpose().mmul(target)).transpose();
      expectClose(
        A.to1DArray(),
        weights
          .subMatrix(0, p.rows - 1, 0, p.rows - 1)
          .mmul(p)
          .to1DArray(),
        1e-9,
      );
      expectClose(
        B.to1DArray(),
        weights.subMatrix(0, p.rows - 1, p.rows, p.rows + latentDim - 1).to1DArray(),
        1e-9,
      );
    },
  );

  it('is not made unless it is asked for', async () => {
    const { decoderA, decoderB, innovationC } = await native.solveMoments({
      ...requestFor(objectives[0], 0),
      decoder: false,
    });
    expect([decoderA.length, decoderB.length, innovationC.length]).toEqual([0, 0, 0]);
  });
});

describe('the decoder of a world', () => {
  it.each(titled)('is what the reference makes of loadings: %s', async (_, objective) => {
    for (const [seed, sensorNoise, k] of [
      [1, 0.1, 3],
      [2, 0.6, 6],
      [3, 0, 2],
    ]) {
      const world = {
        observationDim: d,
        endogenousDim: 3,
        exogenousDim: 2,
        actionDim: da,
        mixing: 'gaussian',
        exogenousScale: 1.5,
        stateFeedback: 0.4,
        sensorNoise,
        seed,
      } as const;
      const question: Case = { world, objective, latentDim: k };
      const prepared = prepare(question, '');
      const solution = await solve(question, { encoder: true, backend: native });
      const encoder = solution.encoder as NonNullable<typeof solution.encoder>;
      const basis = prepared.basis();
      const { projection } = prepared.objective;
      const request = requestOf([prepared], false);
      const seen = projection
        ? { ...request, projectionDim: projection.rows, projection: multiply(projection, basis).data }
        : request;
      const wanted = onLoadings(seen, basis, encoder, solution.spectrum);
      const found = await populationDecoder(prepared, encoder, solution.spectrum, native, {});
      expectClose(found.A.data, wanted.A.data, 1e-9);
      expectClose(found.B.data, wanted.B.data, 1e-9);
      expectClose(found.innovationC.data, wanted.innovationC.data, 1e-9);
    }
  });
});
