import { open, readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { z } from 'zod';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { openParquet, type ParquetFile } from '../formats/parquet.js';
import { naturally, ranges } from '../names.js';

export const SUPPORTED_VERSIONS = ['v2.0', 'v2.1', 'v3.0'] as const;

const featureSchema = z.looseObject({
  dtype: z.string(),
  shape: z.array(z.int().min(0)),
  info: z.record(z.string(), z.unknown()).nullish(),
});

const infoSchema = z.looseObject({
  codebase_version: z.string(),
  fps: z.number().positive(),
  chunks_size: z.int().positive().default(1000),
  data_path: z.string(),
  video_path: z.string().nullish(),
  features: z.record(z.string(), featureSchema),
});

export type Feature = z.output<typeof featureSchema>;
export type Info = z.output<typeof infoSchema>;

/** One episode of the metadata: where its rows and its frames are. */
export interface EpisodeMeta {
  readonly index: number;
  /** Frames, as the metadata has it. */
  readonly length: number;
  readonly dataFile: string;
  /** File of the video feature that was asked for, and the second at which the episode begins in it. */
  readonly videoFile?: string | undefined;
  readonly videoFrom: number;
  /** Why the episode cannot be read, where the metadata already tells. */
  readonly problem?: string | undefined;
}

export async function readInfo(folder: string): Promise<Info> {
  const path = join(folder, 'meta', 'info.json');
  let content: unknown;
  try {
    content = parseJson(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new ExolamError('data', `${path} is not readable JSON: ${(cause as Error).message}`, { cause });
  }
  const version = (content as { codebase_version?: unknown } | null)?.codebase_version;
  if (!SUPPORTED_VERSIONS.some((known) => known === version))
    throw new ExolamError(
      'data',
      `${path}: codebase_version is ${JSON.stringify(version) ?? 'missing'}; supported: ${SUPPORTED_VERSIONS.join(', ')}`,
    );
  const parsed = infoSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ExolamError(
    'data',
    `${path}: ${issue?.path.join('.')} is not as LeRobot writes it: ${issue?.message}`,
  );
}

/** Episodes of the metadata in the order of their numbers; `videoKey` where frames are wanted. */
export async function listEpisodes(
  folder: string,
  info: Info,
  videoKey: string | undefined,
  control: Control,
  notes: string[],
): Promise<EpisodeMeta[]> {
  const list = isV3(info)
    ? await listV3(folder, info, videoKey, control)
    : await listV2(folder, info, videoKey);
  if (list.length === 0) throw new ExolamError('data', `${folder}: the metadata lists no episodes`);
  return once(list, notes).sort((a, b) => a.index - b.index);
}

/** Each episode once: a line that was written twice, or a stale file beside its successor, does not count again. */
function once(list: readonly EpisodeMeta[], notes: string[]): EpisodeMeta[] {
  const byIndex = new Map<number, EpisodeMeta>();
  const twice = new Set<number>();
  for (const meta of list) {
    if (byIndex.has(meta.index)) twice.add(meta.index);
    else byIndex.set(meta.index, meta);
  }
  if (twice.size > 0) {
    const which = ranges([...twice].sort((a, b) => a - b));
    notes.push(
      `the metadata lists ${twice.size === 1 ? 'episode' : 'episodes'} ${which} more than once; each counts once`,
    );
  }
  return [...byIndex.values()];
}

/** Several episodes in a file, found by their index. */
export function isV3(info: Info): boolean {
  return info.codebase_version.startsWith('v3.');
}

const lineSchema = z.looseObject({ episode_index: z.int().min(0).max(0x7fffffff), length: z.int().min(0) });

async function listV2(folder: string, info: Info, videoKey: string | undefined): Promise<EpisodeMeta[]> {
  const path = join(folder, 'meta', 'episodes.jsonl');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ExolamError(
      'data',
      `${path}, the list of episodes, cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  const episodes: EpisodeMeta[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const entry = lineSchema.safeParse(jsonOrUndefined(line));
    if (!entry.success)
      throw new ExolamError(
        'data',
        `${path}: line ${i + 1} is not {"episode_index": ..., "length": ...} (truncated?)`,
      );
    const { episode_index: index, length } = entry.data;
    const values = { episode_chunk: Math.floor(index / info.chunks_size), episode_index: index };
    episodes.push({
      index,
      length,
      dataFile: fillTemplate('data_path', info.data_path, values),
      videoFile: videoKey === undefined ? undefined : videoFile(info, { ...values, video_key: videoKey }),
      videoFrom: 0,
    });
  });
  return episodes;
}

async function listV3(
  folder: string,
  info: Info,
  videoKey: string | undefined,
  control: Control,
): Promise<EpisodeMeta[]> {
  const episodes: EpisodeMeta[] = [];
  for (const path of await filesBelow(join(folder, 'meta', 'episodes'))) {
    const file = await openParquet(path, control);
    const column = columnReader(file);
    const index = await column('episode_index');
    const length = await column('length');
    const dataChunk = await column('data/chunk_index');
    const dataIndex = await column('data/file_index');
    const video = videoKey === undefined ? undefined : `videos/${videoKey}`;
    // An episode without this camera has no place in its videos.
    const videoChunk = video && (await column(`${video}/chunk_index`, true));
    const videoIndex = video && (await column(`${video}/file_index`, true));
    const from = video && (await column(`${video}/from_timestamp`, true));
    for (let row = 0; row < file.rows; row++) {
      const place = { chunk_index: dataChunk[row], file_index: dataIndex[row] };
      const seen = Number.isFinite(videoChunk?.[row] ?? 0) && Number.isFinite(videoIndex?.[row] ?? 0);
      episodes.push({
        index: wholeNumber(path, 'episode_index', index[row]),
        length: wholeNumber(path, 'length', length[row]),
        dataFile: fillTemplate('data_path', info.data_path, place),
        videoFile:
          videoKey === undefined || !videoChunk || !videoIndex || !seen
            ? undefined
            : videoFile(info, {
                video_key: videoKey,
                chunk_index: videoChunk[row],
                file_index: videoIndex[row],
              }),
        videoFrom: from && seen ? from[row] : 0,
        problem: seen ? undefined : `the metadata has no video of ${videoKey} for it`,
      });
    }
  }
  return episodes;
}

/** A column of numbers; a missing one is NaN where `optional`, else an error. */
function columnReader(file: ParquetFile): (name: string, optional?: boolean) => Promise<Float64Array> {
  return async (name, optional = false) => {
    if (!file.columns.includes(name)) throw new ExolamError('data', `${file.path} has no column ${name}`);
    if (optional)
      return Float64Array.from(await file.readRaw(name), (cell) =>
        cell === null || cell === undefined ? Number.NaN : Number(cell),
      );
    const values = new Float64Array(file.rows);
    await file.read([name], (columns, firstRow) => {
      if (columns[0]) values.set(columns[0].values, firstRow);
    });
    return values;
  };
}

function wholeNumber(path: string, name: string, value: number | undefined): number {
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > 0x7fffffff)
    throw new ExolamError('data', `${path}: ${name} is ${value}; expected a whole number`);
  return value;
}

/** Parquet files of a folder and of those in it; what a system keeps under names with a dot in front is none. */
async function parquetBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith('.parquet') && !/(^|[\\/])\./.test(name)).sort(naturally);
}

/** Every file of rows, relative to the data set's folder: those below the first folder of the template. */
export async function dataFiles(folder: string, example: string): Promise<string[]> {
  const top = example.split(/[\\/]/)[0] as string;
  const names = await parquetBelow(join(folder, top)).catch(() => []);
  return names.map((name) => join(top, name));
}

/** What to say of a file that Git LFS has not fetched; undefined for any other. */
export async function pointerOf(path: string): Promise<string | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return undefined;
  try {
    const head = Buffer.alloc(40);
    const { bytesRead } = await file.read(head, 0, 40, 0);
    return head.toString('latin1', 0, bytesRead).startsWith('version https://git-lfs')
      ? `${path} is a Git LFS pointer, not the file itself: run "git lfs pull" in the data set's folder`
      : undefined;
  } finally {
    await file.close();
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  let files: string[];
  try {
    files = await parquetBelow(folder);
  } catch (cause) {
    throw new ExolamError(
      'data',
      `${folder}, the list of episodes, cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (files.length === 0)
    throw new ExolamError('data', `${folder} has no Parquet file; it should list the episodes`);
  return files.map((name) => join(folder, name));
}

function videoFile(info: Info, values: Readonly<Record<string, string | number>>): string {
  if (!info.video_path)
    throw new ExolamError('data', 'meta/info.json has no video_path, so its videos cannot be found');
  return fillTemplate('video_path', info.video_path, values);
}

/**
 * A path of the dataset from a template such as `data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet`.
 * Paths stay inside the folder.
 */
export function fillTemplate(
  field: string,
  template: string,
  values: Readonly<Record<string, string | number>>,
): string {
  const path = template.replace(
    /\{(\w+)(?::0?(\d*)d)?\}/g,
    (whole, name: string, width: string | undefined) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined;
      if (value === undefined)
        throw new ExolamError(
          'data',
          `meta/info.json: ${field} has ${whole}; known: ${Object.keys(values).join(', ')}`,
        );
      return String(value).padStart(Math.min(Number(width ?? 0), 32), '0');
    },
  );
  const parts = path.split(/[\\/]/);
  if (isAbsolute(path) || /^[A-Za-z]:/.test(path) || parts.includes('..') || path.includes('\0'))
    throw new ExolamError(
      'data',
      `meta/info.json: ${field} leads out of the dataset's folder: ${JSON.stringify(path)}`,
    );
  return normalize(path);
}

/** JSON, also as Python writes it: NaN and infinities, which JSON does not know, are null. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const strict = text.replace(
      /("(?:[^"\\]|\\.)*")|-?\b(?:NaN|Infinity)\b/g,
      (_, quoted) => quoted ?? 'null',
    );
    if (strict === text) throw error;
    return JSON.parse(strict);
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
