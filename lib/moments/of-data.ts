import type { Backend, Control, MomentLayout } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import type { Transitions } from '../data/transitions.js';

/** Rows assembled at a time: bounds what is held beside the data itself. */
const CHUNK = 4096;

/** Where each variable of a set of transitions stands among the columns of its joint moments. */
export interface Variables {
  /** Columns in all. */
  readonly width: number;
  readonly layout: MomentLayout;
  /** First column of x' and of the clean o', -1 where absent. */
  readonly exogenousNext: number;
  readonly endogenousNext: number;
}

type Column = readonly [values: Float64Array, width: number, begin: number];

function columnsOf(t: Transitions): { variables: Variables; columns: Column[] } {
  const columns: Column[] = [];
  let width = 0;
  const add = (values: Float64Array | undefined, w: number): number => {
    if (!values || w === 0) return -1;
    columns.push([values, w, width]);
    width += w;
    return width - w;
  };
  const d = t.observationDim;
  const layout: MomentLayout = {
    observationDim: d,
    actionDim: t.actionDim,
    observation: add(t.observation, d),
    observationNext: add(t.observationNext, d),
    pairObservation: add(t.pairObservation, d),
    pairObservationNext: add(t.pairObservationNext, d),
    action: add(t.action, t.actionDim),
  };
  const exogenousNext = add(t.exogenousNext, t.exogenousDim ?? 0);
  const endogenousNext = add(t.endogenousNext, d);
  return { variables: { width, layout, exogenousNext, endogenousNext }, columns };
}

/** The variables that the data has, in the order o, o', o2, o2', a, x', clean o'; a column of -1 stands for one that it lacks. */
export function variablesOf(t: Transitions): Variables {
  return columnsOf(t).variables;
}

/** The mean of every variable over the given rows, (width). NaN of no rows. */
export function meanOf(t: Transitions, rows: Int32Array): Float64Array {
  const { variables, columns } = columnsOf(t);
  const mean = new Float64Array(variables.width);
  for (const [values, width, begin] of columns) {
    for (const row of rows) for (let j = 0; j < width; j++) mean[begin + j] += values[row * width + j];
  }
  return mean.map((sum) => sum / rows.length);
}

/**
 * Second moments about `mean` over the given rows, (width, width): S_vw of docs/theory.md for all variables at once, divided by
 * the number of rows. NaN of no rows. Progress is by row.
 */
export async function secondMoments(
  t: Transitions,
  rows: Int32Array,
  mean: Float64Array,
  backend: Backend,
  control: Control = {},
): Promise<Float64Array> {
  const { variables, columns } = columnsOf(t);
  let total: Float64Array | undefined;
  for (let first = 0; first < rows.length; first += CHUNK) {
    const part = rows.subarray(first, first + CHUNK);
    const data = new Float64Array(part.length * variables.width);
    for (const [values, width, begin] of columns)
      part.forEach((row, i) => {
        data.set(values.subarray(row * width, (row + 1) * width), i * variables.width + begin);
      });
    const sums = await backend.accumulate(
      { rows: part.length, width: variables.width, data, mean },
      { ...control, onProgress: undefined },
    );
    if (total) for (let i = 0; i < total.length; i++) total[i] += sums[i];
    else total = sums;
    control.onProgress?.(Math.min(first + CHUNK, rows.length), rows.length);
  }
  total ??= new Float64Array(variables.width * variables.width);
  // v - v is 0 for a finite v and NaN for any other: one pass divides and looks.
  let strays = 0;
  for (let i = 0; i < total.length; i++) {
    total[i] = total[i] / rows.length;
    strays += total[i] - total[i];
  }
  if (strays !== 0 && rows.length > 0)
    throw new ExolamError(
      'numerical',
      'the covariances of the data are not finite although its numbers are: they are too large for f64; rescale them',
    );
  return total;
}
