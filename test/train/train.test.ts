import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LOSS_PARTS } from '../../lib/backend/train-requests.js';
import { openData } from '../../lib/data/open.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import { decodeTensors } from '../../lib/lam/safetensors.js';
import type { Estimate } from '../../lib/metrics/estimates.js';
import { score } from '../../lib/metrics/score.js';
import { meanOf, secondMoments, variablesOf } from '../../lib/moments/of-data.js';
import { permutation } from '../../lib/random/permutation.js';
import { normals } from '../../lib/random/philox.js';
import { settledConfig } from '../../lib/train/config.js';
import { LinearLam, MlpLam, type TrainConfig, train, trainBatch } from '../../lib/train/index.js';
import { Judges } from '../../lib/train/judges.js';
import { MinibatchRun } from '../../lib/train/minibatch-run.js';
import { rowsSource, settingOf } from '../../lib/train/setting.js';
import { npy, npz } from '../data/files.js';
import { native } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

const root = mkdtempSync(join(tmpdir(), 'exolam-train-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const fresh = () => join(root, `run-${folders++}`);

const world = {
  ...{ observationDim: 9, endogenousDim: 3, exogenousDim: 2, actionDim: 2, seed: 2 },
  ...{ sensorNoise: 0.1, stateFeedback: 0.3 },
};
const linear = (more: Partial<TrainConfig> = {}): TrainConfig => ({
  world,
  model: { kind: 'linear', latentDim: 3 },
  optimizer: { learningRate: 0.01, finalShare: 0.02 },
  ...{ steps: 4000, evaluateEvery: 2000 },
  ...more,
});
const supervised = { kind: 'action-supervised', weight: 2, labelFraction: 0.5 } as const;

describe('minibatches', () => {
  it.each([
    { kind: 'reconstruction' },
    { kind: 'reconstruction', decoder: 'identity' },
    supervised,
    { kind: 'cross-exogenous' },
    { kind: 'exogenous-robust', weight: 0.5 },
    { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.3 },
  ] as const)('come to the exact optimum of %o', async (objective) => {
    const { result, model, log } = await train(linear({ objective }));
    const exact = result.exact as NonNullable<typeof result.exact>;
    expect(result.loss).toBeGreaterThan(exact.loss * (1 - 1e-9));
    expect(result.loss / exact.loss - 1).toBeLessThan(0.01);
    for (const name of ['actionError', 'futureLeakage', 'innovationLeakage'])
      expect(Math.abs((result.metrics[name] as number) - (exact.metrics[name] as number)), name).toBeLessThan(
        0.02,
      );
    expect(log.map(({ step }) => step)).toEqual([0, 2000, 4000]);
    expect(model).toBeInstanceOf(LinearLam);
    const judged = await score(model as LinearLam, { world });
    expect(judged.metrics.actionError).toBeCloseTo(result.metrics['actionError'] as number, 12);
    if (objective.kind === 'reconstruction') expect(judged.loss).toBeCloseTo(result.loss, 10);
  });

  it('come to the exact optimum of supervision with the penalty, where o tells all of the state', async () => {
    const objective = {
      kind: 'composition',
      parts: [supervised, { kind: 'exogenous-robust', weight: 2 }],
    } as const;
    const exactly = { ...world, sensorNoise: 0, stateFeedback: 0 };
    const { result } = await train(linear({ world: exactly, objective }));
    const exact = result.exact as NonNullable<typeof result.exact>;
    expect(Math.abs(result.loss / exact.loss - 1)).toBeLessThan(1e-3);
    for (const name of ['actionError', 'futureLeakage'])
      expect(Math.abs((result.metrics[name] as number) - (exact.metrics[name] as number)), name).toBeLessThan(
        1e-3,
      );
  });

  it('are judged by the loss that they see: its mean over fresh rows is the expected one', async () => {
    for (const objective of [
      supervised,
      { kind: 'composition', parts: [{ kind: 'cross-exogenous' }, supervised] },
      { kind: 'augmented', encoderNoise: 0.4, decoderNoise: 0.3 },
      { kind: 'exogenous-robust', weight: 0.5 },
    ] as const) {
      const setting = await settingOf(settledConfig(linear({ objective })), {});
      const run = new MinibatchRun(setting);
      run.take(await native.trainSteps(run.request(300)));
      const { loss } = await run.evaluate(new Judges(native, {}));
      const parameters = Float64Array.from(run.request(1).state.parameters);
      const { shape, projection, source, lossOf } = setting;
      const problem = { shape, projection, source, objective: lossOf, batchSize: 40_000, seed: 9 };
      const { parts } = await native.trainLoss({ ...problem, parameters, step: 0 });
      expect(Math.abs((parts[LOSS_PARTS.indexOf('loss')] as number) / loss - 1)).toBeLessThan(0.02);
    }
  });

  it('on the same labels come to what the label curve is made of', async () => {
    const t = await transitionsOf({ ...world, exogenousScale: 1 }, 600);
    const rows = Int32Array.from({ length: t.count }, (_, i) => i);
    const labelled = permutation(t.count, 3).slice(0, 60);
    const weight = 3;
    const { width, layout } = variablesOf(t);
    const moments = async (of: Int32Array) => secondMoments(t, of, meanOf(t, of), native);
    const exact = await native.trainMoments({
      ...{ count: 1, sets: 1, width, moments: await moments(rows), set: Int32Array.of(0) },
      labelled: await moments(labelled),
      weight: Float64Array.of(weight),
      ...{ observationDim: 9, actionDim: 2, latentDim: 2 },
      ...{ observation: layout.observation, observationNext: layout.observationNext, action: layout.action },
      ...{ ridge: 0, relativeTolerance: 1e-10, starts: 3, seed: 0, iterations: 2000 },
    });
    // A mean over all rows of a batch counts the labelled tenth at a tenth.
    const share = labelled.length / t.count;
    const objective = { kind: 'action-supervised', weight: weight / share } as const;
    const config = linear({
      ...{ objective, batchSize: 200, steps: 12_000 },
      model: { kind: 'linear', latentDim: 2 },
      optimizer: { learningRate: 0.01, finalShare: 0.01 },
    });
    const setting = await settingOf(settledConfig(config), {});
    const shape = { ...setting.shape, bias: true };
    const source = rowsSource(t, rows, labelled, true);
    const run = new MinibatchRun({ ...setting, shape, source });
    run.take(await native.trainSteps(run.request(12_000)));
    const { parts } = await native.trainLoss({
      ...{ shape, projection: setting.projection, objective: setting.lossOf, seed: 0, step: 0 },
      source: rowsSource(t, rows, labelled, false),
      batchSize: t.count,
      parameters: Float64Array.from(run.request(1).state.parameters),
    });
    expect(parts[0] / (exact.loss[0] as number)).toBeGreaterThan(1 - 1e-4);
    expect(parts[0] / (exact.loss[0] as number) - 1).toBeLessThan(0.02);
  });
});

describe('a run in a folder', () => {
  const mlp: TrainConfig = {
    world,
    model: { kind: 'mlp', latentDim: 2, hidden: [16], codebook: { size: 8 } },
    ...{ steps: 300, evaluateEvery: 100 },
  };
  const files = (folder: string) => ({
    state: decodeTensors(readFileSync(join(folder, 'checkpoint', 'state.safetensors')), folder).tensors,
    log: readFileSync(join(folder, 'log.jsonl'), 'utf8'),
    model: readFileSync(join(folder, 'model.safetensors')),
  });

  it.each([
    ['a linear one', linear({ steps: 300, evaluateEvery: 100, optimizer: { learningRate: 0.01 } })],
    ['an mlp with a codebook', mlp],
    ['gradient flow', linear({ steps: 60, evaluateEvery: 20, optimizer: { kind: 'gradient-flow' } })],
  ])('%s has the same bits whether it is cut or not', async (_, config) => {
    const [whole, cut] = [fresh(), fresh()];
    await train(config, { directory: whole });
    await train({ ...config, steps: (config.steps as number) / 3 }, { directory: cut });
    const abort = new AbortController();
    const onEvaluation = ({ step }: { step: number }) => {
      if (step > (config.steps as number) / 2) abort.abort();
    };
    await expect(
      train(config, { directory: cut, resume: true, signal: abort.signal, onEvaluation }),
    ).rejects.toMatchObject({ kind: 'cancelled' });
    await train(config, { directory: cut, resume: true });
    expect(files(cut).log).toBe(files(whole).log);
    expect(files(cut).model.equals(files(whole).model)).toBe(true);
    expect(files(cut).state).toEqual(files(whole).state);
    const result = JSON.parse(readFileSync(join(cut, 'result.json'), 'utf8'));
    expect(result).toMatchObject({ steps: config.steps, stopped: 'steps' });
    expect(Object.keys(result).sort()).toEqual(
      [
        ...['exact', 'loss', 'metrics', 'notes', 'seconds', 'steps', 'stepsPerSecond', 'stopped', 'version'],
        ...(config.model.kind === 'mlp' ? ['codebook', 'estimates'] : []),
      ].sort(),
    );
  });

  it('that diverges says so in a sentence and keeps its last good checkpoint', async () => {
    const directory = fresh();
    const config = linear({
      ...{ steps: 400, evaluateEvery: 1 },
      optimizer: { kind: 'sgd', learningRate: 0.3 },
    });
    await expect(train(config, { directory })).rejects.toThrow(
      /^the loss is not finite at step \d+: expected a smaller learningRate than 0.3.*; the last good checkpoint is kept in .*$/,
    );
    const rows = readFileSync(join(directory, 'log.jsonl'), 'utf8').trim().split('\n');
    expect(rows.length).toBeGreaterThan(1);
    expect(existsSync(join(directory, 'result.json'))).toBe(false);
    expect(existsSync(join(directory, 'checkpoint', 'state.safetensors'))).toBe(true);
    for (const name of readdirSync(directory)) expect(name).not.toMatch(/partial/);
  });

  it('that is not finite from the start has no rate to blame and no checkpoint to keep', async () => {
    const directory = fresh();
    const config = linear({ steps: 20, optimizer: {}, world: { exogenousScale: 1e200 } });
    await expect(train(config, { directory })).rejects.toThrow(
      /^the loss is not finite before the first step: expected a world or data without such large values$/,
    );
  });

  it('tells what nonlinear probes found where they alone are asked for', async () => {
    const { result } = await train({
      world: { kind: 'mlp', observationDim: 8, endogenousDim: 2, exogenousDim: 2, actionDim: 2 },
      model: { kind: 'mlp', latentDim: 2, hidden: [8] },
      ...{ steps: 20, evaluateEvery: 20, evaluationRows: 256, probes: ['nonlinear'] },
    });
    expect(result.estimates).toMatchObject({ linear: {}, reason: null });
    expect(result.estimates?.units).toBeGreaterThan(4);
    expect(result.estimates?.nonlinear?.rawActionError).toHaveProperty('value');
  });

  it('is not begun over another, nor resumed with another configuration', async () => {
    const directory = fresh();
    const config = linear({ steps: 20, evaluateEvery: 20, optimizer: {} });
    await train(config, { directory });
    await expect(train(config, { directory })).rejects.toThrow(/holds a run already; --resume/);
    await expect(train({ ...config, seed: 1 }, { directory, resume: true })).rejects.toThrow(
      /seed: expected nothing, as the run that it holds has, but received 1/,
    );
    await expect(train({ ...config, steps: 10 }, { directory, resume: true })).rejects.toThrow(
      /: steps: expected at least 20, as many as the run that it holds has done, but received 10$/,
    );
    // What was refused has left the run as it was.
    const { result } = await train(config, { directory, resume: true });
    expect(result.steps).toBe(20);
    expect(result.stepsPerSecond * result.seconds).toBeCloseTo(20, 9);
    writeFileSync(join(root, 'other.txt'), '');
    await expect(train(config, { directory: root })).rejects.toThrow(
      /expected an empty folder or one of a run/,
    );
  });

  it('goes on from a log whose last line was cut short', async () => {
    const [whole, cut] = [fresh(), fresh()];
    const config = linear({ steps: 300, evaluateEvery: 100, optimizer: {} });
    await train(config, { directory: whole });
    await train({ ...config, steps: 200 }, { directory: cut });
    const log = join(cut, 'log.jsonl');
    writeFileSync(log, `${readFileSync(log, 'utf8')}{"step":300,"lo`);
    await train(config, { directory: cut, resume: true });
    expect(files(cut).log).toBe(files(whole).log);
  });
});

describe('stopping early', () => {
  it('ends once no evaluation was lower for a while', async () => {
    const config = linear({
      ...{ steps: 50_000, evaluateEvery: 100, stopping: { patience: 3, tolerance: 0.01 } },
      optimizer: { learningRate: 0.02 },
    });
    const { result, log } = await train(config);
    expect(result.stopped).toBe('early');
    expect(result.steps).toBeLessThan(10_000);
    const losses = log.map(({ loss }) => loss);
    expect(Math.min(...losses.slice(-3))).toBeGreaterThan(0.99 * Math.min(...losses.slice(0, -3)));
  });
});

describe('trainBatch', () => {
  it('gives each run the bits that it has alone, exact and in minibatches', async () => {
    const configs = [
      linear({ steps: 200, evaluateEvery: 100, seed: 1 }),
      linear({ steps: 300, evaluateEvery: 100, seed: 2, objective: supervised }),
      linear({ steps: 50, evaluateEvery: 25, optimizer: { kind: 'gradient-descent' } }),
      linear({ optimizer: { kind: 'lbfgs' } }),
    ];
    const all = await trainBatch(configs, { threads: 2 });
    for (const [i, config] of configs.entries()) {
      const alone = await train(config, { threads: 1 });
      const { log, model } = all[i] as (typeof all)[number];
      expect(log.at(-1)).toEqual(alone.log.at(-1));
      expect((model as LinearLam).encoder).toEqual((alone.model as LinearLam).encoder);
    }
    expect(all[3]?.result).toMatchObject({ stopped: 'converged' });
  });

  it('and the estimates that it has alone, by the probes that are asked for', async () => {
    const base: TrainConfig = {
      world: { kind: 'mlp', observationDim: 8, endogenousDim: 2, exogenousDim: 2, actionDim: 1, seed: 4 },
      model: { kind: 'mlp', latentDim: 2, hidden: [16], codebook: { size: 4, codes: 2 } },
      ...{ steps: 100, evaluateEvery: 50, evaluationRows: 512 },
    };
    const configs = [base, { ...base, seed: 1, probes: ['linear'] as const }, { ...base, probes: [] }];
    const all = await trainBatch(configs, { threads: 2 });
    for (const [i, config] of configs.entries()) {
      const { result, log } = await train(config, { threads: 1 });
      const { seconds: _, stepsPerSecond: __, ...same } = result;
      expect(all[i]?.result).toMatchObject(same);
      expect(all[i]?.log).toEqual(log);
    }
    const [both, linearOnly, none] = all.map(({ result }) => result);
    expect(Object.keys(both?.estimates?.nonlinear ?? {})).toContain('innovationLeakage');
    expect(linearOnly?.estimates).not.toHaveProperty('nonlinear');
    expect(linearOnly?.metrics['actionError']).toBe(linearOnly?.estimates?.linear.actionError?.value);
    expect(none).not.toHaveProperty('estimates');
    expect(both?.codebook?.perplexity).toHaveLength(2);
    for (const p of both?.codebook?.perplexity ?? []) expect(p).toBeGreaterThan(1);
  });
});

describe('exact gradients', () => {
  it('lift their model to the whole observation: its score is that of the run', async () => {
    const projection = [
      [1, 0, 0, 0, 0, 1, 0, 0, 0],
      [0, 1, 0, 0, 0, 0, 0, 0, 0],
      [0, 0, 1, 1, 0, 0, 0, 0, 0],
    ];
    for (const objective of [
      { kind: 'reconstruction' },
      { kind: 'reconstruction', decoder: 'identity' },
      { kind: 'cross-exogenous' },
      { kind: 'representation', projection },
      supervised,
      { kind: 'augmented', encoderNoise: 0.2, decoderNoise: 0.4 },
    ] as const) {
      const { result, model } = await train(linear({ objective, optimizer: { kind: 'lbfgs' } }));
      const judged = await score(model as LinearLam, { world });
      for (const name of ['actionError', 'futureLeakage', 'rawActionError'] as const)
        expect(judged.metrics[name]).toBeCloseTo(result.metrics[name] as number, 8);
      const isPlain = objective.kind !== 'action-supervised' && objective.kind !== 'augmented';
      if (isPlain) expect(judged.loss).toBeCloseTo(result.loss, 9);
    }
  });

  it('answer where solve says that they do', async () => {
    const objective = { kind: 'composition', parts: [{ kind: 'cross-exogenous' }, supervised] } as const;
    const { result, model } = await train(linear({ objective, optimizer: { kind: 'lbfgs' } }));
    expect(result).toMatchObject({ stopped: 'converged', exact: null });
    const path = join(root, 'supervised.safetensors');
    await model.save(path);
    expect((await LinearLam.load(path)).encoder).toEqual((model as LinearLam).encoder);
    const steps = await train(linear({ objective }));
    expect(steps.result.loss / result.loss).toBeGreaterThan(1);
    expect(steps.result.loss / result.loss - 1).toBeLessThan(0.01);
  });
});

describe("a user's own data", () => {
  it('is trained on, and judged on episodes left out', async () => {
    const path = join(root, 'data.npz');
    await writeSamples(world, path, { samples: 3000 });
    const config: TrainConfig = {
      data: { path, scale: 'given' },
      model: { kind: 'linear', latentDim: 3 },
      ...{ steps: 3000, evaluateEvery: 3000 },
      optimizer: { learningRate: 0.01, finalShare: 0.02 },
    };
    const { result, model } = await train(config);
    const exact = (await train(linear({ optimizer: { kind: 'lbfgs' } }))).result;
    expect(Math.abs(result.loss / exact.loss - 1)).toBeLessThan(0.1);
    const t = await openData(path);
    const lam = model as LinearLam;
    const decoded = lam.decode(t.observation, lam.encode(t.observation, t.observationNext));
    const left =
      decoded.reduce((sum, v, i) => sum + (v - (t.observationNext[i] as number)) ** 2, 0) / t.count;
    expect(Math.abs(left / result.loss - 1)).toBeLessThan(0.1);
    const mlp = await train({
      ...config,
      ...{ model: { kind: 'mlp', latentDim: 3, hidden: [32] }, steps: 1500, probes: ['linear'] },
    });
    expect(mlp.model).toBeInstanceOf(MlpLam);
    expect(mlp.result.loss).toBeLessThan(2 * result.loss);
    // What held-out rows say of the linear model's latents is what the world that they are of says exactly.
    const { metrics: exactly } = await score(lam, { world });
    const { linear: straight, nonlinear, reason } = result.estimates as NonNullable<typeof result.estimates>;
    expect(reason).toBeNull();
    for (const name of ['actionError', 'futureLeakage', 'innovationLeakage', 'latentShare.action'] as const) {
      const { value, low, high } = straight[name] as Estimate;
      expect(result.metrics[name]).toBe(value);
      expect(low, name).toBeLessThan(high as number);
      expect(Math.abs((value as number) - (exactly[name] as number)), name).toBeLessThan(0.05);
    }
    for (const name of ['actionError', 'innovationLeakage'] as const)
      expect(Math.abs((nonlinear?.[name]?.value as number) - (exactly[name] as number))).toBeLessThan(0.08);
    expect(mlp.result.metrics['actionError']).toBeLessThan(1);
  });

  it('without actions and exogenous state is judged by its loss alone, and says why', async () => {
    const path = join(root, 'bare.npz');
    npz(path, {
      observations: npy(normals(1, 2, 0, 400 * 3), [400, 3]),
      episode_ends: npy(Float64Array.of(400), [1]),
    });
    const config: TrainConfig = {
      data: { path },
      model: { kind: 'linear', latentDim: 1 },
      ...{ steps: 20, evaluateEvery: 20 },
    };
    const { result } = await train(config);
    expect(result.metrics).toEqual({});
    expect(result.estimates).toMatchObject({
      linear: {},
      answer: 'unknown',
      reason: 'neither the action nor the exogenous state is known',
    });
  });
});
