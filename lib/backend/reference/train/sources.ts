import { philox } from '../../../random/philox.js';
import {
  type BatchSource,
  type DrawRequest,
  type RowNeeds,
  type Rows,
  type RowsSource,
  rowArrays,
} from '../../batch-sources.js';
import { TRAIN_STREAM } from '../../train-requests.js';
import { fillLinear } from './linear-world.js';
import { fillViewWorld } from './view-world.js';

/** Rows first .. first + count of a source: see batch-sources.ts. */
export function rowsOf({ source, seed, first, count, needs }: DrawRequest): Rows {
  const rows = rowArrays(source, count, needs);
  FILL[source.kind](source as never, seed, first, needs, rows);
  return rows;
}

type Fill<Source> = (source: Source, seed: number, first: number, needs: RowNeeds, rows: Rows) => void;

const FILL: { [Kind in BatchSource['kind']]: Fill<Extract<BatchSource, { kind: Kind }>> } = {
  'linear-world': fillLinear,
  rows: fillRows,
  'view-world': fillViewWorld,
};

/** A number mixed thoroughly with a key (32 bits). */
function mixed(value: number, key: number): number {
  let x = (value + key) | 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * Place n of an endless shuffled reading of `rows` rows: row p(n mod rows), p the permutation of pass n div rows. A Feistel network
 * of four rounds permutes the numbers below the next power of 4; what falls beyond the rows is sent through again.
 */
export function shuffledRow(rows: number, seed: number, n: number): number {
  const keys = Uint32Array.of(Math.floor(n / rows), 0, TRAIN_STREAM.order, 0);
  philox(keys, seed % 2 ** 32, Math.floor(seed / 2 ** 32));
  let half = 1;
  while (4 ** half < rows) half++;
  const mask = 2 ** half - 1;
  let at = n % rows;
  do {
    let left = Math.floor(at / 2 ** half);
    let right = at & mask;
    for (const key of keys) [left, right] = [right, (left ^ (mixed(right, key) & mask)) >>> 0];
    at = left * 2 ** half + right;
  } while (at >= rows);
  return at;
}

function fillRows(data: RowsSource, seed: number, first: number, needs: RowNeeds, rows: Rows): void {
  const { observationDim: d, frames } = data;
  const frame = (into: Float32Array, place: number, index: number) =>
    into.set(frames.subarray(index * d, (index + 1) * d), place * d);
  const copy = (into: Float32Array, place: number, from: Float32Array, row: number, width: number) => {
    if (into.length > 0) into.set(from.subarray(row * width, (row + 1) * width), place * width);
  };
  for (let r = 0; r < rows.count; r++) {
    const row = data.shuffled ? shuffledRow(data.rows, seed, first + r) : (first + r) % data.rows;
    frame(rows.observation, r, data.current[row]);
    frame(rows.observationNext, r, data.next[row]);
    if (needs.pair) {
      frame(rows.pairObservation, r, data.pair[row]);
      frame(rows.pairObservationNext, r, data.pairNext[row]);
    }
    for (let h = 0; h < needs.later; h++) {
      const at = row * needs.later + h;
      frame(rows.later, r * needs.later + h, data.later[at]);
      if (needs.pair) frame(rows.pairLater, r * needs.later + h, data.pairLater[at]);
    }
    copy(rows.action, r, data.action, row, data.actionDim);
    if (rows.labelled.length > 0) rows.labelled[r] = data.labelled[row];
    copy(rows.exogenous, r, data.exogenous, row, data.exogenousDim);
    copy(rows.exogenousNext, r, data.exogenousNext, row, data.exogenousDim);
  }
}
