import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetRead } from 'hyparquet';
import { ExolamError } from '../base/errors.js';
import { type Interval, type Values, valueAt } from '../sweep/axis.js';
import { PARTS, readSweepFile, type SweepFile } from '../sweep/folder.js';
import type { Key } from '../sweep/points.js';
import { parametersOf } from '../sweep/rows.js';
import { readSpec } from '../sweep/spec.js';

/** The two figures that a page is about: what z carries of the clutter, and what it misses of the action. */
export const LEAKAGE = 'innovationLeakage';
export const ACTION_ERROR = 'actionError';
const FIGURES = [LEAKAGE, ACTION_ERROR] as const;
/** Columns that are no parameters. */
const OTHERS = new Set(['loss', 'unique', 'rank', 'status', 'version', 'refinement', 'seed']);

export type Value = number | string | null;

/** One setting of a sweep: all that varies but the seed, and its two figures. */
export interface Setting {
  readonly parameters: Readonly<Record<string, Value>>;
  /** Means over the seeds. */
  readonly leakage: number;
  readonly actionError: number;
  /** The leakage of each seed, of the first few dozen. */
  readonly seeds: readonly number[];
}

/** What a page shows of a sweep. */
export interface SweepData {
  readonly file: SweepFile;
  readonly rows: number;
  /** Rows without figures, by their status. */
  readonly without: ReadonlyMap<string, number>;
  readonly settings: readonly Setting[];
  /** One of so many settings is among them: 1 unless there are too many to hold. */
  readonly thinned: number;
  readonly objectives: readonly string[];
  /** Parameters that have several values, with these, ascending; `objective` and `seed` apart. */
  readonly axes: ReadonlyMap<string, readonly Value[]>;
  readonly seeds: number;
}

export const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

/** Settings that are held at most: with them memory is bounded, however many rows there are. */
const MOST_SETTINGS = 100_000;
/** Seeds of a setting whose own figures are kept. */
const MOST_SEEDS = 64;
/** Steps that the draws of a range are brought together in. */
const STEPS = 16;

interface Sums {
  readonly parameters: Record<string, Value>;
  readonly hash: number;
  readonly seeds: number[];
  leakage: number;
  leakages: number;
  error: number;
  errors: number;
}

/** Settings by what tells them apart; beyond `most` every second one is dropped, as often as that takes, by a hash of the setting. */
class Settings {
  readonly all = new Map<string, Sums>();
  thinned = 1;

  constructor(
    private readonly names: readonly string[],
    private readonly most: number,
  ) {}

  add(values: readonly Value[], leakage: Value, error: Value): void {
    const key = values.join('|');
    let sums = this.all.get(key);
    if (!sums) {
      const hash = hashOf(key);
      if (hash % this.thinned !== 0) return;
      const parameters = Object.fromEntries(this.names.map((name, p) => [name, values[p]]));
      sums = { parameters, hash, seeds: [], leakage: 0, leakages: 0, error: 0, errors: 0 };
      this.all.set(key, sums);
      while (this.all.size > this.most) this.thin();
    }
    if (leakage !== null) {
      sums.leakage += leakage as number;
      sums.leakages++;
      if (sums.seeds.length < MOST_SEEDS) sums.seeds.push(leakage as number);
    }
    if (error !== null) {
      sums.error += error as number;
      sums.errors++;
    }
  }

  private thin(): void {
    this.thinned *= 2;
    for (const [key, { hash }] of this.all) if (hash % this.thinned !== 0) this.all.delete(key);
  }

  /** Those that have both figures. */
  means(): Setting[] {
    return [...this.all.values()]
      .filter(({ leakages, errors }) => leakages > 0 && errors > 0)
      .map(({ parameters, leakage, leakages, error, errors, seeds }) => ({
        parameters,
        leakage: leakage / leakages,
        actionError: error / errors,
        seeds,
      }));
  }
}

/** FNV-1a and a finisher: which settings are kept does not depend on the order of the rows. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Reads the parts one after another, and brings the rows of one setting together. */
export async function readSweepData(dir: string, most = MOST_SETTINGS): Promise<SweepData> {
  const file = await readSweepFile(dir);
  if (!file) throw new ExolamError('input', `${dir}: expected the folder of a sweep`);
  const parameters = file.columns.slice(0, file.columns.indexOf('loss')).filter((name) => !OTHERS.has(name));
  const settings = new Settings(parameters, most);
  const steps = stepsOf(file, dir);
  const without = new Map<string, number>();
  const seeds = new Set<Value>();
  let rows = 0;
  for await (const columns of partsOf(dir, [...parameters, 'seed', 'status', ...FIGURES])) {
    const own = parameters.map((name) => columns[name]);
    const placed = parameters.map((name) => steps.get(name));
    const [leakage, error] = FIGURES.map((name) => columns[name]);
    const { seed, status } = columns;
    rows += status.length;
    for (let i = 0; i < status.length; i++) {
      seeds.add(plain(seed[i]));
      if (status[i] !== 'ok') {
        without.set(status[i] as string, (without.get(status[i] as string) ?? 0) + 1);
        continue;
      }
      const values = own.map((column, p) => {
        const value = plain(column[i]);
        const step = placed[p];
        return step && typeof value === 'number' ? step(value) : value;
      });
      settings.add(values, plain(leakage[i]), plain(error[i]));
    }
  }
  const all = settings.means();
  if (all.length === 0)
    throw new ExolamError(
      'data',
      `${dir}: expected points with ${FIGURES.join(' and ')}, but none of the ${rows} rows there has both`,
    );
  return {
    ...{ file, rows, without },
    settings: all,
    thinned: settings.thinned,
    objectives: distinct(all, 'objective') as string[],
    axes: axesOf(all, parameters),
    seeds: seeds.size,
  };
}

/** Ranges that points were drawn from: no two draws are alike, and one stands for those of its step. */
function stepsOf({ specs }: SweepFile, dir: string): ReadonlyMap<string, (value: number) => number> {
  const found = new Map<string, (value: number) => number>();
  for (const [i, own] of specs.entries()) {
    const spec = readSpec(own, `${dir}/spec.json: specs[${i}]`);
    if (spec.random === undefined) continue;
    const ranges: { key: Key; values: Values<number | string> }[] = [
      ...spec.grid.map(({ key, values }) => ({ key: { of: 'world', key } as const, values })),
      ...spec.objectives.flatMap(({ strengths }) =>
        strengths.map(({ strength, values }) => ({
          key: { of: 'objective', key: strength } as const,
          values,
        })),
      ),
    ];
    for (const { key, values } of ranges) {
      const name = parametersOf(spec).find(({ shows }) => shows(key))?.name;
      if (name !== undefined && 'interval' in values) found.set(name, stepOf(values.interval));
    }
  }
  return found;
}

function stepOf(interval: Interval): (value: number) => number {
  const { from, to, log } = interval;
  const along = (v: number) => (log ? Math.log(v / from) / Math.log(to / from) : (v - from) / (to - from));
  return (value) => {
    const step = Math.min(STEPS - 1, Math.max(0, Math.floor(along(value) * STEPS)));
    return valueAt(interval, (step + 0.5) / STEPS);
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

type Columns = Record<string, ArrayLike<unknown>>;

/** Integers as numbers; what is not there as null. */
const plain = (value: unknown): Value =>
  typeof value === 'bigint' ? Number(value) : ((value ?? null) as Value);

/** The columns asked for, part by part: of each file these alone are read. */
async function* partsOf(dir: string, names: readonly string[]): AsyncGenerator<Columns, void> {
  const files = (await readdir(join(dir, PARTS))).filter((name) => name.endsWith('.parquet')).sort();
  for (const name of files) {
    const handle = await open(join(dir, PARTS, name), 'r');
    try {
      const columns: Record<string, unknown[]> = Object.fromEntries(names.map((column) => [column, []]));
      const byteLength = (await handle.stat()).size;
      await parquetRead({
        file: {
          byteLength,
          slice: async (start, end = byteLength) => {
            const size = end - start;
            const { buffer, bytesRead } = await handle.read(new Uint8Array(size), 0, size, start);
            return buffer.buffer.slice(0, bytesRead) as ArrayBuffer;
          },
        },
        columns: [...names],
        onChunk: ({ columnName, columnData }) => {
          const into = columns[columnName];
          for (let i = 0; i < columnData.length; i++) into.push(columnData[i]);
        },
      });
      yield columns;
    } finally {
      await handle.close();
    }
  }
}
