import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EigenvalueDecomposition, Matrix, solve as solveLinear } from 'ml-matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openData } from '../../lib/data/open.js';
import type { Transitions } from '../../lib/data/transitions.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import { fitLinearLam } from '../../lib/lam/fit.js';
import type { LinearLam } from '../../lib/lam/linear-lam.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { type Case, solve } from '../../lib/solve/population.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import { backends, native, reference } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-linear-lam-'));
afterAll(() => rmSync(folder, { recursive: true }));

const world = {
  observationDim: 12,
  endogenousDim: 4,
  exogenousDim: 3,
  actionDim: 2,
  mixing: 'gaussian',
  exogenousScale: 1.5,
  sensorNoise: 0.05,
  stateFeedback: 0.4,
  seed: 3,
} as const;
const d = world.observationDim;
const PROJECTION = Array.from({ length: 6 }, (_, i) => Array.from(noise(generator(60 + i), d)));
const objectives: ObjectiveSpec[] = [
  { kind: 'reconstruction' },
  { kind: 'reconstruction', decoder: 'identity' },
  { kind: 'action-supervised', weight: 2 },
  { kind: 'representation', projection: PROJECTION },
  { kind: 'cross-exogenous' },
  { kind: 'exogenous-robust', weight: 0.5 },
  { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 },
];
const title = (o: ObjectiveSpec) => JSON.stringify({ ...o, projection: undefined });
const titled = objectives.map((o) => [title(o), o] as const);

/** Off the origin, so that means matter. */
let data: Transitions;
beforeAll(async () => {
  const path = join(folder, 'data.npz');
  await writeSamples(world, path, { samples: 600, pairs: true });
  const t = await openData(path);
  const shift = (values: Float64Array | undefined, by: number) =>
    values?.map((v, i) => v + by * ((i % d) + 1));
  data = {
    ...t,
    observation: shift(t.observation, 1) as Float64Array,
    observationNext: shift(t.observationNext, -2) as Float64Array,
    pairObservation: shift(t.pairObservation, 3),
    pairObservationNext: shift(t.pairObservationNext, 0.5),
  };
});

const rows = (values: Float64Array, width: number) =>
  Matrix.from1DArray(values.length / width, width, values);
const centred = (a: Matrix) => Matrix.sub(a, Matrix.ones(a.rows, 1).mmul(Matrix.rowVector(a.mean('column'))));
const moment = (a: Matrix, b: Matrix) => a.transpose().mmul(b).div(a.rows);
const largest = (a: Matrix) => Math.max(0, ...a.to1DArray().map(Math.abs));
const square = (a: Matrix) => a.to1DArray().reduce((sum, x) => sum + x * x, 0) / a.rows;
/** What is left of each column of `of` after a regression on `on` (least squares, no ridge). */
const regressedOn = (of: Matrix, on: Matrix) =>
  Matrix.sub(of, on.mmul(solveLinear(moment(on, on), moment(on, of))));

function play(lam: LinearLam, objective: ObjectiveSpec) {
  const pair = objective.kind === 'cross-exogenous';
  const now = pair ? (data.pairObservation as Float64Array) : data.observation;
  const next = rows(pair ? (data.pairObservationNext as Float64Array) : data.observationNext, d);
  const target = objective.kind === 'representation' ? next.mmul(new Matrix(PROJECTION).transpose()) : next;
  const latents = lam.encode(data.observation, data.observationNext);
  const left = Matrix.sub(target, rows(lam.decode(now, latents), lam.predictionDim));
  return { z: rows(latents, lam.latentDim), left, now: rows(now, d), target };
}

describe.each(backends)('a linear LAM fitted to data (%s)', (_, backend) => {
  it.each(titled)('has the loss that it states on the data that it saw: %s', async (_title, objective) => {
    for (const ridge of [0, 1e-3, 0.2]) {
      const lam = await fitLinearLam({ data, objective, latentDim: 3, ridge }, { backend });
      const { z, left } = play(lam, objective);
      let loss = square(left);
      // Augmentation noise is part of the objective, not of the data: B (C + D) n1 and (I - A) n2.
      if (objective.kind === 'augmented') {
        const both = rows(lam.encoder.C.data, d).add(rows(lam.encoder.D.data, d));
        loss += objective.encoderNoise ** 2 * rows(lam.decoder.B.data, 3).mmul(both).norm() ** 2;
        loss += objective.decoderNoise ** 2 * Matrix.eye(d).sub(rows(lam.decoder.A.data, d)).norm() ** 2;
      }
      if (objective.kind === 'exogenous-robust') {
        const moves = centred(
          rows(data.observationNext, d).sub(rows(data.pairObservationNext as Float64Array, d)),
        );
        const given = centred(rows(data.observation, d).sub(rows(data.pairObservation as Float64Array, d)));
        const s = moment(given, given);
        const shrunk = Matrix.add(s, Matrix.eye(d).mul((ridge * s.trace()) / d));
        const rest = Matrix.sub(moves, given.mmul(solveLinear(shrunk, moment(given, moves))));
        loss += objective.weight * square(rest.mmul(rows(lam.encoder.D.data, d).transpose()));
      }
      if (objective.kind === 'action-supervised') {
        // With a ridge the head's free part is shrunk, too; without one it is the regression on (o, z).
        if (ridge > 0) continue;
        const given = centred(
          new Matrix([
            ...rows(data.observation, d).transpose().to2DArray(),
            ...z.transpose().to2DArray(),
          ]).transpose(),
        );
        loss += objective.weight * square(regressedOn(centred(rows(data.action as Float64Array, 2)), given));
      }
      expect(Math.abs(loss - lam.loss), `ridge ${ridge}: ${loss} and ${lam.loss}`).toBeLessThan(
        1e-9 * (1 + loss),
      );
      expect(largest(Matrix.rowVector(z.mean('column')))).toBeLessThan(1e-11);
      expect(largest(Matrix.rowVector(left.mean('column')))).toBeLessThan(1e-11);
    }
  });

  it('leaves nothing that o and z would tell, without a ridge', async () => {
    for (const objective of objectives) {
      const lam = await fitLinearLam({ data, objective, latentDim: 3, ridge: 0 }, { backend });
      const { z, left, now } = play(lam, objective);
      const free = objective.kind === 'representation' ? now.mmul(new Matrix(PROJECTION).transpose()) : now;
      const isIdentity = objective.kind === 'reconstruction' && objective.decoder === 'identity';
      // A penalty and noise hold A and B back.
      if (objective.kind === 'augmented') continue;
      if (!isIdentity) expect(largest(moment(left, centred(free))), title(objective)).toBeLessThan(1e-9);
      if (objective.kind !== 'exogenous-robust')
        expect(largest(moment(left, z)), title(objective)).toBeLessThan(1e-9);
      if (lam.gauge === 'innovation') expect(largest(moment(z, centred(free)))).toBeLessThan(1e-9);
      if (isIdentity) expect([...lam.decoder.A.data]).toEqual(Matrix.eye(d).to1DArray());
    }
  });

  it.each(['reconstruction', 'representation'] as const)(
    'predicts observations, not whitened ones, where it was fitted to whitened ones: %s',
    async (kind) => {
      const objective = objectives.find((o) => o.kind === kind) as ObjectiveSpec;
      const lam = await fitLinearLam(
        { data, objective, latentDim: 3, whiten: true, ridge: 1e-3 },
        { backend },
      );
      const { left } = play(lam, objective);
      // The loss is counted in units of the current observation's deviations: tr S_oo^-1 E[left left^T].
      const o = rows(data.observation, d);
      const h = centred(kind === 'representation' ? o.mmul(new Matrix(PROJECTION).transpose()) : o);
      const loss = solveLinear(moment(h, h), moment(left, left)).trace();
      expect(Math.abs(loss - lam.loss)).toBeLessThan(1e-9 * (1 + loss));
      expect(lam.fit).toEqual({ source: 'data', transitions: 600, ridge: 1e-3, whiten: true });
    },
  );

  it.each(titled)('changes gauge without changing what it predicts: %s', async (_title, objective) => {
    if (objective.kind === 'cross-exogenous') return;
    for (const whiten of [false, true]) {
      const lam = await fitLinearLam({ data, objective, latentDim: 3, whiten }, { backend });
      const before = play(lam, objective).left;
      for (const gauge of ['innovation', 'difference'] as const) {
        const { left, z } = play(lam.withGauge(gauge), objective);
        expect(largest(Matrix.sub(left, before))).toBeLessThan(1e-10);
        expect(largest(Matrix.rowVector(z.mean('column')))).toBeLessThan(1e-10);
      }
    }
  });

  it('is the model that analyze speaks of', async () => {
    for (const objective of objectives)
      for (const whiten of [false, true]) {
        const ridge = 1e-3;
        const { latent, transitions } = await analyze(data, {
          objectives: [objective],
          latentDims: [3],
          whiten,
          ridge,
          scale: 'given',
          remedies: false,
          backend,
        });
        const lam = await fitLinearLam({ data, objective, latentDim: 3, whiten, ridge }, { backend });
        expect(lam.loss).toBeCloseTo(latent[0].loss, 9);
        expect(lam.rank).toBe(latent[0].rank);
        expect(lam.fit).toMatchObject({ transitions });
      }
  });
});

describe('both backends', () => {
  it.each(titled)('give one model of data: %s', async (_title, objective) => {
    const [a, b] = (await Promise.all(
      [native, reference].map((backend) => fitLinearLam({ data, objective, latentDim: 3 }, { backend })),
    )) as [LinearLam, LinearLam];
    const [x, y] = [play(a, objective), play(b, objective)];
    expect(largest(Matrix.sub(x.left, y.left))).toBeLessThan(1e-7);
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-7);
    // Latents up to their signs.
    for (let i = 0; i < 3; i++) {
      const [u, v] = [x.z.getColumnVector(i), y.z.getColumnVector(i)];
      expect(Math.min(largest(Matrix.sub(u, v)), largest(Matrix.add(u, v)))).toBeLessThan(1e-7);
    }
  });
});

describe('encode and decode on samples of a world', () => {
  const SAMPLES = 40_000;
  /** Metrics are ratios of variances: their deviation over N samples is a few times 1 / root(N). */
  const SAMPLING = 5 / Math.sqrt(SAMPLES);

  it.each(titled)('give back the metrics of its exact solution: %s', async (_title, objective) => {
    const question: Case = { world, objective, latentDim: 3 };
    const [lam, exact] = await Promise.all([fitLinearLam(question), solve(question)]);
    const { value: batch } = await sampleTransitions(world, {
      samples: SAMPLES,
      batch: SAMPLES,
      pairs: true,
    }).next();
    if (!batch) throw new Error('no samples');
    const latents = lam.encode(batch.observation, batch.observationNext);
    const z = rows(latents, 3);
    const o = rows(batch.observation, d);
    const both = new Matrix(SAMPLES, d + 3);
    both.setSubMatrix(o, 0, 0);
    both.setSubMatrix(z, 0, d);
    const share = (target: Matrix) => square(regressedOn(target, both)) / square(regressedOn(target, o));
    const { actionError = Number.NaN, futureLeakage = Number.NaN } = exact.metrics;
    expect(Math.abs(share(rows(batch.action, 2)) - actionError)).toBeLessThan(SAMPLING);
    expect(Math.abs(1 - share(rows(batch.exogenousNext, 3)) - futureLeakage)).toBeLessThan(SAMPLING);

    if (objective.kind !== 'reconstruction' && objective.kind !== 'cross-exogenous') return;
    const pair = objective.kind === 'cross-exogenous';
    const predicted = lam.decode(pair ? batch.pairObservation : batch.observation, latents);
    const target = rows(pair ? batch.pairObservationNext : batch.observationNext, d);
    const error = square(Matrix.sub(target, rows(predicted, d)));
    expect(Math.abs(error / exact.loss - 1)).toBeLessThan(SAMPLING);
  });

  it('lose nothing with the number of rows of a batch, or with f32', async () => {
    const lam = await fitLinearLam({ world, objective: { kind: 'reconstruction' }, latentDim: 3 });
    const random = generator(2);
    const [now, next] = [noise(random, 8000 * d), noise(random, 8000 * d)];
    const whole = lam.encode(now, next);
    const predicted = lam.decode(now, whole);
    for (const [from, to] of [
      [0, 1],
      [1, 4],
      [4, 2733],
      [2733, 8000],
    ] as const) {
      const part = (values: Float64Array, width: number) => values.subarray(from * width, to * width);
      expect(lam.encode(part(now, d), part(next, d))).toEqual(part(whole, 3));
      expect(lam.decode(part(now, d), part(whole, 3))).toEqual(part(predicted, d));
    }
    const [a, b] = [Float32Array.from(now), Float32Array.from(next)];
    expect(lam.encode(a, b)).toEqual(lam.encode(Float64Array.from(a), Float64Array.from(b)));
    expect(lam.encode(new Float64Array(0), new Float32Array(0))).toHaveLength(0);
  });
});

describe('input', () => {
  it.each([
    [
      'objective',
      { objective: { kind: 'representation', projection: [[1, 2]] } },
      /objective\.projection\[0\]: expected observationDim \(12\) numbers but received 2/,
    ],
    [
      'latentDim',
      { latentDim: 13 },
      /latentDim: expected an integer between 1 and observationDim \(12\) but received 13/,
    ],
    ['ridge', { ridge: -1 }, /ridge: expected a finite number of at least 0 but received -1/],
    ['heldOut', { heldOut: 1 }, /heldOut: expected a share of at least 0 and less than 1 but received 1/],
    [
      'supervision',
      { objective: { kind: 'action-supervised', weight: 1 }, latentDim: 1 },
      /latentDim: expected at least 2, the width of the action, but received 1/,
    ],
  ] as const)('that is not accepted is one sentence: %s', async (_name, wrong, sentence) => {
    const question = { data, objective: { kind: 'reconstruction' } as ObjectiveSpec, latentDim: 3 };
    await expect(fitLinearLam({ ...question, ...(wrong as object) })).rejects.toThrow(sentence);
  });

  it('of encode, decode, the gauge and the shape is checked, too', async () => {
    const question = { world, objective: { kind: 'reconstruction' }, latentDim: 3 } as const;
    const lam = await fitLinearLam(question);
    const two = new Float64Array(2 * d);
    const calls: [() => unknown, string, RegExp][] = [
      [
        () => lam.encode(new Float64Array(13), two),
        'input',
        /observations: expected rows of observationDim \(12\) numbers but received 13/,
      ],
      [
        () => lam.encode(two, new Float64Array(d)),
        'input',
        /next: expected 2 rows of observationDim \(12\) numbers, .* but received 1/,
      ],
      [
        () => lam.encode([1, 2] as unknown as Float64Array, two),
        'input',
        /observations: expected a Float64Array or a Float32Array but received \[1,2\]/,
      ],
      [() => lam.encode(two.with(15, Number.NaN), two), 'data', /observations: row 1, column 3 is NaN/],
      [() => lam.decode(two, new Float64Array(3)), 'input', /latents: expected 2 rows of latentDim \(3\)/],
      [
        () => lam.decode(two, new Float64Array(6).with(4, Number.POSITIVE_INFINITY)),
        'data',
        /latents: row 1, column 1 is Infinity/,
      ],
      [
        () => lam.withGauge('encoder' as 'difference'),
        'input',
        /gauge: expected one of "innovation", "difference" but received "encoder"/,
      ],
    ];
    for (const [call, kind, message] of calls)
      expect(call).toThrow(
        expect.objectContaining({ name: 'ExolamError', kind, message: expect.stringMatching(message) }),
      );
    await expect(fitLinearLam(question, { observationShape: [5, 2] })).rejects.toThrow(
      /product is observationDim \(12\) but received \[5,2\]/,
    );
    expect((await fitLinearLam(question, { observationShape: [2, 2, 3] })).observationShape).toEqual([
      2, 2, 3,
    ]);
  });
});

it('the moments of z are those of the eigenvalues: cov z = Lambda', async () => {
  const lam = await fitLinearLam({ data, objective: { kind: 'reconstruction' }, latentDim: 4, ridge: 0 });
  const z = rows(lam.encode(data.observation, data.observationNext), 4);
  const values = new EigenvalueDecomposition(moment(z, z)).realEigenvalues.sort((a, b) => b - a);
  values.forEach((v, i) => {
    expect(Math.abs(v - lam.spectrum[i])).toBeLessThan(1e-9);
  });
  expect(largest(moment(z, z).sub(Matrix.diag([...lam.spectrum])))).toBeLessThan(1e-9);
});

describe('discrete actions', () => {
  const [names, other] = [
    [0, 1, 2],
    [40, 7, 19],
  ];
  const kind = (row: number) =>
    Number((data.action as Float64Array)[2 * row] > 0) +
    Number((data.action as Float64Array)[2 * row + 1] > 0);
  const rows = () => Array.from({ length: data.count }, (_, row) => row);
  const coded = (values: readonly number[]): Transitions => ({
    ...data,
    actionDim: 1,
    action: Float64Array.from(rows(), (row) => values[kind(row)]),
  });
  const objective: ObjectiveSpec = { kind: 'action-supervised', weight: 2 };

  it.each(['standard', 'given'] as const)(
    'are categories, whatever their numbers: scale %s',
    async (scale) => {
      const fitted = (t: Transitions) => fitLinearLam({ data: t, objective, latentDim: 2, scale });
      const found = await fitted(coded(names));
      // Columns of their own, written out; at unit standard deviation they would weigh otherwise.
      const columns = {
        ...data,
        actionDim: 3,
        action: Float64Array.from(rows().flatMap((row) => [0, 1, 2].map((k) => Number(kind(row) === k)))),
      };
      if (scale === 'given')
        expect(
          (await fitLinearLam({ data: columns, objective, latentDim: 3, scale })).spectrum.subarray(0, 2),
        ).toEqual(found.spectrum);
      const renumbered = await fitted(coded(other));
      renumbered.encoder.D.data.forEach((v, i) => {
        expect(Math.abs(v)).toBeCloseTo(Math.abs(found.encoder.D.data[i]), 10);
      });
      expect(renumbered.loss).toBeCloseTo(found.loss, 10);
      const asNumbers = await fitLinearLam({
        data: coded(other),
        objective,
        latentDim: 2,
        scale,
        discreteActions: false,
      });
      expect(Math.abs(asNumbers.loss - found.loss)).toBeGreaterThan(1e-3);
    },
  );

  it('are what `analyze` takes them for: the loss is the same, and a latentDim too small is said', async () => {
    const { latent } = await analyze(coded(other), {
      latentDims: [2],
      objectives: [objective],
      remedies: false,
      ridge: 1e-3,
    });
    const { loss } = await fitLinearLam({ data: coded(other), objective, latentDim: 2, scale: 'standard' });
    expect(loss / latent[0].loss).toBeCloseTo(1, 9);
    await expect(fitLinearLam({ data: coded(other), objective, latentDim: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/at least 2, the width of the action/),
    });
  });
});
