import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { cancelled } from '../progress.js';

/** Frames as bytes, (count, height, width, channels). */
export interface FrameSize {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
}

/** `count` consecutive frames of a file, from frame `start` on, written to `into`. */
export interface Segment {
  readonly start: number;
  readonly count: number;
  readonly into: Uint8Array;
}

export interface VideoSource {
  /** Named in messages; also what is decoded, unless `images` is given. */
  readonly path: string;
  /** Encoded images (PNG, JPEG), one per frame, instead of a file. */
  readonly images?: Iterable<Uint8Array> | undefined;
  /** Frames per second, as the metadata has it. */
  readonly fps: number;
  /** Ascending, not overlapping. */
  readonly segments: readonly Segment[];
}

/**
 * Decodes with ffmpeg, as one stream of small frames from its standard output: nothing but the frames asked for is held.
 * Progress counts these frames. Returns how many frames the source has.
 */
export async function decodeFrames(
  source: VideoSource,
  size: FrameSize,
  control: Control,
  onFrames: (frames: number) => void,
): Promise<number> {
  const frameBytes = size.width * size.height * size.channels;
  const total = source.segments.reduce((sum, { count }) => sum + count, 0);
  const place = placer(source.segments, frameBytes);
  const ffmpeg = spawn(ffmpegPath(), ffmpegArguments(source, size, control.threads), {
    stdio: [source.images ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    windowsHide: true,
    signal: control.signal,
    killSignal: 'SIGKILL',
  });
  let complaint = '';
  ffmpeg.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 4000) complaint += text;
  });
  const exit = new Promise<{ code: number | null; error?: Error }>((done) => {
    ffmpeg.on('error', (error) => done({ code: null, error }));
    ffmpeg.on('close', (code) => done({ code }));
  });
  if (source.images && ffmpeg.stdin) {
    // ffmpeg closes its end at the first image it cannot read: the exit code below tells, not the broken pipe.
    pipeline(Readable.from(source.images), ffmpeg.stdin).catch(() => {});
  }
  let bytes = 0;
  let done = 0;
  try {
    for await (const chunk of ffmpeg.stdout as AsyncIterable<Buffer>) {
      place(chunk, bytes);
      bytes += chunk.length;
      const now = Math.min(total, Math.floor(bytes / frameBytes));
      if (now > done) onFrames(now - done);
      done = Math.max(done, now);
    }
  } catch (error) {
    // An abort ends the stream early: the exit below says so.
    if (!control.signal?.aborted) throw error;
  }
  const { code, error } = await exit;
  if (control.signal?.aborted) throw cancelled();
  if (error) throw cannotStart(error);

  const frames = Math.floor(bytes / frameBytes);
  const last = source.segments[source.segments.length - 1];
  const expected = last ? last.start + last.count : 0;
  if (code !== 0 || frames < expected)
    throw new ExolamError(
      'data',
      `${source.path} is truncated or damaged: ${frames} of ${expected} frames could be decoded${reasonOf(complaint)}`,
    );
  return frames;
}

/** Copies the bytes of a stream, `position` being the first one's place in it, to the segments they belong to. */
function placer(
  segments: readonly Segment[],
  frameBytes: number,
): (chunk: Uint8Array, position: number) => void {
  let current = 0;
  return (chunk, position) => {
    for (; current < segments.length; current++) {
      const { start, count, into } = segments[current];
      const begin = start * frameBytes;
      const end = begin + count * frameBytes;
      const from = Math.max(begin, position);
      const to = Math.min(end, position + chunk.length);
      if (from < to) into.set(chunk.subarray(from - position, to - position), from - begin);
      if (end > position + chunk.length) return;
    }
  };
}

function ffmpegPath(): string {
  return process.env['EXOLAM_FFMPEG'] || 'ffmpeg';
}

function ffmpegArguments(
  { path, images, fps }: VideoSource,
  size: FrameSize,
  threads: number | undefined,
): string[] {
  const pixels = size.channels === 3 ? 'rgb24' : 'gray';
  const filter = [
    // Area averaging keeps small frames free of aliasing; the exact flags make them the same on every machine.
    `scale=${size.width}:${size.height}:flags=area+accurate_rnd+full_chroma_int+bitexact`,
    `format=${pixels}`,
    // Every decoded frame is one output frame, whatever its time stamp says: none is dropped, none doubled.
    `setpts=N/${fps}/TB`,
  ].join(',');
  return [
    ...['-nostdin', '-hide_banner', '-loglevel', 'error'],
    ...(threads ? ['-threads', String(threads)] : []),
    // A file must not make ffmpeg open network addresses.
    ...(images
      ? ['-f', 'image2pipe', '-i', 'pipe:0']
      : ['-protocol_whitelist', 'file,pipe', '-i', `file:${resolve(path)}`]),
    ...['-map', '0:v:0', '-an', '-sn', '-dn', '-vf', filter, '-r', String(fps)],
    ...['-f', 'rawvideo', '-pix_fmt', pixels, 'pipe:1'],
  ];
}

function cannotStart(error: Error): ExolamError {
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new ExolamError(
    'unsupported',
    missing
      ? `reading frames needs ffmpeg, and "${ffmpegPath()}" was not found: install it with "apt install ffmpeg" (Debian, ` +
          'Ubuntu), "brew install ffmpeg" (macOS) or "winget install ffmpeg" (Windows), or set EXOLAM_FFMPEG to its path'
      : `reading frames needs ffmpeg, and "${ffmpegPath()}" could not be started: ${error.message}`,
    { cause: error },
  );
}

/** The first thing ffmpeg complained about, on one line, without its addresses in memory. */
function reasonOf(complaint: string): string {
  const line = complaint
    .split('\n')
    .map((text) => text.replace(/\[[^\]]* @ 0x[0-9a-f]+\]\s*/g, '').trim())
    .find((text) => text !== '');
  return line ? ` (ffmpeg: ${line.slice(0, 200)})` : '';
}
