import { appendFileSync, copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure } from '../files.js';
import { dataset, hasFfmpeg, movie, nested, parquet, state } from './make.js';

const LENGTHS = [6, 7, 8];
const rowsOf = (e: number, length = LENGTHS[e] as number) => ({
  'observation.state': nested(3, length, (row, j) => state(e, row, j)),
  action: nested(2, length, (row, j) => row + j),
  episode_index: Array.from({ length }, () => BigInt(e)),
  frame_index: Array.from({ length }, (_, t) => BigInt(t)),
});
const plain = async () => await openData(dataset('plain'));

describe('an episode counts once', () => {
  test('a line written twice', async () => {
    const folder = dataset('twice');
    appendFileSync(join(folder, 'meta/episodes.jsonl'), '{"episode_index": 1, "length": 7}\n');
    const t = await openData(folder);
    expect(t.observation).toEqual((await plain()).observation);
    expect(t.episodes.listed).toBe(3);
    expect(t.notes.join()).toMatch(/lists episode 1 more than once/);
  });

  test('a stale file of metadata beside its successor', async () => {
    const folder = dataset('stale', { version: 'v3.0' });
    const first = join(folder, 'meta/episodes/chunk-000/file-000.parquet');
    copyFileSync(first, first.replace('file-000', 'file-001'));
    const t = await openData(folder);
    expect(t.observation).toEqual((await plain()).observation);
    expect(t.notes.join()).toMatch(/lists episodes 0-2 more than once/);
  });
});

describe('rows are where they are', () => {
  test('v3.0: in another file than the metadata names', async () => {
    const folder = dataset('moved', { version: 'v3.0' });
    const named = join(folder, 'data/chunk-000/file-000.parquet');
    parquet(named, rowsOf(1));
    parquet(named.replace('file-000', 'file-001'), rowsOf(0));
    parquet(named.replace('file-000', 'file-002'), rowsOf(2));
    // What a system leaves beside a file is none of the data set.
    writeFileSync(named.replace('file-000', '._file-003'), 'x');
    const t = await openData(folder);
    expect([...t.episode]).toEqual([...(await plain()).episode]);
    expect(t.observation).toEqual((await plain()).observation);
    expect(t.notes.join()).toMatch(/2 episodes are in other files than the metadata says/);
    // The named file itself gone: found all the same; an episode in no file is absent.
    renameSync(named, named.replace('file-000', '.hidden'));
    const rest = await openData(folder);
    expect([...new Set(rest.episode)]).toEqual([0, 2]);
    expect(rest.episodes.absent).toEqual([1]);
  });

  test('metadata as Python writes it', async () => {
    const folder = dataset('python');
    const path = join(folder, 'meta/info.json');
    const text = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      text.replace('{', '{"scale": NaN, "why": "NaN, \\"Infinity\\"", "least": -Infinity, '),
    );
    expect((await openData(folder)).count).toBe(18);
  });
});

describe('one bad episode does not refuse the data set', () => {
  const expectLeftOut = async (folder: string, reason: RegExp, options = {}) => {
    const t = await openData(folder, options);
    expect([...new Set(t.episode)]).toEqual([0, 2]);
    expect(t.notes.join('\n')).toMatch(reason);
    const { kind, message } = await failure(openData(folder, { ...options, strict: true }));
    expect(kind).toBe('data');
    expect(message).toMatch(/episode 1 cannot be read, and --strict asks for all/);
    const without = await openData(folder, { ...options, strict: true, exclude: [1] });
    expect(without.observation).toEqual(t.observation);
  };

  test('no rows', async () => {
    const folder = dataset('no-rows');
    parquet(join(folder, 'data/chunk-000/episode_000001.parquet'), { ...rowsOf(2) });
    await expectLeftOut(folder, /episode 1 is left out: .* has no rows of it/);
  });

  test('a pointer of Git LFS, of rows and of frames', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n';
    const folder = dataset('lfs');
    writeFileSync(join(folder, 'data/chunk-000/episode_000001.parquet'), pointer);
    await expectLeftOut(folder, /episode 1 is left out: .* is a Git LFS pointer.*git lfs pull/);
    if (!hasFfmpeg) return;
    const video = dataset('lfs-video', { video: true });
    writeFileSync(join(video, 'videos/chunk-000/observation.images.top/episode_000001.mp4'), pointer);
    await expectLeftOut(video, /episode_000001.mp4 is a Git LFS pointer/, {
      observation: 'observation.images.top',
    });
  });

  test.skipIf(!hasFfmpeg)('no camera, v3.0 (skipped without ffmpeg)', async () => {
    const folder = dataset('no-camera', { version: 'v3.0', video: true });
    const key = 'videos/observation.images.top';
    parquet(join(folder, 'meta/episodes/chunk-000/file-000.parquet'), {
      episode_index: [0n, 1n, 2n],
      length: [6n, 7n, 8n],
      'data/chunk_index': [0n, 0n, 0n],
      'data/file_index': [0n, 0n, 0n],
      [`${key}/chunk_index`]: [0n, null, 0n],
      [`${key}/file_index`]: [0n, null, 0n],
      [`${key}/from_timestamp`]: [0, null, 0.6],
    });
    movie(join(folder, 'videos/observation.images.top/chunk-000/file-000.mp4'), 14);
    await expectLeftOut(
      folder,
      /episode 1 is left out: the metadata has no video of observation.images.top/,
      {
        observation: 'observation.images.top',
      },
    );
  });

  test('no action after the last frame', async () => {
    const folder = dataset('last-action');
    const path = join(folder, 'data/chunk-000/episode_000001.parquet');
    const write = (row: number) => {
      const rows = rowsOf(1);
      (rows.action[row] as number[])[1] = Number.NaN;
      parquet(path, rows);
    };
    write(6);
    expect((await openData(folder)).action).toEqual((await plain()).action);
    write(5);
    await expectLeftOut(folder, /episode 1 is left out: .*action: row 5, column 1 is NaN/);
  });

  test('all of them: the first reason is the error', async () => {
    const folder = dataset('all-bad', { lengths: [6] });
    writeFileSync(join(folder, 'data/chunk-000/episode_000000.parquet'), 'PAR1 and nothing else PAR1');
    expect((await failure(openData(folder))).message).toMatch(/episode 0: .*cannot be read as Parquet/);
  });
});

describe('features of other names', () => {
  const rename = (folder: string, names: Record<string, string>) => {
    const of = (name: string) => names[name] ?? name;
    LENGTHS.forEach((_, e) => {
      const rows = Object.entries(rowsOf(e)).map(([name, values]) => [of(name), values] as const);
      parquet(join(folder, `data/chunk-000/episode_00000${e}.parquet`), Object.fromEntries(rows));
    });
    return folder;
  };
  const features = (action: string, more = {}) => ({
    info: {
      features: {
        state: { dtype: 'float32', shape: [3] },
        [action]: { dtype: 'float32', shape: [2] },
        ...more,
      },
    },
  });

  test.each(['actions', 'act', 'action.joints'])('%s', async (action) => {
    const folder = rename(dataset('keys', features(action)), { 'observation.state': 'state', action });
    const t = await openData(folder);
    const same = await plain();
    expect([t.observation, t.action]).toEqual([same.observation, same.action]);
    expect(t.notes.join()).toMatch(/the observation is state/);
    expect(t.notes.join()).toContain(`the action is ${action}; --action picks another`);
  });

  test('several that could be the action: none is taken, and that is said', async () => {
    const more = { 'action.right': { dtype: 'float32', shape: [2] } };
    const folder = rename(dataset('keys2', features('action.left', more)), {
      'observation.state': 'state',
      action: 'action.left',
    });
    const t = await openData(folder);
    expect(t.actionDim).toBe(0);
    expect(t.notes.join()).toMatch(/--action picks one of action.left, action.right/);
  });

  test('the exogenous state of each frame', async () => {
    const t = await openData(dataset('exogenous'), { exogenous: 'action' });
    // action is (row + j): that of the later frame is one more.
    expect([...(t.exogenousNext as Float64Array).subarray(0, 4)]).toEqual([1, 2, 2, 3]);
    expect((await failure(openData(dataset('exogenous'), { exogenous: 'x' }))).message).toMatch(
      /--exogenous "x" is not in/,
    );
    expect((await failure(openData(dataset('exogenous'), { episode: 'x' }))).message).toMatch(
      /--episode is for tables and arrays/,
    );
  });
});
