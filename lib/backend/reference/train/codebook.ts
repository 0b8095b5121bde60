import { type NetworkShape, TRAIN_STREAM, uniform } from '../../train-requests.js';
import { type Block, rowsBlock } from './network.js';

/** Nearest rows of each part's codebook: (rows, codes) numbers, and the rows themselves in z's place. */
export interface Quantised {
  readonly codes: Int32Array;
  readonly latent: Block;
}

/** Where row `row` of codebook `part` begins in the codebook tensor, and the width of a row. */
export function codebookRow(
  shape: NetworkShape,
  part: number,
  row: number,
): { begin: number; width: number } {
  const { codes, size } = shape.codebook as NonNullable<NetworkShape['codebook']>;
  const width = shape.latentDim / codes;
  return { begin: (part * size + row) * width, width };
}

/** Of two rows that are equally near, the first. */
export function quantise(shape: NetworkShape, book: ArrayLike<number>, z: Block): Quantised {
  const { codes, size } = shape.codebook as NonNullable<NetworkShape['codebook']>;
  const chosen = new Int32Array(z.rows * codes);
  const latent = rowsBlock(z.rows, z.width);
  for (let r = 0; r < z.rows; r++)
    for (let part = 0; part < codes; part++) {
      let best = Number.POSITIVE_INFINITY;
      for (let row = 0; row < size; row++) {
        const { begin, width } = codebookRow(shape, part, row);
        let distance = 0;
        for (let j = 0; j < width; j++)
          distance += (z.at[r * z.width + part * width + j] - book[begin + j]) ** 2;
        if (distance < best) {
          best = distance;
          chosen[r * codes + part] = row;
        }
      }
      const { begin, width } = codebookRow(shape, part, chosen[r * codes + part]);
      for (let j = 0; j < width; j++) latent.at[r * z.width + part * width + j] = book[begin + j];
    }
  return { codes: chosen, latent };
}

/** A codebook while it is trained. */
export interface Book {
  readonly rows: Float32Array;
  readonly counts: Float32Array;
  readonly sums: Float32Array;
}

/** Puts row `row` of codebook `part` onto a latent of the batch that the seed chooses, as if it had had an even share of it. */
function place(
  shape: NetworkShape,
  book: Book,
  z: Block,
  part: number,
  row: number,
  seed: number,
  step: number,
) {
  const { size, codes } = shape.codebook as NonNullable<NetworkShape['codebook']>;
  const at = part * size + row;
  const from = Math.floor(uniform(seed, TRAIN_STREAM.revive, step * codes * size + at) * z.rows);
  const { begin, width } = codebookRow(shape, part, row);
  const even = Math.fround(z.rows / size);
  book.counts[at] = even;
  for (let j = 0; j < width; j++) {
    book.rows[begin + j] = z.at[from * z.width + part * width + j];
    if (book.sums.length > 0) book.sums[begin + j] = even * book.rows[begin + j];
  }
}

/** Before the first step's assignment: every row onto a latent of the batch. */
export function placeAll(shape: NetworkShape, book: Book, z: Block, seed: number): void {
  const { size, codes } = shape.codebook as NonNullable<NetworkShape['codebook']>;
  for (let part = 0; part < codes; part++)
    for (let row = 0; row < size; row++) place(shape, book, z, part, row, seed, 0);
}

/** After a step: running means, and dead rows onto latents of the batch. Returns which rows were moved. */
export function followLatents(
  shape: NetworkShape,
  book: Book,
  z: Block,
  chosen: Int32Array,
  seed: number,
  step: number,
): Uint8Array {
  const { size, codes, decay, update, reviveBelow } = shape.codebook as NonNullable<NetworkShape['codebook']>;
  const moved = new Uint8Array(codes * size);
  for (let part = 0; part < codes; part++)
    for (let row = 0; row < size; row++) {
      const { begin, width } = codebookRow(shape, part, row);
      const at = part * size + row;
      let count = 0;
      const sum = new Float64Array(width);
      for (let r = 0; r < z.rows; r++) {
        if (chosen[r * codes + part] !== row) continue;
        count++;
        for (let j = 0; j < width; j++) sum[j] += z.at[r * z.width + part * width + j];
      }
      book.counts[at] = decay * book.counts[at] + (1 - decay) * count;
      if (update === 'ema')
        for (let j = 0; j < width; j++) {
          book.sums[begin + j] = decay * book.sums[begin + j] + (1 - decay) * sum[j];
          if (book.counts[at] > 0) book.rows[begin + j] = book.sums[begin + j] / book.counts[at];
        }
      if (book.counts[at] >= (reviveBelow * z.rows) / size) continue;
      place(shape, book, z, part, row, seed, step + 1);
      moved[at] = 1;
    }
  return moved;
}
