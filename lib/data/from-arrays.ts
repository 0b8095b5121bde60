import { z } from 'zod';
import { boundarySync } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { allocate } from '../base/memory.js';
import { describes, integer, isDetached, parse, quote } from '../base/validate.js';
import { checked, requireFinite } from './checks.js';
import { continuedRows, noteOf } from './continued.js';
import { boundsOf, episodeNumbers, type Matrix } from './formats/arrays.js';
import { laggedRows, noAction } from './lagged.js';
import {
  planOf,
  type ScanAxes,
  scanFields,
  scanOfFrames,
  scanOfRows,
  stepFields,
  type TransitionScan,
} from './scan.js';
import { type Episode, type Episodes, type Transitions, toTransitions } from './transitions.js';

/**
 * Rows of numbers: a list of rows, each a list or typed array, or all rows one after the other in one typed array, whose width is
 * then `observationDim`, `actionDim` or `exogenousDim`.
 */
export type Rows = readonly (readonly number[] | Float64Array | Float32Array)[] | Float64Array | Float32Array;

/** One number for each row. */
export type Counts = readonly number[] | Int32Array | Float64Array | BigInt64Array;

/**
 * Data as plain arrays, in one of two forms: rows that are transitions (`observation` with `observationNext`), or the frames of
 * episodes (`observations` with `episodeEnds`, or with `episode`). Names in brackets, those of an `.npz`, are accepted as well.
 */
export interface TransitionArrays {
  /** (N, d): o of each transition. */
  readonly observation?: Rows | undefined;
  /** (N, d): o' of each transition (`observation_next`). */
  readonly observationNext?: Rows | undefined;
  readonly observation_next?: Rows | undefined;
  /** (T, d): frames, those of an episode one after the other. Then "next" in row t means the step from frame t to frame t + 1. */
  readonly observations?: Rows | undefined;
  /** Where each episode of frames ends: exclusive, ascending, the last one T (`episode_ends`). */
  readonly episodeEnds?: Counts | undefined;
  readonly episode_ends?: Counts | undefined;
  /** (rows, da): the action of each transition, or that between frames t and t + 1 (`action`). Default: unknown. */
  readonly actions?: Rows | undefined;
  readonly action?: Rows | undefined;
  /** (rows, dx): x, the exogenous state that o shows. Default: unknown. Of frames it gives x' too. */
  readonly exogenous?: Rows | undefined;
  /** (rows, dx): x' (`exogenous_next`). Default: unknown, unless frames have `exogenous`. */
  readonly exogenousNext?: Rows | undefined;
  readonly exogenous_next?: Rows | undefined;
  /** (rows, d): o of the paired view, the same s and a under another x (`observation_pair`). Default: unknown. */
  readonly pairObservation?: Rows | undefined;
  readonly observation_pair?: Rows | undefined;
  /** (rows, d): o' of the paired view (`observation_pair_next`). */
  readonly pairObservationNext?: Rows | undefined;
  readonly observation_pair_next?: Rows | undefined;
  /** The number of each row's episode (`episode_index`). Default: each transition is an episode of its own. */
  readonly episode?: Counts | undefined;
  readonly episode_index?: Counts | undefined;
  /** Frames between o and o', from 1. Default 1. Of frames alone. */
  readonly stride?: number | undefined;
  /** The action of a transition is that of so many rows after o's own, -1000 to 1000. Default 0. */
  readonly actionLag?: number | undefined;
  /** d, where observations are flat. Default: the length of a row. */
  readonly observationDim?: number | undefined;
  /** da, where actions are flat. Default: as many numbers as there are for each row. */
  readonly actionDim?: number | undefined;
  /** dx, where exogenous states are flat. Default: as many numbers as there are for each row. */
  readonly exogenousDim?: number | undefined;
}

const isFlat = (value: unknown) => value instanceof Float64Array || value instanceof Float32Array;
const rows = z
  .custom<Rows>(
    (value) => isFlat(value) || Array.isArray(value),
    'expected rows of numbers, or a Float64Array or Float32Array,',
  )
  .optional();
const counts = z
  .custom<Counts>(
    (value) =>
      Array.isArray(value) ||
      value instanceof Int32Array ||
      value instanceof Float64Array ||
      value instanceof BigInt64Array,
    'expected a list of whole numbers',
  )
  .optional();
const width = integer(1).optional();

const arraysSchema = describes<TransitionArrays>()(
  z.strictObject({
    observation: rows,
    observationNext: rows,
    observation_next: rows,
    observations: rows,
    episodeEnds: counts,
    episode_ends: counts,
    actions: rows,
    action: rows,
    exogenous: rows,
    exogenousNext: rows,
    exogenous_next: rows,
    pairObservation: rows,
    observation_pair: rows,
    pairObservationNext: rows,
    observation_pair_next: rows,
    episode: counts,
    episode_index: counts,
    ...stepFields,
    observationDim: width,
    actionDim: width,
    exogenousDim: width,
  }),
);

/** {@link TransitionArrays} with several strides, or several lags of the action. */
export interface ScanArrays extends Omit<TransitionArrays, keyof ScanAxes>, ScanAxes {}

const scanArraysSchema = describes<ScanArrays>()(z.strictObject({ ...arraysSchema.shape, ...scanFields }));

const fail = (sentence: string, kind: 'input' | 'data' = 'input') => new ExolamError(kind, sentence);

/**
 * Checked transitions from plain arrays, for `analyze` and `fitLinearLam`:
 *
 *     await analyze(transitions({ observation, observationNext, actions }));
 *
 * Arrays in double precision are used as they are, not copied. Throws {@link ExolamError}: `input` for names, types and shapes that are
 * not accepted, `data` for numbers that are not finite and data with nothing to predict.
 */
export function transitions(arrays: TransitionArrays): Transitions {
  return boundarySync('transitions', () => {
    const { stride, actionLag, ...given } = parse(arraysSchema, arrays, '', 'arrays');
    const read = arraysOf(given);
    if (read.frames) {
      if (actionLag !== undefined && !read.found.action) throw noAction('the arrays');
      return checked(toTransitions(framesOf(read), { stride: stride ?? 1, actionLag }));
    }
    const rows = ofRows(read, stride === undefined ? undefined : 'stride');
    return checked(actionLag === undefined ? rows : laggedRows('the arrays', rows, { actionLag }));
  });
}

/**
 * The same arrays at several strides, or with actions at several lags, for `analyzeScan`:
 *
 *     await analyzeScan(scanTransitions({ observations, actions, episodeEnds, actionLag: [-1, 0, 1] }));
 */
export function scanTransitions(arrays: ScanArrays): TransitionScan {
  return boundarySync('scanTransitions', () => {
    const { stride, actionLag, ...given } = parse(scanArraysSchema, arrays, '', 'arrays');
    const plan = planOf({ stride, actionLag });
    const read = arraysOf(given);
    return read.frames
      ? scanOfFrames('the arrays', framesOf(read), plan, toTransitions)
      : scanOfRows('the arrays', ofRows(read, stride === undefined ? undefined : 'stride'), plan);
  });
}

type Given = Omit<z.output<typeof arraysSchema>, 'stride' | 'actionLag'>;
type Named<K extends keyof Given> = readonly [K, Given[K]] | undefined;

/** What the arrays are, under whichever of their names. */
function arraysOf(given: Given) {
  const named = <K extends keyof Given>(...names: readonly K[]): Named<K> => {
    const present = names.filter((name) => given[name] !== undefined);
    if (present.length > 1)
      throw fail(
        `${present[1]}: expected nothing beside ${present[0]}, which is the same, but received both`,
      );
    const [name] = present;
    return name === undefined ? undefined : [name, given[name]];
  };
  const frames = named('observations');
  const lone = named('observation');
  if (frames && lone)
    throw fail('observation: expected nothing beside observations, which are frames, but received both');
  const observation = frames ?? lone;
  if (!observation)
    throw fail(
      'observation: expected rows of numbers with observationNext, or observations with episodeEnds, but received nothing',
    );
  const o = matrixOf(observation[0], observation[1], given.observationDim, undefined);
  const like = (found: readonly [string, Rows | undefined] | undefined, dim?: number, dimName?: string) =>
    found && matrixOf(...found, dim, o.rows, dimName);
  const found: Found = {
    observation: o,
    observationNext: like(named('observationNext', 'observation_next'), o.dim),
    action: like(named('actions', 'action'), given.actionDim, 'actionDim'),
    exogenous: like(named('exogenous'), given.exogenousDim, 'exogenousDim'),
    exogenousNext: like(named('exogenousNext', 'exogenous_next'), given.exogenousDim, 'exogenousDim'),
    pairObservation: like(named('pairObservation', 'observation_pair'), o.dim),
    pairObservationNext: like(named('pairObservationNext', 'observation_pair_next'), o.dim),
  };
  requireTogether(found);
  const episode = numbersOf(named('episode', 'episode_index'), o.rows);
  return { found, frames: frames !== undefined, episode, ends: named('episodeEnds', 'episode_ends') };
}
type ArraysRead = ReturnType<typeof arraysOf>;

/** The arrays as matrices of the same number of rows. */
interface Found {
  readonly observation: Matrix;
  readonly observationNext: Matrix | undefined;
  readonly action: Matrix | undefined;
  readonly exogenous: Matrix | undefined;
  readonly exogenousNext: Matrix | undefined;
  readonly pairObservation: Matrix | undefined;
  readonly pairObservationNext: Matrix | undefined;
}

/** An array as a matrix of finite numbers; `dim` and `count`, where they are known, are what its shape has to be. */
function matrixOf(
  name: string,
  value: Rows | undefined,
  dim: number | undefined,
  count: number | undefined,
  dimName = 'observationDim',
): Matrix {
  const matrix = isFlat(value)
    ? flatMatrix(name, value as Float64Array | Float32Array, dim, count, dimName)
    : listedMatrix(name, value as readonly ArrayLike<number>[], dim);
  if (count !== undefined && matrix.rows !== count)
    throw fail(
      `${name}: expected ${count} rows, as many as there are observations, but received ${matrix.rows}`,
    );
  requireFinite(matrix.values, matrix.dim, name);
  return matrix;
}

function flatMatrix(
  name: string,
  values: Float64Array | Float32Array,
  dim: number | undefined,
  count: number | undefined,
  dimName: string,
): Matrix {
  if (values.length === 0)
    throw fail(
      `${name}: expected at least one row but received ${isDetached(values) ? quote(values) : 'an array of no numbers'}`,
    );
  const wide = dim ?? (count === undefined ? undefined : values.length / count);
  if (wide === undefined)
    throw fail(
      `${dimName}: expected the width of a row, because ${name} is one flat array, but received nothing`,
    );
  const high = values.length / wide;
  if (!Number.isInteger(wide) || !Number.isInteger(high))
    throw fail(
      `${name}: expected ${count === undefined ? '' : `${count} `}rows${dim === undefined ? ' of one width' : ` of ${dim} numbers`} but received ${values.length} numbers`,
    );
  return { name, values, rows: high, dim: wide };
}

function listedMatrix(name: string, list: readonly ArrayLike<number>[], dim: number | undefined): Matrix {
  if (list.length === 0) throw fail(`${name}: expected at least one row but received none`);
  const wide = dim ?? (isRow(list[0]) ? list[0].length : 0);
  const values = allocate(list.length, wide, name);
  for (let row = 0; row < list.length; row++) {
    const numbers = list[row];
    if (!isRow(numbers) || numbers.length === 0 || numbers.length !== wide)
      throw fail(
        `${name}[${row}]: expected a row of ${wide || 'one or more'} numbers but received ${isRow(numbers) ? `${numbers.length} numbers` : quote(numbers)}`,
      );
    for (let j = 0; j < wide; j++) {
      const value: unknown = numbers[j];
      if (typeof value !== 'number')
        throw fail(`${name}[${row}][${j}]: expected a number but received ${quote(value)}`);
      values[row * wide + j] = value;
    }
  }
  return { name, values, rows: list.length, dim: wide };
}

function isRow(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || isFlat(value);
}

function requireTogether(found: Found): void {
  const { exogenous, exogenousNext, pairObservation, pairObservationNext } = found;
  if (exogenous && exogenousNext && exogenous.dim !== exogenousNext.dim)
    throw fail(
      `${exogenousNext.name}: expected rows of ${exogenous.dim} numbers, as in exogenous, but received rows of ${exogenousNext.dim}`,
    );
  if ((pairObservation === undefined) !== (pairObservationNext === undefined)) {
    const missing = pairObservation ? 'pairObservationNext' : 'pairObservation';
    throw fail(
      `${missing}: expected rows beside ${(pairObservation ?? pairObservationNext)?.name} but received nothing`,
    );
  }
}

function numbersOf(
  given: readonly [string, Counts | undefined] | undefined,
  count: number,
): { readonly name: string; readonly numbers: Int32Array } | undefined {
  if (!given?.[1]) return undefined;
  const [name, list] = given;
  if (list.length !== count)
    throw fail(`${name}: expected ${count} numbers, one for each row, but received ${list.length}`);
  const values = Float64Array.from(list as ArrayLike<number | bigint>, wholeNumber(name));
  return { name, numbers: episodeNumbers('transitions', { name, values, rows: count, dim: 1 }) };
}

const wholeNumber = (name: string) => (value: number | bigint, i: number) => {
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw fail(`${name}[${i}]: expected a whole number but received ${quote(value)}`);
  return Number(value);
};

/** Rows that are transitions already; `given` is a field that only frames have, beside the ends of episodes. */
function ofRows({ found, episode, ends }: ArraysRead, given: string | undefined): Transitions {
  const odd = ends?.[0] ?? given;
  if (!found.observationNext)
    throw fail('observationNext: expected rows beside observation but received nothing');
  if (odd !== undefined)
    throw fail(
      `${odd}: expected nothing beside observation and observationNext, whose rows are transitions already`,
    );
  const { rows: count, dim: observationDim } = found.observation;
  const doubles = (matrix: Matrix | undefined): Float64Array | undefined => {
    if (!matrix || matrix.values instanceof Float64Array) return matrix?.values as Float64Array | undefined;
    const values = allocate(matrix.rows, matrix.dim, matrix.name);
    values.set(matrix.values);
    return values;
  };
  const observation = doubles(found.observation) as Float64Array;
  const observationNext = doubles(found.observationNext) as Float64Array;
  const continued = episode ? null : continuedRows(observation, observationNext, count, observationDim);
  const numbers = episode?.numbers ?? continued?.episode;
  const used = numbers ? new Set(numbers).size : count;
  return {
    count,
    observationDim,
    actionDim: found.action?.dim ?? 0,
    exogenousDim: (found.exogenousNext ?? found.exogenous)?.dim ?? 0,
    observation,
    observationNext,
    action: doubles(found.action),
    exogenous: doubles(found.exogenous),
    exogenousNext: doubles(found.exogenousNext),
    pairObservation: doubles(found.pairObservation),
    pairObservationNext: doubles(found.pairObservationNext),
    stride: 1,
    episode: numbers ?? Int32Array.from({ length: count }, (_, row) => row),
    episodes: { used, listed: used, absent: [] },
    notes: episode ? [] : [noteOf(continued)],
  };
}

/** Frames of episodes. */
function framesOf({ found, episode, ends: given }: ArraysRead): Episodes {
  const { observation, observationNext } = found;
  if (observationNext)
    throw fail(`${observationNext.name}: expected nothing beside observations, which are frames`);
  if (!episode === !given)
    throw fail(
      `episodeEnds: expected where each episode of observations ends, or episode with a number for each frame, but received ${given ? 'both' : 'neither'}`,
    );
  const bounds = given
    ? endsOf(given, observation.rows)
    : boundsOf('transitions', episode!.name, episode!.numbers);
  let begin = 0;
  const list: Episode[] = bounds.ends.map((end, e) => {
    const part = (matrix: Matrix | undefined) =>
      matrix?.values.subarray(begin * matrix.dim, end * matrix.dim);
    const frames: Episode = {
      number: bounds.numbers[e],
      length: end - begin,
      observation: part(observation) as Float64Array | Float32Array,
      action: part(found.action),
      exogenous: part(found.exogenous),
      exogenousNext: part(found.exogenousNext),
      pairObservation: part(found.pairObservation),
      pairObservationNext: part(found.pairObservationNext),
    };
    begin = end;
    return frames;
  });
  return {
    observationDim: observation.dim,
    actionDim: found.action?.dim ?? 0,
    exogenousDim: (found.exogenousNext ?? found.exogenous)?.dim ?? 0,
    scale: 1,
    list,
    listed: list.length,
    absent: [],
    notes: [],
  };
}

function endsOf([name, given]: readonly [string, Counts | undefined], frames: number) {
  const ends = Array.from(given as ArrayLike<number | bigint>, wholeNumber(name));
  let before = 0;
  ends.forEach((end, e) => {
    if (!Number.isInteger(end) || end <= before || end > frames)
      throw fail(
        `${name}[${e}]: expected a whole number above ${before} and at most ${frames}, the number of frames, but received ${end}`,
      );
    before = end;
  });
  if (before !== frames)
    throw fail(
      `${name}: expected the last one to be ${frames}, the number of frames, but received ${before}`,
    );
  return { ends, numbers: ends.map((_, e) => e) };
}
