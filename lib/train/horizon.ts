/**
 * What follows the transitions of data, for models that predict more than o': a row is followed by the row of its episode whose o is
 * its o', bit for bit. Nothing leads across the end of an episode, a gap in one, or out of the rows that are asked for.
 */
import { ExolamError } from '../base/errors.js';
import { continuedRows } from '../data/continued.js';
import type { Split } from '../data/split.js';
import type { Transitions } from '../data/transitions.js';

/** Rows with what follows them. */
export interface FollowedRows {
  readonly rows: Int32Array;
  /** (rows, horizon - 1): the rows whose o' are the observations after o'. */
  readonly later: Int32Array;
}

export interface FollowedSplit {
  readonly train: FollowedRows;
  readonly heldOut: FollowedRows;
  /** How many rows are left out, where any are. */
  readonly notes: readonly string[];
}

/**
 * The rows of a split that `horizon` observations follow in their own part of it. `paired`: of the paired view as well. `what` is what
 * messages call the horizon.
 */
export function followedSplit(
  t: Transitions,
  split: Split,
  horizon: number,
  paired: boolean,
  what: string,
): FollowedSplit {
  const next = horizon > 1 ? nextOf(t, paired) : () => -1;
  const [train, heldOut] = [split.train, split.heldOut].map((rows) => followedRows(rows, horizon, next));
  const count = split.train.length + split.heldOut.length;
  const left = count - train.rows.length - heldOut.rows.length;
  if (left > 0 && (train.rows.length < 2 || heldOut.rows.length < 2))
    throw new ExolamError(
      'data',
      `${what}: expected episodes in which ${horizon} observations follow each other after o${paired ? ', in the paired view too' : ''}, but of ${split.train.length} transitions to train on ${train.rows.length} have so many, and of ${split.heldOut.length} held out ${heldOut.rows.length}`,
    );
  const notes =
    left > 0
      ? [
          `${left} of ${count} transitions are left out of training and of the loss: fewer than ${horizon} observations follow their o`,
        ]
      : [];
  return { train, heldOut, notes };
}

function followedRows(rows: Int32Array, horizon: number, next: (row: number) => number): FollowedRows {
  if (horizon === 1) return { rows, later: new Int32Array(0) };
  const part = new Set(rows);
  const kept: number[] = [];
  const later: number[] = [];
  for (const row of rows) {
    const own: number[] = [];
    for (let at = next(row); own.length < horizon - 1 && part.has(at); at = next(at)) own.push(at);
    if (own.length < horizon - 1) continue;
    kept.push(row);
    later.push(...own);
  }
  return { rows: Int32Array.from(kept), later: Int32Array.from(later) };
}

/** The row that follows a row, or -1. */
function nextOf(t: Transitions, paired: boolean): (row: number) => number {
  const { count, observationDim: d, stride = 1, episode, pairObservation, pairObservationNext } = t;
  // Rows that were transitions already when they were read may lie further apart than one.
  const apart =
    stride > 1 ? stride : (continuedRows(t.observation, t.observationNext, count, d)?.stride ?? 1);
  const continues = (next: Float64Array, observation: Float64Array, row: number, other: number) => {
    for (let j = 0; j < d; j++) if (next[row * d + j] !== observation[other * d + j]) return false;
    return true;
  };
  return (row) => {
    const other = row + apart;
    if (other >= count || episode[other] !== episode[row]) return -1;
    if (!continues(t.observationNext, t.observation, row, other)) return -1;
    if (paired && pairObservation && pairObservationNext)
      if (!continues(pairObservationNext, pairObservation, row, other)) return -1;
    return other;
  };
}
