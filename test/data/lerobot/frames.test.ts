import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure } from '../files.js';
import { dataset, file, hasFfmpeg, movie } from './make.js';

const WIDE = 4;
const HIGH = 3;

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, crc]);
}

/** A grey PNG of 8 or 16 bits, written without the code under test. */
function png(levels: readonly number[], bits: 8 | 16): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDE, 0);
  header.writeUInt32BE(HIGH, 4);
  header[8] = bits;
  const rows = Array.from({ length: HIGH }, (_, y) => {
    const row = Buffer.alloc(1 + (WIDE * bits) / 8);
    for (let x = 0; x < WIDE; x++) {
      const v = levels[y * WIDE + x] as number;
      if (bits === 16) row.writeUInt16BE(v, 1 + 2 * x);
      else row[1 + x] = v;
    }
    return row;
  });
  return new Uint8Array(
    Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      chunk('IHDR', header),
      chunk('IDAT', deflateSync(Buffer.concat(rows))),
      chunk('IEND', Buffer.alloc(0)),
    ]),
  );
}

const level = (e: number, t: number, i: number, most: number) =>
  Math.floor((most * (1 + Math.sin(1.7 * e + 0.9 * t + i))) / 2.1);

/** A data set of pictures: v2.1, one file an episode, or v3.0, all in one. */
function pictures(
  name: string,
  picture: (e: number, t: number) => Uint8Array,
  { fps = 10, version = 'v2.1', lengths = [5, 4, 6] } = {},
): string {
  const folder = dataset(name, {
    version,
    lengths,
    info: {
      fps,
      features: {
        pixels: { dtype: 'image', shape: [HIGH, WIDE, 1] },
        action: { dtype: 'float32', shape: [1] },
      },
    },
  });
  const schema = [
    { name: 'schema', num_children: 4 },
    { name: 'pixels', repetition_type: 'OPTIONAL' as const, num_children: 2 },
    { name: 'bytes', repetition_type: 'OPTIONAL' as const, type: 'BYTE_ARRAY' as const },
    { name: 'path', repetition_type: 'OPTIONAL' as const, type: 'BYTE_ARRAY' as const },
    { name: 'action', repetition_type: 'OPTIONAL' as const, type: 'DOUBLE' as const },
    { name: 'episode_index', repetition_type: 'OPTIONAL' as const, type: 'INT32' as const },
    { name: 'frame_index', repetition_type: 'OPTIONAL' as const, type: 'INT32' as const },
  ];
  const write = (path: string, episodes: readonly number[]) => {
    const rows = episodes.flatMap((e) =>
      Array.from({ length: lengths[e] as number }, (_, t) => [e, t] as const),
    );
    const columnData = [
      { name: 'pixels', data: rows.map(([e, t]) => ({ bytes: picture(e, t), path: null })) },
      { name: 'action', data: rows.map(([, t]) => t + 0.5) },
      { name: 'episode_index', data: rows.map(([e]) => e) },
      { name: 'frame_index', data: rows.map(([, t]) => t) },
    ];
    writeFileSync(join(folder, path), Buffer.from(parquetWriteBuffer({ columnData, schema })));
  };
  if (version === 'v3.0')
    write(
      'data/chunk-000/file-000.parquet',
      lengths.map((_, e) => e),
    );
  else for (const e of lengths.keys()) write(`data/chunk-000/episode_00000${e}.parquet`, [e]);
  return folder;
}

const size = { width: WIDE, height: HIGH };
const options = { observation: 'pixels', resize: size };
const levelsOf = (e: number, t: number, most: number) =>
  Array.from({ length: WIDE * HIGH }, (_, i) => level(e, t, i, most));
/** Every row's o and o', as levels. */
const expected = (most: number, lengths = [5, 4, 6]) =>
  lengths.flatMap((length, e) =>
    Array.from({ length: length - 1 }, (_, t) => [levelsOf(e, t, most), levelsOf(e, t + 1, most)]),
  );

describe.skipIf(!hasFfmpeg)('pictures (skipped without ffmpeg)', () => {
  test.each([
    [10, 'v2.1'],
    [29.97, 'v2.1'],
    [50, 'v2.1'],
    [50, 'v3.0'],
    [240, 'v3.0'],
  ])('frame t is row t at %d fps, %s', async (fps, version) => {
    const folder = pictures('fps', (e, t) => png(levelsOf(e, t, 255), 8), { fps, version });
    const t = await openData(folder, options);
    const dim = WIDE * HIGH;
    const rows = expected(255).map((_, row) =>
      [t.observation, t.observationNext].map((values) =>
        Array.from(values.subarray(row * dim, (row + 1) * dim), (v) => Math.round(v * 255)),
      ),
    );
    expect(rows).toEqual(expected(255));
  });

  test('16 bits are read as 16 bits', async () => {
    const t = await openData(
      pictures('deep', (e, i) => png(levelsOf(e, i, 1000), 16)),
      options,
    );
    const [[first]] = expected(1000) as [[number[]]];
    expect(Array.from(t.observation.subarray(0, WIDE * HIGH), (v) => Math.round(v * 65535))).toEqual(first);
  });

  test.each(['mjpeg', 'bmp', 'tiff', 'libwebp'])('small pictures of other formats: %s', async (codec) => {
    const encode = (e: number, t: number) => {
      writeFileSync(file('one.png'), png(levelsOf(e, t, 255), 8));
      const more = codec === 'mjpeg' ? ['-q:v', '1', '-pix_fmt', 'yuvj444p'] : [];
      const args = ['-v', 'error', '-i', file('one.png'), ...more, '-c:v', codec, '-f', 'image2pipe', '-'];
      const made = spawnSync('ffmpeg', args);
      return new Uint8Array(made.stdout);
    };
    const one = encode(0, 0);
    if (one.length === 0) return; // ffmpeg was built without this encoder
    const t = await openData(pictures(codec, encode, { lengths: [4, 3] }), options);
    const right = expected(255, [4, 3]).flatMap(([o]) => o as number[]);
    const off = Math.max(...Array.from(t.observation, (v, i) => Math.abs(v * 255 - (right[i] as number))));
    expect(off).toBeLessThan(codec === 'bmp' || codec === 'tiff' ? 1.01 : 40);
  });

  test('a damaged picture leaves out its episode, and no other one moves', async () => {
    for (const version of ['v2.1', 'v3.0']) {
      const folder = pictures(
        'hurt',
        (e, t) =>
          e === 1 && t === 2 ? png(levelsOf(e, t, 255), 8).subarray(0, 40) : png(levelsOf(e, t, 255), 8),
        { version },
      );
      const t = await openData(folder, options);
      expect([...new Set(t.episode)]).toEqual([0, 2]);
      expect(t.notes.join('\n')).toMatch(/episode 1 is left out: .*truncated or damaged/);
      const row = t.episode.indexOf(2) * WIDE * HIGH;
      expect(Array.from(t.observation.subarray(row, row + WIDE * HIGH), (v) => Math.round(v * 255))).toEqual(
        levelsOf(2, 0, 255),
      );
    }
  });

  test('no picture in a row, and one of another format', async () => {
    const bytes = (e: number, t: number) =>
      e === 1 && t === 1
        ? new Uint8Array(0)
        : e === 2 && t === 3
          ? new Uint8Array([1, 2, 3])
          : png(levelsOf(e, t, 255), 8);
    const t = await openData(pictures('odd', bytes), options);
    expect([...new Set(t.episode)]).toEqual([0]);
    expect(t.notes.join('\n')).toMatch(/episode 1 is left out: .* has no encoded image in row 1/);
    expect(t.notes.join('\n')).toMatch(/episode 2 is left out: .* has a picture of another format in row 3/);
  });

  test('v3.0 costs no more than v2.1: each file is read once', async () => {
    const lengths = Array.from({ length: 60 }, () => 10);
    const time = async (version: string) => {
      const folder = pictures('many', (e, t) => png(levelsOf(e, t, 255), 8), {
        version,
        lengths: version === 'v3.0' ? lengths : lengths.slice(0, 10),
      });
      const start = performance.now();
      const { count } = await openData(folder, options);
      return { count, ms: performance.now() - start };
    };
    const { count, ms } = await time('v3.0');
    expect(count).toBe(540);
    expect(ms).toBeLessThan(8000);
  });
});

describe.skipIf(!hasFfmpeg)('videos (skipped without ffmpeg)', () => {
  const top = { observation: 'observation.images.top', resize: { width: 16, height: 8 } };
  const path = (folder: string) => join(folder, 'videos/chunk-000/observation.images.top/episode_000001.mp4');

  test('a playlist under the name of a video is not followed', async () => {
    const folder = dataset('playlist', { video: true });
    movie(file('other.mp4'), 7);
    const segment = file('other.mp4');
    for (const text of [
      `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n${segment}\n#EXT-X-ENDLIST\n`,
      `ffconcat version 1.0\nfile ${segment}\n`,
    ]) {
      writeFileSync(path(folder), text);
      const t = await openData(folder, top);
      expect([...new Set(t.episode)]).toEqual([0, 2]);
      expect(t.notes.join('\n')).toMatch(/episode 1 is left out: .*0 of 7 frames/);
    }
  });

  test('a time base too coarse for the rate does not double or drop frames', async () => {
    const folder = dataset('coarse', { video: true });
    const whole = await openData(folder, top);
    // Matroska counts milliseconds, and a claim of 1,000 fps leaves one of them for each frame.
    for (const fps of ['1000', '7.5', '59.94']) {
      const made = [
        '-v',
        'error',
        '-y',
        '-r',
        fps,
        '-i',
        path(folder),
        '-c',
        'copy',
        '-f',
        'matroska',
        file('x.mkv'),
      ];
      expect(spawnSync('ffmpeg', made).status).toBe(0);
      const other = dataset('coarse2', { video: true });
      writeFileSync(path(other), readFileSync(file('x.mkv')));
      const t = await openData(other, top);
      expect(t.observation).toEqual(whole.observation);
    }
  });

  test('an episode that begins between two frames is said to', async () => {
    const folder = dataset('between', { version: 'v3.0', video: true, info: { fps: 10.5 } });
    const t = await openData(folder, top);
    expect(t.notes.join('\n')).toMatch(
      /episode 1 begins 0\.6 s into its video, between frames 6 and 7 at 10\.5 fps/,
    );
    expect(
      (await openData(dataset('exact', { version: 'v3.0', video: true }), top)).notes.join(),
    ).not.toMatch(/between frames/);
  });

  test('what the program around ffmpeg started ends with it', async () => {
    const folder = dataset('wrapper', { video: true });
    const script = file('ffmpeg.sh');
    writeFileSync(script, '#!/bin/sh\nsleep 30\n', { mode: 0o755 });
    process.env['EXOLAM_FFMPEG'] = script;
    try {
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 300);
      const start = performance.now();
      const { kind } = await failure(openData(folder, top, { signal: stop.signal }));
      expect(kind).toBe('cancelled');
      expect(performance.now() - start).toBeLessThan(2000);
    } finally {
      delete process.env['EXOLAM_FFMPEG'];
    }
  });
});
