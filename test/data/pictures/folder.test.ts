import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure } from '../files.js';
import { file, HEIGHT, hasFfmpeg, movie, WIDTH } from '../lerobot/make.js';

/** The frames of a movie of make.ts as pictures of their own. */
function pictures(folder: string, frames: number, first: number, extension = 'png'): void {
  mkdirSync(folder, { recursive: true });
  movie(file('source.mp4'), frames, first);
  spawnSync('ffmpeg', ['-v', 'error', '-y', '-i', file('source.mp4'), join(folder, `f%d.${extension}`)]);
}

describe.skipIf(!hasFfmpeg)('frames without a table beside them', () => {
  const resize = { width: WIDTH, height: HEIGHT };
  const rows = (t: { observation: Float64Array; observationDim: number }, row: number) =>
    t.observation.subarray(row * t.observationDim, (row + 1) * t.observationDim);
  /** Where the bar of a frame of the first row begins. */
  const bar = (frame: Float64Array) => frame.subarray(0, WIDTH).findIndex((v) => v > 0.5);

  test('a folder of videos: one an episode, in natural order', async () => {
    const folder = file('videos');
    movie(join(folder, 'v10.mp4'), 4, 20);
    movie(join(folder, 'v2.mp4'), 6, 0);
    writeFileSync(join(folder, 'notes.txt'), 'x');
    const t = await openData(folder, { resize });
    expect([...t.episode]).toEqual([0, 0, 0, 0, 0, 1, 1, 1]);
    expect([...Array(8).keys()].map((row) => bar(rows(t, row)))).toEqual([0, 2, 4, 6, 8, 40, 42, 44]);
    expect([t.actionDim, t.sharedUnit]).toEqual([0, true]);
    expect(t.notes.join('\n')).toMatch(/2 videos are read as an episode each[\s\S]*hold no actions/);
    const small = await openData(folder);
    expect(small.observationDim).toBe(32 * 16);
    const one = await openData(join(folder, 'v2.mp4'), { resize });
    expect(one.observation).toEqual(t.observation.subarray(0, 5 * t.observationDim));
  });

  test('a damaged video, and one of another shape, are left out', async () => {
    const folder = file('damaged');
    movie(join(folder, 'a.mp4'), 6);
    writeFileSync(join(folder, 'b.mp4'), 'x'.repeat(500));
    mkdirSync(folder, { recursive: true });
    spawnSync('ffmpeg', [
      '-v',
      'error',
      '-y',
      '-i',
      join(folder, 'a.mp4'),
      '-vf',
      'scale=32:32',
      join(folder, 'c.avi'),
    ]);
    const t = await openData(folder, {});
    expect(t.episodes).toEqual({ used: 1, listed: 3, absent: [] });
    expect(t.notes.join('\n')).toMatch(/episode 1 is left out: .*b\.mp4 holds no frame that can be read/);
    expect(t.notes.join('\n')).toMatch(
      /c\.avi has frames of 32 x 32 pixels, and the first episode of 64 x 32/,
    );
    expect((await failure(openData(folder, { strict: true }))).message).toMatch(/--strict asks for all/);
    expect((await failure(openData(folder, { action: 'a' }))).message).toMatch(/--action is for/);
  });

  test('pictures: a folder of them is an episode, or each folder in it', async () => {
    pictures(file('frames/run1'), 5, 0);
    pictures(file('frames/run2'), 5, 10, 'bmp');
    const t = await openData(file('frames'), { resize });
    expect([...t.episode]).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect([...Array(8).keys()].map((row) => bar(rows(t, row)))).toEqual([0, 2, 4, 6, 20, 22, 24, 26]);
    const one = await openData(file('frames/run1'), { resize });
    expect(one.observation).toEqual(t.observation.subarray(0, 4 * t.observationDim));
    writeFileSync(file('frames/run1/f3.png'), 'x');
    const rest = await openData(file('frames'), { resize });
    expect([...new Set(rest.episode)]).toEqual([1]);
    expect(rest.notes.join('\n')).toMatch(/f3\.png is a picture of another format/);
  });
});
