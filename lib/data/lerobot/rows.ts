import { join } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { boundsOf, episodeNumbers } from '../formats/arrays.js';
import { openParquet, readMatrices } from '../formats/parquet.js';
import type { LeftOut } from '../left-out.js';
import { unknownName } from '../names.js';
import { throwIfAborted } from '../progress.js';
import { groupBy } from './group.js';
import { dataFiles, type EpisodeMeta, pointerOf } from './meta.js';

/** Rows of an episode as its Parquet file has them. */
export interface Recorded {
  readonly meta: EpisodeMeta;
  /** The file that holds the rows, and the first of them. */
  readonly file: string;
  readonly firstRow: number;
  readonly length: number;
  readonly vectors?: Float64Array | undefined;
  readonly action?: Float64Array | undefined;
  readonly exogenous?: Float64Array | undefined;
  /** Rows whose frame is not the one after the frame of the row before. */
  readonly breaks: readonly number[];
  /** Frame of each row, counted from the episode's first. */
  readonly frames: Int32Array;
}

export interface Columns {
  readonly observation?: string | undefined;
  readonly action?: string | undefined;
  readonly exogenous?: string | undefined;
}

/**
 * The vector columns of all episodes, file by file: a file holds one episode (v2) or several (v3). Rows are found by their
 * episode_index: in v3.0, where the metadata's file_index may be stale, in whichever file they are.
 */
export async function readRows(
  folder: string,
  episodes: readonly EpisodeMeta[],
  columns: Columns,
  anyFile: boolean,
  leftOut: LeftOut,
  control: Control,
  notes: string[],
): Promise<{ recorded: Recorded[]; absent: number[] }> {
  const found = new Map<number, Recorded>();
  const moved: number[] = [];
  const tried = new Set<string>();
  const gone = new Set<string>();
  const read = async (name: string, metas: Iterable<EpisodeMeta>, listed: boolean): Promise<void> => {
    throwIfAborted(control);
    tried.add(name);
    let file: DataFile;
    try {
      file = await readDataFile(join(folder, name), columns, control);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return void gone.add(name);
      if (!(error instanceof ExolamError) || error.kind !== 'data') throw error;
      const reason = (await pointerOf(join(folder, name))) ?? error.message;
      if (listed) for (const { index } of metas) leftOut.add(index, reason);
      return;
    }
    for (const meta of metas) {
      if (found.has(meta.index)) continue;
      const recorded = episodeOf(file, meta, name, columns, leftOut);
      if (!recorded) continue;
      found.set(meta.index, recorded);
      if (name !== meta.dataFile) moved.push(meta.index);
    }
  };
  for (const [name, metas] of groupBy(episodes, ({ dataFile }) => dataFile)) await read(name, metas, true);
  const missing = () => episodes.filter(({ index }) => !found.has(index) && !leftOut.has(index));
  if (anyFile && missing().length > 0)
    for (const name of await dataFiles(folder, episodes[0]?.dataFile ?? 'data')) {
      if (missing().length === 0) break;
      if (!tried.has(name)) await read(name, missing(), false);
    }
  const absent = missing().filter(({ dataFile }) => gone.has(dataFile));
  for (const { index, dataFile } of missing())
    if (!gone.has(dataFile))
      leftOut.add(index, `${dataFile} has no rows of it, though the metadata places it there`);
  if (moved.length > 0)
    notes.push(
      `${moved.length} episodes are in other files than the metadata says; their rows were found by episode_index`,
    );
  const recorded = episodes.flatMap(({ index }) => found.get(index) ?? []);
  noteLengths(recorded, notes);
  noteGaps(recorded, notes);
  return { recorded, absent: absent.map(({ index }) => index) };
}

interface DataFile {
  readonly path: string;
  readonly matrices: ReadonlyMap<string, { readonly values: Float64Array; readonly dim: number }>;
  readonly frame: Float64Array | undefined;
  readonly begins: ReadonlyMap<number, readonly [begin: number, end: number]>;
}

async function readDataFile(path: string, columns: Columns, control: Control): Promise<DataFile> {
  const names = [columns.observation, columns.action, columns.exogenous].filter((name) => name !== undefined);
  const file = await openParquet(path, control);
  for (const column of [...names, 'episode_index'])
    if (!file.columns.includes(column)) throw unknownName('column', column, path, file.columns);
  const counted = file.columns.includes('frame_index');
  const all = ['episode_index', ...new Set(names), ...(counted ? ['frame_index'] : [])];
  const parts = await readMatrices(
    file,
    all.map((column) => [column]),
  );
  const matrices = new Map(all.map((name, i) => [name, parts[i]]));
  const { values } = matrices.get('episode_index') as { values: Float64Array };
  const numbers = episodeNumbers(path, { name: 'episode_index', values, rows: file.rows, dim: 1 });
  const { ends, numbers: present } = boundsOf(path, 'episode_index', numbers);
  const begins = new Map(present.map((number, i) => [number, [i === 0 ? 0 : ends[i - 1], ends[i]] as const]));
  return { path, matrices, frame: matrices.get('frame_index')?.values, begins };
}

/** The rows of one episode, or nothing where the file has none or they cannot be used. */
function episodeOf(
  file: DataFile,
  meta: EpisodeMeta,
  name: string,
  columns: Columns,
  leftOut: LeftOut,
): Recorded | undefined {
  const range = file.begins.get(meta.index);
  if (!range) return undefined;
  const [begin, end] = range;
  const length = end - begin;
  const frames = Int32Array.from({ length }, (_, t) =>
    file.frame ? file.frame[begin + t] - file.frame[begin] : t,
  );
  const breaks: number[] = [];
  for (let t = 1; t < length; t++) {
    const step = frames[t] - frames[t - 1];
    if (step > 1) breaks.push(t);
    if (step >= 1) continue;
    const at = (row: number) => file.frame?.[begin + row];
    leftOut.add(
      meta.index,
      `${name}: frame_index goes from ${at(t - 1)} to ${at(t)}; expected frames in the order of time`,
    );
    return undefined;
  }
  const part = (column: string | undefined, steps: boolean): Float64Array | undefined => {
    if (column === undefined) return undefined;
    const { values, dim } = file.matrices.get(column) as { values: Float64Array; dim: number };
    // After the last frame there is no step, so nothing that belongs to one is looked at.
    const last = steps ? end - 1 : end;
    for (let i = begin * dim; i < last * dim; i++)
      if (!Number.isFinite(values[i]))
        throw new ExolamError(
          'data',
          `${name}: ${column}: row ${Math.floor(i / dim)}, column ${i % dim} is ${values[i]}; every number must be finite`,
        );
    return values.slice(begin * dim, end * dim);
  };
  try {
    return {
      meta,
      file: name,
      firstRow: begin,
      length,
      vectors: part(columns.observation, false),
      action: part(columns.action, true),
      exogenous: part(columns.exogenous, false),
      breaks,
      frames,
    };
  } catch (error) {
    if (!(error instanceof ExolamError)) throw error;
    leftOut.add(meta.index, error.message);
    return undefined;
  }
}

function noteLengths(list: readonly Recorded[], notes: string[]): void {
  const odd = list.filter(({ meta, length }) => length !== meta.length);
  const [first] = odd;
  if (!first) return;
  const more = odd.length > 1 ? `, and ${odd.length - 1} others differ too` : '';
  notes.push(
    `episode ${first.meta.index} has ${first.length} rows, and the metadata says ${first.meta.length}${more}`,
  );
}

function noteGaps(list: readonly Recorded[], notes: string[]): void {
  const gaps = list.reduce((sum, { breaks }) => sum + breaks.length, 0);
  const first = list.find(({ breaks }) => breaks.length > 0);
  if (!first) return;
  const t = first.breaks[0];
  const where = `frame_index goes from ${first.frames[t - 1]} to ${first.frames[t]} in episode ${first.meta.index}`;
  notes.push(
    gaps === 1
      ? `${where}: no transition is made across the gap`
      : `${where}, and there are ${gaps - 1} more gaps: no transition is made across one`,
  );
}
