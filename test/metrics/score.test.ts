import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type Case,
  drawMoments,
  fitLinearLam,
  type ScoredLam,
  sampleTransitions,
  score,
  solve,
  type Transitions,
  transitions,
  type WorldSpec,
} from '../../lib/browser.js';
import { multiply } from '../../lib/linalg/dense.js';
import { type Matrix, matrix, minus, plus, toRows, transpose, vstack } from '../../lib/linalg/matrix.js';
import { normals } from '../../lib/random/philox.js';
import { hasKind } from '../../lib/solve/objectives.js';
import { equations, residual, variance } from '../../lib/world/equations.js';
import { createWorld } from '../../lib/world/world.js';
import { shared } from '../support/shared.js';

/** 1e-7 relative, absolute below 1e-9. */
function expectClose(actual: number | undefined, wanted: number | undefined, what: string): void {
  if (Object.is(actual, wanted)) return;
  const error = Math.abs((actual ?? Number.NaN) - (wanted ?? Number.NaN));
  expect(error, `${what}: ${actual} should be ${wanted}`).toBeLessThanOrEqual(
    Math.max(1e-7 * Math.abs(wanted ?? 0), 1e-9),
  );
}

const own = fileURLToPath(new URL('../golden/', import.meta.url));
const folders = [own, ...(existsSync(shared('fixtures/solve')) ? [shared('fixtures/solve/')] : [])];
const cases = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file): [string, Case] => [
      `${folder === own ? 'own' : 'shared'} ${file}`,
      JSON.parse(readFileSync(folder + file, 'utf8')) as Case,
    ]),
);

describe('score: what solve says of its own encoder', () => {
  it('has every kind of objective, sensor noise among them', () => {
    const kinds = new Set(cases.map(([, { objective }]) => objective.kind));
    expect(kinds.size).toBeGreaterThanOrEqual(6);
    const noisy = cases.filter(([, { world }]) => (world?.sensorNoise ?? 0) > 0);
    expect(new Set(noisy.map(([, { objective }]) => objective.kind)).size).toBeGreaterThanOrEqual(6);
  });

  it.each(cases)('%s', async (_, { expected, ...question }) => {
    const solution = await solve(question, { encoder: true });
    const { metrics } = await score(solution.encoder!, { world: question.world! });
    if (solution.unique) {
      expect(Object.keys(metrics).sort()).toEqual(Object.keys(solution.metrics).sort());
      for (const [name, value] of Object.entries(metrics))
        expectClose(value, solution.metrics[name as keyof typeof solution.metrics], name);
      const golden = (expected as { metrics: Record<string, number | 'Infinity'> }).metrics;
      for (const [name, value] of Object.entries(golden))
        if (value === 'Infinity') expect(metrics[name as keyof typeof metrics]).toBe(Infinity);
    }
    if (hasKind(question.objective, 'exogenous-robust')) return;
    if (hasKind(question.objective, 'augmented') || hasKind(question.objective, 'action-supervised')) return;
    const lam = await fitLinearLam(question);
    expectClose((await score(lam, { world: question.world! })).loss, solution.loss, 'loss');
  });
});

const world: WorldSpec = {
  observationDim: 14,
  endogenousDim: 4,
  exogenousDim: 3,
  actionDim: 2,
  mixing: 'gaussian',
  sensorNoise: 0.2,
  processNoise: 0.1,
  exogenousScale: 0.7,
  stateFeedback: 0.3,
  exogenousFeedback: 0.4,
  actionExogenousCorrelation: 0.2,
  seed: 3,
};
/** An encoder and a decoder that nothing was fitted to. */
const random = (rows: number, cols: number, stream: number): Matrix =>
  matrix(rows, cols, normals(7, stream, 0, rows * cols));

/** A model of drawn matrices and means. */
function anyLam(d: number, k: number): ScoredLam {
  const mean = (stream: number) => normals(7, stream, 0, d);
  return {
    encoder: { C: random(k, d, 1), D: random(k, d, 2) },
    decoder: { A: random(d, d, 3), B: random(d, k, 4) },
    means: { observation: mean(5), observationNext: mean(6), decoded: mean(7), prediction: mean(8) },
    objective: { kind: 'reconstruction' },
  };
}

/** So many transitions of the world, as data. */
async function dataOfWorld(count: number): Promise<Transitions> {
  const batches = sampleTransitions(world, { samples: count });
  for await (const { observation, observationNext, action, exogenous, exogenousNext } of batches)
    return transitions({
      ...{ observation, observationNext, action, exogenous, exogenousNext },
      ...{ observationDim: 14, actionDim: 2, exogenousDim: 3 },
      episode: Int32Array.from({ length: count }, (_, i) => i >> 4),
    });
  throw new Error('no batch');
}

describe('score of any encoder', () => {
  it('takes a change of basis of z for nothing, and rows of numbers for matrices', async () => {
    const { encoder } = anyLam(14, 3);
    const basis = random(3, 3, 9);
    const turned = { C: toRows(multiply(basis, encoder.C)), D: toRows(multiply(basis, encoder.D)) };
    const [a, b] = [await score(encoder, { world }), await score(turned, { world })];
    expect(Object.keys(a.metrics)).toHaveLength(11);
    for (const [name, value] of Object.entries(a.metrics))
      if (name !== 'consistencyError') expectClose(b.metrics[name as keyof typeof b.metrics], value, name);
    expect(a.loss).toBeUndefined();
  });

  it('agrees with regressions in all coordinates, without a reduced basis', async () => {
    const lam = anyLam(14, 3);
    const e = equations(createWorld(world));
    const z = plus(multiply(lam.encoder.C, e.observation), multiply(lam.encoder.D, e.observationNext));
    const { metrics, loss } = await score(lam, { world });
    const share = (v: Matrix, given: Matrix, beside: Matrix) =>
      variance(residual(v, vstack([given, beside]))) / variance(residual(v, given));
    const { observation: o, exogenous: x, exogenousNext } = e;
    expectClose(metrics.actionError, share(e.action, o, z), 'actionError');
    expectClose(metrics.futureLeakage, 1 - share(exogenousNext, o, z), 'futureLeakage');
    expectClose(metrics.innovationLeakage, 1 - share(exogenousNext, vstack([o, x]), z), 'innovationLeakage');
    expectClose(metrics.rawObservationError, variance(residual(o, z)) / variance(o), 'rawObservationError');
    const predicted = plus(multiply(lam.decoder.A, o), multiply(lam.decoder.B, z));
    const zero = { observation: 14, observationNext: 14, decoded: 14, prediction: 14 };
    const means = Object.fromEntries(Object.entries(zero).map(([k, n]) => [k, new Float64Array(n)]));
    const centred = { ...lam, means } as unknown as ScoredLam;
    const spread = variance(minus(e.observationNext, predicted));
    expectClose((await score(centred, { world })).loss, spread, 'loss');
    // With means of its own it misses by a constant as well.
    const { C, D } = lam.encoder;
    const { A, B } = lam.decoder;
    const m = lam.means;
    const column = (v: Float64Array) => matrix(v.length, 1, v);
    const latent = plus(multiply(C, column(m.observation)), multiply(D, column(m.observationNext)));
    const off = minus(plus(multiply(A, column(m.decoded)), multiply(B, latent)), column(m.prediction));
    expectClose(loss, spread + variance(off), 'loss with means');
  });

  it('of transitions: the loss is that of decoding row by row, actionError that of least squares', async () => {
    const data = await dataOfWorld(600);
    const lam = await fitLinearLam({ data, objective: { kind: 'reconstruction' }, latentDim: 3 });
    const other = await dataOfWorld(900);
    for (const where of [data, other]) {
      const { loss, metrics } = await score(lam, where);
      const z = lam.encode(where.observation, where.observationNext);
      const predicted = lam.decode(where.observation, z);
      const errors = predicted.reduce((sum, v, i) => sum + (v - where.observationNext[i]) ** 2, 0);
      expectClose(loss, errors / where.count, 'loss');
      const centred = (values: Float64Array, width: number): Matrix => {
        const columns = transpose(matrix(where.count, width, values));
        return residual(columns, matrix(1, where.count, new Float64Array(where.count).fill(1)));
      };
      const [o, latents, a] = [
        centred(where.observation, 14),
        centred(z, 3),
        centred(where.action as Float64Array, 2),
      ];
      const least = variance(residual(a, vstack([o, latents]))) / variance(residual(a, o));
      expectClose(metrics.actionError, least, 'actionError');
      const [x, next] = [
        centred(where.exogenous as Float64Array, 3),
        centred(where.exogenousNext as Float64Array, 3),
      ];
      const both = vstack([o, x]);
      const left = variance(residual(next, vstack([both, latents]))) / variance(residual(next, both));
      expectClose(metrics.innovationLeakage, 1 - left, 'innovationLeakage');
      const again = await score(lam, where, { probes: { ...where } });
      expectClose(again.metrics.innovationLeakage, 1 - left, 'innovationLeakage by probes of the same rows');
    }
  });

  it('of moments: what drawMoments tends to is the world, with its own probes or with another', async () => {
    const lam = await fitLinearLam({ world, objective: { kind: 'reconstruction' }, latentDim: 3 });
    const moments = await drawMoments(world, { transitions: 1e12, draws: 2, pairs: true });
    const exact = await score(lam, { world });
    const found = await score(lam, { moments, draw: 1 });
    const withProbes = await score(lam, { world }, { probes: { moments } });
    for (const name of ['actionError', 'futureLeakage', 'rawActionError', 'rawExogenousNextError'] as const) {
      expect(found.metrics[name]).toBeCloseTo(exact.metrics[name] as number, 5);
      expect(withProbes.metrics[name]).toBeCloseTo(exact.metrics[name] as number, 5);
    }
    expect(found.loss).toBeCloseTo(exact.loss as number, 5);
    expectClose(withProbes.loss, exact.loss, 'loss');
  });

  it('a finite sample fits the worse the smaller it is, judged where it was drawn', async () => {
    const objective = { kind: 'reconstruction' } as const;
    const exact = (await solve({ world, objective, latentDim: 2 })).loss;
    const excess: number[] = [];
    for (const count of [100, 1_000, 10_000]) {
      const moments = await drawMoments(world, { transitions: count, draws: 8 });
      let sum = 0;
      for (let draw = 0; draw < 8; draw++) {
        const lam = await fitLinearLam({ moments, draw, objective, latentDim: 2, ridge: 0 });
        expect(lam.fit).toMatchObject({ source: 'data', transitions: count });
        const there = await score(lam, { moments, draw });
        expectClose(there.loss, lam.loss, 'loss in sample');
        sum += ((await score(lam, { world })).loss as number) - exact;
      }
      excess.push(sum / 8);
    }
    expect(excess[2]).toBeGreaterThan(0);
    // The excess falls as 1/N.
    expect(excess[0] / excess[1]).toBeGreaterThan(5);
    expect(excess[1] / excess[2]).toBeGreaterThan(5);
    expect(excess[1] / excess[2]).toBeLessThan(20);
  });

  it('of cross-exogenous: the loss is that of the paired view, absent where there is none', async () => {
    const objective = { kind: 'cross-exogenous' } as const;
    const paired = await drawMoments(world, { transitions: 500, pairs: true });
    const lam = await fitLinearLam({ moments: paired, objective, latentDim: 2, ridge: 0 });
    expectClose((await score(lam, { moments: paired })).loss, lam.loss, 'loss');
    const alone = await drawMoments(world, { transitions: 500 });
    expect((await score(lam, { moments: alone })).loss).toBeUndefined();
    await expect(fitLinearLam({ moments: alone, objective, latentDim: 2 })).rejects.toThrow(
      'objective cross-exogenous: expected data with paired views, but this data has none',
    );
  });

  it('says in one sentence what it does not take', async () => {
    const { encoder } = anyLam(14, 3);
    const wrong = <T>(value: unknown) => value as T;
    const moments = await drawMoments(world, { transitions: 10 });
    const refused: [() => Promise<unknown>, string][] = [
      [() => score(wrong(null), { world }), 'lam: expected a LinearLam or {C, D} but received null'],
      [
        () => score({ C: [[1, 2], [3]], D: [[1, 2]] }, { world }),
        'C[1]: expected 2 numbers, as in row 0, but received 1',
      ],
      [
        () => score({ C: [[1, 2]], D: [[1, 2, 3]] }, { world }),
        'D: expected 1 rows of 2 numbers, as C has, but received 1 rows of 3',
      ],
      [
        () => score({ C: [[1, 2]], D: [[1, 2]] }, { world }),
        'where: expected observations of 2 coordinates, as the encoder has, but received 14',
      ],
      [
        () => score(encoder, wrong(null)),
        'where: expected {world}, {moments} or transitions but received null',
      ],
      [
        () => score(encoder, { moments, draw: 1 }),
        'draw: expected an index below the count of where.moments (1) but received 1',
      ],
      [
        () => score(encoder, wrong({ world, seed: 1 })),
        'where: unknown key "seed"; did you mean "world"? Accepted: world',
      ],
      [
        () => score(encoder, { world }, wrong({ rigde: 1 })),
        'options: unknown key "rigde"; did you mean "ridge"?',
      ],
      [
        () => score(encoder, { moments: { ...moments, moments: new Float64Array(3) } }),
        'where.moments.moments: expected 1 x ',
      ],
    ];
    for (const [call, message] of refused) await expect(call()).rejects.toThrow(message);
  });
});
