import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Control } from '../../backend/requests.js';
import { killGroup, spawnGroup } from '../../base/children.js';
import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { ownEnvironment } from '../../base/own-program.js';
import { cancelled } from '../progress.js';
import type { FrameSize, PictureFormat, Pictures, Source } from '../video/source.js';
import { DECODER_PACKAGES, decoderArguments, framedPictures } from '../video/without-ffmpeg.js';

export type { FrameSize, PictureFormat, Pictures, Source } from '../video/source.js';

/** `count` consecutive frames of a file, from frame `start` on, written to `into`. */
export interface Segment {
  readonly start: number;
  readonly count: number;
  readonly into: Uint8Array;
}

export interface Decoded {
  /** Frames that arrived; a damaged source has fewer than it should. */
  readonly frames: number;
  /** The decoder's complaint, if it ended in one. */
  readonly complaint: string;
  /** What those who compare figures should know of the decoder: of ffmpeg nothing. */
  readonly notes: readonly string[];
}

/** Said once of data whose frames ffmpeg did not decode. */
const WITHOUT_FFMPEG = `frames are decoded by ${DECODER_PACKAGES[0]}, because there is no ffmpeg: both round, and their levels (0 to 255) may differ by one or two`;

/**
 * Decodes as one stream of small frames from its standard output: nothing but the frames asked for is held.
 * Frames are counted, never timed: the n-th one that the source has is frame n, whatever its time stamp says.
 */
export async function decodeFrames(
  source: Source,
  segments: readonly Segment[],
  size: FrameSize,
  control: Control,
  onFrames: (frames: number) => void,
): Promise<Decoded> {
  const frameBytes = size.width * size.height * size.channels * size.bytes;
  const place = placer(segments, frameBytes);
  let bytes = 0;
  let done = 0;
  const ended = await run(source, size, control, (chunk) => {
    place(chunk, bytes);
    bytes += chunk.length;
    const now = Math.floor(bytes / frameBytes);
    if (now > done) onFrames(now - done);
    done = Math.max(done, now);
  });
  return { frames: Math.floor(bytes / frameBytes), ...ended };
}

/** All frames of a source, however many there are; `what` is what a message about their size calls them. */
export async function decodeAll(
  source: Source,
  size: FrameSize,
  control: Control,
  what: string,
): Promise<Decoded & { readonly bytes: Uint8Array }> {
  const chunks: Buffer[] = [];
  let total = 0;
  const ended = await run(source, size, control, (chunk) => {
    total += chunk.length;
    requireMemory(2 * total, what);
    chunks.push(chunk);
  });
  const frameBytes = size.width * size.height * size.channels * size.bytes;
  const frames = Math.floor(total / frameBytes);
  const bytes = new Uint8Array(frames * frameBytes);
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(0, bytes.length - at);
    bytes.set(part, at);
    at += part.length;
  }
  return { frames, bytes, ...ended };
}

/** The size of a source's first frame, or the decoder's complaint where it has none. */
export async function sizeOfFrame(
  source: Source,
  control: Control,
): Promise<{ readonly width: number; readonly height: number } | { readonly complaint: string }> {
  const first: Buffer[] = [];
  const { complaint } = await run(source, null, control, (chunk) => first.length < 1 && first.push(chunk));
  // A picture of the format begins with its kind, its width and its height.
  const [, width, height] = /^P5\s(\d+)\s(\d+)\s/.exec(first[0]?.toString('latin1', 0, 40) ?? '') ?? [];
  return width && height ? { width: Number(width), height: Number(height) } : { complaint };
}

/**
 * Runs a decoder on a source and hands on what it writes, frames of a size or, without one, the header of the first; returns its
 * complaint, if it ended in one, and its notes. The decoder is ffmpeg; where there is none, the packages of `without-ffmpeg.ts`.
 */
async function run(
  source: Source,
  size: FrameSize | null,
  control: Control,
  onChunk: (chunk: Buffer) => void,
): Promise<Pick<Decoded, 'complaint' | 'notes'>> {
  const args = size ? scaled(source, size, control.threads) : headed(source, control.threads);
  const ended = await runProgram({ command: ffmpegPath(), args }, source, control, onChunk);
  if (typeof ended === 'string') return { complaint: ended, notes: [] };
  const missing = (ended as NodeJS.ErrnoException).code === 'ENOENT' && !process.env['EXOLAM_FFMPEG'];
  const own = missing ? decoderArguments(source, size) : undefined;
  const instead =
    own && (await runProgram({ command: process.execPath, args: own, own: true }, source, control, onChunk));
  if (typeof instead === 'string') return { complaint: instead, notes: [WITHOUT_FFMPEG] };
  throw cannotStart(instead ?? ended);
}

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** It is the one that stands in for ffmpeg. */
  readonly own?: boolean;
}

/** Returns what the program complained about, or why it did not start. */
async function runProgram(
  { command, args, own = false }: Program,
  source: Source,
  control: Control,
  onChunk: (chunk: Buffer) => void,
): Promise<string | Error> {
  const pictures = 'list' in source ? source : undefined;
  if (control.signal?.aborted) throw cancelled();
  const ffmpeg = spawnGroup(command, args, {
    stdio: [pictures ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    ...(own ? { env: ownEnvironment() } : {}),
    windowsHide: true,
  });
  let left: (how: { code: null }) => void = () => {};
  const stop = () => {
    killGroup(ffmpeg);
    // A child of ffmpeg's own wrapper may hold the pipes open after it has been ended.
    left({ code: null });
  };
  control.signal?.addEventListener('abort', stop, { once: true });
  let complaint = '';
  ffmpeg.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < 4000) complaint += text;
  });
  const exit = new Promise<{ code: number | null; error?: Error }>((done) => {
    ffmpeg.on('error', (error) => done({ code: null, error }));
    ffmpeg.on('close', (code) => done({ code }));
    left = done;
  });
  if (pictures && ffmpeg.stdin) {
    // ffmpeg closes its end at the first picture it cannot read: the frames that arrive tell, not the broken pipe.
    const stream = own ? framedPictures(pictures) : padded(pictures);
    pipeline(Readable.from(stream), ffmpeg.stdin).catch(() => {});
  }
  try {
    for await (const chunk of ffmpeg.stdout as AsyncIterable<Buffer>) onChunk(chunk);
  } catch (error) {
    // An abort ends the stream early: the exit below says so. What else ends it ends ffmpeg.
    if (!control.signal?.aborted) {
      stop();
      control.signal?.removeEventListener('abort', stop);
      throw error;
    }
  }
  const { code, error } = await exit;
  control.signal?.removeEventListener('abort', stop);
  if (control.signal?.aborted) throw cancelled();
  if (error) return error;
  return code === 0 ? '' : reasonOf(complaint, own ? DECODER_PACKAGES[0] : 'ffmpeg');
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

/** The format of an encoded picture, by its first bytes. */
export function formatOf(bytes: Uint8Array): PictureFormat | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString('latin1');
  if (head.startsWith('\x89PNG')) return 'png';
  if (head.startsWith('\xff\xd8')) return 'mjpeg';
  if (head.startsWith('II*\0') || head.startsWith('MM\0*')) return 'tiff';
  if (head.startsWith('BM')) return 'bmp';
  return head.startsWith('RIFF') && head.endsWith('WEBP') ? 'webp' : undefined;
}

/** Has a picture more than 256 levels? A PNG says so in its header; a TIFF may, and two bytes hold one of 256 as well. */
export function isDeep(bytes: Uint8Array): boolean {
  const format = formatOf(bytes);
  return format === 'tiff' || (format === 'png' && bytes[24] === 16);
}

/**
 * Nothing tells ffmpeg where a TIFF in a stream ends, so all are made as long as the longest and come in packets of that
 * size; pictures of the other formats end where they say.
 */
const isPadded = ({ format }: Pictures) => format === 'tiff';

function* padded(pictures: Pictures): Generator<Uint8Array> {
  const length = longest(pictures);
  for (const bytes of pictures.list) {
    yield bytes;
    if (isPadded(pictures) && bytes.length < length) yield new Uint8Array(length - bytes.length);
  }
}

function longest({ list }: Pictures): number {
  return list.reduce((most, { length }) => Math.max(most, length), 0);
}

function ffmpegPath(): string {
  return process.env['EXOLAM_FFMPEG'] || 'ffmpeg';
}

/** Containers and streams that hold their frames themselves; a playlist would make ffmpeg open other files. */
const CONTAINERS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,av1,obu,ivf,flv,ogg,nut,gif,apng,yuv4mpegpipe,m4v,rawvideo,dv';

/** ffmpeg's arguments up to its source. */
function opened(source: Source, threads: number | undefined): string[] {
  const input =
    'list' in source
      ? [
          // Named, because ffmpeg cannot guess it from a picture of fewer than some 2,000 bytes.
          ...['-f', 'image2pipe', '-c:v', source.format],
          ...(isPadded(source) ? ['-frame_size', String(longest(source))] : []),
          ...['-i', 'pipe:0'],
        ]
      : [
          ...['-protocol_whitelist', 'file,pipe', '-format_whitelist', CONTAINERS],
          ...['-i', `file:${resolve(source.path)}`],
        ];
  return [
    ...['-nostdin', '-hide_banner', '-loglevel', 'error'],
    ...(threads ? ['-threads', String(threads)] : []),
    ...input,
  ];
}

/** The first frame alone, as a picture whose header says its size. */
function headed(source: Source, threads: number | undefined): string[] {
  return [
    ...opened(source, threads),
    ...['-map', '0:v:0', '-an', '-frames:v', '1'],
    ...['-f', 'image2pipe', '-c:v', 'pgm', '-pix_fmt', 'gray', 'pipe:1'],
  ];
}

function scaled(source: Source, size: FrameSize, threads: number | undefined): string[] {
  const deep = size.bytes === 2;
  const pixels = size.channels === 3 ? (deep ? 'rgb48le' : 'rgb24') : deep ? 'gray16le' : 'gray';
  const filter = [
    // Area averaging keeps small frames free of aliasing; the exact flags make them the same on every machine.
    `scale=${size.width}:${size.height}:flags=area+accurate_rnd+full_chroma_int+bitexact`,
    `format=${pixels}`,
    // Every decoded frame is one output frame: its number is its time, in the output's own unit, so none is dropped or doubled.
    'settb=1/25,setpts=N',
  ].join(',');
  return [
    ...opened(source, threads),
    ...['-map', '0:v:0', '-an', '-sn', '-dn', '-vf', filter, '-r', '25'],
    ...['-f', 'rawvideo', '-pix_fmt', pixels, 'pipe:1'],
  ];
}

function cannotStart(error: Error): ExolamError {
  const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return new ExolamError(
    'unsupported',
    missing
      ? `reading frames needs ffmpeg, and "${ffmpegPath()}" was not found: install it with "apt install ffmpeg" (Debian, ` +
          'Ubuntu), "brew install ffmpeg" (macOS) or "winget install ffmpeg" (Windows), or set EXOLAM_FFMPEG to its path; ' +
          `without it, "npm install ${DECODER_PACKAGES.join(' ')}" is enough for most videos and pictures`
      : `reading frames needs ffmpeg, and "${ffmpegPath()}" could not be started: ${error.message}`,
    { cause: error },
  );
}

/** The first thing a decoder complained about, on one line, without its addresses in memory. */
function reasonOf(complaint: string, decoder: string): string {
  const line = complaint
    .split('\n')
    .map((text) => text.replace(/\[[^\]]* @ 0x[0-9a-f]+\]\s*/g, '').trim())
    .find((text) => text !== '');
  return line ? ` (${decoder}: ${line.slice(0, 200)})` : '';
}
