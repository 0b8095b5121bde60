import { EigenvalueDecomposition as EigenOf, Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import { fitLinearLam } from '../../lib/lam/fit.js';
import type { LinearLam } from '../../lib/lam/linear-lam.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import type { Case } from '../../lib/solve/population.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';
import type { GoldenCase } from '../support/golden.js';
import { loadingsOf, OBJECTIVES, randomCase } from '../support/problems.js';

// The oracle: loadings of every variable over independent sources, straight from the equations, on the whole observation. A
// model is checked against what its objective asks of it, term by term, with nothing of the solver.

const PROJECTION = Array.from({ length: 5 }, (_, i) =>
  Array.from(noise(generator(40 + i), 9), (v) => Math.round(v * 100) / 100),
);
const objectives: GoldenCase['objective'][] = [
  ...OBJECTIVES,
  { kind: 'representation', projection: PROJECTION },
  { kind: 'exogenous-robust', weight: 0 },
  { kind: 'augmented', encoderNoise: 0.2, decoderNoise: 0 },
];
const title = (o: GoldenCase['objective']) => JSON.stringify({ ...o, projection: undefined });

interface Setting {
  readonly golden: GoldenCase;
  readonly question: Case;
}

/** `sensorNoise` 0 leaves the complement empty and o of less than full rank. */
function setting(
  objective: GoldenCase['objective'],
  seed: number,
  latentDim: number,
  sensorNoise = 0.1,
): Setting {
  const golden = randomCase(seed, objective, latentDim);
  const { complementDim: _, ...world } = { ...golden.world, sensorNoise };
  return {
    golden: { ...golden, world: { ...golden.world, sensorNoise } },
    question: { world: world as WorldSpec, objective: objective as ObjectiveSpec, latentDim },
  };
}

const m = (a: { rows: number; cols: number; data: Float64Array }): Matrix =>
  Matrix.from1DArray(a.rows, a.cols, a.data);

/** What the objective's target, its free part and its latents are, over the sources. */
function playOut(lam: LinearLam, { golden }: Setting) {
  const v = loadingsOf(golden);
  const of = (name: keyof typeof v) => new Matrix(v[name]);
  const { kind, encoderNoise = 0, decoderNoise = 0, projection } = golden.objective;
  const [C, D, A, B] = [lam.encoder.C, lam.encoder.D, lam.decoder.A, lam.decoder.B].map(m) as [
    Matrix,
    Matrix,
    Matrix,
    Matrix,
  ];
  const pair = kind === 'cross-exogenous';
  const n1 = Matrix.mul(of('encoderNoise'), kind === 'augmented' ? encoderNoise : 0);
  const n2 = Matrix.mul(of('decoderNoise'), kind === 'augmented' ? decoderNoise : 0);
  const o = of('observation');
  const z = C.mmul(Matrix.add(o, n1)).add(D.mmul(Matrix.add(of('observationNext'), n1)));
  const seen = (a: Matrix) => (projection ? new Matrix(projection).mmul(a) : a);
  const current = Matrix.add(of(pair ? 'pairObservation' : 'observation'), n2);
  const target = seen(Matrix.add(of(pair ? 'pairObservationNext' : 'observationNext'), n2));
  const left = Matrix.sub(target, A.mmul(current).add(B.mmul(z)));
  return { v, z, o, free: seen(current), left, C, D, A, B };
}

const cov = (a: Matrix, b: Matrix) => a.mmul(b.transpose());
const largest = (a: Matrix) => Math.max(0, ...a.to1DArray().map(Math.abs));
const trace = (a: Matrix) => a.diagonal().reduce((sum, x) => sum + x, 0);
const leastSquares = (of: Matrix, on: Matrix) =>
  Matrix.sub(
    of,
    cov(of, on)
      .mmul(pseudo(cov(on, on)))
      .mmul(on),
  );

/** The pseudo-inverse of a covariance, cut where the solver cuts. */
function pseudo(s: Matrix): Matrix {
  const { eigenvectorMatrix: vectors, realEigenvalues: values } = new EigenOf(s, { assumeSymmetric: true });
  const cut = 1e-10 * Math.max(...values);
  return vectors.mmul(Matrix.diag(values.map((x) => (x > cut ? 1 / x : 0)))).mmul(vectors.transpose());
}

describe.each(backends)('a linear LAM fitted to a world (%s)', (_, backend) => {
  describe.each(objectives.map((o) => [title(o), o] as const))('%s', (_title, objective) => {
    it.each([
      [1, 2, 0.1],
      [2, 4, 0.1],
      [3, 7, 0.3],
      [4, 3, 0],
    ])(
      'has the least loss, and no better decoder: seed %d, latentDim %d, sensor noise %d',
      async (seed, k, sensor) => {
        // No closed form below actionDim where the policy reacts.
        const at = setting(objective, seed, k, sensor);
        const lam = await fitLinearLam(at.question, { backend });
        const { v, z, free, left, D, B } = playOut(lam, at);

        let loss = trace(cov(left, left));
        const { kind, weight = 0, labelFraction = 1 } = objective;
        if (kind === 'exogenous-robust') {
          const next = new Matrix(v.observationNext).sub(new Matrix(v.pairObservationNext));
          const now = new Matrix(v.observation).sub(new Matrix(v.pairObservation));
          const moves = D.mmul(leastSquares(next, now));
          loss += weight * trace(cov(moves, moves));
        }
        if (kind === 'action-supervised') {
          const given = new Matrix([...v.observation, ...z.to2DArray()]);
          const unsure = leastSquares(new Matrix(v.action), given);
          loss += weight * labelFraction * trace(cov(unsure, unsure));
        }
        expect(Math.abs(loss - lam.loss)).toBeLessThan(1e-9 * (1 + lam.loss));

        // No change of A or B would help: what is left is orthogonal to all that is decoded from (a penalty holds B back).
        if (!(kind === 'reconstruction' && objective.decoder === 'identity'))
          expect(largest(cov(left, free))).toBeLessThan(1e-9);
        if (kind !== 'exogenous-robust') expect(largest(cov(left, z))).toBeLessThan(1e-9);
        // B^T B = I: the scale of the latents.
        const used = Math.min(k, lam.rank);
        if (kind !== 'action-supervised') {
          const inner = B.transpose()
            .mmul(B)
            .sub(Matrix.eye(k))
            .subMatrix(0, used - 1, 0, used - 1);
          expect(largest(inner)).toBeLessThan(1e-8);
        }
      },
    );

    it('has latents of the covariance that theory gives them', async () => {
      const at = setting(objective, 5, 3);
      const lam = await fitLinearLam(at.question, { backend });
      const { z, free, B } = playOut(lam, at);
      // Given what the decoder sees, z has the eigenvalues for variances, but for a penalty: B^T cov(y, z) is diagonal there.
      if (objective.kind === 'exogenous-robust') {
        expect(cov(z, z).get(0, 0)).toBeGreaterThan(0);
      } else {
        const given =
          objective.kind === 'reconstruction' && objective.decoder === 'identity' ? z : leastSquares(z, free);
        const off = cov(given, given).sub(Matrix.diag([...lam.spectrum]));
        expect(largest(off)).toBeLessThan(1e-9);
      }
      expect(B.rows).toBe(lam.predictionDim);
      if (lam.gauge === 'innovation') expect(largest(cov(z, free))).toBeLessThan(1e-9);
    });

    it('changes gauge without changing what it predicts', async () => {
      // Wide enough for latents outside the span of the states.
      const at = setting(objective, 6, 7, 0.3);
      const lam = await fitLinearLam(at.question, { backend });
      if (objective.kind === 'cross-exogenous') {
        expect(() => lam.withGauge('difference')).toThrow(/another view/);
        await expect(fitLinearLam(at.question, { backend, gauge: 'innovation' })).rejects.toThrow(
          /another view/,
        );
        return;
      }
      const random = generator(7);
      const [now, next] = [noise(random, 50 * 9), noise(random, 50 * 9)];
      const before = lam.decode(now, lam.encode(now, next));
      for (const gauge of ['innovation', 'difference'] as const) {
        const other = lam.withGauge(gauge);
        expect(other.gauge).toBe(gauge);
        const z = other.encode(now, next);
        const after = other.decode(now, z);
        expect(Math.max(...after.map((x, i) => Math.abs(x - before[i])))).toBeLessThan(1e-12);
        // D is untouched, and z has moved by (C' - C) o exactly.
        expect(other.encoder.D).toBe(lam.encoder.D);
        const moved = Matrix.from1DArray(50, 7, z).sub(Matrix.from1DArray(50, 7, lam.encode(now, next)));
        const by = m(other.encoder.C).sub(m(lam.encoder.C));
        const o = Matrix.from1DArray(50, 9, now);
        expect(largest(moved.sub(o.mmul(by.transpose())))).toBeLessThan(1e-12);
        // There and back is where one was.
        expect(other.withGauge('difference').withGauge('innovation').encoder.C.data).toEqual(
          lam.withGauge('innovation').encoder.C.data,
        );
        const asked = await fitLinearLam(at.question, { backend, gauge });
        expect(asked.encoder.C.data).toEqual(other.encoder.C.data);
        expect(asked.decoder.A.data).toEqual(other.decoder.A.data);
      }
      // The names mean what they say: a difference sees no constant, an innovation is uncorrelated with o (with P o).
      const { C, D } = lam.withGauge('difference').encoder;
      expect([...C.data]).toEqual([...D.data].map((x) => -x));
      const { z, o, free } = playOut(lam.withGauge('innovation'), at);
      expect(largest(cov(z, objective.kind === 'representation' ? free : o))).toBeLessThan(1e-9);
    });
  });
});

describe('both backends', () => {
  it.each(objectives.map((o) => [title(o), o] as const))('give one model: %s', async (_title, objective) => {
    const at = setting(objective, 8, 4);
    const [a, b] = await Promise.all(
      [native, reference].map((backend) => fitLinearLam(at.question, { backend })),
    );
    // Signs (and rotations within equal eigenvalues) are free in C, D and B, and not in these products.
    const invariants = (lam: LinearLam) => {
      const [C, D, A, B] = [lam.encoder.C, lam.encoder.D, lam.decoder.A, lam.decoder.B].map(m);
      return [B.mmul(C), B.mmul(D), A, Matrix.columnVector([...lam.spectrum, lam.loss])];
    };
    const other = invariants(b);
    invariants(a).forEach((x, i) => {
      expect(largest(Matrix.sub(x, other[i]))).toBeLessThan(1e-7);
    });
  });
});

describe('a world whose figures are known', () => {
  // Orthonormal and noise-free, beta = 4 > alpha = 1, process noise 0: T2 and the premise of docs/guide.md.
  const question = {
    world: { exogenousScale: 2, seed: 1 },
    objective: { kind: 'reconstruction' },
    latentDim: 4,
  } as const;

  it('predicts the innovation of the exogenous state alone', async () => {
    const lam = await fitLinearLam(question);
    expect(lam.loss).toBeCloseTo(3, 9);
    expect([...lam.spectrum].map((x) => x.toFixed(9))).toEqual(Array(4).fill('4.000000000'));
    // o' = A o without the latents: s' = s, x' = 0.8 x, so that A has eigenvalues 1 (five), 0.8 (four) and 0 (fifteen).
    expect(trace(m(lam.decoder.A))).toBeCloseTo(5 + 4 * 0.8, 9);
    const { B } = lam.decoder;
    expect(largest(m(B).transpose().mmul(m(B)).sub(Matrix.eye(4)))).toBeLessThan(1e-12);
  });

  it('of many coordinates takes no eigenproblem of their number', async () => {
    const lam = await fitLinearLam({
      ...question,
      world: { ...question.world, observationDim: 600, sensorNoise: 0.1 },
      latentDim: 9,
    });
    expect(lam.decoder.A.rows).toBe(600);
    expect(lam.loss).toBeCloseTo(
      (
        await fitLinearLam({
          ...question,
          latentDim: 9,
          world: { ...question.world, observationDim: 601, sensorNoise: 0.1 },
        })
      ).loss - 0.01,
      6,
    );
  });
});
