import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, npy, npz, scratch, varying } from '../files.js';

const file = scratch();

describe('a single .npy', () => {
  test('rows of one episode, or equally long episodes', async () => {
    const o = varying(12, 3);
    writeFileSync(file('a.npy'), npy(o, [12, 3]));
    const t = await openData(file('a.npy'));
    expect([t.count, t.observationDim, t.actionDim]).toEqual([11, 3, 0]);
    expect(t.observationNext).toEqual(o.subarray(3));
    expect(t.notes.join()).toMatch(/all rows are taken as one episode.*npz/);
    writeFileSync(file('b.npy'), npy(o, [3, 4, 3]));
    const batched = await openData(file('b.npy'));
    expect([...batched.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...batched.observation.subarray(9, 12)]).toEqual([...o.subarray(12, 15)]);
    expect((await failure(openData(file('b.npy'), { action: 'x' }))).message).toMatch(/--action is for/);
  });

  test('a header that claims more than the file holds', async () => {
    writeFileSync(file('c.npy'), npy(varying(12, 3), [12, 3], { shape: '(120000000, 3)' }));
    const { kind, message } = await failure(openData(file('c.npy')));
    expect(kind).toBe('data');
    expect(message).toMatch(/claims shape \(120000000, 3\)/);
  });
});

describe('a folder of tables', () => {
  const write = (name: string, files: Record<string, string>) => {
    const folder = file(name);
    mkdirSync(folder, { recursive: true });
    for (const [of, text] of Object.entries(files)) writeFileSync(join(folder, of), text);
    return folder;
  };
  const table = (seed: number, rows = 4) =>
    ['obs_0,act_0', ...Array.from({ length: rows }, (_, i) => `${Math.sin(seed + i)},${seed + i}`)].join(
      '\n',
    );

  test('each file an episode, in natural order; other files are not looked at', async () => {
    const folder = write('runs', {
      'run10.csv': table(3),
      'run2.csv': table(2),
      'run1.csv': table(1),
      '._run1.csv': 'x',
      'notes.md': 'x',
    });
    const t = await openData(folder);
    expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...t.observation]).toEqual([1, 2, 3].flatMap((s) => [0, 1, 2].map((i) => Math.sin(s + i))));
    expect([...(t.action as Float64Array)].slice(0, 3)).toEqual([1, 2, 3]);
    expect(t.notes.join()).toMatch(/3 files are read as one data set/);
  });

  test('a file that cannot be read is left out, unless --strict; one of another width is an error', async () => {
    const folder = write('mixed', { 'a.csv': table(1), 'b.csv': 'obs_0\n1\n"', 'c.csv': table(3) });
    const t = await openData(folder);
    expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(t.notes.join('\n')).toMatch(/file 1 is left out: .*b\.csv cannot be read as CSV/);
    expect((await failure(openData(folder, { strict: true }))).message).toMatch(/--strict asks for all/);
    const wide = write('wide', { 'a.csv': table(1), 'b.csv': 'obs_0,obs_1\n1,2\n2,3\n3,5' });
    expect((await failure(openData(wide))).message).toMatch(
      /observations 2 wide and actions 0, and a\.csv 1 and 1/,
    );
  });
});

test.each([
  ['x.pt', /PyTorch; in Python: d = torch\.load\("\S+x\.pt"/],
  ['x.pkl', /a pickle, which can run any code.*pickle\.load\(open\("/],
  ['x.tfrecord', /TensorFlow records.*tfds\.builder_from_directory/],
  ['x.zarr.zip', /a zarr store in a zip archive.*zarr\.open/],
  ['x.arrow', /Arrow.*load_from_disk/],
  ['x.bin', /Other data becomes an \.npz in one line of Python/],
])('%s: the message holds the Python that writes an .npz of it', async (name, pattern) => {
  writeFileSync(file(name), 'x');
  const { message } = await failure(openData(file(name)));
  expect(message).toMatch(pattern);
  expect(message).toMatch(
    /not a kind of file that can be read.*numpy\.savez\("data\.npz", observations=o, actions=a, episode_ends=ends\)/,
  );
});

test('a folder of TensorFlow records, whose files are in a folder of the version', async () => {
  mkdirSync(file('rlds/1.0.0'), { recursive: true });
  writeFileSync(file('rlds/1.0.0/x-train.tfrecord-00000-of-00001'), 'x');
  expect((await failure(openData(file('rlds')))).message).toMatch(/TensorFlow records.*tfds/);
});

describe('.safetensors', () => {
  const tensors = (
    name: string,
    list: readonly (readonly [string, string, number[], ArrayBufferView])[],
    spoil = {},
  ) => {
    let end = 0;
    const header: Record<string, unknown> = {};
    for (const [key, dtype, shape, data] of list) {
      header[key] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
      end += data.byteLength;
    }
    const text = Buffer.from(JSON.stringify({ ...header, ...spoil }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const parts = list.map(([, , , data]) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    writeFileSync(file(name), Buffer.concat([length, text, ...parts]));
    return file(name);
  };
  const ends = ['episode_ends', 'I64', [2], BigInt64Array.of(3n, 6n)] as [
    string,
    string,
    number[],
    BigInt64Array,
  ];

  test('numbers of every size', async () => {
    const bits = Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4040, 0x4080, 0x40a0);
    const half = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x4200, 0x4400, 0x4500);
    const numbers = [1, -2, 0.5, 3, 4, 5];
    const expected = [0, 1, 3, 4].map((i) => numbers[i]);
    for (const [dtype, data] of [
      ['BF16', bits],
      ['F16', half],
      ['F32', Float32Array.from(numbers)],
      ['F64', Float64Array.from(numbers)],
    ] as const) {
      const path = tensors('a.safetensors', [
        ['observations', dtype, [6, 1], data],
        ['actions', 'U8', [6, 1], Uint8Array.of(1, 2, 3, 4, 5, 6)],
        ['words', 'F8_E4M3', [6], new Uint8Array(6)],
        ends,
      ]);
      const t = await openData(path);
      expect([...t.observation], dtype).toEqual(expected);
      expect([...(t.action as Float64Array)]).toEqual([1, 2, 4, 5]);
    }
  });

  test.each([
    [
      'a tensor beyond the end',
      { observations: { dtype: 'F64', shape: [9, 1], data_offsets: [0, 9e9] } },
      /ends at byte 9/,
    ],
    [
      'a shape that does not fit',
      { observations: { dtype: 'F64', shape: [9, 1], data_offsets: [0, 8] } },
      /claims shape \(9, 1\)/,
    ],
    [
      'a type without numbers',
      { observations: { dtype: 'F8_E4M3', shape: [8], data_offsets: [0, 8] } },
      /holds "F8_E4M3"; expected F64/,
    ],
    ['no shape', { observations: { dtype: 'F64', data_offsets: [0, 8] } }, /has shape nothing/],
    ['a model', { __metadata__: { format: 'exolam.linear-lam' } }, /is a model that exolam saved/],
  ])('%s', async (_, spoil, pattern) => {
    const path = tensors('b.safetensors', [['observations', 'F64', [6, 1], varying(6, 1)], ends], spoil);
    const { kind, message } = await failure(openData(path));
    expect(kind).toBe('data');
    expect(message).toMatch(pattern);
  });

  test('cut anywhere, it is an error and never a number', async () => {
    const whole = readFileSync(
      tensors('c.safetensors', [['observations', 'F64', [6, 1], varying(6, 1)], ends]),
    );
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(file('c.safetensors'), whole.subarray(0, length));
      expect((await failure(openData(file('c.safetensors')))).kind, String(length)).toBe('data');
    }
  });
});

test('bfloat16 in an .npz, of which numpy knows the size alone', async () => {
  const bits = Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4040, 0x4080, 0x40a0);
  const path = npz(file('b.npz'), {
    observations: npy(bits, [6, 1], { descr: '|V2' }),
    episode_ends: npy(BigInt64Array.of(6n), [1], { descr: '<i8' }),
  });
  const t = await openData(path);
  expect([...t.observation]).toEqual([1, -2, 0.5, 3, 4]);
  expect(t.notes.join('\n')).toMatch(/observations holds numbers of two bytes and no name: read as bfloat16/);
});

test('pictures kept as numbers of single precision are pictures', async () => {
  const bytes = Uint8Array.from({ length: 6 * 4 * 4 * 3 }, (_, i) => (i * 37) % 256);
  const ends = npy(BigInt64Array.of(6n), [1], { descr: '<i8' });
  const read = (name: string, data: ArrayBufferView, descr: string) =>
    openData(npz(file(name), { observations: npy(data, [6, 4, 4, 3], { descr }), episode_ends: ends }));
  const [one, other] = [
    await read('u.npz', bytes, '|u1'),
    await read('f.npz', Float32Array.from(bytes), '<f4'),
  ];
  expect(other.observationDim).toBe(16);
  expect(other.observation).toEqual(one.observation);
});
