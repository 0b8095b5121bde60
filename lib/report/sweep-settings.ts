import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetRead } from 'hyparquet';
import { ExolamError } from '../base/errors.js';
import { PARTS, readSweepFile, type SweepFile } from '../sweep/folder.js';

/** The two figures that a page is about: what z carries of the clutter, and what it misses of the action. */
export const LEAKAGE = 'innovationLeakage';
export const ACTION_ERROR = 'actionError';
const FIGURES = [LEAKAGE, ACTION_ERROR] as const;
/** Columns that are no parameters. */
const OTHERS = new Set(['loss', 'unique', 'rank', 'status', 'version', 'refinement', 'seed']);

export type Value = number | string | null;

/** One setting of a sweep: all that varies but the seed, and its two figures for every seed. */
export interface Setting {
  readonly parameters: Readonly<Record<string, Value>>;
  readonly leakage: readonly number[];
  readonly actionError: readonly number[];
}

/** What a page shows of a sweep. */
export interface SweepData {
  readonly file: SweepFile;
  readonly rows: number;
  /** Rows without figures, by their status. */
  readonly without: ReadonlyMap<string, number>;
  readonly settings: readonly Setting[];
  readonly objectives: readonly string[];
  /** Parameters that have several values, with these, ascending; `objective` and `seed` apart. */
  readonly axes: ReadonlyMap<string, readonly Value[]>;
  readonly seeds: number;
}

export const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Reads the parts, and brings the rows of one setting together. */
export async function readSweepData(dir: string): Promise<SweepData> {
  const file = await readSweepFile(dir);
  if (!file) throw new ExolamError('input', `${dir}: expected the folder of a sweep`);
  const parameters = file.columns.slice(0, file.columns.indexOf('loss')).filter((name) => !OTHERS.has(name));
  const settings = new Map<
    string,
    { parameters: Record<string, Value>; leakage: number[]; actionError: number[] }
  >();
  const without = new Map<string, number>();
  const seeds = new Set<Value>();
  let rows = 0;
  for (const columns of await partsOf(dir, [...parameters, 'seed', 'status', ...FIGURES])) {
    const own = parameters.map((name) => columns[name]);
    const count = columns['status'].length;
    rows += count;
    for (let i = 0; i < count; i++) {
      seeds.add(columns['seed'][i]);
      const status = columns['status'][i] as string;
      if (status !== 'ok') {
        without.set(status, (without.get(status) ?? 0) + 1);
        continue;
      }
      const values = own.map((column) => column[i]);
      const key = values.join('|');
      let setting = settings.get(key);
      if (!setting) {
        setting = {
          parameters: Object.fromEntries(parameters.map((name, p) => [name, values[p]])),
          leakage: [],
          actionError: [],
        };
        settings.set(key, setting);
      }
      const [leakage, error] = FIGURES.map((name) => columns[name][i]);
      if (leakage !== null) setting.leakage.push(leakage as number);
      if (error !== null) setting.actionError.push(error as number);
    }
  }
  const all = [...settings.values()].filter(
    ({ leakage, actionError }) => leakage.length > 0 && actionError.length > 0,
  );
  if (all.length === 0)
    throw new ExolamError(
      'data',
      `${dir}: expected points with ${FIGURES.join(' and ')}, but none of the ${rows} rows there has both`,
    );
  return {
    file,
    rows,
    without,
    settings: all,
    objectives: distinct(all, 'objective') as string[],
    axes: axesOf(all, parameters),
    seeds: seeds.size,
  };
}

function distinct(settings: readonly Setting[], name: string): Value[] {
  return [...new Set(settings.map(({ parameters }) => parameters[name]))];
}

function axesOf(settings: readonly Setting[], names: readonly string[]): SweepData['axes'] {
  const axes = new Map<string, Value[]>();
  for (const name of names) {
    if (name === 'objective') continue;
    const values = distinct(settings, name).filter((value) => value !== null);
    if (values.length > 1)
      axes.set(
        name,
        values.sort((a, b) =>
          typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
        ),
      );
  }
  return axes;
}

type Columns = Record<string, ArrayLike<Value>>;

/** The columns asked for, part by part; integers as numbers. */
async function partsOf(dir: string, names: readonly string[]): Promise<Columns[]> {
  const files = (await readdir(join(dir, PARTS))).filter((name) => name.endsWith('.parquet')).sort();
  const parts: Columns[] = [];
  for (const name of files) {
    const bytes = await readFile(join(dir, PARTS, name));
    const columns: Record<string, Value[]> = Object.fromEntries(names.map((column) => [column, []]));
    await parquetRead({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
      columns: [...names],
      onChunk: ({ columnName, columnData }) => {
        const into = columns[columnName];
        for (let i = 0; i < columnData.length; i++) {
          const value: unknown = columnData[i];
          into.push(typeof value === 'bigint' ? Number(value) : ((value ?? null) as Value));
        }
      },
    });
    parts.push(columns);
  }
  return parts;
}
