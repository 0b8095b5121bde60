import { describe, expect, it } from 'vitest';
import { referenceBackend } from '../../lib/backend/reference/index.js';
import { defaultBackend } from '../../lib/backend/select.js';
import { type Configurations, type ObjectiveSpec, solve, solveBatch, solveColumns } from '../../lib/index.js';

const WORLD = {
  observationDim: 20,
  endogenousDim: 4,
  exogenousDim: 3,
  actionDim: 2,
  mixing: 'gaussian',
  sensorNoise: 0.1,
  seed: 5,
} as const;

function questions(count: number): Configurations {
  return {
    world: WORLD,
    objective: { kind: 'action-supervised', weight: 0.5 },
    latentDims: [2, 3, 6],
    columns: {
      exogenousScale: Float64Array.from({ length: count }, (_, i) => 0.3 + (i % 7) / 3),
      policyNoise: Float64Array.from({ length: count }, (_, i) => 0.5 + (i % 5) / 4),
      exogenousFeedback: Float64Array.from({ length: count }, (_, i) => (i % 3) / 10),
    },
  };
}

const backendsByName = [defaultBackend(), referenceBackend].map((b) => [b.info().name, b] as const);

describe.each(backendsByName)('solveColumns, %s', (_, backend) => {
  it('has the answers of solveBatch to the same cases', async () => {
    const count = 23;
    const asked = questions(count);
    const answer = await solveColumns(asked, { backend, spectrum: true });
    expect(answer.count).toBe(count);
    for (const [k, latentDim] of asked.latentDims.entries()) {
      const cases = Array.from({ length: count }, (_, i) => ({
        world: {
          ...WORLD,
          exogenousScale: asked.columns.exogenousScale?.[i] as number,
          policyNoise: asked.columns.policyNoise?.[i] as number,
          exogenousFeedback: asked.columns.exogenousFeedback?.[i] as number,
        },
        objective: asked.objective,
        latentDim,
      }));
      const solutions = await solveBatch(cases, { backend });
      solutions.forEach((s, i) => {
        expect(answer.loss[i * 3 + k]).toBeCloseTo(s.loss, 12);
        expect(answer.rank[i]).toBe(s.rank);
        expect(answer.status[i]).toBe(0);
        for (const [name, values] of Object.entries(answer.metrics)) {
          const value = values[i * 3 + k];
          const expected = s.metrics[name as keyof typeof s.metrics];
          if (expected === undefined) expect(value).toBeNaN();
          else expect(value).toBeCloseTo(expected, 9);
        }
        if (latentDim === 6) {
          for (let j = 0; j < 6; j++) expect(answer.spectrum[i * 6 + j]).toBeCloseTo(s.spectrum[j], 12);
        }
      });
    }
  });
});

describe.each(backendsByName)('solveColumns over seeds, %s', (_, backend) => {
  const scales = Float64Array.of(0.5, 1.5, 0.5, 2.5, 1.5, 0.7);
  const seed = Float64Array.of(3, 3, 8, 8, 1, 3);
  it.each([
    ['gaussian mixing', { ...WORLD }, { kind: 'exogenous-robust', weight: 0.5 }],
    [
      'a policy that reacts',
      { ...WORLD, stateFeedback: 0.4, mixing: 'orthonormal' },
      { kind: 'action-supervised', weight: 2 },
    ],
    [
      'a projection',
      WORLD,
      {
        kind: 'representation',
        projection: [0, 7].map((k) => Array.from({ length: 20 }, (_, j) => Math.cos(k * j + 1))),
      },
    ],
  ] as const)('has the very bits of a call for each world: %s', async (_name, world, objective) => {
    const latentDims = [2, 3];
    const together = await solveColumns(
      { world, objective, latentDims, columns: { seed, exogenousScale: scales } },
      { backend },
    );
    for (const [i, own] of seed.entries()) {
      const alone = await solveColumns(
        {
          world: { ...world, seed: own },
          objective,
          latentDims,
          columns: { exogenousScale: scales.slice(i, i + 1) },
        },
        { backend },
      );
      expect(together.loss.slice(2 * i, 2 * i + 2)).toEqual(alone.loss);
      for (const [name, values] of Object.entries(together.metrics))
        expect(values.slice(2 * i, 2 * i + 2)).toEqual(alone.metrics[name as 'actionError']);
    }
  });

  it('refuses what is no seed', async () => {
    const columns = { seed: Float64Array.of(1, 1.5) };
    await expect(
      solveColumns({ objective: { kind: 'reconstruction' }, latentDims: [2], columns }, { backend }),
    ).rejects.toThrow(/^columns\.seed\[1\]: expected an integer from 0 but received 1.5$/);
  });
});

describe.each(backendsByName)('solveColumns over strengths, %s', (_, backend) => {
  it.each([
    ['action-supervised.weight', { kind: 'action-supervised', weight: 1, labelFraction: 0.5 }, 'weight'],
    ['action-supervised.labelFraction', { kind: 'action-supervised', weight: 3 }, 'labelFraction'],
    ['exogenous-robust.weight', { kind: 'exogenous-robust', weight: 1 }, 'weight'],
    ['augmented.encoderNoise', { kind: 'augmented', encoderNoise: 1, decoderNoise: 0.2 }, 'encoderNoise'],
    ['augmented.decoderNoise', { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 1 }, 'decoderNoise'],
  ] as const)('%s is what solve has for that objective', async (name, objective, key) => {
    const values = Float64Array.of(0.1, 0.4, 0.9);
    const asked = { world: WORLD, objective, latentDims: [2], columns: { [name]: values } } as Configurations;
    const { loss, metrics } = await solveColumns(asked, { backend });
    for (const [i, value] of values.entries()) {
      const own = { ...objective, [key]: value } as Configurations['objective'];
      const one = await solve({ world: WORLD, objective: own, latentDim: 2 }, { backend });
      expect(loss[i]).toBeCloseTo(one.loss, 12);
      expect(metrics.futureLeakage?.[i]).toBeCloseTo(one.metrics.futureLeakage as number, 9);
    }
    // o' - o is free of the encoder's noise and enough: the loss does not depend on it.
    if (key !== 'encoderNoise') expect(new Set(loss).size).toBe(3);
  });

  it('two strengths of a composition and a parameter of the world vary together', async () => {
    const parts = [
      { kind: 'action-supervised', weight: 1 },
      { kind: 'exogenous-robust', weight: 1 },
    ] as const;
    const columns = {
      exogenousScale: Float64Array.of(0.5, 2),
      'exogenous-robust.weight': Float64Array.of(0, 3),
      'action-supervised.weight': Float64Array.of(0.2, 0.7),
    };
    const objective: ObjectiveSpec = { kind: 'composition', parts: [...parts] };
    const { loss } = await solveColumns({ world: WORLD, objective, latentDims: [2], columns }, { backend });
    for (const i of [0, 1]) {
      const own: ObjectiveSpec = {
        kind: 'composition',
        parts: [
          { ...parts[0], weight: columns['action-supervised.weight'][i] },
          { ...parts[1], weight: columns['exogenous-robust.weight'][i] },
        ],
      };
      const world = { ...WORLD, exogenousScale: columns.exogenousScale[i] };
      const one = await solve({ world, objective: own, latentDim: 2 }, { backend });
      expect(loss[i]).toBeCloseTo(one.loss, 12);
    }
  });
});

describe('solveColumns', () => {
  it('refuses a strength that the objective does not have', async () => {
    const asked = {
      objective: { kind: 'exogenous-robust', weight: 1 },
      latentDims: [1],
      columns: { 'action-supervised.weight': Float64Array.of(1) },
    } as const;
    await expect(solveColumns(asked)).rejects.toThrow(
      /^columns.action-supervised.weight: expected an objective with action-supervised.weight but received exogenous-robust/,
    );
  });

  it('has the same bits for every number of threads, across the seams of its chunks', async () => {
    const count = (1 << 15) + 9;
    const asked = { ...questions(count), latentDims: [2] };
    const one = await solveColumns(asked, { threads: 1 });
    const two = await solveColumns(asked, { threads: 2 });
    expect(two.loss).toEqual(one.loss);
    expect(two.metrics).toEqual(one.metrics);
    // 105 = 7 * 5 * 3 is the period of the columns.
    for (const i of [0, 1, 44, 104]) {
      for (let j = i; j < count; j += 105) {
        if (one.loss[j] !== one.loss[i]) throw new Error(`configuration ${j} differs from ${i}`);
      }
    }
  });

  it('reports progress over all of them, and stops when told to', async () => {
    const asked = { ...questions(3 << 15), latentDims: [2] };
    const seen: number[] = [];
    await solveColumns(asked, { onProgress: (done, total) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    expect(seen.every((v, i) => i === 0 || v >= seen[i - 1])).toBe(true);
    const controller = new AbortController();
    const run = solveColumns(asked, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(run).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('returns the metrics and the spectrum that are asked for, no more', async () => {
    const { metrics, spectrum } = await solveColumns(questions(4), { metrics: ['futureLeakage'] });
    expect(Object.keys(metrics)).toEqual(['futureLeakage']);
    expect(spectrum).toHaveLength(0);
  });

  it('marks what the arithmetic cannot hold, and solves the rest', async () => {
    const asked = {
      objective: { kind: 'reconstruction' },
      latentDims: [1],
      columns: { exogenousScale: Float64Array.of(1, 1e200, 1) },
    } as const;
    const { loss, metrics, status } = await solveColumns(asked);
    expect(status[0]).toBe(0);
    expect(status[1]).not.toBe(0);
    expect(loss[1]).toBeNaN();
    for (const values of Object.values(metrics)) expect(values[1]).toBeNaN();
    expect(loss[2]).toBe(loss[0]);
  });

  it.each([
    [{}, /^columns: expected at least one of endogenousDecay/],
    [{ actionDim: Float64Array.of(1) }, /^columns: unknown key "actionDim"/],
    [{ 'exogenous-robust.weight': Float64Array.of(-1) }, /^columns.exogenous-robust.weight\[0\]: .*0.*-1/],
    [{ policyNoise: [1] }, /^columns.policyNoise: expected a Float64Array/],
    [{ policyNoise: new Float64Array(0) }, /^columns.policyNoise: expected at least one value/],
    [
      { policyNoise: Float64Array.of(1), sensorNoise: Float64Array.of(1, 2) },
      /^columns.sensorNoise: expected 1 values, as in columns.policyNoise, but received 2/,
    ],
    [{ policyNoise: Float64Array.of(1, Number.NaN) }, /^columns.policyNoise\[1\]: .*NaN/],
    [{ policyNoise: Float64Array.of(1, 2, -1) }, /^columns.policyNoise\[2\]: .*0.*-1/],
    [{ actionExogenousCorrelation: Float64Array.of(0, 1) }, /^columns.actionExogenousCorrelation\[1\]: .*1/],
  ])('refuses %o', async (columns, message) => {
    const asked = { objective: { kind: 'reconstruction' }, latentDims: [1], columns } as never;
    await expect(solveColumns(asked)).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(message),
    });
  });

  it.each([[[]], [[0]], [[2, 1]], [[1.5]]])('refuses the latent dimensions %o', async (latentDims) => {
    await expect(solveColumns({ ...questions(1), latentDims })).rejects.toThrow(
      /^latentDims(\[0\])?: expected (ascending integers|at least one entry|an integer from 1)/,
    );
  });

  it('refuses what has no closed form in any of the configurations', async () => {
    const asked = { ...questions(3), latentDims: [1] };
    await expect(solveColumns(asked)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('refuses a metric that is none', async () => {
    await expect(solveColumns(questions(1), { metrics: ['leak' as never] })).rejects.toThrow(
      /^metrics\[0\]: expected one of "actionError"/,
    );
  });
});
