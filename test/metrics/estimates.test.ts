import { describe, expect, it } from 'vitest';
import { type Backend, ESTIMATED, type FittedObjective } from '../../lib/backend/requests.js';
import { foldsOf, groupsOf, unitsOf } from '../../lib/data/units.js';
import { gram, multiply, solveSemidefinite } from '../../lib/linalg/dense.js';
import { eigen } from '../../lib/linalg/eigen.js';
import {
  fromRows,
  hstack,
  identity,
  type Matrix,
  matrix,
  minus,
  scaleRows,
  symmetric,
  toRows,
  transpose,
} from '../../lib/linalg/matrix.js';
import { chooseStrength } from '../../lib/metrics/choose-strength.js';
import {
  type Estimates,
  estimate,
  fittedObjective,
  type Prepared,
  prepare,
  ridgesOf,
} from '../../lib/metrics/estimates.js';
import { foldErrors, withoutFold } from '../../lib/metrics/fold-errors.js';
import type { ErrorSums } from '../../lib/metrics/interval.js';
import { type EstimatedData, type UnitMoments, unitMoments, unitRows } from '../../lib/moments/of-units.js';
import { normals } from '../../lib/random/philox.js';
import { type ObjectiveSpec, resolveObjective } from '../../lib/solve/objectives.js';
import { wholeFit } from '../../lib/solve/of-units.js';
import { backends, native, reference } from '../support/backends.js';
import { reordered, study } from '../support/study.js';

const latentDims = [1, 3];
const SUPERVISED: ObjectiveSpec = { kind: 'action-supervised', weight: 2 };
const projection = Array.from({ length: 4 }, (_, i) => Array.from(normals(3, i, 0, 7)));
const OBJECTIVES: ObjectiveSpec[] = [
  { kind: 'reconstruction' },
  { kind: 'reconstruction', decoder: 'identity' },
  SUPERVISED,
  { kind: 'action-supervised', weight: 20 },
  { kind: 'representation', projection },
  { kind: 'cross-exogenous' },
  { kind: 'exogenous-robust', weight: 3 },
  { kind: 'augmented', encoderNoise: 0.3, decoderNoise: 0.5 },
  {
    kind: 'composition',
    parts: [
      { kind: 'representation', projection },
      { kind: 'action-supervised', weight: 1 },
      { kind: 'exogenous-robust', weight: 2 },
    ],
  },
];

/** Reconstruction in a representation that every model makes of its own training moments. */
const suppressed = (gain: number, d: number): FittedObjective => {
  const all = { kind: 'representation', projection: toRows(identity(d)) } as const;
  const { rows, coefficients } = resolveObjective(all);
  return { rows, coefficients, projection: new Float64Array(0), projectionDim: 0, gain };
};
const GAINS = [1, 0.3, 0.01];

/** Every number of two tables of estimates, which must be near; the words must be the same. */
function expectSame(found: Estimates, wanted: Estimates, tolerance: number): void {
  expect(found.latent.map((l) => l.answer)).toEqual(wanted.latent.map((l) => l.answer));
  wanted.latent.forEach((row, i) => {
    for (const [metric, e] of Object.entries(row.metrics)) {
      const own = found.latent[i].metrics[metric as (typeof ESTIMATED)[number]];
      const what = `${metric} of ${row.latentDim}, ${row.objective.kind}`;
      expect(own?.reason, what).toBe(e.reason);
      for (const key of ['value', 'low', 'high', 'training', 'standardError'] as const) {
        if (e[key] === null) expect(own?.[key], what).toBeNull();
        else
          expect(Math.abs((own?.[key] as number) - e[key]), `${what}: ${key}`).toBeLessThanOrEqual(
            tolerance * Math.max(1, Math.abs(e[key])),
          );
      }
    }
  });
}

const multiplied = (values: Float64Array, factors: number[], add = 0) =>
  values.map((v, i) => v * factors[i % factors.length] + add);

describe('both backends', () => {
  it('agree on every metric of every objective with a closed form', async () => {
    const t = study({ episodes: 6, rows: 25, views: true });
    const answers = await Promise.all(
      [native, reference].map(async (backend) => {
        const data = (await prepare(t, {}, backend)) as Prepared;
        const objectives = [
          ...OBJECTIVES.map((o) => fittedObjective(o, t, data.moments)),
          ...GAINS.map((gain) => suppressed(gain, 7)),
        ];
        return foldErrors(data, { objectives, latentDims, ridges: ridgesOf(undefined, 6) }, backend);
      }),
    );
    const [own, other] = answers;
    expect(Array.from(own.ridges)).toEqual(Array.from(other.ridges));
    [...OBJECTIVES.map((o) => o.kind), ...GAINS.map((gain) => `gain ${gain}`)].forEach((name, v) => {
      latentDims.forEach((k, l) => {
        for (const metric of ESTIMATED) {
          const what = `${metric} of ${k}, ${name}`;
          const [a, b] = [own.sums(v, l, metric), other.sums(v, l, metric)];
          if (!a || !b) throw new Error(`${what} is missing`);
          const numbers = (s: typeof a) =>
            [s.num, s.den, s.training, s.replicates].flatMap((list) => Array.from(list));
          const wanted = numbers(b);
          numbers(a).forEach((value, i) => {
            expect(Math.abs(value - wanted[i]), what).toBeLessThanOrEqual(
              1e-9 * Math.max(1, Math.abs(wanted[i])),
            );
          });
        }
      });
    });
  });

  it.each(backends)('%s: a fold may fit an objective of its own', async (_, backend) => {
    const t = study({ episodes: 5, rows: 20 });
    const data = (await prepare(t, {}, backend)) as Prepared;
    const objectives = [OBJECTIVES[0], SUPERVISED].map((o) => fittedObjective(o, t, data.moments));
    const ask = (chosen?: number[]) =>
      foldErrors(data, { objectives, chosen, latentDims, ridges: ridgesOf(1e-3, 5) }, backend);
    const [all, mixed] = [await ask(), await ask([0, 1, 0, 1, 1])];
    data.fold.forEach((f, u) => {
      const from = all.sums([0, 1, 0, 1, 1][f], 1, 'futureLeakage');
      expect(mixed.sums(0, 1, 'futureLeakage')?.num[u]).toBe(from?.num[u]);
    });
  });
});

describe('a representation that is made in each fold', () => {
  const t = study({ episodes: 11, rows: 30 });
  const folds = foldsOf(11, false, 0);
  const [d, dx] = [7, 2];
  const options = { scale: 'given' } as const;
  const ridge = 1e-10;

  /** Rows of the episodes that are wanted: [1, o, o', x'], and what a regression on the first columns leaves of the others. */
  const left = (wanted: (episode: number) => boolean) => {
    const rows = Array.from({ length: t.count }, (_, i) => i).filter((i) => wanted(t.episode[i]));
    const of = (values: Float64Array, width: number) =>
      fromRows(rows.map((i) => Array.from(values.subarray(i * width, (i + 1) * width))));
    const ones = matrix(rows.length, 1, new Float64Array(rows.length).fill(1));
    const given = hstack([ones, of(t.observation, d)]);
    const less = (y: Matrix) =>
      minus(
        y,
        multiply(given, solveSemidefinite(gram(transpose(given)), multiply(transpose(given), y), 1e-14)),
      );
    return { next: less(of(t.observationNext, d)), future: less(of(t.exogenousNext as Float64Array, dx)) };
  };
  /** (I + (gain^-2 - 1) S)^(-1/2), from rows. */
  const projectionOf = (gain: number, wanted: (episode: number) => boolean): number[][] => {
    const { next, future } = left(wanted);
    const explained = multiply(
      future,
      solveSemidefinite(gram(transpose(future)), multiply(transpose(future), next), 1e-14),
    );
    const { values, vectors } = eigen(symmetric(gram(transpose(explained))));
    const kept = values.map((v) => 1 / Math.sqrt(1 + (gain ** -2 - 1) * Math.max(0, v / values[0])));
    return toRows(multiply(transpose(vectors), scaleRows(vectors, kept)));
  };

  it.each(GAINS)('is that of the rows it is fitted on, without a group too: gain %f', async (gain) => {
    const of = async (left: number | null) => {
      const at = Array.from({ length: t.count }, (_, i) => i).filter((i) => t.episode[i] !== left);
      const own = { ...reordered(t, at), count: at.length };
      const fold = Array.from(folds).filter((_, u) => u !== left);
      const data = (await prepare(own, { ...options, folds: fold }, native)) as Prepared;
      const objectives = Array.from({ length: 5 }, (_, f) =>
        fittedObjective(
          {
            kind: 'representation',
            projection: projectionOf(gain, (e) => folds[e] !== f && e !== left),
          },
          own,
          data.moments,
        ),
      );
      const question = { objectives, latentDims: [2], ridges: ridgesOf(ridge, 5) };
      return foldErrors(data, { ...question, chosen: [0, 1, 2, 3, 4] }, native);
    };
    const data = (await prepare(t, { ...options, folds: Array.from(folds) }, native)) as Prepared;
    const found = await foldErrors(
      data,
      { objectives: [suppressed(gain, d)], latentDims: [2], ridges: ridgesOf(ridge, 5) },
      native,
    );
    const [all, without] = [await of(null), await of(0)];
    for (const metric of ESTIMATED) {
      const [own, wanted, less] = [found, all, without].map((e) => e.sums(0, 0, metric));
      if (!own || !wanted || !less) continue;
      Array.from(own.num).forEach((v, u) => {
        expect(Math.abs(v / wanted.num[u] - 1), metric).toBeLessThan(1e-6);
      });
      expect(own.training[0] / wanted.training[0]).toBeCloseTo(1, 6);
      const sum = (values: ArrayLike<number>) => Array.from(values).reduce((s, v) => s + v, 0);
      expect(own.replicates[0] * sum(less.den), metric).toBeCloseTo(sum(less.num), 5);
    }
  });

  it('does not depend on units of measure', async () => {
    const factors = (count: number, stream: number) =>
      Array.from(normals(5, stream, 0, count), (v) => 10 ** (3 * Math.tanh(v)));
    const [o, x] = [factors(d, 1), factors(dx, 2)];
    const scaled = {
      ...t,
      observation: multiplied(t.observation, o, 5),
      observationNext: multiplied(t.observationNext, o, 5),
      exogenousNext: multiplied(t.exogenousNext as Float64Array, x, 2),
      exogenous: multiplied(t.exogenous as Float64Array, x, 2),
    };
    const of = async (data: EstimatedData) => {
      const errors = await foldErrors(
        (await prepare(data, {}, native)) as Prepared,
        { objectives: [suppressed(0.1, d)], latentDims: [2], ridges: ridgesOf(undefined, 5) },
        native,
      );
      return errors.sums(0, 0, 'innovationLeakage')?.num as Float64Array;
    };
    const [plain, other] = [await of(t), await of(scaled)];
    plain.forEach((v, u) => {
      expect(other[u] / v).toBeCloseTo(1, 6);
    });
  });
});

describe('the same bits', () => {
  it('for any number of threads, of what each model makes of its own moments too', async () => {
    const t = study({ episodes: 11, rows: 20 });
    const data = (await prepare(t, {}, native)) as Prepared;
    const objectives = GAINS.map((gain) => suppressed(gain, 7));
    const of = (threads: number) =>
      foldErrors(data, { objectives, latentDims: [2], ridges: ridgesOf(undefined, 5) }, native, { threads });
    const [one, seven] = [await of(1), await of(7)];
    GAINS.forEach((_, v) => {
      expect(seven.sums(v, 0, 'futureLeakage')).toEqual(one.sums(v, 0, 'futureLeakage'));
    });
  });

  it('for any number of threads', async () => {
    const t = study({ episodes: 11, rows: 20, views: true });
    const of = (threads: number) =>
      estimate(t, { latentDims: [1, 2, 5], objectives: OBJECTIVES, backend: native }, { threads });
    const one = await of(1);
    for (const threads of [2, 7]) expect(await of(threads)).toEqual(one);
  });
});

describe('what says nothing changes nothing', () => {
  const t = study({ episodes: 8, rows: 40 });
  const options = { latentDims, objectives: [OBJECTIVES[0], SUPERVISED], backend: native };
  const plain = estimate(t, options);

  it('units of measure and offsets, coordinate by coordinate', async () => {
    const factors = (count: number, stream: number) =>
      Array.from(normals(5, stream, 0, count), (v) => 10 ** (3 * Math.tanh(v)));
    const [o, a, x] = [factors(7, 1), factors(2, 2), factors(2, 3)];
    const scaled: EstimatedData = {
      ...t,
      observation: multiplied(t.observation, o, 5),
      observationNext: multiplied(t.observationNext, o, 5),
      action: multiplied(t.action as Float64Array, a, -3),
      exogenous: multiplied(t.exogenous as Float64Array, x, 2),
      exogenousNext: multiplied(t.exogenousNext as Float64Array, x, 2),
    };
    expectSame(await estimate(scaled, options), await plain, 1e-6);
  });

  it('coordinates that never move', async () => {
    const withStill = (values: Float64Array) => {
      const out = new Float64Array((values.length / 7) * 9);
      for (let row = 0; row < values.length / 7; row++) {
        out.set(values.subarray(row * 7, (row + 1) * 7), row * 9);
        out[row * 9 + 7] = 3;
        out[row * 9 + 8] = -1e6;
      }
      return out;
    };
    const wider = {
      ...t,
      observationDim: 9,
      observation: withStill(t.observation),
      observationNext: withStill(t.observationNext),
    };
    expectSame(await estimate(wider, options), await plain, 1e-6);
  });

  it('the order of rows within an episode', async () => {
    const noise = normals(9, 1, 0, t.count);
    const order = Array.from({ length: t.count }, (_, i) => i).sort(
      (a, b) => t.episode[a] - t.episode[b] || noise[a] - noise[b],
    );
    expectSame(await estimate(reordered(t, order), options), await plain, 1e-6);
  });

  it('numbers of discrete actions', async () => {
    const action = t.action as Float64Array;
    const codes = Float64Array.from(
      { length: t.count },
      (_, i) => Number(action[2 * i] > 0) + 2 * Number(action[2 * i + 1] > 0),
    );
    const coded = (names: number[]) => ({ ...t, actionDim: 1, action: codes.map((c) => names[c]) });
    const first = await estimate(coded([0, 1, 2, 3]), options);
    expect(first.categories).toEqual([0, 1, 2, 3]);
    const renumbered = await estimate(coded([40, 7, 19, 3]), options);
    expect(renumbered.categories).toEqual([3, 7, 19, 40]);
    expectSame(renumbered, first, 1e-6);
    const numbers = await estimate(coded([0, 1, 2, 3]), { ...options, discreteActions: false });
    expect(numbers.categories).toBeNull();
    expect(numbers.latent[0].metrics.actionError?.value).not.toBe(first.latent[0].metrics.actionError?.value);
  });

  it('coordinates that move in one episode alone do not upset the others', async () => {
    // In the fold that holds the episode out they stand still in training: they must be left out, not divided by rounding.
    const moving = (values: Float64Array) => {
      const out = values.slice();
      for (let row = 0; row < t.count; row++)
        if (t.episode[row] !== 2) for (let j = 0; j < 4; j++) out[row * 7 + j] = Math.SQRT1_2 + j / 3;
      return out;
    };
    const odd = { ...t, observation: moving(t.observation), observationNext: moving(t.observationNext) };
    for (const [, backend] of backends) {
      const data = (await prepare(odd, {}, backend)) as Prepared;
      const objectives = [fittedObjective({ kind: 'reconstruction' }, odd, data.moments)];
      const errors = await foldErrors(
        data,
        { objectives, latentDims: [3], ridges: ridgesOf(undefined, 8) },
        backend,
      );
      const { num, den, total } = errors.sums(0, 0, 'futureLeakage') as ErrorSums;
      for (let u = 0; u < 8; u++) {
        expect(num[u] / den[u]).toBeLessThan(1);
        expect(den[u]).toBeLessThan((total as number) / 4);
      }
    }
  });
});

describe('estimates mean what they say', () => {
  it('of a world that leaks, and of one where there is nothing to find', async () => {
    const t = study({ episodes: 12, rows: 60 });
    const { latent, differences } = await estimate(t, {
      latentDims: [2],
      objectives: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: 100 }],
      backend: native,
    });
    expect(latent[0].answer).toBe('leaks');
    expect(latent[1].answer).toBe('does-not-leak');
    expect(differences[0].metrics.innovationLeakage?.high).toBeLessThan(0);
    expect(differences[0].metrics.actionError?.high).toBeLessThan(0);
    const unrelated = study({ episodes: 12, rows: 60, seed: 2 });
    const mixed = { ...t, exogenous: unrelated.exogenous, exogenousNext: unrelated.exogenousNext };
    const none = await estimate(mixed, { latentDims: [2], backend: native });
    expect(none.latent[0].answer).not.toBe('leaks');
  });

  it('is plain data, not measurable as null with its reason', async () => {
    const t = study({ episodes: 5, rows: 30 });
    const known = { ...t, exogenousNext: multiplied(t.observation, [1]).slice(0, t.count * 2) };
    for (let row = 0; row < t.count; row++)
      known.exogenousNext.set([t.observation[row * 7], 2 * t.observation[row * 7 + 1]], row * 2);
    const found = await estimate(known, { latentDims: [1], scale: 'given', backend: native });
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
    const { futureLeakage } = found.latent[0].metrics;
    expect(futureLeakage).toMatchObject({
      value: null,
      low: null,
      high: null,
      reason: 'nothing is left to explain',
    });
  });

  it('sums the units of a group where memory asks for it, and answers alike', async () => {
    const t = study({ episodes: 47, rows: 12 });
    const of = async (mostBytes?: number) => {
      const data = (await prepare(t, {}, native, undefined, mostBytes)) as Prepared;
      const objectives = [fittedObjective({ kind: 'reconstruction' }, t, data.moments)];
      return foldErrors(data, { objectives, latentDims, ridges: ridgesOf(undefined, 5) }, native);
    };
    const [whole, bundled] = [await of(), await of(1)];
    for (const metric of ['actionError', 'innovationLeakage', 'latentShare.exogenous'] as const) {
      const [a, b] = [whole.sums(0, 1, metric), bundled.sums(0, 1, metric)];
      expect(b?.num.length).toBe(20);
      expect(b?.units).toBe(47);
      Array.from(a?.replicates ?? []).forEach((r, g) => {
        expect(b?.replicates[g]).toBeCloseTo(r, 10);
      });
    }
  });

  it('rows in the place of moments answer alike, with any backend, and without a fold', async () => {
    const t = study({ episodes: 12, rows: 15, views: true });
    const { unit, count } = unitsOf(t.episode);
    const fold = foldsOf(count, false, 0);
    const options = { scale: 'standard', discreteActions: true } as const;
    const byMoments = await unitMoments(t, unit, count, options, native);
    const byRows = await unitRows(t, unit, options);
    const fitted = [
      ...OBJECTIVES.slice(0, 7).map((spec) => fittedObjective(spec, t, byMoments)),
      suppressed(0.2, 7),
    ];
    const data = (moments: UnitMoments) => ({ moments, fold, group: fold, units: count });
    const answers = async (
      moments: UnitMoments,
      backend: Backend,
      left?: number,
      objectives: readonly FittedObjective[] = fitted,
    ) => {
      const all = left === undefined ? data(moments) : withoutFold(data(moments), left);
      const errors = await foldErrors(
        { ...all, group: all.fold },
        { objectives, latentDims, ridges: ridgesOf(undefined, left === undefined ? 5 : 4) },
        backend,
      );
      const figures = objectives.flatMap((_, v) =>
        ESTIMATED.flatMap((metric) => {
          const sums = errors.sums(v, 1, metric);
          return sums
            ? [sums.num, sums.den, sums.replicates, sums.training, [sums.total ?? 0]].flatMap((v) =>
                Array.from(v),
              )
            : [];
        }),
      );
      return [...errors.ridges, ...figures];
    };
    // Reconstruction alone sees no paired view, whose moments are then not made.
    for (const [left, objectives, least] of [
      [undefined, fitted, 1000],
      [2, fitted, 1000],
      [undefined, fitted.slice(0, 1), 100],
    ] as const) {
      const wanted = await answers(byMoments, native, left, objectives);
      expect(wanted.length).toBeGreaterThan(least);
      for (const [, backend] of backends) {
        const found = await answers(byRows, backend, left, objectives);
        expect(found.length).toBe(wanted.length);
        const scale = Math.max(...wanted.map(Math.abs));
        found.forEach((v, i) => {
          expect(Math.abs(v - wanted[i]), `figure ${i}`).toBeLessThanOrEqual(
            1e-8 * Math.abs(wanted[i]) + 1e-12 * scale,
          );
        });
      }
    }
    for (const [, backend] of backends) {
      const solutions = await Promise.all(
        [byMoments, byRows].map((m) => wholeFit(m, backend).solve(fitted[0], 1e-3, {})),
      );
      expect(solutions[1].rank).toBe(solutions[0].rank);
      expect(solutions[1].trace).toBeCloseTo(solutions[0].trace, 10);
      solutions[1].spectrum.forEach((v, i) => {
        expect(v).toBeCloseTo(solutions[0].spectrum[i], 10);
      });
    }
  });

  it('moments of units are those of their rows', async () => {
    const t = study({ episodes: 4, rows: 9 });
    const { unit, count } = unitsOf(t.episode);
    const { moments, layout, width } = await unitMoments(
      t,
      unit,
      count,
      { scale: 'given', discreteActions: true },
      native,
    );
    const at = (u: number, i: number, j: number) => moments[(u * width + i) * width + j];
    const mean = (of: (row: number) => number) =>
      Array.from({ length: t.count }, (_, row) => of(row)).reduce((s, v) => s + v, 0) / t.count;
    const action = t.action as Float64Array;
    const both = (row: number) => (t.observation[row * 7] + t.observationNext[row * 7]) / 2;
    const [mo, ma] = [mean(both), mean((row) => action[row * 2 + 1])];
    let sum = 0;
    for (let row = 9; row < 18; row++) sum += (t.observation[row * 7] - mo) * (action[row * 2 + 1] - ma);
    expect(at(1, 0, 0)).toBe(9);
    expect(at(1, layout[0], layout[4] + 1)).toBeCloseTo(sum, 10);
  });
});

describe('units, folds and groups', () => {
  it('are episodes in order of appearance, or blocks of one long one', () => {
    expect(Array.from(unitsOf([7, 7, 3, 7, 5]).unit)).toEqual([0, 0, 1, 0, 2]);
    const { count, unit, blocks } = unitsOf(new Int32Array(2001));
    expect([count, blocks, unit[0], unit[2000]]).toEqual([20, true, 0, 19]);
    expect(Array.from(unit).every((u, i) => i === 0 || u >= unit[i - 1])).toBe(true);
  });

  it('folds are even, seeded, and contiguous for blocks', () => {
    const folds = foldsOf(23, false, 4);
    const sizes = Array.from({ length: 5 }, (_, f) => folds.filter((g) => g === f).length);
    expect(sizes.sort()).toEqual([4, 4, 5, 5, 5]);
    expect(foldsOf(23, false, 4)).toEqual(folds);
    expect(foldsOf(23, false, 5)).not.toEqual(folds);
    // The documented draw itself, so that a study stays repeatable.
    expect(Array.from(foldsOf(12, false, 0)).join('')).toBe(FOLDS_OF_12);
    expect(Array.from(foldsOf(10, true, 9))).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
    expect(new Set(foldsOf(6, false, 0)).size).toBe(6);
  });

  it('groups are units, then 20 nested in the folds, then the folds', () => {
    const folds = foldsOf(50, false, 1);
    const groups = groupsOf(folds, 20);
    expect(new Set(groups).size).toBe(20);
    groups.forEach((g, u) => {
      expect(Math.floor(g / 4)).toBe(folds[u]);
    });
    expect(Array.from(groupsOf(folds, 501))).toEqual(Array.from(folds));
  });
});

const FOLDS_OF_12 = '302140031214';

describe('errors and control', () => {
  const t = study({ episodes: 5, rows: 12 });
  const plain = { latentDims: [1], backend: native };
  it.each([
    [{ folds: [0, 1, 2] }, 'folds: expected one number for each of 5 units but received 3 numbers'],
    [{ folds: [0, 1, 1, 3, 0] }, 'folds: expected units in each of folds 0 to 3 but received none in fold 2'],
    [{ folds: [0, 1, 1, 0, 0] }, 'folds: expected at least 3 folds but received 2'],
    [{ folds: [0, 1, 0.5, 2, 0] }, 'folds: expected whole numbers from 0 but received 0.5 at place 2'],
    [{ latentDims: [8] }, 'latentDim: expected at most observationDim (7) but received 8'],
    [{ latentDims: [] }, 'latentDims: expected at least one latent dimension but received none'],
    [{ level: 1 }, 'level: expected a number from 0 up to, not including, 1 but received 1'],
    [{ ridges: [1, 2] }, 'ridges: expected one ridge for each of 5 folds but received 2'],
    [{ ridges: -1 }, 'ridges: expected numbers of at least 0 but received -1'],
    [{ objectives: [] }, 'objectives: expected at least one objective but received none'],
    [
      { objectives: [{ kind: 'cross-exogenous' }] },
      'objective cross-exogenous: expected data with paired views, but this data has none',
    ],
  ] as [object, string][])('%o', async (wrong, message) => {
    await expect(estimate(t, { ...plain, ...wrong })).rejects.toMatchObject({ kind: 'input', message });
  });

  it('more coordinates than could be answered for are refused before anything is made of them', async () => {
    const d = 10_000;
    const rows = (seed: number) => normals(seed, 0, 0, 11 * d);
    const wide: EstimatedData = {
      count: 11,
      observationDim: d,
      actionDim: 0,
      exogenousDim: 0,
      observation: rows(1),
      observationNext: rows(2),
      episode: new Int32Array(11),
    };
    await expect(estimate(wide, { latentDims: [1] })).rejects.toThrow(
      /^observation: expected at most 6000 coordinates but received 10000, whose moments would take 3.20 GB/,
    );
  });

  it('a strength needs a metric that the data has, and folds to choose inside of', async () => {
    const { exogenous: _, exogenousNext: __, ...rest } = t;
    const candidates = [SUPERVISED];
    await expect(
      chooseStrength({ ...rest, exogenousDim: 0 }, { latentDim: 2, candidates, backend: native }),
    ).rejects.toMatchObject({ kind: 'input' });
    await expect(
      chooseStrength(t, { latentDim: 2, candidates, folds: [0, 1, 2, 0, 1], backend: native }),
    ).rejects.toMatchObject({
      message: 'folds: expected at least 4 folds to choose inside of, but received 3',
    });
  });

  it.each(backends)('%s: reports progress and ends when it is told to', async (name, backend) => {
    const wide = study({ episodes: 8, rows: 30, observationDim: name === 'native' ? 250 : 60 });
    const seen: number[] = [];
    const stop = new AbortController();
    const run = estimate(
      wide,
      { latentDims: [1, 2, 3], backend },
      {
        signal: stop.signal,
        onProgress: (done, total) => {
          seen.push(done / total);
          if (done / total > 0.3) stop.abort();
        },
      },
    );
    await expect(run).rejects.toMatchObject({ kind: 'cancelled' });
    expect(seen.every((v, i) => i === 0 || v >= seen[i - 1])).toBe(true);
  });
});
