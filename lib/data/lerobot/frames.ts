import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { openParquet } from '../formats/parquet.js';
import { type FrameOptions, frameSizeOf } from '../formats/pictures.js';
import type { LeftOut } from '../left-out.js';
import { unknownName } from '../names.js';
import { forEachParallel, throwIfAborted } from '../progress.js';
import { groupBy } from './group.js';
import { type Feature, type Info, isV3, pointerOf } from './meta.js';
import type { Recorded } from './rows.js';
import { decodeFrames, type FrameSize, formatOf, isDeep, type PictureFormat, type Segment } from './video.js';

/** Files decoded at a time: one process rarely keeps all cores busy with small frames, many only wait for each other. */
const DECODERS = 2;
/** Encoded pictures that one decoder gets at a time: starting one costs as much as decoding hundreds of small ones. */
const BATCH_BYTES = 64e6;
/** Of a frame's duration: an episode that begins further than this from a frame's time is said to lie between two. */
const BETWEEN = 0.1;

/** What the frames are of, and where they are. */
export interface FrameSource {
  readonly folder: string;
  readonly info: Info;
  readonly key: string;
  readonly kind: 'image' | 'video';
}

interface Context extends FrameSource {
  readonly size: FrameSize;
  readonly frames: ReadonlyMap<number, Uint8Array>;
  readonly leftOut: LeftOut;
  readonly notes: string[];
  readonly onFrames: (count: number) => void;
}

/** Width and height as the options ask, from the feature's shape: (height, width, channels), or channels first as some versions have it. */
export function sizeOf(feature: Feature, options: FrameOptions, deep: boolean): FrameSize {
  const [a = 1, b = 1, c = 1] = feature.shape;
  const [height, width] = a <= 4 && c > 4 ? [b, c] : [a, b];
  return { ...frameSizeOf(width, height, options), channels: options.color ? 3 : 1, bytes: deep ? 2 : 1 };
}

/** Is a video one of depth, with more levels than a byte holds? LeRobot says so beside the feature's shape. */
export function isDepthVideo({ info }: Feature): boolean {
  const entries = Object.entries(info ?? {});
  return entries.some(
    ([name, value]) =>
      (/is_depth_map$/.test(name) && value === true) ||
      (/pix_fmt$/.test(name) && /^gray1[0-6]/.test(String(value))),
  );
}

/** Are the pictures of an image feature deeper than a byte? The first one tells. */
export async function hasDeepImages(source: FrameSource, recorded: readonly Recorded[], control: Control) {
  const [first] = recorded;
  if (!first) return false;
  const [bytes] = await cellsOf(source, first.file, [first], control, 1).catch(() => []);
  return bytes?.[0] ? isDeep(bytes[0]) : false;
}

/** Frames of each episode, decoded file by file; an episode whose frames are not all there is left out. */
export async function readFrames(
  source: FrameSource,
  recorded: readonly Recorded[],
  size: FrameSize,
  leftOut: LeftOut,
  control: Control,
  notes: string[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const frameBytes = size.width * size.height * size.channels * size.bytes;
  const total = recorded.reduce((sum, { length }) => sum + length, 0);
  requireMemory(total * frameBytes, `${total} frames of ${size.width}x${size.height}`);
  const frames = new Map(
    recorded.map(({ meta, length }) => [meta.index, new Uint8Array(length * frameBytes)]),
  );
  let done = 0;
  const onFrames = (count: number): void => {
    done = Math.min(total, done + count);
    control.onProgress?.(done, total);
  };
  const context: Context = { ...source, size, frames, leftOut, notes, onFrames };
  if (source.kind === 'image') {
    const files = [...groupBy(recorded, ({ file }) => file)];
    await imageFrames(context, files, control);
    return frames;
  }
  const videos = [...groupBy(recorded, ({ meta }) => meta.videoFile as string)];
  const cores = control.threads ?? cpus().length;
  const threads = Math.max(1, Math.floor(cores / Math.min(DECODERS, videos.length)));
  await forEachParallel(videos, DECODERS, { ...control, threads }, ([file, episodes], inner) =>
    videoFrames(context, file, episodes, inner),
  );
  return frames;
}

/** The frames of all episodes in one video. */
async function videoFrames(
  context: Context,
  file: string,
  episodes: readonly Recorded[],
  control: Control,
): Promise<void> {
  const { folder, info, size, leftOut, notes } = context;
  const path = join(folder, file);
  const pointer = await pointerOf(path);
  if (pointer !== undefined) {
    for (const { meta } of episodes) leftOut.add(meta.index, pointer);
    return;
  }
  const placed = episodes
    .map((episode) => ({ episode, start: startOf(episode, info, notes) }))
    .sort((a, b) => a.start - b.start);
  requireApart(file, placed);
  const segments = placed.flatMap(({ episode, start }) => runsOf(context, episode, start));
  const decoded = await decodeFrames({ path }, segments, size, control, context.onFrames);
  const { frames, complaint } = decoded;
  noteOnce(notes, decoded.notes);
  for (const { episode, start } of placed) {
    const { meta, length } = episode;
    const end = start + (episode.frames[length - 1] ?? -1) + 1;
    if (end > frames)
      leftOut.add(
        meta.index,
        `${path} is truncated or damaged: ${Math.max(0, frames - start)} of ${end - start} frames could be decoded${complaint}`,
      );
    else if (!isV3(info) && frames > end)
      notes.push(
        `${path} has ${frames} frames; the ${length} that episode ${meta.index} has rows for are used`,
      );
  }
}

/** Of many files one note. */
function noteOnce(notes: string[], found: readonly string[]): void {
  notes.push(...found.filter((note) => !notes.includes(note)));
}

/** The frame at which an episode begins in its video. */
function startOf({ meta }: Recorded, { fps }: Info, notes: string[]): number {
  const exact = meta.videoFrom * fps;
  const start = Math.round(exact);
  if (Math.abs(exact - start) > BETWEEN)
    notes.push(
      `episode ${meta.index} begins ${meta.videoFrom} s into its video, between frames ${Math.floor(exact)} and ` +
        `${Math.ceil(exact)} at ${fps} fps; it is read from frame ${start} on`,
    );
  return start;
}

/** Runs of consecutive frames of an episode: one, or several where frames were left out. */
function runsOf(
  { frames, size }: Context,
  { meta, length, breaks, frames: at }: Recorded,
  start: number,
): Segment[] {
  const frameBytes = size.width * size.height * size.channels * size.bytes;
  const into = frames.get(meta.index) as Uint8Array;
  const begins = [0, ...breaks];
  return begins.map((begin, run) => {
    const end = begins[run + 1] ?? length;
    return {
      start: start + at[begin],
      count: end - begin,
      into: into.subarray(begin * frameBytes, end * frameBytes),
    };
  });
}

function requireApart(name: string, placed: readonly { episode: Recorded; start: number }[]): void {
  placed.forEach(({ start }, i) => {
    const before = placed[i - 1];
    if (!(start >= 0) || (before && before.start + before.episode.length > start))
      throw new ExolamError(
        'data',
        `${name}: the metadata places an episode at frame ${start}, inside the one before it (from_timestamp)`,
      );
  });
}

type ImageFile = readonly [file: string, episodes: readonly Recorded[]];

interface ImageEpisode {
  readonly episode: Recorded;
  readonly pictures: readonly Uint8Array[];
  readonly format: PictureFormat;
}

/** Pictures inside the Parquet files: each file is read once, and many episodes go through one decoder. */
async function imageFrames(context: Context, files: readonly ImageFile[], control: Control): Promise<void> {
  let batch: ImageEpisode[] = [];
  let bytes = 0;
  let running = Promise.resolve();
  const flush = async (): Promise<void> => {
    const full = batch;
    batch = [];
    bytes = 0;
    // One batch is decoded while the next one is read.
    await running;
    running = decodeBatch(context, full, control);
    running.catch(() => {});
  };
  for (const [file, episodes] of files) {
    throwIfAborted(control);
    let cells: readonly (readonly Uint8Array[])[];
    try {
      cells = await cellsOf(context, file, episodes, control);
    } catch (error) {
      if (!(error instanceof ExolamError) || error.kind !== 'data') throw error;
      for (const { meta } of episodes) context.leftOut.add(meta.index, error.message);
      continue;
    }
    for (const [i, episode] of episodes.entries()) {
      const pictures = cells[i] as readonly Uint8Array[];
      const format = formatsOf(context, episode, pictures);
      if (!format) continue;
      if (batch.length > 0 && (batch[0]?.format !== format || bytes > BATCH_BYTES)) await flush();
      batch.push({ episode, pictures, format });
      bytes += pictures.reduce((sum, { length }) => sum + length, 0);
    }
  }
  if (batch.length > 0) await flush();
  await running;
}

/** The one format of an episode's pictures; an episode that has another is left out. */
function formatsOf({ leftOut }: Context, episode: Recorded, pictures: readonly Uint8Array[]) {
  const format = pictures[0] && formatOf(pictures[0]);
  const odd = pictures.findIndex((picture) => picture.length === 0 || formatOf(picture) !== format);
  if (format !== undefined && odd < 0) return format;
  const row = episode.firstRow + Math.max(0, odd);
  const what = pictures[Math.max(0, odd)]?.length === 0 ? 'no encoded image' : 'a picture of another format';
  leftOut.add(
    episode.meta.index,
    `${episode.file} has ${what} in row ${row}; PNG, JPEG, TIFF, BMP and WebP are read`,
  );
  return undefined;
}

/** A batch in one stream; where a picture is damaged, episode by episode, to tell whose it is. */
async function decodeBatch(
  context: Context,
  batch: readonly ImageEpisode[],
  control: Control,
): Promise<void> {
  const list = batch.flatMap(({ pictures }) => pictures);
  const [first] = batch;
  if (!first) return;
  let start = 0;
  const segments = batch.map(({ episode, pictures }) => {
    const segment = {
      start,
      count: pictures.length,
      into: context.frames.get(episode.meta.index) as Uint8Array,
    };
    start += pictures.length;
    return segment;
  });
  const { format } = first;
  const decoded = await decodeFrames({ format, list }, segments, context.size, control, context.onFrames);
  const { frames, complaint } = decoded;
  noteOnce(context.notes, decoded.notes);
  if (frames === list.length) return;
  if (batch.length === 1) {
    const { meta, file } = first.episode;
    context.leftOut.add(
      meta.index,
      `${file}: ${context.key} is truncated or damaged: ${frames} of ${list.length} frames could be decoded${complaint}`,
    );
    return;
  }
  for (const one of batch) await decodeBatch(context, [one], control);
}

/** Encoded pictures of episodes of one file: cells are {bytes, path} or bytes; an absent one is empty. */
async function cellsOf(
  { folder, key }: FrameSource,
  name: string,
  episodes: readonly Recorded[],
  control: Control,
  most = Number.POSITIVE_INFINITY,
): Promise<Uint8Array[][]> {
  const path = join(folder, name);
  const file = await openParquet(path, control);
  if (!file.columns.includes(key)) throw unknownName('column', key, path, file.columns);
  const cells = await file.readRaw(key, most);
  return episodes.map(({ firstRow, length }) =>
    cells.slice(firstRow, firstRow + length).map((cell) => {
      const bytes = cell instanceof Uint8Array ? cell : (cell as { bytes?: unknown } | null)?.bytes;
      return bytes instanceof Uint8Array ? bytes : new Uint8Array(0);
    }),
  );
}
