import { EigenvalueDecomposition, Matrix, pseudoInverse, SingularValueDecomposition } from 'ml-matrix';
import { describe, expect, it } from 'vitest';
import type { MomentsRequest } from '../../lib/backend/requests.js';
import { type ObjectiveSpec, resolveObjective } from '../../lib/solve/objectives.js';
import { type Case, type Solution, solve, solveBatch } from '../../lib/solve/population.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';
import { loadingsOf, randomCase } from '../support/problems.js';

/** The answer without what was asked. */
const numbers = ({ case: _, objective: __, ...rest }: Solution) => rest;

type Part = Exclude<ObjectiveSpec, { kind: 'composition' }>;
const compose = (...parts: Part[]): ObjectiveSpec => ({ kind: 'composition', parts });

/** (6, 9): not orthonormal, and blind to three directions. */
const PROJECTION = Array.from({ length: 6 }, (_, i) =>
  Array.from(noise(generator(i + 90), 9)).map((v) => v / 3),
);
const supervision: Part = { kind: 'action-supervised', weight: 3, labelFraction: 0.5 };
const penalty: Part = { kind: 'exogenous-robust', weight: 0.7 };
const representation: Part = { kind: 'representation', projection: PROJECTION };
const identity: Part = { kind: 'reconstruction', decoder: 'identity' };
const cross: Part = { kind: 'cross-exogenous' };
const augmented: Part = { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 };

const COMPOSITIONS: [name: string, parts: Part[]][] = [
  ['supervision in a representation', [representation, supervision]],
  ['supervision and penalty', [supervision, penalty]],
  ['penalty in a representation', [penalty, representation]],
  ['all three', [representation, penalty, supervision]],
  ['identity decoder, supervision', [identity, supervision]],
  ['identity decoder, penalty', [identity, penalty]],
  ['identity decoder in a representation', [identity, representation]],
  ['identity decoder and all three', [identity, representation, supervision, penalty]],
  ['cross-exogenous, penalty', [cross, penalty]],
  ['cross-exogenous in a representation', [cross, representation]],
  ['augmented, penalty', [augmented, penalty]],
  ['augmented in a representation, penalty', [augmented, representation, penalty]],
];

/** A random world of 9 observed coordinates, 3 endogenous, 2 exogenous, 2 actions; policy with feedback, sensor noise. */
function drawn(seed: number): { world: WorldSpec; loadings: Record<string, Matrix> } {
  const golden = randomCase(seed, { kind: 'reconstruction' }, 1);
  const { complementDim: _, ...world } = golden.world;
  const loadings = Object.fromEntries(
    Object.entries(loadingsOf(golden)).map(([name, rows]) => [name, new Matrix(rows)]),
  );
  return { world: world as unknown as WorldSpec, loadings };
}

const stacked = (...parts: Matrix[]): Matrix => new Matrix(parts.flatMap((m) => m.to2DArray()));
const cov = (a: Matrix, b: Matrix): Matrix => a.mmul(b.transpose());
const inverse = (a: Matrix): Matrix => pseudoInverse(a, 1e-13);
const squares = (a: Matrix): number => a.to1DArray().reduce((sum, v) => sum + v * v, 0);

interface Problem {
  /** Rows that the free part of the decoder reaches, and rows that it does not. */
  readonly given: Matrix;
  readonly alone: Matrix | null;
  readonly free: Matrix | null;
  /** All that the encoder sees. */
  readonly inputs: Matrix;
  /** Of the encoder's weights on its inputs. */
  readonly penalty: Matrix | null;
}

/** What a composition asks, written from the equations: no innovation, no gauge; the encoder sees o and o' in full. */
function problemOf(parts: readonly Part[], v: Record<string, Matrix>): Problem {
  const find = <K extends Part['kind']>(kind: K) =>
    parts.find((p) => p.kind === kind) as Extract<Part, { kind: K }> | undefined;
  const p = find('representation') ? new Matrix(PROJECTION) : Matrix.eye(9);
  const see = (name: string): Matrix => p.mmul(v[name]);
  const noisy = (name: string, source: string, size: number) =>
    Matrix.add(see(name), v[source].subMatrix(0, p.rows - 1, 0, v[source].columns - 1).mul(size));
  const [o, next] = [see('observation'), see('observationNext')];
  const base = find('augmented') ?? find('cross-exogenous') ?? find('reconstruction');
  const weight = find('action-supervised');
  const alone = weight
    ? Matrix.mul(v['action'], Math.sqrt(weight.weight * (weight.labelFraction ?? 1)))
    : null;
  const moves = [
    Matrix.sub(o, see('pairObservation')),
    Matrix.sub(next, see('pairObservationNext')),
  ] as const;
  const mu = find('exogenous-robust')?.weight ?? 0;
  const whole = stacked(...moves);
  const problem = { alone, penalty: mu ? Matrix.mul(cov(whole, whole), mu) : null };
  if (base?.kind === 'augmented') {
    const { encoderNoise: n1, decoderNoise: n2 } = base;
    return {
      ...problem,
      given: noisy('observationNext', 'decoderNoise', n2),
      free: noisy('observation', 'decoderNoise', n2),
      inputs: stacked(noisy('observation', 'encoderNoise', n1), noisy('observationNext', 'encoderNoise', n1)),
    };
  }
  if (base?.kind === 'cross-exogenous')
    return {
      ...problem,
      given: see('pairObservationNext'),
      free: see('pairObservation'),
      inputs: stacked(o, next),
    };
  if (base) return { ...problem, given: Matrix.sub(next, o), free: null, inputs: stacked(o, next) };
  // Free decoder: the penalty is on what o - o2 does not predict, and acts on D alone.
  const left = Matrix.sub(
    moves[1],
    cov(moves[1], moves[0])
      .mmul(inverse(cov(moves[0], moves[0])))
      .mmul(moves[0]),
  );
  const onD = Matrix.zeros(2 * p.rows, 2 * p.rows);
  onD.setSubMatrix(Matrix.mul(cov(left, left), mu), p.rows, p.rows);
  return { ...problem, penalty: mu ? onD : null, given: next, free: o, inputs: stacked(o, next) };
}

/**
 * Minimises E|y - A f - B z|^2 + tr(G P G^T), z = G (inputs), A zero on the rows `alone`, by alternating least squares with
 * momentum. With a penalty B^T B = I, and B is the polar factor that maximises its share; without, B is a regression.
 */
function optimise({ given, alone, free, inputs, penalty }: Problem, k: number, seed: number): number {
  const random = generator(seed + 17);
  const target = alone ? stacked(given, alone) : given;
  const reaches = given.rows;
  const sInputs = cov(inputs, inputs);
  const solver = inverse(penalty ? Matrix.add(sInputs, penalty) : sInputs);
  let g = new Matrix(
    Array.from({ length: k }, () => Array.from({ length: inputs.rows }, () => random() - 0.5)),
  );
  let before = g;
  let b = Matrix.zeros(target.rows, k);
  let loss = Number.POSITIVE_INFINITY;
  let still = 0;
  let steps = 0;
  /** Best A given B z, taken off the target. */
  const lessFree = (from: Matrix, predicted: Matrix): Matrix => {
    if (!free) return from.clone();
    const out = from.clone();
    const rest = Matrix.sub(from, predicted).subMatrix(0, reaches - 1, 0, from.columns - 1);
    const a = cov(rest, free).mmul(inverse(cov(free, free)));
    out.setSubMatrix(Matrix.sub(from.subMatrix(0, reaches - 1, 0, from.columns - 1), a.mmul(free)), 0, 0);
    return out;
  };
  const regression = (rows: Matrix, on: Matrix): Matrix => cov(rows, on).mmul(inverse(cov(on, on)));
  for (let i = 0; i < 30000; i++) {
    const ahead = Matrix.add(g, Matrix.sub(g, before).mul(steps / (steps + 3)));
    before = g;
    const z = ahead.mmul(inputs);
    if (penalty) {
      // z is kept; A and B take turns until they agree.
      for (let turn = 0; turn < 3; turn++) {
        const svd = new SingularValueDecomposition(cov(lessFree(target, b.mmul(z)), z), {
          autoTranspose: true,
        });
        b = svd.leftSingularVectors.mmul(svd.rightSingularVectors.transpose());
      }
    } else {
      const head = free
        ? regression(given, stacked(free, z)).subMatrix(0, reaches - 1, free.rows, free.rows + k - 1)
        : regression(given, z);
      b = alone ? stacked(head, regression(alone, z)) : head;
    }
    const left = lessFree(target, b.mmul(z));
    g = inverse(b).mmul(cov(left, inputs)).mmul(solver);
    const predicted = b.mmul(g).mmul(inputs);
    const error = Matrix.sub(lessFree(target, predicted), predicted);
    const reached = squares(error) + (penalty ? g.mmul(penalty).mmul(g.transpose()).trace() : 0);
    still = Math.abs(loss - reached) < 1e-13 * reached ? still + 1 : 0;
    if (still > 20) return reached;
    steps = reached > loss ? 0 : steps + 1;
    loss = reached;
  }
  return loss;
}

const relative = (a: number, b: number): number => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-9);

function expectSame(a: Solution, b: Solution, tolerance = 1e-7, except: string[] = []): void {
  expect(relative(a.loss, b.loss)).toBeLessThan(tolerance);
  a.spectrum.forEach((v, i) => {
    expect(Math.abs(v - b.spectrum[i])).toBeLessThan(tolerance * a.spectrum[0]);
  });
  expect(a.rank).toBe(b.rank);
  expect(Object.keys(a.metrics)).toEqual(Object.keys(b.metrics));
  for (const [name, v] of Object.entries(a.metrics)) {
    if (except.includes(name)) continue;
    const other = b.metrics[name as keyof typeof b.metrics] as number;
    if (v !== other) expect(Math.abs(v - other) / Math.max(1, v), name).toBeLessThan(tolerance);
  }
}

describe.each(COMPOSITIONS)('%s', (_, parts) => {
  const objective = compose(...parts);
  it.each([1, 2, 3])('no optimiser beats the closed form, and one reaches it: world %i', async (seed) => {
    const { world, loadings } = drawn(seed);
    const latentDim = 2 + (seed % 2);
    const reached = optimise(problemOf(parts, loadings), latentDim, seed);
    for (const [name, backend] of backends) {
      const { loss } = await solve({ world, objective, latentDim }, { backend });
      const figures = `${name}: closed form ${loss}, optimiser ${reached}`;
      expect((reached - loss) / loss, figures).toBeGreaterThan(-1e-9);
      expect((reached - loss) / loss, figures).toBeLessThan(1e-6);
    }
  });

  it('both backends agree, for every order of the parts, alone and in a batch', async () => {
    for (const seed of [4, 5]) {
      const { world } = drawn(seed);
      const turned = compose(...[...parts].reverse());
      for (const latentDim of [2, 4]) {
        const cases: Case[] = [objective, turned].map((o) => ({ world, objective: o, latentDim }));
        const [a, b] = (await solveBatch(cases, { backend: native, encoder: true })) as [Solution, Solution];
        expect(numbers(b)).toEqual(numbers(a));
        for (const [, backend] of backends) {
          const other = await solve({ world, objective, latentDim }, { backend, encoder: true });
          expectSame(a, other);
          expect(other.gauge).toBe(a.gauge);
          for (const name of ['C', 'D'] as const)
            a.encoder?.[name].data.forEach((v, i) => {
              expect(Math.abs(v - (other.encoder?.[name].data[i] as number))).toBeLessThan(1e-7);
            });
        }
      }
    }
  });

  it('from the exact moments both backends give the population answer', async () => {
    const { world, loadings } = drawn(6);
    const names = [
      'action',
      'observation',
      'pairObservation',
      'observationNext',
      'pairObservationNext',
    ] as const;
    const all = stacked(...names.map((name) => loadings[name]));
    const column = (name: string) =>
      names.slice(0, names.indexOf(name as 'action')).reduce((sum, n) => sum + loadings[n].rows, 0);
    const resolved = resolveObjective(objective);
    const request: MomentsRequest = {
      count: 1,
      width: all.rows,
      moments: Float64Array.from(cov(all, all).to1DArray()),
      layout: {
        observationDim: 9,
        actionDim: 2,
        observation: column('observation'),
        observationNext: column('observationNext'),
        pairObservation: column('pairObservation'),
        pairObservationNext: column('pairObservationNext'),
        action: column('action'),
      },
      objective: resolved.rows,
      coefficients: Float64Array.from(resolved.coefficients),
      projection: resolved.projection?.data ?? new Float64Array(0),
      projectionDim: resolved.projection?.rows ?? 0,
      latentDim: 3,
      ridge: 0,
      relativeTolerance: 1e-10,
    };
    const exact = await solve({ world, objective, latentDim: 3 }, { backend: native });
    for (const [, backend] of backends) {
      const answer = await backend.solveMoments(request);
      const loss = answer.trace[0] - answer.spectrum.slice(0, 3).reduce((a, b) => a + b, 0);
      expect(relative(loss, exact.loss)).toBeLessThan(1e-8);
      exact.spectrum.forEach((v, i) => {
        expect(relative(v, answer.spectrum[i])).toBeLessThan(1e-7);
      });
    }
  });
});

describe.each(backends)('limits on %s', (_, backend) => {
  const { world } = drawn(7);
  const ask = (objective: ObjectiveSpec, latentDim = 3) =>
    solve({ world, objective, latentDim }, { backend });
  const nothing: Part[] = [
    { kind: 'action-supervised', weight: 0 },
    { kind: 'exogenous-robust', weight: 0 },
  ];

  it('a kind alone is the composition of one part', async () => {
    for (const part of [
      { kind: 'reconstruction' } as const,
      supervision,
      penalty,
      representation,
      identity,
      cross,
      augmented,
    ])
      expect(numbers(await ask(compose(part)))).toEqual(numbers(await ask(part)));
  });

  it.each(COMPOSITIONS)('weight 0 is as good as without: %s', async (_name, parts) => {
    const rest = parts.filter((p) => p.kind !== 'action-supervised' && p.kind !== 'exogenous-robust');
    const without = rest.length > 0 ? compose(...rest) : ({ kind: 'reconstruction' } as const);
    const zero = nothing.filter(({ kind }) => parts.some((p) => p.kind === kind));
    expectSame(await ask(compose(...rest, ...zero)), await ask(without));
  });

  it('the identity projection changes nothing', async () => {
    const eye = Matrix.eye(9).to2DArray();
    const whole: Part = { kind: 'representation', projection: eye };
    for (const parts of [
      [supervision, penalty],
      [identity, supervision],
      [cross, penalty],
    ] as Part[][])
      expectSame(await ask(compose(...parts, whole)), await ask(compose(...parts)));
  });

  it('strong supervision tells of the action all that the encoder sees of it', async () => {
    const strong = (weight: number): Part => ({ kind: 'action-supervised', weight });
    const left = async (...parts: Part[]) => (await ask(compose(...parts), 2)).metrics.actionError as number;
    // Two views of the same (o, o'): whatever the decoder, as much of the action is in z.
    const least = await left(strong(1e7));
    expect(Math.abs((await left(identity, strong(1e7))) - least)).toBeLessThan(1e-4);
    for (const part of [penalty, representation]) {
      const [weak, much, more] = [
        await left(part, strong(1)),
        await left(part, strong(1e7)),
        await left(part, strong(1e9)),
      ];
      expect(much).toBeLessThan(weak);
      expect(Math.abs(more - much)).toBeLessThan(1e-4);
      expect(more).toBeGreaterThan(least - 1e-9);
    }
  });

  it('a strong penalty stops what weak supervision lets through', async () => {
    const exact = { ...world, sensorNoise: 0, actionExogenousCorrelation: 0, exogenousScale: 3 };
    const leak = async (...parts: Part[]) =>
      (await solve({ world: exact, objective: compose(...parts), latentDim: 2 }, { backend })).metrics
        .futureLeakage as number;
    const weak: Part = { kind: 'action-supervised', weight: 0.5 };
    expect(await leak(weak)).toBeGreaterThan(0.5);
    expect(await leak(weak, { kind: 'exogenous-robust', weight: 1e5 })).toBeLessThan(1e-6);
    expect(await leak(weak, identity, { kind: 'exogenous-robust', weight: 1e5 })).toBeLessThan(1e-6);
  });

  it('below actionDim an identity decoder answers what a free one cannot', async () => {
    await expect(ask(compose(supervision, penalty), 1)).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(ask(compose(supervision, penalty), 1)).rejects.toThrow('exolam train CONFIG');
    const { loss } = await ask(compose(identity, supervision), 1);
    expect(loss).toBeGreaterThan((await ask(compose(identity, supervision), 2)).loss);
  });
});

it('a representation that is blind to the exogenous part leaks nothing, whatever is composed', async () => {
  const { world } = drawn(8);
  const clean = { ...world, sensorNoise: 0, processNoise: 0 };
  const ex = new Matrix(
    (world.matrices as { exogenousMixing: readonly (readonly number[])[] }).exogenousMixing,
  );
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(cov(ex, ex), {
    assumeSymmetric: true,
  });
  const blind = eigenvectorMatrix
    .transpose()
    .to2DArray()
    .filter((_, i) => realEigenvalues[i] < 1e-9);
  expect(blind).toHaveLength(7);
  const part: Part = { kind: 'representation', projection: blind };
  // A policy that reacts to x, and x' that shares with u, would tell of x through the action itself.
  const apart = { ...clean, exogenousFeedback: 0, actionExogenousCorrelation: 0 };
  for (const parts of [
    [part],
    [part, supervision],
    [part, identity],
    [part, penalty, supervision],
  ] as Part[][]) {
    const { metrics } = await solve(
      { world: apart, objective: compose(...parts), latentDim: 2 },
      { backend: native },
    );
    expect(metrics.futureLeakage as number).toBeLessThan(1e-9);
  }
});

describe('what cannot be composed', () => {
  const ask = (objective: unknown) => solve({ objective: objective as ObjectiveSpec, latentDim: 3 });
  it.each([
    [[cross, supervision], 'action-supervised and cross-exogenous have no closed form together'],
    [[supervision, augmented], 'action-supervised and augmented have no closed form together'],
  ] as [Part[], string][])('%j: says why and what answers', async (parts, why) => {
    await expect(ask(compose(...parts))).rejects.toMatchObject({ name: 'ExolamError', kind: 'unsupported' });
    await expect(ask(compose(...parts))).rejects.toThrow(why);
    await expect(ask(compose(...parts))).rejects.toThrow('exolam train CONFIG');
  });
  it.each([
    [[], 'objective.parts: expected at least one entry but received []'],
    [
      [supervision, supervision],
      'objective.parts: expected each kind at most once but received action-supervised twice',
    ],
    [
      [identity, cross],
      'objective.parts: expected at most one of reconstruction, cross-exogenous, augmented but received reconstruction and cross-exogenous',
    ],
    [
      [supervision, { kind: 'composition', parts: [penalty] }],
      'objective.parts[1].kind: expected one of "reconstruction", "action-supervised", "representation", "cross-exogenous", "exogenous-robust", "augmented" but received "composition"',
    ],
    [
      [{ kind: 'action-supervised', wieght: 1 }],
      'objective.parts[0].weight: expected a number but received nothing',
    ],
    [
      [{ kind: 'action-supervised', weight: 1, labels: 1 }],
      'objective.parts[0]: unknown key "labels"; did you mean "kind"? Accepted: kind, weight, labelFraction',
    ],
    [
      [{ kind: 'representation', projection: [[1, 2], [3]] }],
      'objective.parts[0].projection[1]: expected 2 numbers, as in row 0, but received 1',
    ],
    [
      [{ kind: 'representation', projection: [[1, 2]] }],
      'objective.parts[0].projection[0]: expected observationDim (24) numbers but received 2',
    ],
  ])('%j', async (parts, message) => {
    await expect(ask({ kind: 'composition', parts })).rejects.toMatchObject({ kind: 'input', message });
  });
});
