import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ExolamError } from '../../../lib/base/errors.js';
import { openData } from '../../../lib/data/open.js';
import type { TransitionBatch } from '../../../lib/data/write/batch.js';
import { writeTransitions } from '../../../lib/data/write/write.js';
import { failure, scratch, varying } from '../files.js';

const file = scratch();
const count = 40;
const whole = {
  observation: varying(count, 12, 1),
  observationNext: varying(count, 12, 2),
  action: varying(count, 2, 3),
  exogenous: varying(count, 3, 7),
  exogenousNext: varying(count, 3, 4),
  pairObservation: varying(count, 12, 5),
  pairObservationNext: varying(count, 12, 6),
} satisfies TransitionBatch;
const dims = { observationDim: 12, actionDim: 2, exogenousDim: 3, pair: true };

async function* inBatches(size: number, total = count): AsyncGenerator<typeof whole> {
  for (let first = 0; first < total; first += size) {
    const part = (key: keyof TransitionBatch) => {
      const dim = whole[key].length / count;
      return whole[key].slice(first * dim, Math.min(first + size, total) * dim);
    };
    yield {
      observation: part('observation'),
      observationNext: part('observationNext'),
      action: part('action'),
      exogenous: part('exogenous'),
      exogenousNext: part('exogenousNext'),
      pairObservation: part('pairObservation'),
      pairObservationNext: part('pairObservationNext'),
    };
  }
}

describe.each(['npz', 'parquet'])('%s', (kind) => {
  test('comes back bit by bit, with the same bytes for any batch size', async () => {
    await writeTransitions(file(`a.${kind}`), count, dims, inBatches(count));
    await writeTransitions(file(`b.${kind}`), count, dims, inBatches(7));
    expect(readFileSync(file(`a.${kind}`)).equals(readFileSync(file(`b.${kind}`)))).toBe(true);
    const t = await openData(file(`a.${kind}`));
    for (const key of Object.keys(whole) as (keyof TransitionBatch)[]) expect(t[key]).toEqual(whole[key]);
  });

  test('of f32 observations comes back bit by bit, and refuses those of another precision', async () => {
    async function* narrow(size: number) {
      for await (const batch of inBatches(size))
        yield {
          ...batch,
          observation: Float32Array.from(batch.observation),
          observationNext: Float32Array.from(batch.observationNext),
          pairObservation: Float32Array.from(batch.pairObservation),
          pairObservationNext: Float32Array.from(batch.pairObservationNext),
        };
    }
    await writeTransitions(file(`f32.${kind}`), count, dims, narrow(7), {}, 'f32');
    const t = await openData(file(`f32.${kind}`));
    for (const key of Object.keys(whole) as (keyof TransitionBatch)[])
      expect(t[key]).toEqual(
        /bservation/.test(key) ? Float64Array.from(Float32Array.from(whole[key])) : whole[key],
      );
    expect(
      (await failure(writeTransitions(file(`f32.${kind}`), count, dims, inBatches(7), {}, 'f32'))).message,
    ).toMatch(/numbers of 64 bits in observation, not 84 of 32/);
  });

  test('without a pair, an action or an exogenous state', async () => {
    const bare = { observationDim: 12, actionDim: 0, exogenousDim: 0, pair: false };
    const empty = new Float64Array(0);
    async function* batches() {
      for await (const batch of inBatches(9))
        yield {
          ...batch,
          action: empty,
          exogenous: empty,
          exogenousNext: empty,
          pairObservation: empty,
          pairObservationNext: empty,
        };
    }
    await writeTransitions(file(`bare.${kind}`), count, bare, batches());
    const t = await openData(file(`bare.${kind}`));
    expect([t.count, t.actionDim, t.exogenousDim, t.pairObservation]).toEqual([count, 0, 0, undefined]);
  });

  test('a failure, an abort and too few rows leave no file behind', async () => {
    const path = file(`none.${kind}`);
    async function* failing() {
      yield* inBatches(5, 10);
      throw new ExolamError('numerical', 'no more');
    }
    expect((await failure(writeTransitions(path, count, dims, failing()))).message).toBe('no more');
    expect((await failure(writeTransitions(path, count, dims, inBatches(5, 10)))).message).toMatch(
      /10 rows arrived of 40/,
    );
    const control = { signal: AbortSignal.abort() };
    expect((await failure(writeTransitions(path, count, dims, inBatches(5), control))).kind).toBe(
      'cancelled',
    );
    expect(readdirSync(dirname(path)).filter((name) => name.startsWith('none'))).toEqual([]);
  });
});

test('an unknown ending and a folder that is not there', async () => {
  expect((await failure(writeTransitions(file('a.txt'), count, dims, inBatches(5)))).message).toMatch(
    /expected \.npz or \.parquet/,
  );
  const { kind, message } = await failure(writeTransitions(file('no/a.npz'), count, dims, inBatches(5)));
  expect(kind).toBe('input');
  expect(message).toMatch(/cannot be written: its folder does not exist/);
});
