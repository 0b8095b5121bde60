import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { RowsSource } from '../../lib/backend/batch-sources.js';
import { openData } from '../../lib/data/open.js';
import { splitOf } from '../../lib/data/split.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import { normals } from '../../lib/random/philox.js';
import { readTraining, trainingPage } from '../../lib/report/train.js';
import { settledConfig } from '../../lib/train/config.js';
import { followedSplit } from '../../lib/train/horizon.js';
import { MlpLam, type TrainConfig, train } from '../../lib/train/index.js';
import { type DataSetting, type Setting, settingOf } from '../../lib/train/setting.js';
import { npy, npz } from '../data/files.js';
import { native, reference } from '../support/backends.js';

const root = mkdtempSync(join(tmpdir(), 'exolam-horizon-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const D = 3;
/** Frames of each episode; two of them are too short for three observations after o. */
const LENGTHS = [12, 3, 15, 9, 2, 11, 14, 10];
const frames = LENGTHS.reduce((a, b) => a + b);
const path = join(root, 'frames.npz');
const observations = normals(4, 2, 0, frames * D);
let end = 0;
npz(path, {
  observations: npy(observations, [frames, D]),
  actions: npy(normals(5, 2, 0, frames * 2), [frames, 2]),
  episode_ends: npy(
    Float64Array.from(LENGTHS, (length) => (end += length)),
    [LENGTHS.length],
  ),
});

const model = { kind: 'mlp', latentDim: 2, hidden: [6], horizon: 3 } as const;
const short = { steps: 6, evaluateEvery: 3, batchSize: 16, evaluationRows: 256, probes: [] } as const;
const onData = (more: Partial<TrainConfig> = {}): TrainConfig => ({
  data: { path, scale: 'given', heldOut: 0.3 },
  ...{ model, ...short },
  ...more,
});

/** The first frame and the length of the episode of each frame. */
const starts: { readonly begin: number; readonly length: number }[] = [];
let begin = 0;
for (const length of LENGTHS) {
  for (let t = 0; t < length; t++) starts.push({ begin, length });
  begin += length;
}
/** The row of `among` that begins with a number: normals do not repeat. */
function rowWith(value: number, among: Float64Array): number {
  for (let row = 0; row < among.length / D; row++)
    if (Math.abs((among[row * D] as number) - value) < 1e-5) return row;
  throw new Error(`no row begins with ${value}`);
}
/** Reads the first number of frame i of a source in the user's units. */
const firstOf =
  ({ data }: Setting, { frames: values }: RowsSource) =>
  (i: number | undefined) => {
    const { mean, factor } = (data as DataSetting).scaling;
    return (values[(i as number) * D] as number) / (factor[0] as number) + (mean[0] as number);
  };

describe('a horizon', () => {
  it.each([
    ['linear', { observationDim: 5, endogenousDim: 3, exogenousDim: 2, actionDim: 2, sensorNoise: 0.1 }],
    ['mlp', { kind: 'mlp', observationDim: 5, endogenousDim: 3, exogenousDim: 2, actionDim: 2 }],
    ['sprites', { kind: 'sprites', size: 8 }],
  ])('is trained natively as by the reference in a world: %s', async (_, world) => {
    for (const kind of ['reconstruction', 'cross-exogenous'] as const) {
      const config = { world, model, ...short, objective: { kind } } as TrainConfig;
      const [own, other] = [
        await train(config, { backend: native }),
        await train(config, { backend: reference }),
      ];
      expect(own.log).toHaveLength(3);
      own.log.forEach(({ loss }, i) => {
        expect(Math.abs(loss / (other.log[i]?.loss as number) - 1)).toBeLessThan(1e-4);
      });
      const single = await train({ ...config, model: { ...model, horizon: 1 } }, { backend: native });
      expect(own.result.loss).toBeGreaterThan(1.5 * single.result.loss);
      expect(own.result.exact).toBeNull();
    }
  });

  it('is trained natively as by the reference on data', async () => {
    const [own, other] = [
      await train(onData(), { backend: native }),
      await train(onData(), { backend: reference }),
    ];
    own.log.forEach(({ loss }, i) => {
      expect(Math.abs(loss / (other.log[i]?.loss as number) - 1)).toBeLessThan(1e-4);
    });
  });

  it.each([1, 2])('at stride %i never reaches across an episode', async (stride) => {
    const config = onData({ data: { path, scale: 'given', heldOut: 0.3, stride } });
    const setting = await settingOf(settledConfig(config), {});
    const seen = new Set<number>();
    for (const from of [setting.source, setting.evaluation] as RowsSource[]) {
      const { rows, current, next, later } = from;
      const first = firstOf(setting, from);
      const at = (i: number | undefined) => rowWith(first(i), observations);
      expect(later).toHaveLength(2 * rows);
      for (let r = 0; r < rows; r++) {
        const frame = at(current[r]);
        expect([at(next[r]), at(later[2 * r]), at(later[2 * r + 1])]).toEqual(
          [1, 2, 3].map((n) => frame + n * stride),
        );
        const { begin: own, length } = starts[frame] as (typeof starts)[number];
        expect(frame + 3 * stride).toBeLessThan(own + length);
        seen.add(frame);
      }
    }
    // Every frame that three follow, and no other.
    const wanted = starts.flatMap(({ begin: b, length }, f) => (f + 3 * stride < b + length ? [f] : []));
    expect([...seen].sort((a, b) => a - b)).toEqual(wanted);
    const count = starts.filter(({ begin: b, length }, f) => f + stride < b + length).length;
    expect(setting.data?.notes.at(-1)).toBe(
      `${count - wanted.length} of ${count} transitions are left out of training and of the loss: fewer than 3 observations follow their o`,
    );
  });

  it('has as its loss the squared errors of all that decode returns, over the held-out rows', async () => {
    for (const residual of [false, true]) {
      const { result, model: trained } = await train(onData({ model: { ...model, residual } }));
      const lam = trained as MlpLam;
      expect([lam.horizon, lam.predictionDim]).toEqual([3, 3 * D]);
      const t = await openData(path);
      const out = new Set(
        Array.from(splitOf(t, 0.3).heldOut, (row) => rowWith(t.observation[row * D] as number, observations)),
      );
      const rows = [...out].filter((f) => {
        const { begin: b, length } = starts[f] as (typeof starts)[number];
        return f + 3 < b + length;
      });
      const at = (ahead: number) =>
        Float64Array.from(
          rows.flatMap((f) => Array.from(observations.slice((f + ahead) * D, (f + ahead + 1) * D))),
        );
      const decoded = await lam.decode(at(0), await lam.encode(at(0), at(1)));
      expect(decoded).toHaveLength(rows.length * 3 * D);
      let loss = 0;
      for (const ahead of [1, 2, 3])
        at(ahead).forEach((v, i) => {
          const place = Math.floor(i / D) * 3 * D + (ahead - 1) * D + (i % D);
          loss += (v - (decoded[place] as number)) ** 2 / rows.length;
        });
      expect(Math.abs(loss / result.loss - 1)).toBeLessThan(1e-5);
      const loaded = MlpLam.fromBytes(lam.toBytes());
      expect(await loaded.decode(at(0), await loaded.encode(at(0), at(1)))).toEqual(decoded);
    }
  });

  it('follows the paired view where the objective is of pairs', async () => {
    const data = { path, scale: 'given', heldOut: 0.3, distractor: 0.5 } as const;
    const config = onData({ data, objective: { kind: 'cross-exogenous' } });
    const setting = await settingOf(settledConfig(config), {});
    const source = setting.source as RowsSource;
    const { rows, pairNext, pairLater } = source;
    expect(pairLater).toHaveLength(2 * rows);
    const pairs = (await openData(path, { distractor: 0.5 })).pairObservationNext as Float64Array;
    const first = firstOf(setting, source);
    for (let r = 0; r < rows; r++) {
      const row = rowWith(first(pairNext[r]), pairs);
      const later = [pairLater[2 * r], pairLater[2 * r + 1]].map((i) => rowWith(first(i), pairs));
      expect(later).toEqual([row + 1, row + 2]);
    }
  });

  it('leads nowhere where the paired view of each row is another one, unless no pair is asked for', async () => {
    const t = await openData(path, { distractor: 0.5 });
    const anew = { ...t, pairObservation: t.pairObservation?.map((v) => v + 1) };
    const followed = (paired: boolean) => followedSplit(anew, splitOf(t, 0.3), 3, paired, 'horizon');
    expect(() => followed(true)).toThrow(/^horizon: .* after o, in the paired view too, but of 41 .* 0 have/);
    expect(followed(false).train.rows.length).toBeGreaterThan(20);
  });

  it('goes on to the same bits, for every number of threads, and the page says what was left out', async () => {
    const config = onData({ batchSize: 700 });
    const whole = await train(config, { threads: 1 });
    const directory = join(root, 'run');
    await train({ ...config, steps: 3 }, { directory, threads: 2 });
    const { result, model: resumed } = await train(config, { directory, resume: true, threads: 2 });
    expect((resumed as MlpLam).tensors).toEqual((whole.model as MlpLam).tensors);
    expect(result.loss).toBe(whole.result.loss);
    expect(JSON.parse(readFileSync(join(directory, 'result.json'), 'utf8')).notes).toEqual(result.notes);
    const page = await trainingPage((await readTraining(directory)) as never, directory);
    expect(page).toContain('that predicts 3 observations');
    expect(page).toContain(result.notes.at(-1));
  });
});

describe('a horizon is refused', () => {
  it.each([0, 1.5, 257, '3'])('as %j', async (horizon) => {
    await expect(train(onData({ model: { ...model, horizon: horizon as number } }))).rejects.toThrow(
      /^model\.horizon: /,
    );
  });

  it('for a linear model, with what to write in its place', async () => {
    await expect(train(onData({ model: { kind: 'linear', latentDim: 2, horizon: 2 } }))).rejects.toThrow(
      'model.horizon: expected none for a linear model; "kind": "mlp" has it',
    );
    const { result } = await train(onData({ model: { ...model, hidden: [] } }));
    expect(result.loss).toBeGreaterThan(0);
  });

  it('where what follows is of another episode, even where the one begins as the other ends', async () => {
    const joined = join(root, 'joined.npz');
    // Episode e: e, e + 1/2, e + 1.
    const values = Float64Array.from({ length: 30 * D }, (_, i) => {
      const frame = Math.floor(i / D);
      return Math.floor(frame / 3) + (frame % 3) / 2;
    });
    npz(joined, {
      observations: npy(values, [30, D]),
      episode_ends: npy(
        Float64Array.from({ length: 10 }, (_, e) => 3 * e + 3),
        [10],
      ),
    });
    await expect(train(onData({ data: { path: joined, heldOut: 0.3 } }))).rejects.toThrow(
      /^model\.horizon: .* of 14 transitions to train on 0 have so many, and of 6 held out 0$/,
    );
  });

  it('where no row is followed by so many', async () => {
    const rows = join(root, 'rows.npz');
    await writeSamples({ observationDim: 12 }, rows, { samples: 100 });
    await expect(train(onData({ data: { path: rows } }))).rejects.toThrow(
      'model.horizon: expected episodes in which 3 observations follow each other after o, but of 80 transitions to train on 0 have so many, and of 20 held out 0',
    );
    await expect(train(onData({ model: { ...model, horizon: 15 } }))).rejects.toThrow(
      /^model\.horizon: expected episodes in which 15 observations follow each other after o, but of 41/,
    );
  });
});
