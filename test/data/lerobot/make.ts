import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { scratch } from '../files.js';

export const file = scratch();
export const hasFfmpeg = spawnSync('ffmpeg', ['-version']).status === 0;
export const WIDTH = 64;
export const HEIGHT = 32;

export interface Made {
  readonly version?: string;
  readonly lengths?: readonly number[];
  readonly info?: Record<string, unknown>;
  readonly video?: boolean;
}

export const nested = (width: number, rows: number, value: (row: number, j: number) => number) =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: width }, (_, j) => value(row, j)));

export function parquet(path: string, columns: Record<string, unknown[]>): void {
  mkdirSync(join(path, '..'), { recursive: true });
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data }));
  const lists = columnData.filter(({ data }) => Array.isArray(data[0])).map(({ name }) => name);
  const schema: SchemaElement[] = [
    { name: 'schema', num_children: columnData.length },
    ...columnData.flatMap(({ name, data }): SchemaElement[] =>
      lists.includes(name)
        ? [
            { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
            { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
            { name: 'element', repetition_type: 'OPTIONAL' as const, type: 'DOUBLE' as const },
          ]
        : [
            {
              name,
              repetition_type: 'OPTIONAL' as const,
              type: typeof data[0] === 'bigint' ? ('INT64' as const) : ('DOUBLE' as const),
            },
          ],
    ),
  ];
  writeFileSync(path, Buffer.from(parquetWriteBuffer({ columnData, schema })));
}

/** A bar of 8 pixels that moves to the right, two pixels a frame, from `first` on; lossless, grey levels 0 and 255. */
export function movie(path: string, frames: number, first = 0): void {
  mkdirSync(join(path, '..'), { recursive: true });
  const raw = Buffer.alloc(frames * WIDTH * HEIGHT);
  for (let t = 0; t < frames; t++)
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < 8; x++) raw[(t * HEIGHT + y) * WIDTH + ((2 * (first + t) + x) % WIDTH)] = 255;
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    'gray',
    '-s',
    `${WIDTH}x${HEIGHT}`,
    '-r',
    '10',
    '-i',
    'pipe:0',
  ];
  const made = spawnSync(
    'ffmpeg',
    ['-v', 'error', '-y', ...input, '-c:v', 'mpeg4', '-q:v', '1', '-g', '4', path],
    { input: raw },
  );
  if (made.status !== 0) throw new Error(String(made.stderr));
}

export const state = (episode: number, row: number, j: number) => Math.sin(episode * 10 + row * 0.3 + j);

/** A small data set of our own in the layout of a version. */
export function dataset(
  name: string,
  { version = 'v2.1', lengths = [6, 7, 8], info = {}, video = false }: Made = {},
): string {
  const folder = file(name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'meta'), { recursive: true });
  const v3 = version === 'v3.0';
  const content = {
    codebase_version: version,
    fps: 10,
    chunks_size: 1000,
    data_path: v3
      ? 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet'
      : 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
    video_path: v3
      ? 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'
      : 'videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4',
    features: {
      'observation.state': { dtype: 'float32', shape: [3] },
      action: { dtype: 'float32', shape: [2] },
      'observation.images.top': { dtype: 'video', shape: [HEIGHT, WIDTH, 3] },
      task: { dtype: 'string', shape: [1] },
    },
    ...info,
  };
  writeFileSync(join(folder, 'meta', 'info.json'), JSON.stringify(content));
  const rows = (e: number) => ({
    'observation.state': nested(3, lengths[e]!, (row, j) => state(e, row, j)),
    action: nested(2, lengths[e]!, (row, j) => row + j),
    episode_index: Array.from({ length: lengths[e]! }, () => BigInt(e)),
    frame_index: Array.from({ length: lengths[e]! }, (_, t) => BigInt(t)),
  });
  if (!v3) {
    const lines = lengths.map((length, episode_index) =>
      JSON.stringify({ episode_index, tasks: [], length }),
    );
    writeFileSync(join(folder, 'meta', 'episodes.jsonl'), `${lines.join('\n')}\n`);
    lengths.forEach((length, e) => {
      parquet(join(folder, `data/chunk-000/episode_00000${e}.parquet`), rows(e));
      if (video)
        movie(join(folder, `videos/chunk-000/observation.images.top/episode_00000${e}.mp4`), length, 5 * e);
    });
    return folder;
  }
  const all = lengths.map((_, e) => rows(e));
  const join3 = (key: keyof ReturnType<typeof rows>) => all.flatMap((part) => part[key] as unknown[]);
  parquet(join(folder, 'data/chunk-000/file-000.parquet'), {
    'observation.state': join3('observation.state'),
    action: join3('action'),
    episode_index: join3('episode_index'),
    frame_index: join3('frame_index'),
  });
  const from = lengths.map((_, e) => lengths.slice(0, e).reduce((sum, n) => sum + n, 0) / 10);
  const key = 'videos/observation.images.top';
  parquet(join(folder, 'meta/episodes/chunk-000/file-000.parquet'), {
    episode_index: lengths.map((_, e) => BigInt(e)),
    length: lengths.map(BigInt),
    'data/chunk_index': lengths.map(() => 0n),
    'data/file_index': lengths.map(() => 0n),
    [`${key}/chunk_index`]: lengths.map(() => 0n),
    [`${key}/file_index`]: lengths.map(() => 0n),
    [`${key}/from_timestamp`]: from,
    [`${key}/to_timestamp`]: lengths.map((n, e) => from[e]! + n / 10),
  });
  const total = lengths.reduce((sum, n) => sum + n, 0);
  if (video) movie(join(folder, 'videos/observation.images.top/chunk-000/file-000.mp4'), total);
  return folder;
}
