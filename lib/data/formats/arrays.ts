import { ExolamError } from '../../base/errors.js';
import { allocate } from '../../base/memory.js';
import { requireFinite } from '../checks.js';
import type { Episode, Episodes, Transitions, Values } from '../transitions.js';

/** A named (rows, dim) matrix of a file. */
export interface Matrix {
  readonly name: string;
  readonly values: Values;
  readonly rows: number;
  readonly dim: number;
}

/**
 * The arrays of an .npz or of a column file. With `observationNext` a row is a transition; without, rows are the frames
 * of episodes, and row t of the arrays called "next" belongs to the step from frame t to t + 1.
 */
export interface Arrays {
  readonly observation: Matrix;
  readonly observationNext?: Matrix | undefined;
  readonly action?: Matrix | undefined;
  readonly exogenous?: Matrix | undefined;
  readonly exogenousNext?: Matrix | undefined;
  readonly pairObservation?: Matrix | undefined;
  readonly pairObservationNext?: Matrix | undefined;
}

/** Where episodes end (exclusive, ascending, the last one at the number of rows), and their numbers. */
export interface Bounds {
  readonly ends: readonly number[];
  readonly numbers: readonly number[];
}

/** Shapes that fit each other, and finite numbers only. `file` names the source in messages. */
export function checkArrays(file: string, arrays: Arrays): void {
  const { observation, observationNext, action, exogenous, exogenousNext } = arrays;
  const { pairObservation, pairObservationNext } = arrays;
  const pair = [pairObservation, pairObservationNext];
  const all = [observation, observationNext, action, exogenous, exogenousNext, ...pair];
  for (const matrix of all) {
    if (!matrix) continue;
    const shape = `(${matrix.rows}, ${matrix.dim})`;
    if (matrix.rows !== observation.rows)
      throw new ExolamError(
        'data',
        `${file}: ${matrix.name} has shape ${shape}; its ${matrix.rows} rows should be ${observation.rows}, as in ${observation.name}`,
      );
    const like = matrix === observationNext || matrix === pairObservation || matrix === pairObservationNext;
    if (matrix.dim === 0 || (like && matrix.dim !== observation.dim))
      throw new ExolamError(
        'data',
        `${file}: ${matrix.name} has shape ${shape}; ` +
          (like
            ? `${observation.dim} columns are expected, as in ${observation.name}`
            : 'it needs at least one column'),
      );
    requireFinite(matrix.values, matrix.dim, `${file}: ${matrix.name}`);
  }
  if (exogenous && exogenousNext && exogenous.dim !== exogenousNext.dim)
    throw new ExolamError(
      'data',
      `${file}: ${exogenousNext.name} has ${exogenousNext.dim} columns; ${exogenous.dim} are expected, as in ${exogenous.name}`,
    );
  if ((pairObservation === undefined) !== (pairObservationNext === undefined))
    throw new ExolamError(
      'data',
      `${file} has ${(pairObservation ?? pairObservationNext)?.name} alone; a paired view needs both of its observations`,
    );
}

/** Frames of episodes. */
export function toEpisodes(arrays: Arrays, bounds: Bounds, notes: readonly string[]): Episodes {
  let begin = 0;
  const list: Episode[] = bounds.ends.map((end, e) => {
    const part = (matrix: Matrix | undefined) =>
      matrix?.values.subarray(begin * matrix.dim, end * matrix.dim);
    const episode: Episode = {
      number: bounds.numbers[e],
      length: end - begin,
      observation: part(arrays.observation) as Values,
      action: part(arrays.action),
      exogenous: part(arrays.exogenous),
      exogenousNext: part(arrays.exogenousNext),
      pairObservation: part(arrays.pairObservation),
      pairObservationNext: part(arrays.pairObservationNext),
    };
    begin = end;
    return episode;
  });
  return {
    observationDim: arrays.observation.dim,
    actionDim: arrays.action?.dim ?? 0,
    exogenousDim: (arrays.exogenousNext ?? arrays.exogenous)?.dim ?? 0,
    scale: 1,
    list,
    listed: list.length,
    absent: [],
    notes,
  };
}

/** Rows that are transitions already: of the given episodes, or each of its own. */
export function fromRows(
  arrays: Arrays,
  episode: Int32Array | undefined,
  notes: readonly string[],
): Transitions {
  const count = arrays.observation.rows;
  const doubles = (matrix: Matrix | undefined): Float64Array | undefined => {
    if (!matrix || matrix.values instanceof Float64Array) return matrix?.values as Float64Array | undefined;
    const values = allocate(matrix.rows, matrix.dim, matrix.name);
    values.set(matrix.values);
    return values;
  };
  const used = episode ? new Set(episode).size : count;
  return {
    count,
    observationDim: arrays.observation.dim,
    actionDim: arrays.action?.dim ?? 0,
    exogenousDim: (arrays.exogenousNext ?? arrays.exogenous)?.dim ?? 0,
    stride: 1,
    observation: doubles(arrays.observation) as Float64Array,
    observationNext: doubles(arrays.observationNext) as Float64Array,
    action: doubles(arrays.action),
    exogenous: doubles(arrays.exogenous),
    exogenousNext: doubles(arrays.exogenousNext),
    pairObservation: doubles(arrays.pairObservation),
    pairObservationNext: doubles(arrays.pairObservationNext),
    episode: episode ?? Int32Array.from({ length: count }, (_, row) => row),
    episodes: { used, listed: used, absent: [] },
    notes: episode
      ? notes
      : [...notes, 'rows are independent transitions: each one counts as an episode of its own'],
  };
}

/** Episode numbers of rows, checked: whole numbers of 32 bits. */
export function episodeNumbers(file: string, matrix: Matrix): Int32Array {
  const numbers = new Int32Array(matrix.rows);
  for (let row = 0; row < matrix.rows; row++) {
    const value = matrix.values[row];
    numbers[row] = value;
    if (numbers[row] !== value)
      throw new ExolamError(
        'data',
        `${file}: ${matrix.name} is ${value} in row ${row}; expected a whole number`,
      );
  }
  return numbers;
}

/** Runs of equal episode numbers; a number that comes back after another one is an error. */
export function boundsOf(file: string, name: string, numbers: Int32Array): Bounds {
  const ends: number[] = [];
  const found: number[] = [];
  const seen = new Set<number>();
  for (let row = 0; row < numbers.length; row++) {
    if (row > 0 && numbers[row] === numbers[row - 1]) continue;
    const number = numbers[row];
    if (seen.has(number))
      throw new ExolamError(
        'data',
        `${file}: ${name} ${number} comes back in row ${row}; the rows of an episode must stand together, in the order of time`,
      );
    seen.add(number);
    found.push(number);
    if (row > 0) ends.push(row);
  }
  if (numbers.length > 0) ends.push(numbers.length);
  return { ends, numbers: found };
}
