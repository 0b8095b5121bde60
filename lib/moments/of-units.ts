import { Pace } from '../backend/pace.js';
import {
  type Backend,
  type Control,
  type RowColumn,
  UNIT_VARIABLES,
  type UnitRows,
  type UnitVariable,
} from '../backend/requests.js';
import { STILL_COLUMN } from '../base/conventions.js';
import type { Transitions } from '../data/transitions.js';

/** Transitions, and the exogenous state before them where it is known. */
export interface EstimatedData
  extends Pick<
    Transitions,
    | 'count'
    | 'observationDim'
    | 'actionDim'
    | 'exogenousDim'
    | 'observation'
    | 'observationNext'
    | 'action'
    | 'exogenousNext'
    | 'pairObservation'
    | 'pairObservationNext'
    | 'endogenousNext'
    | 'episode'
  > {
  /** (N, dx): x, the exogenous state that o was seen under. */
  readonly exogenous?: Float64Array | undefined;
}

/** `standard`: every column at unit standard deviation over all rows, o' by that of o and o' together; `given`: as it is. */
export type Scale = 'standard' | 'given';

/** A variable as columns: its numbers, and what is taken off each column and multiplied with it. */
export type Column = RowColumn;

export interface UnitMoments {
  /** Side of each matrix, the constant's column included. */
  readonly width: number;
  /** (UNIT_VARIABLES.length, 2): first column and width. */
  readonly layout: Int32Array;
  /** Units that each matrix sums over; more than units where memory asks for it. Empty where there are rows. */
  readonly moments: Float64Array;
  /** What moments are of, where one matrix a unit would take too much memory: those of all rows are then made as they are needed. */
  readonly rows: UnitRows | null;
  /** Values of a discrete action that became categories, ascending, or null. */
  readonly categories: readonly number[] | null;
  /** What each coordinate of o was multiplied with. */
  readonly observationFactor: Float64Array;
}

/** Distinct whole values that are categories: at most so many, and at most a fifth of the rows. */
const CATEGORIES = 20;
const ROWS_A_CATEGORY = 5;
/** Rows assembled at a time: bounds what is held beside the data itself. */
const CHUNK = 4096;

/** The distinct values of one column of few whole numbers, ascending, or null: then it is a number and not a category. */
export function categoriesOf(action: Float64Array, width: number): number[] | null {
  if (width !== 1 || !action.every(Number.isInteger)) return null;
  const found = new Set<number>();
  for (const v of action) {
    found.add(v);
    if (found.size > CATEGORIES) return null;
  }
  const few = found.size >= 2 && found.size <= Math.floor(action.length / ROWS_A_CATEGORY);
  return few ? [...found].sort((a, b) => a - b) : null;
}

/** Numbers that are read before others get a turn, if any waits: well below a millisecond. */
const STRETCH = 1 << 17;

/**
 * Visits all of (rows, width) numbers, some whole rows [from, to) at a time. Wide data is hundreds of megabytes: timers run
 * meanwhile, and a caller may cancel.
 */
export async function inStretches(
  values: Float64Array,
  width: number,
  pace: Pace,
  visit: (from: number, to: number) => void,
): Promise<void> {
  const step = width * Math.max(1, Math.floor(STRETCH / Math.max(1, width)));
  for (let from = 0; from < values.length; from += step) {
    visit(from, Math.min(from + step, values.length));
    await pace.rest();
  }
}

/** Mean and scale of columns over all rows of one or two arrays. */
async function scaleOf(arrays: readonly Float64Array[], width: number, scale: Scale, pace: Pace) {
  const mean = new Float64Array(width);
  const variance = new Float64Array(width);
  const largest = new Float64Array(width);
  const rows = arrays.reduce((sum, values) => sum + values.length, 0) / width;
  for (const values of arrays)
    await inStretches(values, width, pace, (from, to) => {
      for (let at = from; at < to; at += width)
        for (let j = 0; j < width; j++) {
          const v = values[at + j];
          mean[j] += v / rows;
          largest[j] = Math.max(largest[j], Math.abs(v));
        }
    });
  if (scale === 'given') return { mean, factor: new Float64Array(width).fill(1) };
  for (const values of arrays)
    await inStretches(values, width, pace, (from, to) => {
      for (let at = from; at < to; at += width)
        for (let j = 0; j < width; j++) {
          const away = values[at + j] - mean[j];
          variance[j] += (away * away) / rows;
        }
    });
  const factor = variance.map((v, j) => {
    const deviation = Math.sqrt(v);
    return deviation > STILL_COLUMN * largest[j] ? 1 / deviation : 0;
  });
  return { mean, factor };
}

/** (rows, values.length): 1 in the column of a row's value. */
export function oneHot(action: Float64Array, values: readonly number[]): Float64Array {
  const out = new Float64Array(action.length * values.length);
  const at = new Map(values.map((v, i) => [v, i]));
  action.forEach((v, row) => {
    out[row * values.length + (at.get(v) ?? 0)] = 1;
  });
  return out;
}

/** What stands in a unit's moments, the constant aside. */
export async function scaledColumns(
  t: EstimatedData,
  scale: Scale,
  categories: readonly number[] | null,
  control?: Control,
) {
  const pace = new Pace({ signal: control?.signal }, 1);
  const found: Partial<Record<UnitVariable, Column>> = {};
  const add = (names: readonly UnitVariable[], width: number, scaledBy: Pick<Column, 'mean' | 'factor'>) => {
    for (const name of names) {
      const values = t[name];
      if (values && width > 0) found[name] = { values, width, ...scaledBy };
    }
  };
  const d = t.observationDim;
  const ofObservation = await scaleOf([t.observation, t.observationNext], d, scale, pace);
  add(
    ['observation', 'observationNext', 'endogenousNext', 'pairObservation', 'pairObservationNext'],
    d,
    ofObservation,
  );
  if (t.exogenousNext && t.exogenousDim) {
    // x' by x and x' together; alone it stays as it is given, as the golden cases of theory.md section 4 have it.
    const both = t.exogenous ? [t.exogenous, t.exogenousNext] : [t.exogenousNext];
    const by = await scaleOf(both, t.exogenousDim, t.exogenous ? scale : 'given', pace);
    add(['exogenous', 'exogenousNext'], t.exogenousDim, by);
  }
  if (t.action && t.actionDim) {
    if (categories) {
      const width = categories.length;
      const plain = await scaleOf([oneHot(t.action, categories)], width, 'given', pace);
      found.action = { values: oneHot(t.action, categories), width, ...plain };
    } else add(['action'], t.actionDim, await scaleOf([t.action], t.actionDim, scale, pace));
  }
  return { found, observationFactor: ofObservation.factor };
}

export interface UnitMomentsOptions {
  readonly scale: Scale;
  /** Whether few distinct whole values in one column of actions are categories. */
  readonly discreteActions: boolean;
}

/** What stands where, and the columns themselves. */
async function laidOut(t: EstimatedData, options: UnitMomentsOptions, control?: Control) {
  const categories = t.action && options.discreteActions ? categoriesOf(t.action, t.actionDim) : null;
  const { found, observationFactor } = await scaledColumns(t, options.scale, categories, control);
  const layout = new Int32Array(2 * UNIT_VARIABLES.length);
  let width = 1;
  UNIT_VARIABLES.forEach((name, i) => {
    const column = found[name];
    if (!column) return;
    layout.set([width, column.width], 2 * i);
    width += column.width;
  });
  return { found, width, layout, categories, observationFactor };
}

/** The rows in the place of their moments. `unit` (N): a row's unit. */
export async function unitRows(
  t: EstimatedData,
  unit: Int32Array,
  options: UnitMomentsOptions,
  control?: Control,
): Promise<UnitMoments> {
  const { found, width, layout, categories, observationFactor } = await laidOut(t, options, control);
  const columns = UNIT_VARIABLES.map((name) => found[name] ?? null);
  return {
    width,
    layout,
    moments: new Float64Array(0),
    rows: { columns, unit },
    categories,
    observationFactor,
  };
}

/** Covariance of all rows, the constant's row and column left out: (width - 1, width - 1). */
export async function covarianceOfAll(
  { moments, rows, width, layout }: UnitMoments,
  backend: Backend,
  control: Control = {},
): Promise<Float64Array> {
  if (rows) return backend.rowCovariance({ rows, width, layout }, { ...control, onProgress: undefined });
  const size = width * width;
  const total = new Float64Array(size);
  for (let at = 0; at < moments.length; at++) total[at % size] += moments[at];
  const count = total[0];
  const n = width - 1;
  const covariance = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      covariance[i * n + j] =
        total[(i + 1) * width + j + 1] / count - (total[i + 1] / count) * (total[j + 1] / count);
  return covariance;
}

/**
 * Joint second moments of [1, variables] of every unit, one pass over the rows. `unit` (N) says which matrix a row belongs to,
 * of `count`.
 */
export async function unitMoments(
  t: EstimatedData,
  unit: Int32Array,
  count: number,
  options: UnitMomentsOptions,
  backend: Backend,
  control: Control = {},
): Promise<UnitMoments> {
  const { found, width, layout, categories, observationFactor } = await laidOut(t, options, control);
  const rowsOf: number[][] = Array.from({ length: count }, () => []);
  unit.forEach((u, row) => {
    rowsOf[u].push(row);
  });
  const moments = new Float64Array(count * width * width);
  const mean = new Float64Array(width);
  let done = 0;
  for (const [u, rows] of rowsOf.entries()) {
    const into = moments.subarray(u * width * width, (u + 1) * width * width);
    for (let first = 0; first < rows.length; first += CHUNK) {
      const part = rows.slice(first, first + CHUNK);
      const data = new Float64Array(part.length * width);
      part.forEach((row, i) => {
        data[i * width] = 1;
        UNIT_VARIABLES.forEach((name, v) => {
          const column = found[name];
          if (!column) return;
          const to = i * width + layout[2 * v];
          for (let j = 0; j < column.width; j++)
            data[to + j] = (column.values[row * column.width + j] - column.mean[j]) * column.factor[j];
        });
      });
      const sums = await backend.accumulate(
        { rows: part.length, width, data, mean },
        { ...control, onProgress: undefined },
      );
      for (let i = 0; i < into.length; i++) into[i] += sums[i];
      done += part.length;
      control.onProgress?.(done, t.count);
    }
  }
  return { width, layout, moments, rows: null, categories, observationFactor };
}
