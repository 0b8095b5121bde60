import { describe, expect, it } from 'vitest';
import {
  drawMoments,
  fitLinearLam,
  type ObjectiveSpec,
  type SweepBatch,
  type SweepSpec,
  score,
  solveBatch,
  sweep,
  type WorldSpec,
} from '../../lib/index.js';
import { representations } from '../../lib/solve/critical.js';
import { train } from '../../lib/train/index.js';
import { createWorld } from '../../lib/world/world.js';

type Row = Record<string, number | string | null>;

/** Rows as objects: what a batch says, one by one. */
function rowsOf({ count, columns }: SweepBatch): Row[] {
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])),
  );
}

async function all(spec: SweepSpec, options = {}): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const batch of sweep(spec, options)) rows.push(...rowsOf(batch));
  return rows;
}

const WORLD = ['observationDim', 'exogenousDim', 'mixing', 'exogenousScale', 'stateFeedback', 'seed'];

/** The world of a row, by the names of its columns. */
const worldOf = (base: WorldSpec, row: Row): WorldSpec => ({
  ...base,
  ...Object.fromEntries(WORLD.filter((key) => key in row).map((key) => [key, row[key]])),
});

const FIGURES = [
  'actionError',
  'futureLeakage',
  'actionInformation',
  'consistencyError',
  'rawObservationError',
  'innovationLeakage',
  'latentShare.action',
] as const;

/** One latent dimension alone or with others in one call: the same but for rounding. */
function near(found: number | string | null, expected: number | undefined): void {
  if (expected === undefined) expect(found).toBeNaN();
  else if (!Number.isFinite(expected)) expect(found).toBe(expected);
  else expect(found).toBeCloseTo(expected, 9);
}

describe('sweep, population', () => {
  const base = { sensorNoise: 0.1, actionDim: 2 } as const;
  const spec: SweepSpec = {
    base,
    grid: {
      exogenousScale: { range: [0, 2, 3] },
      mixing: ['orthonormal', 'gaussian'],
      exogenousDim: [3, 4],
      stateFeedback: [0, 0.3],
    },
    objectives: [
      { kind: 'reconstruction' },
      { kind: 'reconstruction', decoder: 'identity' },
      { kind: 'action-supervised', weight: [0, 2], labelFraction: 0.5 },
      {
        kind: 'composition',
        parts: [
          { kind: 'representation', gain: [0.3, 1] },
          { kind: 'exogenous-robust', weight: { logRange: [0.1, 1, 2] } },
        ],
      },
      { kind: 'cross-exogenous' },
    ],
    latentDim: [4, 1, 2],
    seeds: [3, 11],
  };

  function objectiveOf(row: Row, world: WorldSpec): ObjectiveSpec {
    switch (row['objective']) {
      case 'reconstruction (identity)':
        return { kind: 'reconstruction', decoder: 'identity' };
      case 'action-supervised':
        return {
          kind: 'action-supervised',
          weight: row['weight'] as number,
          labelFraction: row['labelFraction'] as number,
        };
      case 'representation + exogenous-robust':
        return {
          kind: 'composition',
          parts: [
            {
              kind: 'representation',
              projection: representations(createWorld(world))(row['gain'] as number),
            },
            { kind: 'exogenous-robust', weight: row['weight'] as number },
          ],
        };
      default:
        return { kind: row['objective'] as 'reconstruction' };
    }
  }

  it('has a row for every point, with the figures of solve', async () => {
    const rows = await all(spec);
    const worlds = 3 * 2 * 2 * 2 * 2 * 3;
    expect(rows).toHaveLength(worlds * (1 + 1 + 2 + 4 + 1));
    expect(
      new Set(
        rows.map((row) =>
          JSON.stringify([...WORLD, 'objective', 'weight', 'gain', 'latentDim'].map((key) => row[key])),
        ),
      ).size,
    ).toBe(rows.length);
    const refused = rows.filter((row) => row['status'] === 'unsupported');
    // Below actionDim, a policy that reacts, a supervision that counts: no closed form.
    expect(refused.length).toBe(3 * 2 * 2 * 2);
    for (const row of refused) {
      expect(row['latentDim']).toBe(1);
      expect(row['weight']).toBe(2);
      expect(row['stateFeedback']).toBe(0.3);
      expect([row['loss'], row['actionError']]).toEqual([Number.NaN, Number.NaN]);
    }
    const answered = rows.filter((row) => row['status'] === 'ok');
    expect(answered.length + refused.length).toBe(rows.length);
    const cases = answered.map((row) => {
      const world = worldOf(base, row);
      return { world, objective: objectiveOf(row, world), latentDim: row['latentDim'] as number };
    });
    const solutions = await solveBatch(cases);
    for (const [i, { loss, metrics, unique, rank }] of solutions.entries()) {
      expect([answered[i]['unique'], answered[i]['rank']]).toEqual([unique ? 1 : 0, rank]);
      near(answered[i]['loss'], loss);
      for (const name of FIGURES) near(answered[i][name], metrics[name]);
    }
  });

  it('has the same rows in the shards, and with other threads', async () => {
    const wide = { ...spec, objectives: spec.objectives?.slice(0, 3), seeds: 40 };
    const parts = await Promise.all(
      [0, 1, 2].map(async (index) => {
        const batches: SweepBatch[] = [];
        for await (const batch of sweep(wide, { shard: { index, count: 3 }, threads: 1 }))
          batches.push(batch);
        return batches;
      }),
    );
    const sharded = parts
      .flat()
      .sort((a, b) => a.part - b.part)
      .flatMap(rowsOf);
    expect(parts.flat().length).toBeGreaterThan(2);
    expect(sharded).toEqual(await all(wide, { threads: 2 }));
  });

  it('tells how far it is, and stops where it is told to', async () => {
    const heard: (readonly [number, number])[] = [];
    await all(spec, { onProgress: (done: number, total: number) => heard.push([done, total]) });
    expect(heard.at(-1)).toEqual([1296, 1296]);
    const large = { ...spec, objectives: spec.objectives?.slice(0, 1), seeds: 2000 };
    for await (const _ of sweep(large)) break;
    await expect(all(large, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });
});

describe('sweep, samples', () => {
  it('fits each model to moments of its own draw and judges it on the population', async () => {
    const base = { sensorNoise: 0.05, observationDim: 12, endogenousDim: 4, exogenousDim: 3, actionDim: 2 };
    const objectives: ObjectiveSpec[] = [
      { kind: 'reconstruction' },
      { kind: 'reconstruction', decoder: 'identity' },
      { kind: 'exogenous-robust', weight: 1 },
      { kind: 'cross-exogenous' },
      { kind: 'augmented', encoderNoise: 0.3, decoderNoise: 0.1 },
      { kind: 'action-supervised', weight: 2 },
    ];
    const latentDims = [3, 1, 12, 2];
    const rows = await all({
      ...{ base, objectives, latentDim: latentDims, samples: [500, null], seeds: [4], ridge: 1e-4 },
      grid: { exogenousScale: [0.5, 2] },
    });
    expect(rows).toHaveLength(6 * 2 * 2 * 4);
    let refused = 0;
    for (const [i, row] of rows.entries()) {
      const world = { ...base, exogenousScale: row['exogenousScale'] as number, seed: 4 };
      const objective = objectives[Math.floor(i / 16)];
      const latentDim = row['latentDim'] as number;
      if (row['samples'] === Number.POSITIVE_INFINITY) {
        const [{ metrics, loss }] = await solveBatch([{ world, objective, latentDim }]);
        near(row['loss'], loss);
        near(row['futureLeakage'], metrics.futureLeakage);
        continue;
      }
      const kind = objective.kind;
      const pairs = kind === 'exogenous-robust' || kind === 'cross-exogenous';
      const moments = await drawMoments(world, { transitions: 500, pairs });
      const fit = fitLinearLam({ moments, objective, latentDim, ridge: 1e-4 });
      if (kind === 'action-supervised' && latentDim < 2) {
        await expect(fit).rejects.toMatchObject({ kind: 'unsupported' });
        expect([row['status'], row['loss']]).toEqual(['unsupported', Number.NaN]);
        refused++;
        continue;
      }
      const lam = await fit;
      const { metrics, loss } = await score(lam, { world });
      expect([row['status'], row['rank']]).toEqual(['ok', lam.rank]);
      // All latent dimensions of a draw are one problem here, and one each there.
      for (const [name, value] of [['loss', loss], ...FIGURES.map((own) => [own, metrics[own]])] as const) {
        const found = row[name as string] as number;
        if (value === undefined) expect(found).toBeNaN();
        else if (!Number.isFinite(value)) expect(found).toBe(value);
        else
          expect(Math.abs(found - (value as number))).toBeLessThan(
            1e-10 * Math.max(1, Math.abs(value as number)),
          );
      }
    }
    expect(refused).toBe(2);
  });
});

describe('sweep, trained', () => {
  const base = { sensorNoise: 0.05, observationDim: 10, endogenousDim: 3, exogenousDim: 2, actionDim: 2 };
  const objectives = [
    { kind: 'reconstruction' },
    { kind: 'action-supervised', weight: [2], labelFraction: 0.5 },
  ] as const;

  it('has the figures of train for each point, and those without training beside them', async () => {
    const spec: SweepSpec = {
      ...{ base, objectives, latentDim: [3, 1], seeds: [4, 9] },
      grid: { exogenousScale: [0.5, 2] },
      samples: [null, 500],
      train: { steps: [40, 5], learningRate: [1e-3, 1e-2], batchSize: 32 },
    };
    const rows = await all(spec, { threads: 2 });
    expect(rows).toHaveLength(2 * 2 * 2 * 2 * (2 + 4));
    const trained = rows.filter((row) => !Number.isNaN(row['steps'] as number));
    expect(trained).toHaveLength(2 * 2 * 2 * 2 * 4);
    for (const row of trained) {
      const [seed, latentDim] = [row['seed'] as number, row['latentDim'] as number];
      const objective = (
        row['objective'] === 'reconstruction'
          ? objectives[0]
          : { ...objectives[1], weight: row['weight'] as number }
      ) as ObjectiveSpec;
      const { result } = await train({
        world: { ...base, exogenousScale: row['exogenousScale'] as number, seed },
        ...{ objective, seed, model: { kind: 'linear', latentDim }, batchSize: row['batchSize'] as number },
        steps: row['steps'] as number,
        optimizer: { learningRate: row['learningRate'] as number },
      });
      expect([row['samples'], row['rank'], row['status']]).toEqual([Number.NaN, -1, 'ok']);
      expect(row['loss']).toBe(result.loss);
      for (const name of FIGURES) expect(row[name]).toBe(result.metrics[name] ?? Number.NaN);
    }
    const others = await all({ ...spec, train: undefined });
    const plain = rows.filter((row) => Number.isNaN(row['steps'] as number));
    expect(plain.map(({ steps, learningRate, batchSize, ...row }) => row)).toEqual(others);
  });

  it.each([
    { kind: 'mlp', observationDim: 6, endogenousDim: 2, exogenousDim: 2, width: 8 },
    { kind: 'sprites', size: 4, agentRadius: 2, distractorRadius: 2 },
  ] as const)('trains what exolam train trains: an mlp in a world of kind $kind', async (world) => {
    const model = { kind: 'mlp', hidden: [8] } as const;
    const recipe = { steps: 3, batchSize: 16, evaluationRows: 256 };
    const grid = { policyNoise: [0.5, 1] };
    const rows = await all({
      ...{ base: world, grid, latentDim: 2, seeds: [3] },
      train: { ...recipe, model },
    });
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      const { result } = await train({
        ...{ ...recipe, evaluateEvery: 3, seed: 3, model: { ...model, latentDim: 2 }, probes: ['linear'] },
        world: { ...world, policyNoise: row['policyNoise'] as number, seed: 3 },
      });
      expect([row['samples'], row['status'], row['loss']]).toEqual([Number.NaN, 'ok', result.loss]);
      for (const figure of FIGURES) expect(row[figure]).toBe(result.metrics[figure] ?? Number.NaN);
      expect(row['actionError']).toBeGreaterThan(0);
    }
  });

  it('comes to the closed form by exact gradients, and says where a run diverges', async () => {
    const exact = await all({
      ...{ base, objectives, latentDim: 2, seeds: 2 },
      train: { steps: 500, optimizer: { kind: 'lbfgs' } },
    });
    for (const [i, row] of exact.entries())
      if (i % 2 === 1) expect(row['loss']).toBeCloseTo(exact[i - 1]['loss'] as number, 7);
    const wild = await all({
      ...{ base, latentDim: 2, samples: [] },
      train: { steps: 2000, learningRate: [1e-3, 50], optimizer: { kind: 'sgd' } },
    });
    expect(wild.map((row) => row['status'])).toEqual(['ok', 'diverged']);
    expect(wild[1]['loss']).toBeNaN();
  });
});
