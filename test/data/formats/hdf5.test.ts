import { readFileSync, writeFileSync } from 'node:fs';
import h5wasm from 'h5wasm/node';
import { beforeAll, describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, scratch, varying } from '../files.js';

const file = scratch();
beforeAll(async () => void (await h5wasm.ready));

type Content = {
  [name: string]: Content | readonly [Parameters<typeof Float64Array.from>[0] | ArrayBufferView, number[]];
};

/** An HDF5 file of groups (objects) and datasets ([numbers, shape]). */
function hdf5(name: string, content: Content): string {
  const path = file(name);
  const root = new h5wasm.File(path, 'w');
  const write = (
    group: { create_group(n: string): unknown; create_dataset(o: object): unknown },
    inner: Content,
  ) => {
    for (const [key, value] of Object.entries(inner)) {
      if (Array.isArray(value)) group.create_dataset({ name: key, data: value[0], shape: value[1] });
      else write(group.create_group(key) as typeof group, value as Content);
    }
  };
  write(root as unknown as Parameters<typeof write>[0], content);
  root.flush();
  root.close();
  return path;
}

const LENGTHS = [5, 4, 6];
const o = (e: number) => varying(LENGTHS[e] as number, 3, e + 2);
const a = (e: number, steps = LENGTHS[e] as number) => varying(steps, 2, e + 7);
const all = LENGTHS.flatMap((length, e) => [...o(e).subarray(0, 3 * (length - 1))]);

function expectEpisodes(t: Awaited<ReturnType<typeof openData>>): void {
  expect([...t.episode]).toEqual([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]);
  expect([...t.observation]).toEqual(all);
  expect([...(t.action as Float64Array).subarray(8, 14)]).toEqual([...a(1).subarray(0, 6)]);
}

const each = (of: (e: number) => Content): Content[] => LENGTHS.map((_, e) => of(e));
const named = (prefix: string, groups: readonly Content[]): Content =>
  // Ten and more: natural order, not that of letters.
  Object.fromEntries(groups.map((group, e) => [`${prefix}${e + 8}`, group]));

describe('hdf5', () => {
  test.each<[string, () => Content]>([
    [
      'robomimic: data/demo_i/obs/...',
      () => ({
        data: named(
          'demo_',
          each((e) => ({ obs: { state: [o(e), [LENGTHS[e]!, 3]] }, actions: [a(e), [LENGTHS[e]!, 2]] })),
        ),
      }),
    ],
    [
      'obs as one dataset, traj/i',
      () => ({
        traj: named(
          '',
          each((e) => ({ obs: [o(e), [LENGTHS[e]!, 3]], action: [a(e), [LENGTHS[e]!, 2]] })),
        ),
      }),
    ],
    [
      'Minari: episode_i, one action fewer than observations',
      () =>
        named(
          'episode_',
          each((e) => ({
            observations: [o(e), [LENGTHS[e]!, 3]],
            actions: [a(e, LENGTHS[e]! - 1), [LENGTHS[e]! - 1, 2]],
            rewards: [varying(LENGTHS[e]! - 1, 1), [LENGTHS[e]! - 1]],
          })),
        ),
    ],
  ])('%s', async (_, content) => {
    expectEpisodes(await openData(hdf5('episodes.hdf5', content())));
  });

  test('several observations side by side, and one that is named', async () => {
    const path = hdf5('sides.h5', {
      data: named(
        'demo_',
        each((e) => ({
          obs: { joints: [o(e), [LENGTHS[e]!, 3]], gripper: [varying(LENGTHS[e]!, 1, 9), [LENGTHS[e]!]] },
          next_obs: { joints: [o(e), [LENGTHS[e]!, 3]] },
          actions: [a(e), [LENGTHS[e]!, 2]],
        })),
      ),
    });
    const t = await openData(path);
    expect(t.observationDim).toBe(4);
    expect([...t.observation.subarray(0, 4)]).toEqual([varying(5, 1, 9)[0], ...o(0).subarray(0, 3)]);
    expect(t.notes.join()).toMatch(/the observation is obs\/gripper, obs\/joints/);
    expectEpisodes(await openData(path, { observation: 'joints' }));
    expectEpisodes(await openData(path, { observation: 'obs/joints' }));
    expect((await failure(openData(path, { observation: 'wrist' }))).message).toMatch(
      /--observation 'wrist' matches no dataset of an episode/,
    );
  });

  test('pictures of bytes', async () => {
    const pixels = (e: number) => Uint8Array.from({ length: LENGTHS[e]! * 12 }, (_, i) => (37 * i + e) % 251);
    const t = await openData(
      hdf5('pixels.h5', {
        data: named(
          'demo_',
          each((e) => ({ obs: { image: [pixels(e), [LENGTHS[e]!, 2, 2, 3]] } })),
        ),
      }),
      { color: true },
    );
    expect(t.observationDim).toBe(12);
    expect(Array.from(t.observation.subarray(0, 12), (v) => Math.round(255 * v))).toEqual([
      ...pixels(0).subarray(0, 12),
    ]);
  });

  test('one bad episode is left out', async () => {
    const content = named(
      'demo_',
      each((e) => ({ obs: [o(e), [LENGTHS[e]!, 3]], actions: [a(e), [LENGTHS[e]!, 2]] })),
    );
    const bad = o(1);
    bad[4] = Number.NaN;
    (content['demo_9'] as Content)['obs'] = [bad, [4, 3]];
    const path = hdf5('bad.h5', { data: content });
    const t = await openData(path);
    expect([...new Set(t.episode)]).toEqual([0, 2]);
    expect(t.notes.join('\n')).toMatch(/episode 1 is left out: .*data\/demo_9\/obs: row 1, column 1 is NaN/);
    expect((await failure(openData(path, { strict: true }))).message).toMatch(/--strict asks for all/);
    expect((await openData(path, { exclude: [0] })).episode).not.toContain(0);
  });

  test('arrays of all rows, at the root or in a group (D4RL)', async () => {
    const rows = LENGTHS.reduce((sum, n) => sum + n, 0);
    const flat = Float64Array.from(LENGTHS.flatMap((_, e) => [...o(e)]));
    const over = new Int8Array(rows);
    for (const end of [4, 8]) over[end] = 1;
    const arrays: Content = {
      observations: [flat, [rows, 3]],
      actions: [Float64Array.from(LENGTHS.flatMap((_, e) => [...a(e)])), [rows, 2]],
      terminals: [over, [rows]],
      ids: [BigInt64Array.from({ length: rows }, (_, i) => BigInt(i)), [rows]],
    };
    for (const content of [arrays, { replay: arrays }])
      expectEpisodes(await openData(hdf5('flat.h5', content)));
  });

  test('cut, empty and no HDF5 at all', async () => {
    const whole = readFileSync(
      hdf5('whole.h5', {
        data: named(
          'demo_',
          each((e) => ({ obs: [o(e), [LENGTHS[e]!, 3]] })),
        ),
      }),
    );
    for (const share of [0, 0.2, 0.6, 0.95]) {
      writeFileSync(file('cut.h5'), whole.subarray(0, Math.floor(share * whole.length)));
      const { kind, message } = await failure(openData(file('cut.h5')));
      expect(kind).toBe('data');
      expect(message).toMatch(/cannot be read as HDF5|no array|none of the|is not/);
    }
  });
});
