import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { type FrameOptions, frameSizeOf } from '../formats/pictures.js';
import { LeftOut } from '../left-out.js';
import {
  decodeAll,
  type FrameSize,
  formatOf,
  isDeep,
  type Pictures,
  type Source,
  sizeOfFrame,
} from '../lerobot/video.js';
import { naturally } from '../names.js';
import { throwIfAborted } from '../progress.js';
import type { Episode, Episodes } from '../transitions.js';

const VIDEO = /\.(mp4|m4v|mov|avi|mkv|webm|mpe?g|gif)$/i;
const PICTURE = /\.(png|jpe?g|tiff?|bmp|webp)$/i;

/** One episode: the name that messages have for it, and the files of its frames. */
interface Recording {
  readonly name: string;
  readonly files: readonly string[];
  readonly video: boolean;
}

export interface PictureOptions extends FrameOptions {
  readonly strict?: boolean | undefined;
}

export const isVideo = (path: string): boolean => VIDEO.test(path);

/**
 * What a folder has of frames: each video an episode; else each folder of pictures in it; else its own pictures, one episode.
 * Everything in natural order.
 */
export async function recordingsIn(folder: string): Promise<Recording[]> {
  const entries = await visible(folder);
  const videos = entries.filter(isVideo);
  if (videos.length > 0) return videos.map((name) => ({ name, files: [join(folder, name)], video: true }));
  const own = picturesOf(folder, entries);
  if (own.length > 0) return [{ name: '', files: own, video: false }];
  const found: Recording[] = [];
  for (const name of entries) {
    const below = join(folder, name);
    if (!(await stat(below)).isDirectory()) continue;
    const files = picturesOf(below, await visible(below));
    if (files.length > 0) found.push({ name, files, video: false });
  }
  return found;
}

export const recordingOf = (path: string): Recording => ({ name: '', files: [path], video: true });

const visible = async (folder: string) =>
  (await readdir(folder)).filter((name) => !name.startsWith('.')).sort(naturally);

const picturesOf = (folder: string, names: readonly string[]) =>
  names.filter((name) => PICTURE.test(name)).map((name) => join(folder, name));

/** Frames of videos or of folders of pictures, an episode each; one that cannot be read is left out. */
export async function readRecordings(
  path: string,
  recordings: readonly Recording[],
  options: PictureOptions,
  control: Control,
): Promise<Episodes> {
  const leftOut = new LeftOut(path, options.strict ?? false);
  const list: Episode[] = [];
  const notes = new Set<string>();
  let size: FrameSize | undefined;
  let whole = '';
  for (const [number, recording] of recordings.entries()) {
    throwIfAborted(control);
    try {
      const source = await sourceOf(recording);
      const found = await sizeOfFrame(source, control);
      if ('complaint' in found)
        throw new ExolamError(
          'data',
          `${nameOf(path, recording)} holds no frame that can be read${found.complaint}`,
        );
      const own = `${found.width} x ${found.height}`;
      size ??= {
        ...frameSizeOf(found.width, found.height, options),
        channels: options.color ? 3 : 1,
        bytes: 'list' in source && isDeep(source.list[0] ?? new Uint8Array(0)) ? 2 : 1,
      };
      whole ||= own;
      // Frames of another shape would be pressed into that of the first.
      if (own !== whole && !options.resize)
        throw new ExolamError(
          'data',
          `${nameOf(path, recording)} has frames of ${own} pixels, and the first episode of ${whole}; --resize makes them equal`,
        );
      const read = await episodeOf(path, recording, source, number, size, control);
      list.push(read.episode);
      for (const note of read.notes) notes.add(note);
    } catch (error) {
      if (!(error instanceof ExolamError) || error.kind !== 'data') throw error;
      leftOut.add(number, error.message);
    }
    control.onProgress?.(number + 1, recordings.length);
  }
  if (!size || list.length === 0) throw leftOut.error();
  const { width, height, channels } = size;
  return {
    observationDim: width * height * channels,
    actionDim: 0,
    exogenousDim: 0,
    scale: size.bytes === 2 ? 1 / 65535 : 1 / 255,
    image: { width, height, channels },
    list,
    listed: recordings.length,
    absent: [],
    notes: [
      recordings.length === 1
        ? 'all frames are taken as one episode, in the order of time'
        : `${recordings.length} ${recordings[0]?.video ? 'videos' : 'folders of pictures'} are read as an episode each, in the order of their names`,
      'frames alone hold no actions; an .npz holds both',
      ...notes,
      ...leftOut.notes(),
    ],
  };
}

const nameOf = (path: string, { name }: Recording) => (name === '' ? path : join(path, name));

async function sourceOf({ files, video }: Recording): Promise<Source> {
  if (video) return { path: files[0] as string };
  const bytes = (await Promise.all(files.map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
  requireMemory(bytes, `the pictures beside ${files[0]}`);
  const list: Uint8Array[] = [];
  for (const file of files) list.push(await readFile(file));
  const format = formatOf(list[0] as Uint8Array);
  const odd = list.findIndex((picture) => formatOf(picture) !== format);
  if (format === undefined || odd >= 0)
    throw new ExolamError(
      'data',
      `${files[Math.max(0, odd)]} is ${format === undefined ? 'no picture' : 'a picture of another format than those before it'}; PNG, JPEG, TIFF, BMP and WebP are read`,
    );
  return { format, list } satisfies Pictures;
}

/** The frames of a source, of which nobody says how many there are. */
async function episodeOf(
  path: string,
  recording: Recording,
  source: Source,
  number: number,
  size: FrameSize,
  control: Control,
): Promise<{ readonly episode: Episode; readonly notes: readonly string[] }> {
  const name = nameOf(path, recording);
  const { frames, bytes, complaint, notes } = await decodeAll(source, size, control, `the frames of ${name}`);
  if ('list' in source && frames < source.list.length)
    throw new ExolamError(
      'data',
      `${recording.files[frames]} is damaged, or of another size: ${frames} of ${source.list.length} pictures could be decoded${complaint}`,
    );
  if (complaint !== '' || frames === 0)
    throw new ExolamError(
      'data',
      `${name} is truncated or damaged: ${frames} frames could be decoded${complaint}`,
    );
  const observation = size.bytes === 2 ? new Uint16Array(bytes.buffer, 0, bytes.length / 2) : bytes;
  return { episode: { number, length: frames, observation }, notes };
}
