import { describe, expect, it } from 'vitest';
import { settledConfig } from '../../lib/train/config.js';
import { type TrainConfig, train, trainBatch } from '../../lib/train/index.js';

// biome-ignore lint/suspicious/noExplicitAny: what the compiler would refuse and JavaScript does not
type Wrong = any;
const world = { observationDim: 9, endogenousDim: 3, exogenousDim: 2, actionDim: 2 };
const good: TrainConfig = { world, model: { kind: 'linear', latentDim: 2 }, steps: 10 };
const mlp = { kind: 'mlp', latentDim: 4, hidden: [8] } as const;

const BAD: [what: string, config: Wrong, message: RegExp][] = [
  ['nothing', undefined, /^config: expected an object but received nothing$/],
  ['a list', [good], /^config: expected an object but received/],
  ['no model', { world }, /^model: expected an object but received nothing$/],
  [
    'neither world nor data',
    { ...good, world: undefined },
    /^world: expected either world or data, but neither is given$/,
  ],
  [
    'both',
    { ...good, data: { path: 'x.npz' } },
    /^world: expected either world or data, but both are given$/,
  ],
  ['a misspelt key', { ...good, step: 3 }, /^config: unknown key "step"; did you mean "steps"\?/],
  [
    'a misspelt key of the model',
    { ...good, model: { ...good.model, latent: 2 } },
    /^model: unknown key "latent"; did you mean/,
  ],
  [
    'a misspelt key of the world',
    { ...good, world: { ...world, sed: 1 } },
    /^world: unknown key "sed"; did you mean "seed"/,
  ],
  [
    'a misspelt key of the data',
    { ...good, world: undefined, data: { path: 'a', strid: 2 } },
    /^data: unknown key "strid"; did you mean "stride"/,
  ],
  [
    'several strides of the data',
    { ...good, world: undefined, data: { path: 'a', stride: [1, 2] } },
    /^data.stride: expected one integer from 1 \(analyze compares several\) but received \[1,2\]$/,
  ],
  [
    'several lags of the data',
    { ...good, world: undefined, data: { path: 'a', actionLag: [0, 1] } },
    /^data.actionLag: expected one integer from -1000 to 1000 \(analyze compares several\) but received \[0,1\]$/,
  ],
  ['a world that is text', { ...good, world: 'linear' }, /^world: expected a world but received "linear"$/],
  [
    'a model of no kind',
    { ...good, model: { latentDim: 2 } },
    /^model.kind: expected one of "linear", "mlp" but received nothing$/,
  ],
  [
    'latentDim 0',
    { ...good, model: { kind: 'linear', latentDim: 0 } },
    /^model.latentDim: expected an integer from 1/,
  ],
  [
    'latentDim above observationDim',
    {
      ...good,
      model: { kind: 'linear', latentDim: 10 },
      objective: { kind: 'action-supervised', weight: 1 },
    },
    /^model.latentDim: expected at most observationDim \(9\)/,
  ],
  [
    'latentDim above observationDim without supervision: its closed form, asked for at the end, would refuse it',
    { ...good, model: { kind: 'linear', latentDim: 10 } },
    /^model.latentDim: expected at most observationDim \(9\) but received 10$/,
  ],
  [
    'more weights than the machine holds',
    { ...good, model: { ...mlp, hidden: [65536, 65536, 65536] } },
    /^model: \d+ weights and what training keeps of each would take .* of memory/,
  ],
  ...(
    [
      ['adam', 'momentum', 0.9, '"sgd"'],
      ['sgd', 'beta1', 0.5, '"adam", "adamw"'],
      ['lbfgs', 'learningRate', 1, '"adam", "adamw", "sgd", "gradient-descent", "gradient-flow"'],
      ['gradient-descent', 'weightDecay', 0.1, '"adam", "adamw", "sgd"'],
      ['gradient-flow', 'finalShare', 0.1, '"adam", "adamw", "sgd"'],
      ['adam', 'starts', 5, '"lbfgs"'],
    ] as const
  ).map(([kind, field, value, takers]): [string, Wrong, RegExp] => [
    `${field} of ${kind}, which does not take it`,
    { ...good, optimizer: { kind, [field]: value } },
    new RegExp(`^optimizer.${field}: expected with ${takers} alone, but the optimizer is "${kind}"$`),
  ]),
  [
    'batches of exact gradients',
    { ...good, optimizer: { kind: 'lbfgs' }, batchSize: 64 },
    /^batchSize: expected none with the optimizer "lbfgs"/,
  ],
  [
    'a mean over no labelled rows',
    {
      ...good,
      objective: { kind: 'action-supervised', weight: 1 },
      labelFraction: 0,
      labelMean: 'labelled',
    },
    /^labelFraction: expected more than 0 with "labelMean": "labelled"/,
  ],
  [
    'hidden layers of a linear model',
    { ...good, model: { ...good.model, hidden: [8] } },
    /^model.hidden: expected none for a linear model/,
  ],
  [
    'a codebook that does not divide',
    { ...good, model: { ...mlp, codebook: { size: 8, codes: 3 } } },
    /^model.codebook.codes: expected a divisor of latentDim \(4\)/,
  ],
  [
    'a codebook of one row',
    { ...good, model: { ...mlp, codebook: { size: 1 } } },
    /^model.codebook.size: expected an integer from 2/,
  ],
  [
    'an unknown optimizer',
    { ...good, optimizer: { kind: 'adm' } },
    /^optimizer.kind: expected one of "adam"/,
  ],
  [
    'exact gradients of an mlp',
    { ...good, model: mlp, optimizer: { kind: 'lbfgs' } },
    /^optimizer.kind: expected one of "adam", "adamw", "sgd" for an mlp/,
  ],
  [
    'a rate of 0',
    { ...good, optimizer: { learningRate: 0 } },
    /^optimizer.learningRate: expected a number above 0/,
  ],
  [
    'a balanced start of adam',
    { ...good, optimizer: { balancedStart: 0.1 } },
    /^optimizer.balancedStart: expected with/,
  ],
  [
    'labels of nothing',
    { ...good, labelFraction: 0.1 },
    /^labelFraction: expected an objective with action supervision/,
  ],
  ['labelFraction 2', { ...good, labelFraction: 2 }, /^labelFraction: expected a share from 0 to 1/],
  ['a batch of 0', { ...good, batchSize: 0 }, /^batchSize: expected an integer from 1/],
  [
    'steps as text',
    { ...good, steps: '10' },
    /^steps: expected an integer from 1 to 1000000000 but received "10"$/,
  ],
  ['NaN steps', { ...good, steps: Number.NaN }, /^steps: .*received NaN$/],
  ['a seed below 0', { ...good, seed: -1 }, /^seed: expected an integer from 0/],
  [
    'a patience of 0',
    { ...good, stopping: { patience: 0 } },
    /^stopping.patience: expected an integer from 1/,
  ],
  ['an objective of no kind', { ...good, objective: { weight: 1 } }, /^objective.kind: expected one of/],
  [
    'a projection of another width',
    { ...good, objective: { kind: 'representation', projection: [[1, 0]] } },
    /^objective.projection\[0\]: expected observationDim \(9\) numbers but received 2$/,
  ],
  [
    'data that is not there',
    { ...good, world: undefined, data: { path: '/nowhere.npz' } },
    /^\/nowhere.npz does not exist/,
  ],
];

describe('what train refuses, in one sentence', () => {
  it.each(BAD)('%s', async (_, config, message) => {
    const error = await train(config).catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ name: 'ExolamError' });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });

  it('options: a signal, a folder, listeners', async () => {
    for (const [options, message] of [
      [{ signal: {} }, /^signal: expected an AbortSignal/],
      [{ directory: '' }, /^directory: expected the path/],
      [{ resume: true }, /^resume: expected with a directory/],
      [{ resume: 'yes' }, /^resume: expected a boolean/],
      [{ onEvaluation: 3 }, /^onEvaluation: expected a function/],
      [{ onLoss: 'x' }, /^onLoss: expected a function/],
      [{ onReading: 'x' }, /^onReading: expected a function/],
      [{ backend: {} }, /^backend: expected a backend/],
      [{ thread: 1 }, /unknown key "thread"; did you mean "threads"/],
      [null, /^options: expected an object/],
    ] as const)
      await expect(train(good, options as Wrong)).rejects.toThrow(message);
    await expect(
      train(good, {
        onEvaluation: () => {
          throw new Error('mine');
        },
      }),
    ).rejects.toThrow(/^onEvaluation: expected a function that returns, but it threw: mine$/);
    await expect(train(good, { signal: AbortSignal.abort() })).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('of a batch: with the place of the configuration', async () => {
    await expect(trainBatch([good, { ...good, steps: 0 }])).rejects.toThrow(
      /^config 1: steps: expected an integer from 1/,
    );
    await expect(trainBatch([good, { ...good, world: { ...world, seed: -1 } }])).rejects.toThrow(
      /^config 1: world/,
    );
    await expect(trainBatch(good as Wrong)).rejects.toThrow(/^configs: expected a list/);
    await expect(trainBatch([undefined] as Wrong)).rejects.toThrow(/^config 0: expected an object/);
    await expect(trainBatch([good], { directory: 'x' } as Wrong)).rejects.toThrow(/unknown key "directory"/);
    expect(await trainBatch([])).toEqual([]);
  });
});

describe('a configuration', () => {
  it('has defaults of its own for minibatches and for exact gradients', () => {
    const { steps: _, ...open } = good;
    expect(settledConfig(open)).toMatchObject({
      steps: 40_000,
      evaluateEvery: 1000,
      learningRate: 1e-3,
      batchSize: 128,
    });
    expect(settledConfig({ ...open, optimizer: { kind: 'gradient-flow' } })).toMatchObject({
      steps: 2000,
      learningRate: 0.01,
    });
    expect(
      settledConfig({ ...good, objective: { kind: 'action-supervised', weight: 1 }, labelFraction: 0.1 }),
    ).toMatchObject({
      objective: { labelFraction: 0.1 },
    });
  });
});
