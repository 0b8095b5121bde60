import { writeFileSync } from 'node:fs';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { trackGroups } from '../../../lib/base/children.js';
import { ask } from '../../../lib/data/formats/file-reader-client.js';
import { openParquet, readMatrices } from '../../../lib/data/formats/parquet.js';
import { openData } from '../../../lib/data/open.js';
import { failure, scratch } from '../files.js';

const file = scratch();
const ROWS = 40;

function table(columns: Record<string, number[]>, name = 't.parquet'): string {
  const columnData = Object.entries(columns).map(([of, data]) => ({ name: of, data }));
  writeFileSync(file(name), Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 16 })));
  return file(name);
}

const wave = (seed: number) => Array.from({ length: ROWS }, (_, i) => Math.sin(seed + i * i));

/** The process that parses, as long as there is one. */
let parser = 0;
trackGroups((pid, running) => {
  if (running) parser = pid;
});

describe('parquet', () => {
  test('columns in any order, over several row groups, twice the same, raw and as numbers', async () => {
    const columns = Object.fromEntries(Array.from({ length: 30 }, (_, j) => [`c${j}`, wave(j)]));
    const parquet = await openParquet(table(columns));
    expect([parquet.rows, parquet.columns]).toEqual([ROWS, Object.keys(columns)]);
    const [one, two] = await readMatrices(parquet, [['c29', 'c3', 'c3'], ['c0']]);
    expect(one?.dim).toBe(3);
    for (const row of [0, 15, 16, 39])
      expect([...(one as { values: Float64Array }).values.subarray(3 * row, 3 * row + 3)]).toEqual(
        [29, 3, 3].map((j) => wave(j)[row]),
      );
    expect([...(two as { values: Float64Array }).values]).toEqual(wave(0));
    expect(await parquet.readRaw('c7')).toEqual(wave(7));
    expect(await parquet.readRaw('c7', 20)).toEqual(wave(7).slice(0, 20));
  });

  test('calls beside each other get their own answers', async () => {
    const paths = Array.from({ length: 6 }, (_, i) =>
      table({ a: wave(i), b: wave(i + 100) }, `p${i}.parquet`),
    );
    const all = await Promise.all(
      paths.map(async (path) => (await readMatrices(await openParquet(path), [['b']]))[0]?.values[5]),
    );
    expect(all).toEqual(paths.map((_, i) => wave(i + 100)[5]));
  });

  test('mutated files: an error of ours within seconds, whatever they make the reader do', async () => {
    const whole = parquetWriteBuffer({
      columnData: [
        { name: 'episode', data: Array.from({ length: ROWS }, (_, i) => Math.floor(i / 8)) },
        { name: 'obs_0', data: wave(1) },
        { name: 'obs_1', data: Array.from({ length: ROWS }, (_, i) => i % 3) },
      ],
      rowGroupSize: 16,
    });
    let state = 1;
    const random = () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state / 2 ** 32;
    };
    for (let i = 0; i < 150; i++) {
      const bytes = new Uint8Array(whole.slice(0));
      const changes = 1 + Math.floor(3 * random());
      for (let c = 0; c < changes; c++)
        bytes[Math.floor(random() * bytes.length)] = Math.floor(256 * random());
      writeFileSync(file('m.parquet'), bytes);
      const start = performance.now();
      await openData(file('m.parquet')).catch((error) => {
        expect(error.name, String(error)).toBe('ExolamError');
        expect(error.kind, String(error)).not.toBe('internal');
      });
      expect(performance.now() - start).toBeLessThan(8000);
    }
  });

  test('a run of values that never ends is given up, and the next file is read', async () => {
    // A run that claims 2^31 values, for a page that holds 40.
    const data = Array.from({ length: ROWS }, (_, i) => i % 3);
    const whole = Buffer.from(
      parquetWriteBuffer({
        columnData: [{ name: 'obs_0', data, encoding: 'RLE_DICTIONARY' as never }],
        codec: 'UNCOMPRESSED',
      }),
    );
    let hung = 0;
    for (let at = 4; at < whole.length - 8 && hung === 0; at++) {
      const bytes = Buffer.from(whole);
      Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]).copy(bytes, at);
      writeFileSync(file('h.parquet'), bytes);
      const { message } = await openData(file('h.parquet')).then(
        () => ({ message: '' }),
        (error: Error) => error,
      );
      if (/gave no answer within|would take more than/.test(message)) hung++;
    }
    expect(hung).toBe(1);
    // With all the time it wants it comes to an array that V8 ends a process for: not this one.
    const path = file('h.parquet');
    const request = { kind: 'columns', path, group: 0, names: ['obs_0'] } as const;
    const dead = await failure(ask(request, { seconds: 60, bytes: 1e10 }, undefined));
    expect(dead.message).toMatch(
      /^\S+h\.parquet cannot be read as Parquet \(damaged\?\): it would take more than \d/,
    );
    expect((await openData(table({ obs_0: wave(1), obs_1: wave(2) }))).count).toBe(ROWS - 1);
  }, 120_000);

  test('the process that parses ends in the middle: one sentence, and the next file is read', async () => {
    const columnData = [
      { name: 'obs_0', data: Float64Array.from({ length: 400_000 }, (_, i) => Math.sin(i)) },
    ];
    writeFileSync(file('k.parquet'), Buffer.from(parquetWriteBuffer({ columnData })));
    await openData(table({ obs_0: wave(1), obs_1: wave(2) }));
    const reading = failure(openData(file('k.parquet')));
    setTimeout(() => process.kill(parser, 'SIGKILL'), 5);
    const { message } = await reading;
    expect(message).toMatch(
      /cannot be read as Parquet \(damaged\?\): the process that parsed it ended \(SIGKILL\)$/,
    );
    expect((await openData(table({ obs_0: wave(1), obs_1: wave(2) }))).count).toBe(ROWS - 1);
  });

  test('an abort ends the reading', async () => {
    const stop = new AbortController();
    stop.abort();
    const { kind } = await failure(openData(table({ obs_0: wave(1) }), {}, { signal: stop.signal }));
    expect(kind).toBe('cancelled');
  });

  test('wide tables: time grows with the columns that are read', async () => {
    const columns = (n: number) =>
      Object.fromEntries(Array.from({ length: n }, (_, j) => [`obs_${j}`, [1, 2, 3, j]]));
    const path = table(columns(6000), 'w.parquet');
    const start = performance.now();
    const t = await openData(path, { observation: 'obs_1,obs_77,obs_5999' }).catch((error) => error.message);
    expect(t).toMatch(/at least 4 are needed/);
    expect(performance.now() - start).toBeLessThan(8000);
  });
});
