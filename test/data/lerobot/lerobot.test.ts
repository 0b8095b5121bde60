import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, describe, expect, test } from 'vitest';
import { fillTemplate } from '../../../lib/data/lerobot/meta.js';
import { type DataOptions, openData } from '../../../lib/data/open.js';
import { failure, hasSo101, hasUnitree, so101, unitree } from '../files.js';
import { dataset, file, HEIGHT, hasFfmpeg, movie, nested, parquet, state, WIDTH } from './make.js';

afterEach(() => {
  delete process.env['EXOLAM_FFMPEG'];
});

const top: DataOptions = { observation: 'observation.images.top', resize: { width: 16, height: 8 } };
const firstVideo = (folder: string) =>
  join(folder, 'videos/chunk-000/observation.images.top/episode_000000.mp4');

describe.each(['v2.0', 'v2.1', 'v3.0'])('LeRobot %s', (version) => {
  test('a vector feature and the action, by episode', async () => {
    const t = await openData(dataset(`vector-${version}`, { version }), { stride: 2 });
    expect([t.count, t.observationDim, t.actionDim]).toEqual([4 + 5 + 6, 3, 2]);
    expect([...t.episode]).toEqual([...Array(4).fill(0), ...Array(5).fill(1), ...Array(6).fill(2)]);
    expect(t.observation[4 * 3 + 1]).toBe(state(1, 0, 1));
    expect(t.observationNext[4 * 3 + 1]).toBe(state(1, 2, 1));
    expect([...t.action!.subarray(0, 4)]).toEqual([0.5, 1.5, 1.5, 2.5]);
  });

  test.skipIf(!hasFfmpeg)('frames of a video (skipped without ffmpeg)', async () => {
    const folder = dataset(`video-${version}`, { version, video: true });
    let last: readonly number[] = [];
    const t = await openData(folder, top, {
      onProgress: (done, total) => {
        last = [done, total];
      },
    });
    expect(last).toEqual([21, 21]);
    expect([t.count, t.observationDim]).toEqual([18, 128]);
    // The bar is 2 of 16 columns wide and stands where its episode and its frame put it.
    const bright = (row: number) => {
      const line = Array.from(t.observation.subarray(row * 128, row * 128 + 16));
      return line.reduce((sum, v, x) => sum + v * x, 0) / line.reduce((sum, v) => sum + v, 0);
    };
    const start = version === 'v3.0' ? [0, 6, 13] : [0, 5, 10];
    [0, 5, 11].forEach((row, e) => {
      for (let t = 0; t < 4; t++)
        // Centre of the bar in pixels of 4: a quarter of one is far below the half that a frame's motion makes.
        expect(Math.abs(bright(row + t) - ((2 * (start[e]! + t) + 3.5) / 4 - 0.375))).toBeLessThan(0.25);
    });
    expect(Math.max(...t.observation)).toBeGreaterThan(0.9);
    expect(Math.max(...t.observation)).toBeLessThanOrEqual(1);
  });
});

describe('what is missing', () => {
  test('absent episodes are counted and reported', async () => {
    const folder = dataset('absent');
    rmSync(join(folder, 'data/chunk-000/episode_000001.parquet'));
    const t = await openData(folder);
    expect(t.episodes).toEqual({ used: 2, listed: 3, absent: [1] });
    expect(t.notes.join('\n')).toMatch(
      /1 of 3 episodes that the metadata lists are absent from the folder: 1/,
    );
  });

  test('all of them absent is an error that says what was looked for', async () => {
    const { kind, message } = await failure(openData(dataset('none'), top));
    expect(kind).toBe('data');
    expect(message).toMatch(/files of none of its 3 episodes .*observation.images.top\/episode_000000.mp4/);
  });

  test('an empty folder, no folder, another kind of file', async () => {
    mkdirSync(file('empty'));
    expect((await failure(openData(file('empty')))).message).toMatch(
      /no meta\/info.json; expected a LeRobot dataset folder/,
    );
    expect((await failure(openData(file('nowhere')))).message).toMatch(/does not exist; expected/);
    writeFileSync(file('x.txt'), '');
    expect((await failure(openData(file('x.txt')))).message).toMatch(/not a kind of file that can be read/);
  });

  test('names that are not there: the nearest first', async () => {
    const folder = dataset('names');
    expect(await failure(openData(folder, { observation: 'observation.stat' }))).toEqual({
      kind: 'input',
      message: expect.stringMatching(/"observation.stat" is not in .*; available: observation.state,/),
    });
    expect((await failure(openData(folder, { action: 'acton' }))).message).toMatch(
      /--action "acton".*available: action,/,
    );
    expect((await failure(openData(folder, { observation: 'task' }))).message).toMatch(/holds string values/);
    expect((await failure(openData(folder, { color: true }))).message).toMatch(
      /--resize and --color are for images/,
    );
  });

  test('ffmpeg', async () => {
    const folder = dataset('no-ffmpeg');
    mkdirSync(join(firstVideo(folder), '..'), { recursive: true });
    writeFileSync(firstVideo(folder), '');
    process.env['EXOLAM_FFMPEG'] = file('no-such-ffmpeg');
    const { kind, message } = await failure(openData(folder, top));
    expect(kind).toBe('unsupported');
    expect(message).toMatch(/was not found: install it with "apt install ffmpeg".*brew.*winget/);
  });
});

describe('what is broken', () => {
  test.skipIf(!hasFfmpeg).each([0.1, 0.5, 0.9])(
    'an MP4 cut at %d of it (skipped without ffmpeg)',
    async (share) => {
      const folder = dataset('cut', { video: true });
      truncateSync(firstVideo(folder), Math.floor(readFileSync(firstVideo(folder)).length * share));
      const t = await openData(folder, top);
      expect([...new Set(t.episode)]).toEqual([1, 2]);
      expect(t.notes.join('\n')).toMatch(
        /episode 0 is left out: .*episode_000000\.mp4 is truncated or damaged: \d+ of 6 frames could be decoded/,
      );
      const { kind, message } = await failure(openData(folder, { ...top, strict: true }));
      expect(kind).toBe('data');
      expect(message).toMatch(/episode 0 cannot be read, and --strict asks for all: .*truncated or damaged/);
      expect((await openData(folder, { ...top, strict: true, exclude: [0] })).count).toBe(t.count);
      expect((await openData(folder, { ...top, strict: true, episodes: [1, 2] })).count).toBe(t.count);
    },
  );

  test.skipIf(!hasFfmpeg)(
    'a video of fewer frames than rows, and of more (skipped without ffmpeg)',
    async () => {
      const folder = dataset('frames', { video: true });
      movie(firstVideo(folder), 4);
      expect((await openData(folder, top)).notes.join('\n')).toMatch(
        /episode 0 is left out: .*4 of 6 frames could be decoded/,
      );
      movie(firstVideo(folder), 9);
      expect((await openData(folder, top)).notes.join('\n')).toMatch(
        /has 9 frames; the 6 that episode 0 has rows for/,
      );
    },
  );

  test.skipIf(!hasFfmpeg)('an abort stops the decoding (skipped without ffmpeg)', async () => {
    const folder = dataset('abort', { lengths: [300, 300, 300], video: true });
    const stop = new AbortController();
    const reading = openData(folder, top, { signal: stop.signal, onProgress: () => stop.abort() });
    expect((await failure(reading)).kind).toBe('cancelled');
  });

  test('a cut Parquet file', async () => {
    const folder = dataset('parquet');
    truncateSync(join(folder, 'data/chunk-000/episode_000001.parquet'), 200);
    const t = await openData(folder);
    expect([...new Set(t.episode)]).toEqual([0, 2]);
    expect(t.notes.join('\n')).toMatch(
      /episode 1 is left out: .*episode_000001.parquet cannot be read as Parquet \(truncated or damaged\?\)/,
    );
    expect((await failure(openData(folder, { strict: true }))).message).toMatch(/--strict asks for all/);
  });

  test('a frame left out, a NaN, a width that is not the shape', async () => {
    const folder = dataset('rows');
    const path = join(folder, 'data/chunk-000/episode_000001.parquet');
    const rows = (frames: bigint[], value: number, width = 3) => ({
      'observation.state': nested(width, 4, (row, j) => (row === 2 && j === 1 ? value : row + j)),
      action: nested(2, 4, (row) => row),
      episode_index: [1n, 1n, 1n, 1n],
      frame_index: frames,
    });
    const noted = async () => {
      const t = await openData(folder);
      return { rows: t.episode.filter((e) => e === 1).length, notes: t.notes.join('\n') };
    };
    parquet(path, rows([0n, 1n, 3n, 4n], 5));
    const gap = await noted();
    expect(gap.rows).toBe(2);
    expect(gap.notes).toMatch(/frame_index goes from 1 to 3 in episode 1: no transition is made across/);
    // Over two frames: 0 to 3 and 1 to 4 lead across the gap, and nothing else is there.
    expect((await openData(folder, { stride: 2 })).episode).not.toContain(1);
    parquet(path, rows([0n, 1n, 1n, 2n], 5));
    expect(await noted()).toEqual({
      rows: 0,
      notes: expect.stringMatching(/episode 1 is left out: .*frame_index goes from 1 to 1/),
    });
    parquet(path, rows([0n, 1n, 2n, 3n], Number.NaN));
    expect(await noted()).toEqual({
      rows: 0,
      notes: expect.stringMatching(/episode 1 is left out: .*observation.state: row 2, column 1 is NaN/),
    });
    parquet(path, rows([0n, 1n, 2n, 3n], 5, 4));
    expect((await failure(openData(folder))).message).toMatch(
      /has 4 numbers per row, and 3 in other episodes/,
    );
  });

  test('metadata', async () => {
    const version = (codebase_version: unknown) => dataset('meta', { info: { codebase_version } });
    expect((await failure(openData(version('v1.6')))).message).toMatch(
      /codebase_version is "v1.6"; supported: v2.0, v2.1, v3.0/,
    );
    expect((await failure(openData(dataset('meta', { info: { fps: 'x' } })))).message).toMatch(
      /info.json: fps is not/,
    );
    const folder = dataset('meta');
    writeFileSync(join(folder, 'meta/episodes.jsonl'), '{"episode_index": 0, "length": 6}\n{"episode_in');
    expect((await failure(openData(folder))).message).toMatch(/episodes.jsonl: line 2 is not/);
    writeFileSync(join(folder, 'meta/info.json'), '{"codebase');
    expect((await failure(openData(folder))).message).toMatch(/info.json is not readable JSON/);
  });

  test.each(['../{episode_index}.parquet', '/etc/{episode_index}', 'a/../../b', 'C:\\x', '..\\x'])(
    'a path that leads out of the folder: %s',
    async (data_path) => {
      const { kind, message } = await failure(openData(dataset('escape', { info: { data_path } })));
      expect(kind).toBe('data');
      expect(message).toMatch(/data_path leads out of the dataset's folder/);
    },
  );

  test('templates', () => {
    expect(fillTemplate('p', 'a/{c:03d}/{k}/e_{i:06d}', { c: 7, k: 'x.y', i: 12 })).toBe(
      join('a/007/x.y/e_000012'),
    );
    expect(() => fillTemplate('p', '{constructor}', { c: 7 })).toThrow(/p has {constructor}; known: c/);
    expect(() => fillTemplate('p', 'v/{k}', { k: '../../x' })).toThrow(/leads out/);
  });
});

test.skipIf(!hasFfmpeg)('images inside the Parquet files (skipped without ffmpeg)', async () => {
  const folder = dataset('images', {
    lengths: [6],
    info: {
      features: {
        pixels: { dtype: 'image', shape: [HEIGHT, WIDTH, 3] },
        action: { dtype: 'float32', shape: [2] },
      },
    },
  });
  movie(file('images.avi'), 6);
  const pngs = Array.from({ length: 6 }, (_, t) => {
    const one = [
      '-v',
      'error',
      '-i',
      file('images.avi'),
      '-vf',
      `select=eq(n\\,${t})`,
      '-frames:v',
      '1',
      '-f',
      'image2pipe',
    ];
    return new Uint8Array(spawnSync('ffmpeg', [...one, '-c:v', 'png', '-']).stdout);
  });
  const columnData = [
    { name: 'pixels', data: pngs.map((bytes) => ({ bytes, path: 'x.png' })) },
    { name: 'action', data: [1, 2, 3, 4, 5, 7] },
    { name: 'episode_index', data: Array(6).fill(0) },
  ];
  const schema = [
    { name: 'schema', num_children: 3 },
    { name: 'pixels', repetition_type: 'OPTIONAL' as const, num_children: 2 },
    { name: 'bytes', repetition_type: 'OPTIONAL' as const, type: 'BYTE_ARRAY' as const },
    {
      name: 'path',
      repetition_type: 'OPTIONAL' as const,
      type: 'BYTE_ARRAY' as const,
      converted_type: 'UTF8' as const,
    },
    { name: 'action', repetition_type: 'OPTIONAL' as const, type: 'DOUBLE' as const },
    { name: 'episode_index', repetition_type: 'OPTIONAL' as const, type: 'INT32' as const },
  ];
  const path = join(folder, 'data/chunk-000/episode_000000.parquet');
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, schema })));
  const t = await openData(folder, { observation: 'pixels', resize: { width: 16, height: 8 } });
  expect([t.count, t.observationDim, t.actionDim]).toEqual([5, 128, 1]);
  expect(t.observation[0]).toBeGreaterThan(0.9); // the bar begins at the left edge
  expect(t.observation[15]).toBeLessThan(0.1);
});

describe.skipIf(!hasSo101)('SO-101, v3.0 (skipped without ../shared)', () => {
  test('state works, and a video whose files are absent says so', async () => {
    const t = await openData(so101, { observation: 'observation.state' });
    expect([t.count, t.observationDim, t.actionDim, t.episodes.used]).toEqual([1492 - 4, 6, 6, 4]);
    const { kind, message } = await failure(openData(so101, { observation: 'observation.images.front' }));
    expect(kind).toBe('data');
    expect(message).toMatch(/missing: videos\/observation.images.front\/chunk-000\/file-000.mp4/);
  });
});

describe.skipIf(!hasUnitree)('Unitree G1, v2.1 (skipped without ../shared)', () => {
  test('6 of 100 episodes', async () => {
    const t = await openData(unitree, { observation: 'observation.state', stride: 5 });
    expect([t.count, t.observationDim, t.actionDim]).toEqual([2015 - 30, 26, 26]);
    expect([...new Set(t.episode)]).toEqual([10, 13, 20, 21, 43, 60]);
    expect([t.episodes.used, t.episodes.listed, t.episodes.absent.length]).toEqual([6, 100, 94]);
  });

  test.skipIf(!hasFfmpeg)('a real AV1 video cut in two (skipped without ffmpeg)', async () => {
    const folder = file('g1');
    const video = 'videos/chunk-000/observation.images.cam_high/episode_000010.mp4';
    for (const part of ['meta', 'data/chunk-000/episode_000010.parquet'])
      cpSync(join(unitree, part), join(folder, part), { recursive: true });
    mkdirSync(join(folder, video, '..'), { recursive: true });
    const whole = readFileSync(join(unitree, video));
    writeFileSync(join(folder, video), whole.subarray(0, whole.length >> 1));
    const options = { observation: 'observation.images.cam_high', resize: { width: 20, height: 15 } };
    const { kind, message } = await failure(openData(folder, options));
    expect(kind).toBe('data');
    expect(message).toMatch(/episode_000010.mp4 is truncated or damaged: \d+ of 290 frames/);
  });
});
