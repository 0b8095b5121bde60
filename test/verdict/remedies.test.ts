import { Matrix } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { Backend, ObjectiveRows } from '../../lib/backend/requests.js';
import type { Transitions } from '../../lib/data/transitions.js';
import { meanOf, secondMoments, variablesOf } from '../../lib/moments/of-data.js';
import { criticalConsistencyWeight, criticalGain, criticalWeight } from '../../lib/solve/critical.js';
import { type ObjectiveSpec, resolveObjective } from '../../lib/solve/objectives.js';
import type { Analysis } from '../../lib/verdict/analysis.js';
import { type AnalyzeOptions, analyze } from '../../lib/verdict/analyze.js';
import { type Remedy, type RemedyRequest, remediesOf } from '../../lib/verdict/remedies.js';
import { recommend } from '../../lib/verdict/words.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

const of = (remedies: readonly Remedy[], remedy: Remedy['remedy'], parameter: Remedy['parameter']) =>
  remedies.find((r) => r.remedy === remedy && r.parameter === parameter) as Remedy;

/** Orthonormal and without noise: the strengths have closed forms (T3, T4, T6). */
const orthonormal: WorldSpec = {
  observationDim: 9,
  endogenousDim: 3,
  exogenousDim: 3,
  actionDim: 2,
  exogenousScale: 1.6,
  policyNoise: 0.7,
  seed: 2,
};
/** Overlapping, noisy, with a policy that reacts. */
const general: WorldSpec = {
  ...orthonormal,
  mixing: 'gaussian',
  sensorNoise: 0.05,
  stateFeedback: 0.3,
  seed: 4,
};

describe('many samples of a world whose critical strengths are known', () => {
  it.each([
    [orthonormal, 0.06],
    // A mixture of smooth transitions: the level is met where the curve is flat, so that samples move it more.
    [general, 0.15],
  ] as const)('%j', async (world, tolerance) => {
    const t = await transitionsOf(world, 60_000);
    const { remedies } = await analyze(t, { latentDims: [2], ridge: 1e-6, backend: native });
    const options = { level: 0.1, backend: native };
    const wanted = [
      ['action-supervised', 'weight', await criticalWeight(world, options)],
      ['exogenous-robust', 'weight', await criticalConsistencyWeight(world, options)],
    ] as const;
    for (const [remedy, parameter, critical] of wanted) {
      const found = of(remedies, remedy, parameter);
      expect(found).toMatchObject({ reached: true, latentDim: 2 });
      expect(Math.abs((found.strength as number) / critical.value - 1), remedy).toBeLessThan(tolerance);
      expect(found.after.futureLeakage).toBeLessThanOrEqual(0.1);
      expect(found.before.futureLeakage).toBeGreaterThan(0.5);
    }
    expect(of(remedies, 'cross-exogenous', null)).toMatchObject({ reached: true, strength: null });
    const { strength } = of(remedies, 'representation', 'gain');
    // In an orthonormal world the family of T3; elsewhere it dims another way, and reaches no less.
    if (world === orthonormal)
      expect(Math.abs((strength as number) / (await criticalGain(world, options)).value - 1)).toBeLessThan(
        tolerance,
      );
    else expect(strength as number).toBeGreaterThan(0.05);
  });
});

describe.each(backends)('every strength is an exact solution, %s', (_, backend) => {
  it.each([false, true])('of the objective that analyze answers, whitened %s', async (whiten) => {
    const t = await transitionsOf(general, 800);
    const ask = (options: AnalyzeOptions) =>
      analyze(t, { latentDims: [2], level: 0.2, whiten, backend, ...options });
    const { remedies, latent } = await ask({});
    const plain = latent.find((row) => row.objective.kind === 'reconstruction');
    for (const remedy of ['action-supervised', 'exogenous-robust', 'cross-exogenous'] as const) {
      const found = of(remedies, remedy, remedy === 'cross-exogenous' ? null : 'weight');
      const objective = {
        kind: remedy,
        ...(found.strength === null ? {} : { weight: found.strength }),
      } as ObjectiveSpec;
      const [row] = (await ask({ objectives: [objective] })).latent;
      for (const name of ['futureLeakage', 'actionError'] as const) {
        expect(
          Math.abs((found.after[name] as number) - (row?.metrics[name] as number)),
          `${remedy} ${name}`,
        ).toBeLessThan(1e-8);
        expect(Math.abs((found.before[name] as number) - (plain?.metrics[name] as number))).toBeLessThan(
          1e-8,
        );
      }
      if (found.strength) {
        // A little less is not enough.
        const [less] = (
          await ask({ objectives: [{ ...objective, weight: found.strength / 1.05 } as ObjectiveSpec] })
        ).latent;
        expect(less?.metrics.futureLeakage as number).toBeGreaterThan(0.2);
      }
    }
  });
});

/** remediesOf on a split of our own, and what it was given. */
async function onSplit(t: Transitions, backend: Backend, options: Partial<RemedyRequest> = {}) {
  const variables = variablesOf(t);
  const cut = Math.floor(0.7 * t.count);
  const range = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
  const rows = range(0, cut);
  const mean = meanOf(t, rows);
  const train = await secondMoments(t, rows, mean, backend);
  const heldOut = await secondMoments(t, range(cut, t.count), mean, backend);
  const request: RemedyRequest = {
    transitions: t,
    variables,
    train,
    heldOut,
    rows,
    mean,
    whitening: null,
    latentDims: [2],
    level: 0.2,
    ridge: 1e-3,
    backend,
    crossExogenous: async () => ({ futureLeakage: 0 }),
    ...options,
  };
  return { request, ...(await remediesOf(request, {})) };
}

/** futureLeakage of the exact latents of an objective, by the backend's own solver and probes. */
async function leakageOf(
  { transitions: t, variables: v, heldOut, train, ridge, backend }: RemedyRequest,
  rows: ObjectiveRows,
  moments: Float64Array,
  { coefficients = [] as number[], projection = null as Matrix | null, latentDim = 2 } = {},
): Promise<number> {
  const answer = await backend.solveMoments({
    count: 1,
    width: v.width,
    moments,
    layout: v.layout,
    objective: rows,
    coefficients: Float64Array.from(coefficients),
    projection: Float64Array.from(projection?.to1DArray() ?? []),
    projectionDim: projection?.rows ?? 0,
    latentDim,
    ridge,
    relativeTolerance: 1e-10,
  });
  const { conditional } = await backend.probe({
    width: v.width,
    train,
    heldOut,
    observation: v.layout.observation,
    observationNext: v.layout.observationNext,
    observationDim: t.observationDim,
    encoderC: answer.encoderC,
    encoderD: answer.encoderD,
    rows: latentDim,
    latentDims: Int32Array.of(latentDim),
    targets: Int32Array.of(v.exogenousNext, t.exogenousDim),
    ridge,
    pairObservation: -1,
    pairObservationNext: -1,
  });
  return 1 - conditional[0];
}

const supervised = (weight: number) => resolveObjective({ kind: 'action-supervised', weight });

describe.each(backends)('what is not an objective of its own, %s', (_, backend) => {
  it('a gain is the reconstruction in P = (I + s S)^(-1/2), S what the next exogenous state explains', async () => {
    const t = await transitionsOf(general, 900);
    const { request, remedies } = await onSplit(t, backend);
    const found = of(remedies, 'representation', 'gain');
    const { variables: v, train, ridge } = request;
    const s = new Matrix(
      Array.from({ length: v.width }, (_r, i) => Array.from(train.subarray(i * v.width, (i + 1) * v.width))),
    );
    const part = (a: number, rows: number, b: number, cols: number) =>
      s.subMatrix(a, a + rows - 1, b, b + cols - 1);
    const d = t.observationDim;
    const { observation: o, observationNext: next } = v.layout;
    const ridged = (m: Matrix) => Matrix.add(m, Matrix.eye(m.rows).mul((ridge * m.trace()) / m.rows));
    // Both are linear maps of the columns; their covariances follow without any shortcut.
    const onO = (first: number, cols: number) => {
      const map = Matrix.zeros(cols, v.width);
      map.setSubMatrix(Matrix.eye(cols), 0, first);
      map.setSubMatrix(
        solved(ridged(part(o, d, o, d)), part(o, d, first, cols))
          .transpose()
          .mul(-1),
        0,
        o,
      );
      return map;
    };
    const r = onO(next, d);
    const probed = Matrix.sub(
      r,
      solved(
        ridged(part(o, d, o, d)),
        r
          .mmul(s)
          .subMatrix(0, d - 1, o, o + d - 1)
          .transpose(),
      )
        .transpose()
        .mmul(selector(o, d, v.width)),
    );
    const x = onO(v.exogenousNext, t.exogenousDim);
    const cov = (a: Matrix, b: Matrix) => a.mmul(s).mmul(b.transpose());
    const shows = cov(probed, x).mmul(solved(ridged(cov(x, x)), cov(x, probed)));
    const strength = 1 / (found.strength as number) ** 2 - 1;
    const p = power(shows, (value, most) => 1 / Math.sqrt(1 + (strength * Math.max(value, 0)) / most));
    const plain = resolveObjective({ kind: 'representation', projection: p.to2DArray() }).rows;
    const rows = { ...plain, f: plain.f.map((b) => ({ ...b, projected: false })) };
    const leakage = await leakageOf(request, rows, train, { projection: p });
    expect(Math.abs(leakage - found.after.futureLeakage)).toBeLessThan(1e-7);
    expect(found.reached).toBe(true);
  });

  it('labels are moments of the action from those rows alone', async () => {
    const t = await transitionsOf(general, 900);
    const { request, remedies } = await onSplit(t, backend);
    const [weighted, labels] = [
      of(remedies, 'action-supervised', 'weight'),
      of(remedies, 'action-supervised', 'labels'),
    ];
    expect(labels.weight as number).toBeCloseTo(10 * (weighted.strength as number), 9);
    expect(labels.reached).toBe(true);
    expect(labels.after.futureLeakage).toBeLessThanOrEqual(0.2);
    expect(labels.after.actionError as number).toBeLessThanOrEqual(weighted.after.actionError as number);
    const { variables: v, rows, train } = request;
    const leakageWith = async (n: number) => {
      const golden = (Math.sqrt(5) - 1) / 2;
      const chosen = [...rows].map((row, i) => [row, (i * golden) % 1] as const).sort((a, b) => a[1] - b[1]);
      const labelled = Int32Array.from(chosen.slice(0, n), ([row]) => row);
      const own = await secondMoments(t, labelled, meanOf(t, labelled), backend);
      const moments = train.slice();
      const { action, actionDim, observation, observationNext, observationDim: d } = v.layout;
      for (const first of [observation, observationNext])
        for (let i = first; i < first + d; i++)
          for (let j = action; j < action + actionDim; j++)
            moments[i * v.width + j] = moments[j * v.width + i] = own[i * v.width + j];
      const { rows: objective, coefficients } = supervised(labels.weight as number);
      return leakageOf(request, objective, moments, { coefficients: [...coefficients] });
    };
    expect(
      Math.abs((await leakageWith(labels.strength as number)) - labels.after.futureLeakage),
    ).toBeLessThan(1e-7);
    // All labels are the training moments.
    const { rows: objective, coefficients } = supervised(labels.weight as number);
    const all = await leakageOf(request, objective, train, { coefficients: [...coefficients] });
    expect(Math.abs((await leakageWith(rows.length)) - all)).toBeLessThan(1e-9);
  });
});

const solved = (a: Matrix, b: Matrix): Matrix => {
  const { values, vectors } = eigen(a);
  const inverse = Matrix.diag(values.map((v) => 1 / v));
  return vectors.mmul(inverse).mmul(vectors.transpose()).mmul(b);
};
const selector = (first: number, count: number, width: number): Matrix => {
  const m = Matrix.zeros(count, width);
  m.setSubMatrix(Matrix.eye(count), 0, first);
  return m;
};
const power = (s: Matrix, f: (value: number, most: number) => number): Matrix => {
  const { values, vectors } = eigen(Matrix.add(s, s.transpose()).mul(0.5));
  const most = Math.max(...values);
  return vectors.mmul(Matrix.diag(values.map((v) => f(v, most)))).mmul(vectors.transpose());
};
/** Jacobi rotations: nothing in common with what is tested. */
function eigen(s: Matrix): { values: number[]; vectors: Matrix } {
  const a = s.clone();
  const v = Matrix.eye(s.rows);
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < s.rows; p++)
      for (let q = p + 1; q < s.rows; q++) {
        if (Math.abs(a.get(p, q)) < 1e-300) continue;
        const theta = 0.5 * Math.atan2(2 * a.get(p, q), a.get(p, p) - a.get(q, q));
        const [c, n] = [Math.cos(theta), Math.sin(theta)];
        const turn = Matrix.eye(s.rows);
        turn.set(p, p, c);
        turn.set(q, q, c);
        turn.set(p, q, -n);
        turn.set(q, p, n);
        const next = turn.transpose().mmul(a).mmul(turn);
        a.setSubMatrix(next, 0, 0);
        v.setSubMatrix(v.mmul(turn), 0, 0);
      }
  return { values: a.diagonal(), vectors: v };
}

describe('where it is out of reach', () => {
  it('spare capacity leaks whatever the strength: the least leakage is told', async () => {
    // Five latents, two of them the action: three exogenous directions remain (T8).
    const t = await transitionsOf(orthonormal, 4000);
    const { remedies, recommendation } = await analyze(t, { latentDims: [4], backend: native });
    for (const [remedy, parameter] of [
      ['action-supervised', 'weight'],
      ['action-supervised', 'labels'],
      ['exogenous-robust', 'weight'],
    ] as const) {
      const found = of(remedies, remedy, parameter);
      expect(found.reached).toBe(false);
      expect(found.after.futureLeakage).toBeGreaterThan(0.6);
      expect(found.after.futureLeakage).toBeLessThan(found.before.futureLeakage + 1e-9);
    }
    expect(recommendation).toMatch(/out of reach/);
  });

  it('a distractor that moves with the action cannot be told from it', async () => {
    const world: WorldSpec = { ...general, actionExogenousCorrelation: 0.8 };
    const t = await transitionsOf(world, 4000);
    const { remedies } = await analyze(t, { latentDims: [2], backend: native });
    await expect(criticalWeight(world, { level: 0.1, backend: native })).rejects.toThrow(
      'the least it reaches',
    );
    const [weighted, labels] = [
      of(remedies, 'action-supervised', 'weight'),
      of(remedies, 'action-supervised', 'labels'),
    ];
    expect(weighted.reached).toBe(false);
    // All labels are not enough either; the weight is the one that leaks least.
    expect(labels).toMatchObject({ reached: false, weight: weighted.strength, after: weighted.after });
    expect(labels.strength).toBeGreaterThan(2000);
    expect(of(remedies, 'exogenous-robust', 'weight').reached).toBe(false);
    expect(of(remedies, 'cross-exogenous', null).reached).toBe(false);
  });
});

describe('where nothing is to be cured', () => {
  it('no weight, no label, and the whole gain', async () => {
    const world: WorldSpec = { ...orthonormal, exogenousScale: 0.2, policyNoise: 1 };
    const { remedies } = await analyze(await transitionsOf(world, 4000), {
      latentDims: [2],
      backend: native,
    });
    expect(remedies.filter((r) => r.strength !== null).map((r) => r.strength)).toEqual([0, 0, 0, 1]);
    expect(remedies.every((r) => r.reached)).toBe(true);
    for (const r of remedies) if (r.strength !== null) expect(r.after).toEqual(r.before);
  });
});

describe('what the data holds decides', () => {
  const names = (a: Analysis) => a.remedies.map((r) => [r.remedy, r.parameter].join(' '));
  it('which remedies apply', async () => {
    const { action: _a, ...withoutAction } = await transitionsOf(general, 600);
    const {
      pairObservation: _o,
      pairObservationNext: _n,
      ...withoutPair
    } = await transitionsOf(general, 600);
    const { exogenousNext: _x, ...withoutState } = await transitionsOf(general, 600);
    const ask = (t: Transitions) => analyze(t, { latentDims: [1, 2, 3], backend: native });
    const blind = await ask({ ...withoutAction, actionDim: 0 });
    expect(names(blind)).toEqual(['exogenous-robust weight', 'cross-exogenous ', 'representation gain']);
    expect(blind.remedies[0]?.before).not.toHaveProperty('actionError');
    // Without an action, the least latentDim at which reconstruction leaks.
    const leaks = blind.latent.find((row) => (row.metrics.futureLeakage as number) > 0.1);
    expect(blind.remedies[0]?.latentDim).toBe(leaks?.latentDim);
    expect(names(await ask(withoutPair))).toEqual([
      'action-supervised weight',
      'action-supervised labels',
      'representation gain',
    ]);
    const unknown = await ask({ ...withoutState, exogenousDim: 0 });
    expect(unknown.remedies).toEqual([]);
    expect(unknown.notes.join(' ')).toContain('cannot be measured without a known exogenous state');
  });

  it('and the least latentDim that holds the action, or actionDim', async () => {
    const t = await transitionsOf(general, 600);
    const dim = async (latentDims: number[]) =>
      new Set((await analyze(t, { latentDims, backend: native })).remedies.map((r) => r.latentDim));
    expect(await dim([1, 3, 4])).toEqual(new Set([3]));
    expect(await dim([1])).toEqual(new Set([2]));
  });
});

it('too few transitions to measure a leakage are told', async () => {
  const t = await transitionsOf(orthonormal, 12);
  const { remedies, notes } = await analyze(t, { latentDims: [2], backend: native });
  expect(remedies).toEqual([]);
  expect(notes.join(' ')).toContain(
    'fitted on 8 transitions, probes of the next exogenous state do worse than none',
  );
});

describe('the verdict', () => {
  it('says what each remedy takes, what is out of reach, and that clean latents may be empty', async () => {
    const t = await transitionsOf(general, 500);
    const analysis = await analyze(t, { latentDims: [2], backend: native });
    const before = { futureLeakage: 0.6, actionError: 0.99 };
    const entry = (
      remedy: Remedy['remedy'],
      parameter: Remedy['parameter'],
      rest: Partial<Remedy>,
    ): Remedy => ({
      remedy,
      parameter,
      latentDim: 2,
      reached: true,
      strength: null,
      before,
      after: { futureLeakage: 0.05, actionError: 0.9 },
      ...rest,
    });
    const remedies = [
      entry('action-supervised', 'weight', { strength: 12.34 }),
      entry('action-supervised', 'labels', { strength: 77, weight: 123.4 }),
      entry('exogenous-robust', 'weight', {
        reached: false,
        strength: 1e4,
        after: { futureLeakage: 0.3, actionError: 0.2 },
      }),
      entry('representation', 'gain', { strength: 0.25 }),
    ];
    expect(recommend({ ...analysis, remedies })).toContain(
      'To leak at most 10 %, where reconstruction leaks 60 % of the exogenous innovation at latentDim 2, it takes action supervision of weight 12, 77 labelled transitions for supervision of weight 120 or a representation that leaves the exogenous part a gain of 0.25; out of reach: a consistency penalty (30 % at least). Clean latents are not yet actions here: at least 90 % of the action stays unexplained.',
    );
    const none = remedies.map((r) => ({ ...r, reached: false }));
    expect(recommend({ ...analysis, remedies: none })).toMatch(
      /, no remedy is enough; out of reach: action supervision \(5 % at least\), any number of labels .*\.$/,
    );
    const clean = remedies.map((r) => ({ ...r, before: { futureLeakage: 0.02 } }));
    expect(recommend({ ...analysis, remedies: clean })).toContain(
      'No remedy is needed for a leakage of at most 10 %',
    );
  });
});

describe('the level', () => {
  it('a smaller one takes more', async () => {
    const t = await transitionsOf(general, 2000);
    const at = async (level: number) =>
      (await analyze(t, { latentDims: [2], level, backend: native })).remedies;
    const [loose, tight] = [await at(0.3), await at(0.05)];
    for (const [remedy, parameter, sign] of [
      ['action-supervised', 'weight', 1],
      ['exogenous-robust', 'weight', 1],
      ['representation', 'gain', -1],
    ] as const)
      expect(
        sign *
          ((of(tight, remedy, parameter).strength as number) -
            (of(loose, remedy, parameter).strength as number)),
      ).toBeGreaterThan(0);
  });

  it.each([-0.1, 1, Number.NaN])('%d is refused', async (level) => {
    await expect(analyze(await transitionsOf(general, 50), { level, backend: native })).rejects.toThrow(
      `level: expected a number from 0 up to, not including, 1 but received ${level}`,
    );
  });
});

it('gives the same bits for every number of threads', async () => {
  const t = await transitionsOf({ ...general, observationDim: 80 }, 500);
  const one = await analyze(t, { latentDims: [2], threads: 1, backend: native });
  const many = await analyze(t, { latentDims: [2], threads: 5, backend: native });
  expect(many.remedies).toEqual(one.remedies);
  expect(one.remedies).toHaveLength(5);
});

it('can be cancelled', async () => {
  const t = await transitionsOf(general, 500);
  const controller = new AbortController();
  const asked = analyze(t, {
    latentDims: [2],
    backend: native,
    signal: controller.signal,
    onProgress: (done, total) => {
      if (done / total > 0.91) controller.abort();
    },
  });
  await expect(asked).rejects.toMatchObject({ kind: 'cancelled' });
});
