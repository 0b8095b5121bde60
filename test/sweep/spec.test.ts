import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readSpecFile } from '../../lib/sweep/file.js';
import { placesOf, pointsOf } from '../../lib/sweep/points.js';
import { quickSpec } from '../../lib/sweep/quick.js';
import { readShard } from '../../lib/sweep/shard.js';
import { differences, readSpec, type SweepSpec } from '../../lib/sweep/spec.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-spec-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the first axis of a spec with this grid key gives. */
const valuesOf = (exogenousScale: unknown) =>
  pointsOf(readSpec({ latentDim: 2, grid: { exogenousScale } })).branches[0].axes[0].keys[0].values;

describe('the values of a key', () => {
  it('are those of a list, of one number, of even steps and of even ratios, ends exactly', () => {
    expect(valuesOf([3, 0.1])).toEqual([3, 0.1]);
    expect(valuesOf(0.7)).toEqual([0.7]);
    expect(valuesOf({ range: [0.1, 0.7, 4] })).toEqual([0.1, expect.closeTo(0.3), expect.closeTo(0.5), 0.7]);
    expect(valuesOf({ logRange: [0.1, 100, 4] })).toEqual([0.1, expect.closeTo(1), expect.closeTo(10), 100]);
  });

  it('are integers, each once, where the key has nothing else', () => {
    const spec = readSpec({
      latentDim: { range: [1, 4, 7] },
      samples: { logRange: [10, 1000, 3] },
      grid: { observationDim: { range: [10, 20, 3] } },
    });
    expect(spec.latentDims).toEqual([1, 2, 3, 4]);
    expect(spec.samples).toEqual([10, 100, 1000]);
    expect(pointsOf(spec).branches[0].axes[0].keys[0].values).toEqual([10, 15, 20]);
  });

  it('of random points are a function of their index alone', () => {
    const of = (random: number) =>
      pointsOf(
        readSpec({
          latentDim: 2,
          random,
          grid: {
            exogenousScale: { logRange: [0.1, 10] },
            policyNoise: [1, 2],
            sensorNoise: { range: [0, 1] },
          },
        }),
      ).branches[0].axes;
    const [lists, draws] = of(1000);
    expect(lists.keys[0].values).toEqual([1, 2]);
    const [scale, noise] = draws.keys.map(({ values }) => values as number[]);
    expect(of(10)[1].keys.map(({ values }) => values)).toEqual([scale.slice(0, 10), noise.slice(0, 10)]);
    const logs = scale.map((v) => Math.log10(v)).sort((a, b) => a - b);
    const sorted = noise.slice().sort((a, b) => a - b);
    // Within five standard errors of uniform, everywhere.
    for (const [i, v] of logs.entries()) expect(Math.abs((v + 1) / 2 - i / 1000)).toBeLessThan(0.08);
    for (const [i, v] of sorted.entries()) expect(Math.abs(v - i / 1000)).toBeLessThan(0.08);
    const product = scale.reduce((sum, v, i) => sum + (Math.log10(v) / 2) * (noise[i] - 0.5), 0) / 1000;
    expect(Math.abs(product)).toBeLessThan(0.02);
  });
});

describe('points', () => {
  const points = pointsOf(
    readSpec({
      objectives: [
        { kind: 'reconstruction' },
        { kind: 'action-supervised', weight: [1, 5], labelFraction: [0.1, 1] },
      ],
      grid: { exogenousScale: [1, 2, 3], mixing: ['orthonormal', 'gaussian'] },
      seeds: [7, 9],
      samples: [null, 100],
      latentDim: [3, 4, 5],
    }),
  );

  it('are every combination, and counted', () => {
    expect(points.branches.map(({ configurations, first }) => [configurations, first])).toEqual([
      [24, 0],
      [96, 24],
    ]);
    expect(points.count).toBe(120 * 3);
  });

  it('have an order that does not depend on where one begins', () => {
    const branch = points.branches[1];
    const all = placesOf(branch, 0, 96);
    for (const [first, count] of [
      [0, 5],
      [17, 31],
      [95, 1],
    ] as const)
      expect(placesOf(branch, first, count)).toEqual(all.map((places) => places.slice(first, first + count)));
    // Odometer: the last axis is the fastest.
    const lengths = branch.axes.map(({ length }) => length);
    for (let i = 0; i < 96; i++)
      expect(all.reduce((code, places, a) => code * lengths[a] + places[i], 0)).toBe(i);
  });
});

describe('a spec that is not accepted', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', null, /^spec: expected an object but received null$/],
    ['an unknown key', { latentDim: 2, grids: {} }, /unknown key "grids"; did you mean "grid"\?/],
    ['no latentDim', {}, /^latentDim: expected an integer from 1, a list of them/],
    ['latentDim 0', { latentDim: [2, 0] }, /^latentDim\[1\]: expected an integer from 1 but received 0$/],
    ['a key twice', { latentDim: [2, 2] }, /^latentDim: expected each value once but received 2 twice$/],
    [
      'latentDim too wide',
      { latentDim: 25 },
      /^latentDim: expected at most observationDim \(24\) but received 25$/,
    ],
    [
      'a grid key',
      { latentDim: 2, grid: { exogenScale: [1] } },
      /^grid: unknown key "exogenScale"; did you mean "exogenousScale"/,
    ],
    [
      'a value',
      { latentDim: 2, grid: { exogenousScale: [1, -1] } },
      /^grid\.exogenousScale\[1\]: expected at least 0 but received -1$/,
    ],
    [
      'a text',
      { latentDim: 2, grid: { mixing: ['gauss'] } },
      /^grid\.mixing\[0\]: expected one of "orthonormal", "gaussian" but received "gauss"$/,
    ],
    [
      'an empty list',
      { latentDim: 2, grid: { policyNoise: [] } },
      /^grid\.policyNoise: expected at least one value$/,
    ],
    [
      'a seed in the grid',
      { latentDim: 2, grid: { seed: [1] } },
      /^grid\.seed: expected "seeds" beside the grid/,
    ],
    [
      'a range of one',
      { latentDim: 2, grid: { policyNoise: { range: [0, 1, 1] } } },
      /^grid\.policyNoise\.range: expected a count from 2/,
    ],
    [
      'a range without a count',
      { latentDim: 2, grid: { policyNoise: { range: [0, 1] } } },
      /^grid\.policyNoise: expected \[from, to, count\]/,
    ],
    [
      'a range backwards',
      { latentDim: 2, grid: { policyNoise: { range: [1, 0, 3] } } },
      /expected a first end below the second/,
    ],
    [
      'a log range from 0',
      { latentDim: 2, grid: { policyNoise: { logRange: [0, 1, 3] } } },
      /^grid\.policyNoise\.logRange: expected ends above 0/,
    ],
    [
      'another object',
      { latentDim: 2, grid: { policyNoise: { from: 1 } } },
      /^grid\.policyNoise: expected a list, \{"range"/,
    ],
    ['an objective', { latentDim: 2, objectives: [{ kind: 'recon' }] }, /^objectives\[0\]\.?k?i?n?d?: /],
    [
      'a weight',
      { latentDim: 3, objectives: [{ kind: 'action-supervised', weight: [1, -2] }] },
      /^objectives\[0\]\.weight\[1\]: expected at least 0 but received -2$/,
    ],
    [
      'a weight that is absent',
      { latentDim: 3, objectives: [{ kind: 'action-supervised' }] },
      /^objectives\[0\]: weight: expected a number but received nothing$/,
    ],
    [
      'a misspelled strength',
      { latentDim: 3, objectives: [{ kind: 'action-supervised', wieght: 1, weight: 1 }] },
      /unknown key "wieght"; did you mean "weight"/,
    ],
    [
      'two of one name',
      {
        latentDim: 3,
        objectives: [
          { kind: 'representation', projection: [Array(24).fill(1)] },
          { kind: 'representation', projection: [Array(24).fill(2)] },
        ],
      },
      /^objectives\[1\]: expected a "name" of its own/,
    ],
    ['no seeds', { latentDim: 2, seeds: 0 }, /^seeds: expected an integer from 1/],
    ['samples', { latentDim: 2, samples: [1] }, /^samples\[0\]: expected an integer from 2/],
    ['random without a range', { latentDim: 2, random: 5 }, /^random: expected at least one range/],
    [
      'refine without a range',
      { latentDim: 2, refine: { metric: 'actionError', level: 0.1 } },
      /^refine: expected one or two ranges/,
    ],
    [
      'refine of random points',
      { latentDim: 2, random: 3, refine: { metric: 'actionError', level: 0.1 } },
      /^refine: expected a grid to refine/,
    ],
    [
      'dimensions that make no world',
      { latentDim: 2, grid: { exogenousDim: [4, 30] } },
      /^grid, at exogenousDim 30\.observationDim: expected at least endogenousDim/,
    ],
    [
      'steps',
      { latentDim: 2, train: { steps: [10, 0] } },
      /^train\.steps\[1\]: expected an integer from 1 to 1000000000 but received 0$/,
    ],
    [
      'an optimizer',
      { latentDim: 2, train: { optimizer: { kind: 'adams' } } },
      /^train\.optimizer\.kind: expected one of "adam"/,
    ],
    [
      'two rates',
      { latentDim: 2, train: { learningRate: [1], optimizer: { learningRate: 2 } } },
      /^train\.learningRate: expected none beside optimizer\.learningRate \(2\)/,
    ],
    [
      'batches of exact gradients',
      { latentDim: 2, train: { batchSize: 8, optimizer: { kind: 'gradient-flow' } } },
      /^train\.batchSize: expected none with the optimizer "gradient-flow"$/,
    ],
    [
      'a width of a linear model',
      { latentDim: 2, train: { model: { kind: 'linear', hidden: [4] } } },
      /^train: model\.hidden: expected none for a linear model/,
    ],
    [
      'exact gradients of an mlp',
      { latentDim: 2, train: { model: { kind: 'mlp' }, optimizer: { kind: 'lbfgs' } } },
      /^train: optimizer\.kind: expected one of "adam"/,
    ],
    [
      'a world without an exact answer',
      { latentDim: 2, base: { kind: 'sprites' } },
      /^train: expected how points are trained, in a world of kind "sprites", which has no exact answer$/,
    ],
    [
      'the population of one',
      { latentDim: 2, base: { kind: 'mlp' }, samples: [null, 100], train: {} },
      /^samples: expected \[\] or nothing, in a world of kind "mlp"/,
    ],
    [
      'a gain in one',
      {
        latentDim: 2,
        base: { kind: 'mlp' },
        objectives: [{ kind: 'representation', gain: [0, 1] }],
        train: {},
      },
      /^objectives\[0\]\.gain: expected a projection in its place/,
    ],
    [
      'a key of another kind of world',
      { latentDim: 2, base: { kind: 'sprites' }, grid: { exogenousScale: [1, 2] }, train: {} },
      /^grid: unknown key "exogenousScale".* Accepted: size, agentRadius/,
    ],
    ['no samples without training', { latentDim: 2, samples: [] }, /^samples: expected at least one value$/],
    ['a base', { latentDim: 2, base: { mixing: 'x' } }, /^base\.mixing: expected one of/],
  ])('%s is told by its field', (_, spec, message) => {
    expect(() => pointsOf(readSpec(spec))).toThrow(message);
  });
});

describe('a spec file', () => {
  const json = {
    base: { sensorNoise: 0.1 },
    grid: { exogenousScale: { logRange: [0.5, 4, 3] } },
    objectives: [{ kind: 'action-supervised', weight: [0.1, 1] }],
    latentDim: [3, 4],
    seeds: 2,
  };

  it('is JSON or YAML, which say the same', async () => {
    writeFileSync(join(folder, 'a.json'), JSON.stringify(json));
    writeFileSync(
      join(folder, 'a.yaml'),
      'base: {sensorNoise: 0.1}\ngrid:\n  exogenousScale: {logRange: [0.5, 4, 3]}\nobjectives:\n  - kind: action-supervised\n    weight: [0.1, 1]\nlatentDim: [3, 4]\nseeds: 2\n',
    );
    expect(await readSpecFile(join(folder, 'a.yaml'))).toEqual(json);
    expect(await readSpecFile(join(folder, 'a.json'))).toEqual(json);
  });

  it('that is neither, or not there, is told in a sentence', async () => {
    writeFileSync(join(folder, 'b.yaml'), 'a: [1,\nb: 2');
    await expect(readSpecFile(join(folder, 'b.yaml'))).rejects.toThrow(/b\.yaml: expected YAML, but /);
    writeFileSync(join(folder, 'b.json'), '{ "a": ');
    await expect(readSpecFile(join(folder, 'b.json'))).rejects.toThrow(
      /b\.json: expected JSON or YAML, but /,
    );
    await expect(readSpecFile(join(folder, 'none'))).rejects.toThrow(/none: no such file; expected a spec/);
    await expect(readSpecFile(folder)).rejects.toThrow(/it is a folder; expected a spec/);
  });

  it('is tried with at most three values of each key and two seeds', () => {
    const quick = quickSpec({
      ...(json as SweepSpec),
      grid: { exogenousScale: { logRange: [0.5, 4, 30] }, policyNoise: [1, 2, 3, 4, 5] },
      seeds: 20,
      latentDim: { range: [3, 9, 7] },
      samples: [null, 100, 1000, 10_000],
      train: { steps: { range: [1000, 4000, 4] }, learningRate: [1, 2, 3, 4] },
    });
    const points = pointsOf(readSpec(quick));
    expect(points.branches[0].axes.map(({ length }) => length)).toEqual([2, 3, 3, 2, 3 + 3 * 3]);
    expect(points.spec.latentDims).toEqual([3, 6, 9]);
    expect(points.spec.samples).toEqual([Number.POSITIVE_INFINITY, 1000, 10_000]);
    expect(points.spec.train?.points.map(([steps]) => steps)).toEqual([10, 10, 10, 30, 30, 30, 40, 40, 40]);
  });

  it('differs from another in words', () => {
    expect(differences({ a: { b: [1, 2] }, c: 1 }, { a: { b: [1] }, c: 1 })).toEqual([
      'a.b: [1,2] there, [1] here',
    ]);
    expect(differences({ a: 1, b: 2 }, { b: 2, a: 1 })).toEqual(['spec: the same keys in another order']);
    expect(differences({ a: 1 }, { a: 1, b: 2 })).toEqual(['b: nothing there, 2 here']);
  });
});

describe('--shard', () => {
  it('is an index and a count, or takes the index of a scheduler', () => {
    expect(readShard('2/8', {})).toEqual({ index: 2, count: 8 });
    expect(readShard('auto/8', { SLURM_ARRAY_TASK_ID: '3' })).toEqual({ index: 3, count: 8 });
    expect(readShard('auto', { SLURM_ARRAY_TASK_ID: '3', SLURM_ARRAY_TASK_COUNT: '5' })).toEqual({
      index: 3,
      count: 5,
    });
    expect(readShard('auto/4', { JOB_COMPLETION_INDEX: '0' })).toEqual({ index: 0, count: 4 });
    expect(readShard('auto', { AWS_BATCH_JOB_ARRAY_INDEX: '1', AWS_BATCH_JOB_ARRAY_SIZE: '2' })).toEqual({
      index: 1,
      count: 2,
    });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['2', {}, /expected INDEX\/COUNT with an index from 0/],
    ['8/8', {}, /expected an index from 0 to 7 but received 8\/8/],
    ['0/0', {}, /expected an index from 0/],
    ['auto/3', {}, /none of them is set/],
    ['auto', { JOB_COMPLETION_INDEX: '0' }, /this scheduler does not tell how many/],
  ])('refuses %s', (text, environment, message) => {
    expect(() => readShard(text, environment)).toThrow(message);
  });
});
