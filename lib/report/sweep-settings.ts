import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetRead } from 'hyparquet';
import { ExolamError } from '../base/errors.js';
import { type Interval, type Values, valueAt } from '../sweep/axis.js';
import { PARTS, readSweepFile, type SweepFile } from '../sweep/folder.js';
import type { Key } from '../sweep/points.js';
import { parametersOf } from '../sweep/rows.js';
import { readSpec } from '../sweep/spec.js';

/** The two figures that a page is about: what z carries of the clutter, and what it misses of the action. */
export const LEAKAGE = 'innovationLeakage';
export const ACTION_ERROR = 'actionError';
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
const MOST_DROPPED = 4096;
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

/** The values of a column, each once, and which of them each row has; 0 is null. One column is filled again by every part. */
class Coded {
  readonly values: Value[] = [null];
  codes = new Int32Array(0);
  private readonly codeOf = new Map<unknown, number>([
    [null, 0],
    [undefined, 0],
  ]);

  constructor(private readonly step: ((value: number) => number) | undefined) {}

  /** Rows of a part, none of which has a value yet. */
  begin(count: number): void {
    if (this.codes.length < count) this.codes = new Int32Array(count);
    this.codes.fill(0);
  }

  fill(data: ArrayLike<unknown>, from: number): void {
    for (let i = 0; i < data.length; i++)
      this.codes[from + i] = this.codeOf.get(data[i]) ?? this.codeOfNew(data[i]);
  }

  private codeOfNew(found: unknown): number {
    const given = plain(found);
    const value = this.step && typeof given === 'number' ? this.step(given) : given;
    const known = this.codeOf.get(value) ?? this.values.push(value) - 1;
    // Of a drawn range every value is another: it would only fill the map.
    if (value === given) this.codeOf.set(found, known);
    this.codeOf.set(value, known);
    return known;
  }
}

/** A figure, NaN where a row has none; likewise filled again. */
class Figures {
  values = new Float64Array(0);

  begin(count: number): void {
    if (this.values.length < count) this.values = new Float64Array(count);
    this.values.fill(Number.NaN);
  }

  fill(data: ArrayLike<unknown>, from: number): void {
    for (let i = 0; i < data.length; i++) this.values[from + i] = (data[i] as number | null) ?? Number.NaN;
  }
}

/** Settings by what tells them apart; beyond `most` every second one is dropped, as often as that takes, by a hash of the setting. */
class Settings {
  readonly all = new Map<string, Sums>();
  thinned = 1;
  /** The last few that are not wanted: their rows stand together. */
  private readonly dropped = new Set<string>();

  constructor(
    private readonly names: readonly string[],
    private readonly columns: readonly Coded[],
    private readonly most: number,
  ) {}

  /** A row of the columns, with its figures. */
  add(row: number, leakage: number, error: number): void {
    const key = this.keyOf(row);
    const sums = this.all.get(key) ?? this.begin(key, row);
    if (!sums) return;
    if (!Number.isNaN(leakage)) {
      sums.leakage += leakage;
      sums.leakages++;
      if (sums.seeds.length < MOST_SEEDS) sums.seeds.push(leakage);
    }
    if (!Number.isNaN(error)) {
      sums.error += error;
      sums.errors++;
    }
  }

  /** The codes of a row as characters, two each. */
  private keyOf(row: number): string {
    let key = '';
    for (const { codes } of this.columns) key += String.fromCharCode(codes[row] & 0xffff, codes[row] >>> 16);
    return key;
  }

  private begin(key: string, row: number): Sums | undefined {
    if (this.dropped.has(key)) return undefined;
    const values = this.columns.map(({ values: own, codes }) => own[codes[row]]);
    const hash = hashOf(values.join('|'));
    if (hash % this.thinned !== 0) {
      if (this.dropped.size === MOST_DROPPED) this.dropped.clear();
      this.dropped.add(key);
      return undefined;
    }
    const parameters = Object.fromEntries(this.names.map((name, p) => [name, values[p]]));
    const sums = { parameters, hash, seeds: [], leakage: 0, leakages: 0, error: 0, errors: 0 };
    this.all.set(key, sums);
    while (this.all.size > this.most) this.thin();
    return sums;
  }

  private thin(): void {
    this.thinned *= 2;
    for (const [key, { hash }] of this.all) if (hash % this.thinned !== 0) this.all.delete(key);
  }

  /** Those that have both figures; the sums are gone then. */
  means(): Setting[] {
    const found: Setting[] = [];
    for (const [key, { parameters, leakage, leakages, error, errors, seeds }] of this.all) {
      this.all.delete(key);
      if (leakages > 0 && errors > 0)
        found.push({
          parameters,
          leakage: leakage / leakages,
          actionError: error / errors,
          seeds: [...seeds],
        });
    }
    return found;
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
  const steps = stepsOf(file, dir);
  const own = parameters.map((name) => new Coded(steps.get(name)));
  const [seed, status, leakage, error] = [
    new Coded(undefined),
    new Coded(undefined),
    new Figures(),
    new Figures(),
  ];
  const columns = new Map<string, Coded | Figures>([
    ...parameters.map((name, p) => [name, own[p]] as const),
    ['seed', seed],
    ['status', status],
    [LEAKAGE, leakage],
    [ACTION_ERROR, error],
  ]);
  const settings = new Settings(parameters, own, most);
  const without = new Map<string, number>();
  let rows = 0;
  for await (const count of partsOf(dir, columns)) {
    rows += count;
    for (let i = 0; i < count; i++) {
      const state = status.values[status.codes[i]] as string;
      if (state === 'ok') settings.add(i, leakage.values[i], error.values[i]);
      else without.set(state, (without.get(state) ?? 0) + 1);
    }
  }
  const all = settings.means();
  if (all.length === 0)
    throw new ExolamError(
      'data',
      `${dir}: expected points with ${LEAKAGE} and ${ACTION_ERROR}, but none of the ${rows} rows there has both`,
    );
  return {
    ...{ file, rows, without },
    settings: all,
    thinned: settings.thinned,
    objectives: distinct(all, 'objective') as string[],
    axes: axesOf(all, parameters),
    // The first stands for null, which no row has.
    seeds: seed.values.length - 1,
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

/** Integers as numbers; what is not there as null. */
const plain = (value: unknown): Value =>
  typeof value === 'bigint' ? Number(value) : ((value ?? null) as Value);

/**
 * Fills the columns with the rows of each part in turn: of each file these alone are read, one after the other, so that no two are
 * there at a time as the reader makes them. Yields how many rows there are.
 */
async function* partsOf(
  dir: string,
  columns: ReadonlyMap<string, Coded | Figures>,
): AsyncGenerator<number, void> {
  const files = (await readdir(join(dir, PARTS))).filter((name) => name.endsWith('.parquet')).sort();
  for (const name of files) {
    const handle = await open(join(dir, PARTS, name), 'r');
    try {
      const byteLength = (await handle.stat()).size;
      const file = {
        byteLength,
        slice: async (start: number, end = byteLength) => {
          const into = new Uint8Array(end - start);
          const { bytesRead } = await handle.read(into, 0, into.length, start);
          return bytesRead === into.length ? into.buffer : into.buffer.slice(0, bytesRead);
        },
      };
      const metadata = await parquetMetadataAsync(file);
      const count = Number(metadata.num_rows);
      for (const [column, into] of columns) {
        into.begin(count);
        await parquetRead({
          ...{ file, metadata, columns: [column] },
          onChunk: ({ columnData, rowStart }) => into.fill(columnData, rowStart),
        });
      }
      yield count;
    } finally {
      await handle.close();
    }
  }
}
