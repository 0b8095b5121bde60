import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, npy, npz, scratch, varying } from '../files.js';

const file = scratch();
const o = varying(8, 3);
const next = varying(8, 3, 2);
const pair = { observation: npy(o, [8, 3]), observation_next: npy(next, [8, 3]) };

describe('npz', () => {
  test.each([false, true])('rows of transitions; deflate %s', async (deflate) => {
    const path = npz(
      file('rows.npz'),
      {
        ...pair,
        actions: npy(varying(8, 1), [8]),
        exogenous_next: npy(varying(8, 2, 3), [8, 2]),
        other: Buffer.from('x'),
      },
      { deflate },
    );
    const t = await openData(path);
    expect(t.count).toBe(8);
    expect(t.observation).toEqual(o);
    expect(t.observationNext).toEqual(next);
    expect([t.actionDim, t.exogenousDim]).toEqual([1, 2]);
    expect(t.exogenousNext).toEqual(varying(8, 2, 3));
    expect(new Set(t.episode).size).toBe(8);
  });

  test('frames with episode_ends', async () => {
    const path = npz(file('frames.npz'), {
      observations: npy(o, [8, 3]),
      episode_ends: npy(BigInt64Array.from([3n, 8n]), [2], { descr: '<i8' }),
      actions: npy(varying(8, 2), [8, 2]),
    });
    const t = await openData(path, { stride: 2 });
    expect([...t.episode]).toEqual([0, 1, 1, 1]);
    expect(t.observation.subarray(3, 6)).toEqual(o.subarray(9, 12));
    expect(t.observationNext.subarray(3, 6)).toEqual(o.subarray(15, 18));
  });

  test.each([
    ['<f4', Float32Array.from(o)],
    ['|u1', Uint8Array.from({ length: 24 }, (_, i) => i)],
    ['<i2', Int16Array.from({ length: 24 }, (_, i) => -i)],
    ['<i8', BigInt64Array.from({ length: 24 }, (_, i) => BigInt(-i))],
  ])('dtype %s', async (descr, data) => {
    const t = await openData(npz(file('dtype.npz'), { ...pair, observation: npy(data, [8, 3], { descr }) }));
    expect([...t.observation]).toEqual(Array.from(data as ArrayLike<number | bigint>, Number));
  });

  test('big-endian, half precision and column-major arrays', async () => {
    const big = Buffer.from(Float64Array.from(o).buffer).swap64();
    expect(
      (await openData(npz(file('b.npz'), { ...pair, observation: npy(big, [8, 3], { descr: '>f8' }) })))
        .observation,
    ).toEqual(o);
    // 1.5, -2, 2^-24 (subnormal)
    const half = Uint16Array.from({ length: 24 }, (_, i) => [0x3e00, 0xc000, 0x0001][Math.floor(i / 8)]!);
    const t = await openData(
      npz(file('h.npz'), { ...pair, observation_next: npy(half, [8, 3], { descr: '<f2', fortran: true }) }),
    );
    expect([...t.observationNext.subarray(0, 3)]).toEqual([1.5, -2, 2 ** -24]);
  });

  test('a 10 GB claim in an array header is refused before it is allocated', async () => {
    const path = npz(file('claim.npz'), {
      ...pair,
      observation: npy(o, [8, 3], { shape: '(10000000, 125)' }),
    });
    const before = process.memoryUsage().arrayBuffers;
    const { kind, message } = await failure(openData(path));
    expect(kind).toBe('data');
    expect(message).toMatch(
      /observation claims shape \(10000000, 125\) of <f8, 10\.0 GB, and the file holds 192|0\.000192 MB/,
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
  });

  test.each([
    [{ claim: 4_000_000_000 }, /claims 4\.00 GB and has/],
    [
      { claim: 4_000_000_000, deflate: true },
      /claims 4\.00 GB, more than its \d+ bytes in the file can unpack to/,
    ],
  ])('a false claim in the zip directory %o', async (options, expected) => {
    const { kind, message } = await failure(openData(npz(file('zip.npz'), pair, options)));
    expect(kind).toBe('data');
    expect(message).toMatch(expected);
  });

  test('a zip bomb is refused before it unpacks', async () => {
    // 3 MB that claim 2 GB: possible for deflate, not for measurements.
    const bytes = npy(randomBytes(3_000_000), [3_000_000], { descr: '|u1' });
    const path = npz(
      file('bomb.npz'),
      { observation: bytes, observation_next: bytes },
      { claim: 2_000_000_000, deflate: true },
    );
    expect((await failure(openData(path))).message).toMatch(/zip bomb/);
  });

  test('an entry that unpacks to more than it claims stops there', async () => {
    // The header and the directory agree on half of what is there.
    const bytes = npy(new Float64Array(200_000), [200_000, 1], { shape: '(100000, 1)' });
    const claim = bytes.length - 800_000;
    const path = npz(
      file('more.npz'),
      { observation: bytes, observation_next: bytes },
      { deflate: true, claim },
    );
    expect((await failure(openData(path))).message).toContain(
      `observation.npy unpacks to more than the ${claim} bytes`,
    );
  });

  test('cut anywhere, it is an error and never a number', async () => {
    const whole = readFileSync(npz(file('whole.npz'), pair, { deflate: true }));
    for (let length = 0; length < whole.length; length += 37) {
      writeFileSync(file('cut.npz'), whole.subarray(0, length));
      expect((await failure(openData(file('cut.npz')))).kind).toBe('data');
    }
  });

  test('a changed byte does not pass the checksum', async () => {
    const bytes = readFileSync(npz(file('flip.npz'), pair));
    bytes[200]! ^= 1;
    writeFileSync(file('flip.npz'), bytes);
    expect((await failure(openData(file('flip.npz')))).message).toMatch(
      /observation\.npy does not match its checksum/,
    );
  });

  test.each([
    ['|O', /observation holds Python objects/],
    ['<U8', /observation holds strings/],
    ['<c16', /observation holds complex numbers/],
  ])('dtype %s is refused', async (descr, expected) => {
    const path = npz(file('odd.npz'), { ...pair, observation: npy(o, [8, 3], { descr }) });
    expect((await failure(openData(path))).message).toMatch(expected);
  });

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
  ])('%s names the array and its first place', async (text, value) => {
    const bad = o.slice();
    bad[3 * 5 + 2] = value;
    bad[3 * 7] = value;
    const { kind, message } = await failure(
      openData(npz(file('nan.npz'), { ...pair, observation_next: npy(bad, [8, 3]) })),
    );
    expect(kind).toBe('data');
    expect(message).toContain(`observation_next: row 5, column 2 is ${text}`);
  });

  test.each<[Record<string, Buffer>, RegExp]>([
    [{ observation: pair.observation }, /no array observation_next; expected/],
    [
      { ...pair, observation_next: npy(o, [12, 2]) },
      /observation_next has shape \(12, 2\); its 12 rows should be 8/,
    ],
    [
      { ...pair, observation_next: npy(varying(8, 2), [8, 2]) },
      /observation_next has shape \(8, 2\); 3 columns are expected/,
    ],
    [{ ...pair, actions: npy(varying(7, 2), [7, 2]) }, /actions has shape \(7, 2\); its 7 rows should be 8/],
    [{ ...pair, observation_pair: pair.observation }, /observation_pair alone/],
    [{ ...pair, observation: npy(o, [2, 4, 3]) }, /shape \(2, 4, 3\); expected \(rows, columns\)/],
    [
      { observations: pair.observation, episode_ends: npy(Float64Array.of(3, 3, 8), [3]) },
      /episode_ends\[1\] is 3; expected/,
    ],
    [
      { observations: pair.observation, episode_ends: npy(Float64Array.of(3, 7), [2]) },
      /episode_ends stops at 7/,
    ],
    [
      { observations: pair.observation, episode_ends: npy(Float64Array.of(9), [1]) },
      /episode_ends\[0\] is 9; expected/,
    ],
    [{ ...pair, observation: npy(new Float64Array(24).fill(2), [8, 3]) }, /the observation is constant/],
    [
      { observations: npy(varying(1, 3), [1, 3]), episode_ends: npy(Float64Array.of(1), [1]) },
      /the only episode has 1 frame/,
    ],
  ])('what does not fit together: case %#', async (arrays, expected) => {
    const { kind, message } = await failure(openData(npz(file('misfit.npz'), arrays)));
    expect(kind).toBe('data');
    expect(message).toMatch(expected);
  });

  test('options that rows of transitions have no use for', async () => {
    const path = npz(file('options.npz'), pair);
    expect((await failure(openData(path, { stride: 2 }))).message).toMatch(/--stride 2 needs episodes/);
    expect((await failure(openData(path, { distractor: 1 }))).message).toMatch(
      /--distractor 1 needs episodes/,
    );
    expect((await failure(openData(path, { observation: 'x' }))).message).toMatch(
      /--observation "x" is not in/,
    );
    expect((await failure(openData(path, { distractor: -1 }))).message).toMatch(
      /^distractor: expected a weight of at least 0 but received -1$/,
    );
    expect((await failure(openData(path, { stride: 0 }))).kind).toBe('input');
  });
});
