import { ExolamError } from '../../base/errors.js';
import { allocate } from '../../base/memory.js';
import { continuedRows, noteOf } from '../continued.js';
import type { Episode, Episodes, Transitions, Values } from '../transitions.js';

/** A named (rows, dim) matrix of a file. */
export interface Matrix {
  readonly name: string;
  readonly values: Values;
  readonly rows: number;
  readonly dim: number;
  /** Where a number stands, in the words of the file: `column obs_1, line 5`. Default: array, row and column. */
  readonly place?: ((row: number, column: number) => string) | undefined;
}

/**
 * The arrays of an .npz or of a column file. With `observationNext` a row is a transition; without, rows are the frames
 * of episodes, and row t of the arrays called "next" belongs to the step from frame t to t + 1.
 */
export interface Arrays {
  readonly observation: Matrix;
  readonly observationNext?: Matrix | undefined;
  readonly action?: Matrix | undefined;
  /** x of each row; of frames, that of the later frame of a transition is its x'. */
  readonly exogenous?: Matrix | undefined;
  readonly exogenousNext?: Matrix | undefined;
  readonly pairObservation?: Matrix | undefined;
  readonly pairObservationNext?: Matrix | undefined;
  /** Set where an observation is a picture of bytes. */
  readonly image?: Episodes['image'];
}

/** Where episodes end (exclusive, ascending, the last one at the number of rows), and their numbers. */
export interface Bounds {
  readonly ends: readonly number[];
  readonly numbers: readonly number[];
}

/** Shapes that fit each other. `file` names the source in messages; `episodes` is how many there are, of frames. */
export function checkArrays(file: string, arrays: Arrays, episodes = 0): void {
  const { observation, observationNext, action, exogenous, exogenousNext } = arrays;
  const { pairObservation, pairObservationNext } = arrays;
  const steps = [action, exogenousNext, pairObservation, pairObservationNext];
  for (const matrix of [observation, observationNext, exogenous, ...steps]) {
    if (!matrix) continue;
    const shape = `(${matrix.rows}, ${matrix.dim})`;
    // An episode of T frames has T - 1 steps: arrays of steps may leave out the last row of each.
    const short = steps.includes(matrix) && episodes > 0 && matrix.rows === observation.rows - episodes;
    if (matrix.rows !== observation.rows && !short)
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

/** Throws at the first NaN or infinity in rows begin .. end, in the file's own words for the place. */
function requireFiniteRows(
  file: string,
  { name, values, dim, place }: Matrix,
  begin: number,
  end: number,
): void {
  if (values instanceof Uint8Array || values instanceof Uint16Array) return;
  for (let i = begin * dim; i < end * dim; i++) {
    if (Number.isFinite(values[i])) continue;
    const row = Math.floor(i / dim);
    const column = i % dim;
    const where = place?.(row, column) ?? `${name}: row ${row}, column ${column}`;
    throw new ExolamError('data', `${file}: ${where} is ${values[i]}; every number must be finite`);
  }
}

/** Frames of episodes. What belongs to the step after a frame is not read of the last frame of an episode, which has none. */
export function toEpisodes(file: string, arrays: Arrays, bounds: Bounds, notes: readonly string[]): Episodes {
  const { observation, action, exogenous, exogenousNext, pairObservation, pairObservationNext } = arrays;
  const frames = observation.rows;
  let begin = 0;
  const list: Episode[] = bounds.ends.map((end, e) => {
    const first = begin;
    begin = end;
    const ofFrames = (matrix: Matrix) => {
      requireFiniteRows(file, matrix, first, end);
      return matrix.values.subarray(first * matrix.dim, end * matrix.dim);
    };
    const ofSteps = (matrix: Matrix | undefined) => {
      if (!matrix) return undefined;
      const skipped = matrix.rows < frames ? e : 0;
      const [from, to] = [first - skipped, end - 1 - skipped];
      requireFiniteRows(file, matrix, from, to);
      return matrix.values.subarray(from * matrix.dim, to * matrix.dim);
    };
    return {
      number: bounds.numbers[e],
      length: end - first,
      observation: ofFrames(observation),
      action: ofSteps(action),
      exogenous: exogenous && ofFrames(exogenous),
      exogenousNext: ofSteps(exogenousNext),
      pairObservation: ofSteps(pairObservation),
      pairObservationNext: ofSteps(pairObservationNext),
    };
  });
  return {
    observationDim: observation.dim,
    actionDim: action?.dim ?? 0,
    exogenousDim: (exogenousNext ?? exogenous)?.dim ?? 0,
    scale: arrays.image ? 1 / 255 : 1,
    image: arrays.image,
    list,
    listed: list.length,
    absent: [],
    notes,
  };
}

/** Rows that are transitions already: of the given episodes, or each of its own. */
export function fromRows(
  file: string,
  arrays: Arrays,
  episode: Int32Array | undefined,
  notes: readonly string[],
): Transitions {
  const count = arrays.observation.rows;
  // Pictures count from 0 to 1, as those of frames and videos do.
  const scale = arrays.image ? 1 / 255 : 1;
  const doubles = (matrix: Matrix | undefined, scale = 1): Float64Array | undefined => {
    if (!matrix) return undefined;
    requireFiniteRows(file, matrix, 0, matrix.rows);
    if (matrix.values instanceof Float64Array) return matrix.values;
    const values = allocate(matrix.rows, matrix.dim, matrix.name);
    for (let i = 0; i < values.length; i++) values[i] = matrix.values[i] * scale;
    return values;
  };
  const observation = doubles(arrays.observation, scale) as Float64Array;
  const observationNext = doubles(arrays.observationNext, scale) as Float64Array;
  const found = episode ? null : continuedRows(observation, observationNext, count, arrays.observation.dim);
  const known = episode ?? found?.episode;
  const used = known ? new Set(known).size : count;
  return {
    count,
    observationDim: arrays.observation.dim,
    actionDim: arrays.action?.dim ?? 0,
    exogenousDim: (arrays.exogenousNext ?? arrays.exogenous)?.dim ?? 0,
    stride: 1,
    observation,
    observationNext,
    action: doubles(arrays.action),
    exogenous: doubles(arrays.exogenous),
    exogenousNext: doubles(arrays.exogenousNext),
    pairObservation: doubles(arrays.pairObservation, scale),
    pairObservationNext: doubles(arrays.pairObservationNext, scale),
    episode: known ?? Int32Array.from({ length: count }, (_, row) => row),
    episodes: { used, listed: used, absent: [] },
    notes: episode ? notes : [...notes, noteOf(found)],
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
