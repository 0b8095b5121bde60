import { access } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { requireFinite } from '../checks.js';
import { boundsOf, episodeNumbers } from '../formats/arrays.js';
import { openParquet, type ParquetFile, readMatrices } from '../formats/parquet.js';
import { naturally, ranges, unknownName } from '../names.js';
import { forEachParallel, throwIfAborted } from '../progress.js';
import type { Episode, Episodes } from '../transitions.js';
import { type EpisodeMeta, type Feature, type Info, listEpisodes, readInfo } from './meta.js';
import { decodeFrames, type FrameSize, type Segment } from './video.js';

export interface LeRobotOptions {
  /** Feature that is observed; default `observation.state`, else the only one there is. */
  readonly observation?: string | undefined;
  /** Default `action`, if there. */
  readonly action?: string | undefined;
  /** Size of decoded frames; default: the longer side 32, the other in proportion. */
  readonly resize?: { readonly width: number; readonly height: number } | undefined;
  readonly color?: boolean | undefined;
}

/** Files decoded at a time: one process rarely keeps all cores busy with small frames, many only wait for each other. */
const DECODERS = 2;
const DEFAULT_SIDE = 32;

/** Bookkeeping columns of every dataset, never an observation. */
const BOOKKEEPING = [
  'timestamp',
  'frame_index',
  'episode_index',
  'index',
  'task_index',
  'next.done',
  'next.reward',
];

/** Rows of an episode as its Parquet file has them. */
interface Recorded {
  readonly meta: EpisodeMeta;
  readonly length: number;
  readonly vectors?: Float64Array | undefined;
  readonly action?: Float64Array | undefined;
}

/** A LeRobot dataset folder, v2.0, v2.1 or v3.0, or as much of one as is there. */
export async function readLeRobot(
  folder: string,
  options: LeRobotOptions,
  control: Control,
): Promise<Episodes> {
  const info = await readInfo(folder);
  const notes: string[] = [];
  const key = observationKey(folder, info, options.observation, notes);
  const feature = info.features[key];
  const kind = kindOf(key, feature);
  if (kind === 'vector' && (options.resize || options.color))
    throw new ExolamError(
      'input',
      `--resize and --color are for images and videos, and "${key}" is a vector feature`,
    );
  const actionKey = findAction(folder, info, options.action);

  const listed = await listEpisodes(folder, info, kind === 'video' ? key : undefined);
  const { there, absent } = await split(folder, listed);
  if (absent.length > 0)
    notes.push(
      `${absent.length} of ${listed.length} episodes that the metadata lists are absent from the folder: ${ranges(absent)}`,
    );

  const size = kind === 'vector' ? undefined : frameSize(feature, options);
  const dim = size
    ? size.width * size.height * size.channels
    : feature.shape.reduce((product, n) => product * n, 1);
  const columns = { observation: kind === 'vector' ? key : undefined, action: actionKey };
  const recorded = await readRecorded(folder, there, columns, control, notes);
  const actionDim = widthOf(recorded, ({ action }) => action, actionKey ?? '');
  const observationDim = size ? dim : widthOf(recorded, ({ vectors }) => vectors, key);
  if (!size && observationDim !== dim)
    throw new ExolamError(
      'data',
      `${folder}: ${key} has ${observationDim} numbers per row, and meta/info.json says its shape is (${feature.shape.join(', ')})`,
    );
  const frames = size && (await readFrames(folder, info, key, kind, recorded, size, control, notes));
  return {
    observationDim,
    actionDim,
    exogenousDim: 0,
    scale: size ? 1 / 255 : 1,
    image: size,
    list: recorded.map(
      ({ meta, length, vectors, action }, e): Episode => ({
        number: meta.index,
        length,
        observation: frames ? frames[e] : (vectors as Float64Array),
        action,
      }),
    ),
    listed: listed.length,
    absent,
    notes,
  };
}

type Kind = 'vector' | 'image' | 'video';

function kindOf(key: string, { dtype }: Feature): Kind {
  if (dtype === 'video' || dtype === 'image') return dtype;
  if (/^(float|int|uint)\d+$|^bool$/.test(dtype)) return 'vector';
  throw new ExolamError(
    'input',
    `--observation "${key}" holds ${dtype} values; expected numbers, images or a video`,
  );
}

function observationKey(folder: string, info: Info, given: string | undefined, notes: string[]): string {
  const known = Object.keys(info.features).filter((name) => !BOOKKEEPING.includes(name));
  if (given !== undefined) {
    if (!Object.hasOwn(info.features, given)) throw unknownName('--observation', given, folder, known);
    return given;
  }
  const candidates = known.filter((name) => name.startsWith('observation'));
  const key = candidates.includes('observation.state')
    ? 'observation.state'
    : candidates.length === 1
      ? candidates[0]
      : undefined;
  if (key === undefined)
    throw new ExolamError(
      'input',
      `--observation is needed: it names one of ${known.sort(naturally).join(', ')}`,
    );
  notes.push(`the observation is ${key}; --observation picks another of ${known.sort(naturally).join(', ')}`);
  return key;
}

function findAction(folder: string, info: Info, given: string | undefined): string | undefined {
  const vectors = Object.keys(info.features).filter(
    (name) => !/^(video|image|string)$/.test(info.features[name]?.dtype ?? ''),
  );
  if (given === undefined) return vectors.includes('action') ? 'action' : undefined;
  if (!vectors.includes(given)) throw unknownName('--action', given, folder, vectors);
  return given;
}

/** Episodes whose files are there, and the numbers of the others; all absent is an error. */
async function split(folder: string, listed: readonly EpisodeMeta[]) {
  const files = new Map<string, boolean>();
  const exists = async (file: string | undefined): Promise<boolean> => {
    if (file === undefined) return true;
    let found = files.get(file);
    if (found === undefined) {
      found = await access(join(folder, file)).then(
        () => true,
        () => false,
      );
      files.set(file, found);
    }
    return found;
  };
  const there: EpisodeMeta[] = [];
  const absent: number[] = [];
  for (const meta of listed) {
    if ((await exists(meta.dataFile)) && (await exists(meta.videoFile))) there.push(meta);
    else absent.push(meta.index);
  }
  if (there.length === 0) {
    const missing = [...files].filter(([, found]) => !found).map(([file]) => file);
    const shown =
      missing.slice(0, 3).join(', ') + (missing.length > 3 ? ` and ${missing.length - 3} more` : '');
    throw new ExolamError(
      'data',
      `${folder} has the files of none of its ${listed.length} episodes (a partial download?); missing: ${shown}`,
    );
  }
  return { there, absent };
}

function frameSize(feature: Feature, { resize, color }: LeRobotOptions): FrameSize {
  const channels = color ? 3 : 1;
  if (resize) return { ...resize, channels };
  // (height, width, channels), or channels first as image features of some versions have it
  const [a = 1, b = 1, c = 1] = feature.shape;
  const [height, width] = a <= 4 && c > 4 ? [b, c] : [a, b];
  const scale = DEFAULT_SIDE / Math.max(height, width);
  return {
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
    channels,
  };
}

/** The vector columns of all episodes, file by file: a file holds one episode (v2) or several (v3). */
async function readRecorded(
  folder: string,
  episodes: readonly EpisodeMeta[],
  columns: { readonly observation: string | undefined; readonly action: string | undefined },
  control: Control,
  notes: string[],
): Promise<Recorded[]> {
  const names = [columns.observation, columns.action].filter((name) => name !== undefined);
  const byFile = groupBy(episodes, ({ dataFile }) => dataFile);
  const found = new Map<number, Recorded>();
  for (const [name, wanted] of byFile) {
    throwIfAborted(control);
    const path = join(folder, name);
    const file = await openParquet(path);
    for (const column of [...names, 'episode_index'])
      if (!file.columns.includes(column)) throw unknownName('column', column, path, file.columns);
    const counter = file.columns.includes('frame_index') ? [['frame_index']] : [];
    const matrices = await readMatrices(file, [
      ['episode_index'],
      ...names.map((column) => [column]),
      ...counter,
    ]);
    const matrix = (i: number) => matrices[i];
    const numbers = episodeNumbers(path, {
      name: 'episode_index',
      values: matrix(0).values,
      rows: file.rows,
      dim: 1,
    });
    if (counter.length > 0) requireEveryFrame(file, numbers, matrix(matrices.length - 1).values);
    const { ends, numbers: present } = boundsOf(path, 'episode_index', numbers);
    for (const meta of wanted) {
      const at = present.indexOf(meta.index);
      if (at < 0)
        throw new ExolamError(
          'data',
          `${path} has no rows of episode ${meta.index}, which the metadata places there`,
        );
      const begin = at === 0 ? 0 : ends[at - 1];
      const end = ends[at];
      const part = (column: string | undefined) => {
        if (column === undefined) return undefined;
        const { values, dim } = matrix(1 + names.indexOf(column));
        requireFinite(
          values.subarray(begin * dim, end * dim),
          dim,
          `${path}: ${column}`,
          (row) => `row ${begin + row}`,
        );
        return values.slice(begin * dim, end * dim);
      };
      if (end - begin !== meta.length)
        notes.push(`episode ${meta.index} has ${end - begin} rows, and the metadata says ${meta.length}`);
      found.set(meta.index, {
        meta,
        length: end - begin,
        vectors: part(columns.observation),
        action: part(columns.action),
      });
    }
  }
  return episodes.map(({ index }) => found.get(index) as Recorded);
}

/** A frame left out would make one transition of two steps: frame_index counts up by one within an episode. */
function requireEveryFrame(file: ParquetFile, episode: Int32Array, frame: Float64Array): void {
  for (let row = 1; row < episode.length; row++) {
    if (episode[row] === episode[row - 1] && frame[row] !== frame[row - 1] + 1)
      throw new ExolamError(
        'data',
        `${file.path}: frame_index goes from ${frame[row - 1]} to ${frame[row]} within episode ${episode[row]}; expected every frame, in order`,
      );
  }
}

function widthOf(
  recorded: readonly Recorded[],
  values: (r: Recorded) => Float64Array | undefined,
  what: string,
): number {
  let width = 0;
  for (const r of recorded) {
    const array = values(r);
    if (!array || r.length === 0) continue;
    const here = array.length / r.length;
    if (width > 0 && here !== width)
      throw new ExolamError(
        'data',
        `${r.meta.dataFile}: ${what} has ${here} numbers per row, and ${width} in other episodes`,
      );
    width = here;
  }
  return width;
}

/** Frames of each episode, decoded file by file. */
async function readFrames(
  folder: string,
  info: Info,
  key: string,
  kind: Kind,
  recorded: readonly Recorded[],
  size: FrameSize,
  control: Control,
  notes: string[],
): Promise<Uint8Array[]> {
  const frameBytes = size.width * size.height * size.channels;
  const total = recorded.reduce((sum, { length }) => sum + length, 0);
  requireMemory(total * frameBytes, `${total} frames of ${size.width}x${size.height}`);
  const frames = recorded.map(({ length }) => new Uint8Array(length * frameBytes));
  let done = 0;
  const onFrames = (count: number): void => {
    done += count;
    control.onProgress?.(done, total);
  };
  const indices = recorded.map((_, e) => e);
  const byFile = groupBy(indices, (e) => {
    const { meta } = recorded[e];
    return kind === 'video' ? (meta.videoFile as string) : `${meta.dataFile}#${meta.index}`;
  });
  const threads = Math.max(
    1,
    Math.floor((control.threads ?? cpus().length) / Math.min(DECODERS, byFile.size)),
  );
  await forEachParallel([...byFile], DECODERS, { ...control, threads }, async ([name, episodes], inner) => {
    const segments = episodes
      .map((e): Segment => {
        const { meta, length } = recorded[e];
        return { start: Math.round(meta.videoFrom * info.fps), count: length, into: frames[e] as Uint8Array };
      })
      .sort((a, b) => a.start - b.start);
    requireApart(name, segments);
    if (kind === 'video') {
      const path = join(folder, name);
      const got = await decodeFrames({ path, fps: info.fps, segments }, size, inner, onFrames);
      const { meta, length } = recorded[episodes[0]];
      if (info.codebase_version.startsWith('v2.') && got > length)
        notes.push(
          `${path} has ${got} frames; the ${length} that episode ${meta.index} has rows for are used`,
        );
    } else {
      const { meta } = recorded[episodes[0]];
      const path = join(folder, meta.dataFile);
      const images = await readImages(path, key, meta.index);
      await decodeFrames({ path: `${path}: ${key}`, images, fps: info.fps, segments }, size, inner, onFrames);
    }
  });
  return frames;
}

function requireApart(name: string, segments: readonly Segment[]): void {
  segments.forEach(({ start }, i) => {
    const before = segments[i - 1];
    if (!(start >= 0) || (before && before.start + before.count > start))
      throw new ExolamError(
        'data',
        `${name}: the metadata places an episode at frame ${start}, inside the one before it (from_timestamp)`,
      );
  });
}

/** Encoded images of an episode: cells are {bytes, path} or bytes. */
async function readImages(path: string, key: string, episode: number): Promise<Uint8Array[]> {
  const file = await openParquet(path);
  if (!file.columns.includes(key)) throw unknownName('column', key, path, file.columns);
  const numbers = (await file.readRaw('episode_index')).map(Number);
  const cells = await file.readRaw(key);
  return cells.flatMap((cell, row) => {
    if (numbers[row] !== episode) return [];
    const bytes = cell instanceof Uint8Array ? cell : (cell as { bytes?: unknown } | null)?.bytes;
    if (!(bytes instanceof Uint8Array))
      throw new ExolamError('data', `${path}: column ${key} has no encoded image in row ${row}`);
    return [bytes];
  });
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
