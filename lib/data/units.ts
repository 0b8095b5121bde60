import { ExolamError } from '../base/errors.js';
import { greatestOf } from '../base/extremes.js';
import { permutation } from '../random/permutation.js';

/** What rows are dealt to folds by: rows of a unit depend on each other, units do not. */
export interface Units {
  readonly count: number;
  /** (rows): the unit of each row. */
  readonly unit: Int32Array;
  /** One long episode, cut into contiguous blocks. */
  readonly blocks: boolean;
}

/** Blocks that one long episode is cut into, and from how many rows on it is cut into more. */
const BLOCKS = 10;
const MANY_BLOCKS = 20;
const MANY_ROWS = 2000;

/** Episodes in order of appearance; one long episode is cut into 10 contiguous blocks, 20 above 2,000 rows. */
export function unitsOf(episode: ArrayLike<number>): Units {
  const numbers = new Map<number, number>();
  const unit = new Int32Array(episode.length);
  for (let i = 0; i < unit.length; i++) {
    const number = numbers.get(episode[i]) ?? numbers.size;
    numbers.set(episode[i], number);
    unit[i] = number;
  }
  if (numbers.size > 1) return { count: numbers.size, unit, blocks: false };
  const count = Math.min(unit.length, unit.length > MANY_ROWS ? MANY_BLOCKS : BLOCKS);
  return { count, unit: unit.map((_, i) => Math.floor((i * count) / unit.length)), blocks: true };
}

/** Folds from so many units on; below, every unit is one. */
const FOLDS = 5;
const FEW_UNITS = 10;

/** The fold of each unit: 5 folds, or as many as there are units below 10; seeded, and contiguous for blocks. */
export function foldsOf(count: number, blocks: boolean, seed: number): Int32Array {
  const folds = count >= FEW_UNITS ? FOLDS : count;
  if (blocks) return Int32Array.from({ length: count }, (_, i) => Math.floor((i * folds) / count));
  return permutation(count, seed).map((i) => i % folds);
}

/** Groups that are left out in turn, at most. */
const GROUPS = 20;
/** Above so many coordinates the folds are the groups. */
export const WIDE = 500;

/** What the jackknife leaves out at a time: a unit; above 20 units one of 20 groups nested in the folds; above 500 coordinates a fold. */
export function groupsOf(fold: Int32Array, observationDim: number): Int32Array {
  if (observationDim > WIDE) return fold.slice();
  if (fold.length <= GROUPS) return fold.map((_, unit) => unit);
  const folds = greatestOf(fold) + 1;
  const each = Math.max(1, Math.floor(GROUPS / folds));
  const dealt = new Int32Array(folds);
  return fold.map((f) => f * each + (dealt[f]++ % each));
}

/** The same labels, numbered without gaps in ascending order. */
export function renumbered(labels: Int32Array): Int32Array {
  const sorted = [...new Set(labels)].sort((a, b) => a - b);
  return labels.map((label) => sorted.indexOf(label));
}

/** Folds as a caller gives them: one for each unit, numbered from 0 without gaps, at least 3. */
export function checkedFolds(folds: readonly number[], units: number): Int32Array {
  const fail = (accepted: string, received: string) =>
    new ExolamError('input', `folds: expected ${accepted} but received ${received}`);
  if (folds.length !== units) throw fail(`one number for each of ${units} units`, `${folds.length} numbers`);
  const wrong = folds.findIndex((f) => !(Number.isInteger(f) && f >= 0 && f < units));
  if (wrong >= 0) throw fail('whole numbers from 0', `${folds[wrong]} at place ${wrong}`);
  const count = greatestOf(folds) + 1;
  const absent = Array.from({ length: count }, (_, f) => f).find((f) => !folds.includes(f));
  if (absent !== undefined) throw fail(`units in each of folds 0 to ${count - 1}`, `none in fold ${absent}`);
  if (count < 3) throw fail('at least 3 folds', `${count}`);
  return Int32Array.from(folds);
}
