import { spawnSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  decodeAll,
  type FrameSize,
  type PictureFormat,
  type Source,
} from '../../../lib/data/lerobot/video.js';
import { openData } from '../../../lib/data/open.js';
import { averaged } from '../../../lib/data/video/area.js';
import { type Picture, pixelsOf } from '../../../lib/data/video/pixels.js';
import { hasDecoderPackages } from '../../../lib/data/video/without-ffmpeg.js';
import { hasFfmpeg } from '../lerobot/make.js';

const SMALL: FrameSize = { width: 16, height: 12, channels: 3, bytes: 1 };
const ONE: FrameSize = { width: 1, height: 1, channels: 3, bytes: 1 };
const folder = mkdtempSync(join(tmpdir(), 'exolam-video-'));

/** Frames of a source by ffmpeg, and by what stands in for it where there is none. */
async function bothWays(source: Source, size: FrameSize) {
  const { signal } = new AbortController();
  const byFfmpeg = await decodeAll(source, size, { signal }, 'frames');
  const path = process.env['PATH'];
  process.env['PATH'] = folder;
  try {
    const without = await decodeAll(source, size, { signal }, 'frames');
    expect(getEventListeners(signal, 'abort')).toEqual([]); // ten videos would make Node warn of a leak
    return { byFfmpeg, without };
  } finally {
    process.env['PATH'] = path;
  }
}

function ffmpeg(args: readonly string[], output: string): string {
  const path = join(folder, output);
  const made = spawnSync('ffmpeg', ['-y', '-v', 'error', ...args, path], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  return path;
}

/** In levels of 255. */
function largest(a: Uint8Array, b: Uint8Array, bytes: 1 | 2 = 1): number {
  const values = (of: Uint8Array) =>
    bytes === 1 ? [...of] : [...new Uint16Array(of.slice().buffer)].map((v) => v / 257);
  const others = values(b);
  return values(a).reduce((most, v, i) => Math.max(most, Math.abs(v - (others[i] as number))), 0);
}

describe('means of areas', () => {
  it('are those of whole and of cut samples', () => {
    const data = Uint8Array.from({ length: 15 }, (_, i) => (7 * i * i) % 251);
    const plane = { data, offset: 0, stride: 5, step: 1, bytes: 1, width: 5, height: 3 } as const;
    expect(averaged(plane, 1, 1)[0]).toBeCloseTo(data.reduce((s, v) => s + v) / 15, 12);
    // Half of the middle column belongs to each.
    const row = (y: number) => Array.from(data.subarray(5 * y, 5 * y + 5));
    const [left] = averaged(plane, 2, 3);
    const [a, b, c] = row(0);
    expect(left).toBeCloseTo((a + b + c / 2) / 2.5, 12);
    expect([...averaged(plane, 5, 3)]).toEqual([...data]);
  });

  it('of grey luma fill all levels, and of RGB weigh the colours', () => {
    const flat = (format: string, data: number[], layout: Picture['layout']): Picture => ({
      ...{ format, width: 1, height: 1, fullRange: false, bt709: false },
      ...{ data: Uint8Array.from(data), layout },
    });
    const yuv = [0, 1, 2].map((offset) => ({ offset, stride: 1 }));
    expect([...pixelsOf(flat('I420', [16, 128, 128], yuv), { ...ONE, channels: 1 })]).toEqual([0]);
    expect([...pixelsOf(flat('I420', [235, 128, 128], yuv), ONE)]).toEqual([255, 255, 255]);
    // Red of BT.601: Y 81, U 90, V 240.
    expect([...pixelsOf(flat('I420', [81, 90, 240], yuv), ONE)]).toEqual([254, 0, 0]);
    const rgba = [{ offset: 0, stride: 4 }];
    expect([...pixelsOf(flat('RGBA', [255, 0, 0, 255], rgba), { ...ONE, channels: 1 })]).toEqual([76]);
    expect([...pixelsOf(flat('BGRA', [255, 0, 0, 255], rgba), ONE)]).toEqual([0, 0, 255]);
  });
});

it.runIf(process.env['CI'])('the packages that stand in for ffmpeg are there, as CI needs them', () => {
  expect(hasDecoderPackages()).toBe(true);
});

describe.skipIf(!hasFfmpeg || !hasDecoderPackages())('frames without ffmpeg', () => {
  const scene = ['-f', 'lavfi', '-i', 'testsrc=size=160x120:rate=12:duration=2'];

  it.each([
    [
      'H.264 with frames that refer to later ones',
      ['-c:v', 'libx264', '-bf', '2', '-pix_fmt', 'yuv420p'],
      'h264.mp4',
    ],
    ['VP9', ['-c:v', 'libvpx-vp9', '-pix_fmt', 'yuv420p'], 'vp9.webm'],
    ['whole chroma', ['-c:v', 'libx264', '-pix_fmt', 'yuv444p'], 'h264-444.mp4'],
  ])('of %s are those of ffmpeg, to a level', async (_, args, name) => {
    const path = ffmpeg([...scene, ...args], name);
    for (const size of [SMALL, { ...SMALL, channels: 1 }]) {
      const { byFfmpeg, without } = await bothWays({ path }, size);
      expect(without.complaint).toBe('');
      expect(byFfmpeg.notes).toEqual([]);
      expect([without.frames, byFfmpeg.frames]).toEqual([24, 24]);
      expect(largest(without.bytes, byFfmpeg.bytes)).toBeLessThanOrEqual(2);
    }
  });

  it('of pictures are those of ffmpeg, to two levels', async () => {
    const formats: [format: PictureFormat, codec: string[], bytes: 1 | 2][] = [
      ['png', ['png'], 1],
      ['png', ['png', '-pix_fmt', 'gray'], 1],
      ['png', ['png', '-pix_fmt', 'pal8'], 1],
      ['png', ['png', '-pix_fmt', 'rgba'], 1],
      ['png', ['png', '-pix_fmt', 'gray16be'], 2],
      ['mjpeg', ['mjpeg', '-q:v', '2', '-pix_fmt', 'yuvj420p'], 1],
    ];
    for (const [format, codec, bytes] of formats) {
      const { stdout } = spawnSync('ffmpeg', [
        '-v',
        'error',
        ...scene,
        '-frames:v',
        '1',
        '-c:v',
        ...codec,
        '-f',
        'image2pipe',
        '-',
      ]);
      const { byFfmpeg, without } = await bothWays(
        { format, list: [new Uint8Array(stdout)] },
        { ...SMALL, bytes },
      );
      expect(without.complaint).toBe('');
      expect(without.frames).toBe(1);
      expect(largest(without.bytes, byFfmpeg.bytes, bytes)).toBeLessThanOrEqual(2);
    }
  });

  it('of data are told of in its notes, once', async () => {
    const videos = mkdtempSync(join(tmpdir(), 'exolam-videos-'));
    for (const name of ['a', 'b'])
      copyFileSync(ffmpeg([...scene, '-c:v', 'libx264'], `${name}.mp4`), join(videos, `${name}.mp4`));
    const noted = async () =>
      (await openData(videos, { resize: { width: 8, height: 6 } })).notes.filter((note) =>
        note.includes('no ffmpeg'),
      );
    const path = process.env['PATH'];
    try {
      expect(await noted()).toEqual([]);
      process.env['PATH'] = folder;
      expect(await noted()).toHaveLength(1);
    } finally {
      process.env['PATH'] = path;
      rmSync(videos, { recursive: true, force: true });
    }
  });

  it('of a file that is no video are none, with the reason', async () => {
    const { without } = await bothWays({ path: new URL(import.meta.url).pathname }, SMALL);
    expect(without.frames).toBe(0);
    expect(without.complaint).toContain('@napi-rs/webcodecs');
  });
});
