import { readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { z } from 'zod';
import { ExolamError } from '../../base/errors.js';
import { openParquet, type ParquetFile } from '../formats/parquet.js';
import { naturally } from '../names.js';

export const SUPPORTED_VERSIONS = ['v2.0', 'v2.1', 'v3.0'] as const;

const featureSchema = z.looseObject({ dtype: z.string(), shape: z.array(z.int().min(0)) });

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
}

export async function readInfo(folder: string): Promise<Info> {
  const path = join(folder, 'meta', 'info.json');
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
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
): Promise<EpisodeMeta[]> {
  const list = info.codebase_version.startsWith('v3.')
    ? await listV3(folder, info, videoKey)
    : await listV2(folder, info, videoKey);
  if (list.length === 0) throw new ExolamError('data', `${folder}: the metadata lists no episodes`);
  return list.sort((a, b) => a.index - b.index);
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

async function listV3(folder: string, info: Info, videoKey: string | undefined): Promise<EpisodeMeta[]> {
  const episodes: EpisodeMeta[] = [];
  for (const path of await filesBelow(join(folder, 'meta', 'episodes'))) {
    const file = await openParquet(path);
    const column = columnReader(file);
    const index = await column('episode_index');
    const length = await column('length');
    const dataChunk = await column('data/chunk_index');
    const dataIndex = await column('data/file_index');
    const video = videoKey === undefined ? undefined : `videos/${videoKey}`;
    const videoChunk = video && (await column(`${video}/chunk_index`));
    const videoIndex = video && (await column(`${video}/file_index`));
    const from = video && (await column(`${video}/from_timestamp`));
    for (let row = 0; row < file.rows; row++) {
      const place = { chunk_index: dataChunk[row], file_index: dataIndex[row] };
      episodes.push({
        index: wholeNumber(path, 'episode_index', index[row]),
        length: wholeNumber(path, 'length', length[row]),
        dataFile: fillTemplate('data_path', info.data_path, place),
        videoFile:
          videoKey === undefined || !videoChunk || !videoIndex
            ? undefined
            : videoFile(info, {
                video_key: videoKey,
                chunk_index: videoChunk[row],
                file_index: videoIndex[row],
              }),
        videoFrom: from ? from[row] : 0,
      });
    }
  }
  return episodes;
}

function columnReader(file: ParquetFile): (name: string) => Promise<Float64Array> {
  return async (name) => {
    if (!file.columns.includes(name)) throw new ExolamError('data', `${file.path} has no column ${name}`);
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

/** Parquet files of a folder and of the chunks in it. */
async function filesBelow(folder: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (cause) {
    throw new ExolamError(
      'data',
      `${folder}, the list of episodes, cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  const files = names.filter((name) => name.endsWith('.parquet')).sort(naturally);
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

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
