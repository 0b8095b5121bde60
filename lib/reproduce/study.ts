import type { Backend, Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import type { Drawing } from '../report/drawing.js';
import { type Case, type Solution, solveBatch } from '../solve/population.js';
import type { RealData } from './real-data.js';
import type { ReproduceSpec } from './spec.js';
import type { Table } from './table.js';

/** What a study measures with. `advance` reports progress in the study's own units. */
export interface Run extends Control {
  readonly spec: ReproduceSpec;
  readonly backend: Backend;
  /** The user's own, where there is any. */
  readonly data?: RealData | undefined;
  readonly advance: (done: number, total: number) => void;
}

export type Tables = Readonly<Record<string, Table>>;

/** What a table says: figures, and one sentence that is computed from it. */
export interface Reading {
  readonly drawings: readonly Drawing[];
  readonly sentence: string;
}

/** One question: measured once into tables, drawn from the tables alone, so that a saved reproduction can be drawn again. */
export interface Study {
  readonly name: string;
  readonly title: string;
  /** T's that it shows, and the claims that these formalise. */
  readonly theorems: readonly string[];
  readonly claims: readonly ('C1' | 'C2' | 'C3' | 'C4')[];
  /** Rough share of the whole run's time. */
  readonly cost: number;
  measure(run: Run): Promise<Table[]>;
  read(tables: Tables, spec: ReproduceSpec): Reading;
}

/** Cases of one native call: enough to keep all cores busy, few enough that the progress bar moves. */
const CHUNK = 1024;

/** Exact solutions, in batches. */
export async function solveAll(cases: readonly Case[], run: Run): Promise<Solution[]> {
  const solutions: Solution[] = [];
  for (let first = 0; first < cases.length; first += CHUNK) {
    await breathe(run);
    const { signal, threads, backend } = run;
    solutions.push(...(await solveBatch(cases.slice(first, first + CHUNK), { signal, threads, backend })));
    run.advance(solutions.length, cases.length);
  }
  return solutions;
}

/** Lets signals in, and stops where one asks to. */
export async function breathe({ signal }: Control): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new ExolamError('cancelled', 'cancelled');
}

/** A table that a study asked for and measured itself. */
export function need(tables: Tables, name: string): Table {
  const table = tables[name];
  if (!table) throw new ExolamError('data', `results.json: expected a table "${name}"`);
  return table;
}

export function percent(share: number): string {
  const value = 100 * share;
  if (value !== 0 && Math.abs(value) < 0.1) return 'less than 0.1\u00a0%';
  return `${Number(value.toFixed(Math.abs(value) < 10 ? 1 : 0))}\u00a0%`;
}
