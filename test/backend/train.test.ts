import { describe, expect, it } from 'vitest';
import type { RowNeeds, RowsSource } from '../../lib/backend/batch-sources.js';
import { loadAddon } from '../../lib/backend/load-addon.js';
import { nativeBackend } from '../../lib/backend/native.js';
import { referenceBackend as reference } from '../../lib/backend/reference/index.js';
import { STATUS } from '../../lib/backend/requests.js';
import {
  initialState,
  type TrainProblem,
  type TrainStepsRequest,
  tensorsOf,
} from '../../lib/backend/train-requests.js';
import {
  ADAM,
  BOOK,
  LINEAR,
  MLP,
  parameters,
  problem,
  ROBUST_HEADS,
  source,
  VARIANTS,
  type Variant,
  WORLD,
} from '../support/train.js';

const native = nativeBackend(loadAddon());

const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs((a[i] as number) - (b[i] as number)));
  return most;
};

/** Every variable of a few rows beside each other. */
async function rowsDiffer(from: TrainProblem['source'], needs: RowNeeds, first = 5, count = 9) {
  const request = { source: from, seed: 4, first, count, needs };
  const [a, b] = [await native.drawRows(request), await reference.drawRows(request)];
  const keys = Object.keys(b).filter((key) => key !== 'count') as 'observation'[];
  return Math.max(...keys.map((key) => difference(a[key], b[key])));
}

const DATA = await reference.drawRows({
  source: source(),
  seed: 8,
  first: 0,
  count: 60,
  needs: { pair: true, later: 0, states: true },
});
/** 30 rows over 60 frames, the pair being rows of it too. */
const rows: RowsSource = {
  kind: 'rows',
  rows: 30,
  observationDim: 7,
  actionDim: 2,
  exogenousDim: 2,
  frames: DATA.observation,
  current: Int32Array.from({ length: 30 }, (_, i) => i),
  next: Int32Array.from({ length: 30 }, (_, i) => i + 30),
  pair: Int32Array.from({ length: 30 }, (_, i) => 59 - i),
  pairNext: Int32Array.from({ length: 30 }, (_, i) => (7 * i) % 60),
  later: Int32Array.from({ length: 60 }, (_, i) => (11 * i) % 60),
  pairLater: Int32Array.from({ length: 60 }, (_, i) => (13 * i) % 60),
  action: DATA.action.slice(0, 60),
  exogenous: DATA.exogenous.slice(0, 60),
  exogenousNext: DATA.exogenousNext.slice(0, 60),
  labelled: Uint8Array.from({ length: 30 }, (_, i) => Number(i % 3 === 0)),
  shuffled: true,
};

describe('rows of a source', () => {
  const square = { ...WORLD, observationDim: 3, endogenousDim: 3, mixing: 'gaussian' as const };
  const matrices = {
    endogenousMixing: [
      [0, 1, 0],
      [1, 0, 0],
      [0, 0, -1],
    ],
    exogenousMixing: [
      [1, 0],
      [0.5, 0.5],
      [0, 1],
    ],
    actionEffect: [
      [1, 0],
      [0, 1],
      [0.3, 0.2],
    ],
    stateFeedback: [
      [1, 2, 3],
      [0, 1, 0],
    ],
    exogenousFeedback: [
      [1, 0],
      [0, 1],
    ],
  };
  const worlds = {
    tall: { ...WORLD, exogenousFeedback: 0.2, actionExogenousCorrelation: 0.4 },
    'tall, without noise': { ...WORLD, sensorNoise: 0, processNoise: 0 },
    square: { ...square, matrices },
    'square and bare': { ...square, matrices, sensorNoise: 0, processNoise: 0, exogenousInitialScale: 0 },
  };
  const wanted = [
    { pair: false, later: 0, states: false },
    { pair: true, later: 2, states: true },
    { pair: false, later: 1, states: false },
  ];
  it.each(Object.entries(worlds))('native as the reference: %s', async (_, world) => {
    const from = source(world);
    expect(from.squareMixing).toBe('matrices' in world);
    for (const needs of wanted) expect(await rowsDiffer(from, needs)).toBeLessThan(1e-5);
  });
  it('of a data set', async () => {
    for (const shuffled of [true, false])
      for (const needs of [wanted[0], wanted[1]])
        expect(await rowsDiffer({ ...rows, shuffled }, needs as RowNeeds, 25, 40)).toBe(0);
  });
  it('do not depend on what is drawn with them', async () => {
    const draw = (first: number, count: number, threads: number) =>
      native.drawRows(
        { source: source(), seed: 4, first, count, needs: { pair: true, later: 1, states: true } },
        { threads },
      );
    const [whole, part] = [await draw(0, 700, 3), await draw(300, 50, 1)];
    expect(part.observationNext).toEqual(whole.observationNext.slice(7 * 300, 7 * 350));
    expect(part.pairLater).toEqual(whole.pairLater.slice(7 * 300, 7 * 350));
    expect(part.exogenousNext).toEqual(whole.exogenousNext.slice(2 * 300, 2 * 350));
  });
});

const QUANTISED: Record<string, Variant> = {
  'a codebook that follows the gradient': { shape: { codebook: BOOK } },
  'a codebook of running means, supervised': {
    shape: { codebook: { ...BOOK, update: 'ema' }, actionDim: 2 },
    objective: { actionWeight: 1 },
  },
  'rows of data': {
    source: rows,
    shape: { actionDim: 2, targets: 3 },
    objective: { actionWeight: 1, crossExogenous: true },
  },
};

describe('loss and gradient in f64', () => {
  const shapes = { linear: LINEAR, gelu: MLP, tanh: { ...MLP, activation: 'tanh' as const } };
  for (const [name, shape] of Object.entries(shapes))
    it.each(Object.entries({ ...VARIANTS, ...QUANTISED }))(
      `native as the reference, ${name}: %s`,
      async (_, v) => {
        const request = { ...problem(shape, v), step: 2 };
        const at = { ...request, parameters: parameters(request.shape) };
        const [a, b] = [await native.trainLoss(at), await reference.trainLoss(at)];
        // The rows themselves are of f32.
        expect(difference(a.parts, b.parts)).toBeLessThan(2e-6 * b.parts[0]);
        expect(difference(a.gradient, b.gradient)).toBeLessThan(5e-6 * Math.max(...b.gradient.map(Math.abs)));
      },
    );
  it('relu, wide layers, and the penalty on what is decoded', async () => {
    for (const [shape, v] of [
      [
        { ...MLP, activation: 'relu' as const, encoderHidden: [70, 50], decoderHidden: [130] },
        VARIANTS['composition'],
      ],
      [LINEAR, { objective: { robustWeight: 0.7, robustOn: 'decoded' as const } }],
      [
        { ...LINEAR, latentDim: 60, decoderInput: 'latent' as const, bias: true },
        { objective: { robustWeight: 0.7, robustOn: 'decoded' as const } },
      ],
      ...ROBUST_HEADS.map((more) => [LINEAR, more] as const),
    ] as const) {
      const request = { ...problem(shape, v), step: 2 };
      const at = { ...request, parameters: parameters(request.shape) };
      const [a, b] = [await native.trainLoss(at), await reference.trainLoss(at)];
      expect(difference(a.parts, b.parts)).toBeLessThan(2e-6 * b.parts[0]);
      expect(difference(a.gradient, b.gradient)).toBeLessThan(5e-6 * Math.max(...b.gradient.map(Math.abs)));
    }
  });
});

/** Steps of a problem, by default with Adam. */
function steps(p: TrainProblem, count: number, more: Partial<TrainStepsRequest> = {}): TrainStepsRequest {
  return { ...p, optimiser: ADAM, state: initialState(p.shape, 2), steps: count, traceEvery: 3, ...more };
}

describe('steps', () => {
  // An epsilon well above rounding: where a gradient is 0 but for rounding, Adam would follow that.
  const epsilon = 1e-3;
  const optimisers = {
    adam: { ...ADAM, epsilon, learningRate: 0.01, weightDecay: 0.01, warmupSteps: 3 },
    adamw: {
      ...ADAM,
      epsilon,
      kind: 'adamw' as const,
      learningRate: 0.01,
      weightDecay: 0.1,
      cosineSteps: 7,
      finalShare: 0.1,
    },
    sgd: { ...ADAM, kind: 'sgd' as const, learningRate: 0.01, momentum: 0.9, weightDecay: 0.01 },
  };
  it.each(Object.entries(optimisers))('native as the reference: %s', async (_, optimiser) => {
    for (const v of [VARIANTS['composition'], ...Object.values(QUANTISED)] as Variant[])
      for (const shape of [LINEAR, MLP]) {
        const request = steps(problem(shape, v), 10, { optimiser });
        const [a, b] = [await native.trainSteps(request), await reference.trainSteps(request)];
        expect(a.status).toBe(STATUS.ok);
        expect(a.state.step).toBe(10);
        const size = Math.max(...b.trace);
        expect(difference(a.trace, b.trace)).toBeLessThan(2e-5 * size);
        expect(difference(a.usage, b.usage)).toBeLessThan(1e-12);
        for (const key of ['parameters', 'first', 'codebookCounts', 'codebookSums'] as const)
          expect(difference(a.state[key], b.state[key])).toBeLessThan(1e-3);
      }
  });

  it('have the same bits for every number of threads, in one call or in two, alone or in a batch', async () => {
    const shape = { ...MLP, encoderHidden: [200, 150], decoderHidden: [170], codebook: BOOK, actionDim: 2 };
    const objective = { actionWeight: 1, labelFraction: 0.5, robustWeight: 0.1, encoderNoise: 0.1 };
    const request = steps(problem(shape, { objective, batchSize: 300 }), 8, { traceEvery: 4 });
    const whole = await native.trainSteps(request, { threads: 1 });
    for (const threads of [2, 3]) expect(await native.trainSteps(request, { threads })).toEqual(whole);
    const half = await native.trainSteps({ ...request, steps: 4 });
    const rest = await native.trainSteps({ ...request, steps: 4, state: half.state });
    expect(rest.state).toEqual(whole.state);
    expect(rest.trace).toEqual(whole.trace.filter((_, i) => i % 2 === 1));
    const other = steps(problem(LINEAR), 5);
    const batch = await native.trainBatch([other, request, other], { threads: 2 });
    expect(batch[1]).toEqual(whole);
    expect(batch[0]).toEqual(batch[2]);
    expect(batch[0]).toEqual(await native.trainSteps(other));
  });

  it('end where the loss is no longer finite, with the state as it was given', async () => {
    const request = steps(problem(LINEAR), 400, { optimiser: { ...optimisers.sgd, learningRate: 3 } });
    const given = structuredClone(request.state);
    for (const backend of [native, reference]) {
      const answer = await backend.trainSteps(request);
      expect(answer.status).toBe(STATUS.nonFinite);
      expect(answer.failedAt).toBeGreaterThan(2);
      expect(answer.failedAt).toBeLessThan(300);
      expect(answer.state).toEqual(given);
    }
  });

  it('can be watched and stopped', async () => {
    const seen: number[] = [];
    const shape = { ...MLP, encoderHidden: [256, 256], decoderHidden: [256, 256] };
    const request = steps(problem(shape, { batchSize: 128 }), 1e6);
    const controller = new AbortController();
    const start = performance.now();
    let asked = 0;
    const running = native.trainBatch([request, request, request], {
      signal: controller.signal,
      onProgress: (done) => {
        seen.push(done);
        if (done > 20 && asked === 0) {
          asked = performance.now() - start;
          controller.abort();
        }
      },
    });
    await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - start - asked).toBeLessThan(500);
    expect(seen.length).toBeGreaterThan(0);
  });
});

describe('a network on given rows', () => {
  const shape = { ...MLP, actionDim: 2, codebook: BOOK, residual: true, targets: 2, projectionDim: 3 };
  const request = {
    shape,
    projection: problem(shape).projection,
    parameters: Float32Array.from(parameters(shape)),
    rows: 60,
    observation: DATA.observation,
    observationNext: DATA.observationNext,
    latent: null,
    decoderObservation: null,
  };
  it.each([
    ['as it is', request],
    ['with another o for the decoder', { ...request, decoderObservation: DATA.pairObservation }],
    ['on latents', { ...request, latent: Float32Array.from({ length: 240 }, (_, i) => Math.cos(i)) }],
    [
      'linear, on differences',
      {
        ...request,
        shape: { ...LINEAR, encoderInput: 'difference' as const },
        projection: new Float32Array(0),
        parameters: Float32Array.from(parameters({ ...LINEAR, encoderInput: 'difference' })),
      },
    ],
  ])('%s: native as the reference', async (_, r) => {
    const [a, b] = [await native.applyNetwork(r), await reference.applyNetwork(r)];
    for (const key of ['encoded', 'latent', 'prediction', 'action'] as const) {
      expect(difference(a[key], b[key])).toBeLessThan(1e-5);
      if (key !== 'encoded' && key !== 'action') expect(b[key].some((v) => v !== 0)).toBe(true);
    }
    expect(a.codes).toEqual(b.codes);
  });
});

describe('parameters', () => {
  it('begin as those of nn.Linear, linear maps of two inputs as two of them', () => {
    const { parameters: at } = initialState({ ...LINEAR, latentDim: 2 }, 1);
    const [encoder, decoder] = tensorsOf({ ...LINEAR, latentDim: 2 });
    const most = (values: Float32Array) => Math.max(...values.map(Math.abs));
    const own = at.slice(encoder?.offset, decoder?.offset);
    expect(most(own)).toBeLessThan(1 / Math.sqrt(7));
    expect(most(own)).toBeGreaterThan(0.3);
    const given = at.slice(decoder?.offset).filter((_, i) => i % 9 < 7);
    const onZ = at.slice(decoder?.offset).filter((_, i) => i % 9 >= 7);
    expect(most(given)).toBeLessThan(1 / Math.sqrt(7));
    expect(most(onZ)).toBeLessThan(1 / Math.sqrt(2));
    expect(most(onZ)).toBeGreaterThan(0.5);
  });
});
