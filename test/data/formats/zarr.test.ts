import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, scratch, varying } from '../files.js';

const file = scratch();

/** A store by its files, written without the code under test. */
function store(name: string, files: Readonly<Record<string, unknown>>): string {
  for (const [key, content] of Object.entries(files)) {
    const path = join(file(name), key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content));
  }
  return file(name);
}

const bytesOf = (values: ArrayBufferView) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

interface Array2 {
  readonly values: Float64Array;
  readonly rows: number;
  readonly dim: number;
  readonly chunk: number;
}

/** Version 2: chunks of rows, the last one filled up. */
function v2(name: string, { values, rows, dim, chunk }: Array2, extra: Record<string, unknown> = {}) {
  const files: Record<string, unknown> = {
    [`${name}/.zarray`]: {
      zarr_format: 2,
      shape: [rows, dim],
      chunks: [chunk, dim],
      dtype: '<f8',
      compressor: { id: 'zlib', level: 1 },
      fill_value: 0,
      order: 'C',
      filters: null,
      ...extra,
    },
  };
  for (let c = 0; c * chunk < rows; c++) {
    const part = new Float64Array(chunk * dim);
    part.set(values.subarray(c * chunk * dim, Math.min(rows, (c + 1) * chunk) * dim));
    files[`${name}/${c}.0`] = deflateSync(bytesOf(part));
  }
  return files;
}

const observations = { values: varying(10, 2), rows: 10, dim: 2, chunk: 4 };
const actions = { values: varying(10, 1, 3), rows: 10, dim: 1, chunk: 10 };
const replay = () => ({
  '.zgroup': { zarr_format: 2 },
  'data/.zgroup': { zarr_format: 2 },
  ...v2('data/state', observations),
  ...v2('data/action', actions),
  'meta/.zgroup': { zarr_format: 2 },
  'meta/episode_ends/.zarray': {
    zarr_format: 2,
    shape: [2],
    chunks: [2],
    dtype: '<i8',
    compressor: null,
    fill_value: 0,
    order: 'C',
    filters: null,
  },
  'meta/episode_ends/0': bytesOf(BigInt64Array.of(6n, 10n)),
});

describe('zarr', () => {
  test('version 2, as a replay buffer of a diffusion policy has it', async () => {
    const t = await openData(store('replay.zarr', replay()));
    expect([t.count, t.observationDim, t.actionDim]).toEqual([8, 2, 1]);
    expect([...t.episode]).toEqual([0, 0, 0, 0, 0, 1, 1, 1]);
    expect([...t.observation.subarray(10, 12)]).toEqual([...observations.values.subarray(12, 14)]);
    expect([...t.observationNext.subarray(0, 2)]).toEqual([...observations.values.subarray(2, 4)]);
    expect((t.action as Float64Array)[5]).toBe(actions.values[6]);
    const named = await openData(file('replay.zarr'), { observation: 'data/action' });
    expect(named.observationDim).toBe(1);
  });

  test('version 3, gzip, and numbers of sixteen bits', async () => {
    const v3 = (
      shape: number[],
      data_type: string,
      key: string,
      chunk: Uint8Array,
      codecs: unknown[] = [],
    ) => ({
      [`${key}/zarr.json`]: {
        zarr_format: 3,
        node_type: 'array',
        shape,
        data_type,
        chunk_grid: { name: 'regular', configuration: { chunk_shape: shape } },
        chunk_key_encoding: { name: 'default', configuration: { separator: '/' } },
        fill_value: 0,
        codecs: [{ name: 'bytes', configuration: { endian: 'little' } }, ...codecs],
        attributes: {},
      },
      [`${key}/c/${shape.map(() => 0).join('/')}`]: chunk,
    });
    // 1, -2, 0.5, 3 and so on as bfloat16 and as half precision.
    const brain = Uint16Array.of(
      0x3f80,
      0xc000,
      0x3f00,
      0x4040,
      0x4080,
      0x40a0,
      0x40c0,
      0x40e0,
      0x4100,
      0x4110,
    );
    const half = Uint16Array.of(
      0x3c00,
      0xc000,
      0x3800,
      0x4200,
      0x4400,
      0x4500,
      0x4600,
      0x4700,
      0x4800,
      0x4880,
    );
    const numbers = [1, -2, 0.5, 3, 4, 5, 6, 7, 8, 9];
    const t = await openData(
      store('three.zarr', {
        'zarr.json': { zarr_format: 3, node_type: 'group', attributes: {} },
        ...v3([10, 1], 'bfloat16', 'observations', gzipSync(bytesOf(brain)), [
          { name: 'gzip', configuration: { level: 1 } },
        ]),
        ...v3([10, 1], 'float16', 'actions', bytesOf(half)),
        ...v3([1], 'int32', 'episode_ends', bytesOf(Int32Array.of(10))),
      }),
    );
    expect([...t.observation]).toEqual(numbers.slice(0, 9));
    expect([...(t.action as Float64Array)]).toEqual(numbers.slice(0, 9));
  });

  test('columns first', async () => {
    const turned = Float64Array.from(
      { length: 20 },
      (_, i) => observations.values[(i % 10) * 2 + Math.floor(i / 10)],
    );
    const files = v2(
      'data/state',
      { values: turned, rows: 10, dim: 2, chunk: 10 },
      { order: 'F', chunks: [10, 2] },
    );
    const t = await openData(store('f.zarr', { ...replay(), 'data/state/1.0': new Uint8Array(0), ...files }));
    expect([...t.observation.subarray(0, 6)]).toEqual([...observations.values.subarray(0, 6)]);
  });

  test('a chunk without a file counts as the fill value, and a note says so', async () => {
    const folder = store('holes.zarr', replay());
    rmSync(join(folder, 'data/state/1.0'));
    const t = await openData(folder);
    expect([...t.observation.subarray(8, 10)]).toEqual([0, 0]);
    expect(t.notes.join('\n')).toMatch(/1 chunk of .*data.state has no file and counts as its fill value/);
  });

  test('a shape of far more chunks than there are files is refused at once, and nothing looks for them', async () => {
    const folder = store('claims.zarr', {
      ...replay(),
      ...v2('data/state', observations, { shape: [50_000_000, 2] }),
    });
    await expect(openData(folder)).rejects.toMatchObject({
      kind: 'data',
      message: expect.stringMatching(
        /data.state has shape \[50000000,2\], which is \d+ chunks, but there are \d files/,
      ),
    });
  });

  test.each([
    [
      'a chunk cut short',
      (f: string) => writeFileSync(join(f, 'data/state/0.0'), deflateSync(Buffer.alloc(9))),
    ],
    [
      'a chunk of something else',
      (f: string) => writeFileSync(join(f, 'data/state/0.0'), 'version https://git-lfs'),
    ],
    ['metadata cut short', (f: string) => writeFileSync(join(f, 'data/state/.zarray'), '{"shape": [10')],
  ])('%s', async (name, spoil) => {
    const folder = store(`${name.replaceAll(' ', '-')}.zarr`, replay());
    spoil(folder);
    const { kind, message } = await failure(openData(folder));
    expect(kind).toBe('data');
    expect(message).toMatch(/cannot be read as zarr \(truncated or damaged\?\): /);
    expect(existsSync(folder)).toBe(true);
  });

  test('a codec that nobody has, a shape beyond memory, a store of nothing', async () => {
    const jpeg = store('jpeg.zarr', {
      ...replay(),
      ...v2('data/state', observations, { compressor: { id: 'jpeg2k' } }),
    });
    expect((await failure(openData(jpeg))).message).toMatch(
      /jpeg\.zarr: an array is compressed by jpeg2k, which cannot be unpacked here/,
    );
    const huge = store('huge.zarr', {
      ...replay(),
      ...v2('data/state', observations, { shape: [1e9, 1e5], chunks: [1e9, 1e5] }),
    });
    expect((await failure(openData(huge))).message).toMatch(/would take .* of memory/);
    const empty = store('empty.zarr', { '.zgroup': { zarr_format: 2 } });
    expect((await failure(openData(empty))).message).toMatch(/a zarr store without any array/);
  });
});
