import { philox } from './philox.js';

/** The stream that orders are drawn from: no stream of normals has this number. */
const STREAM = 0x666f6c64;

/**
 * The numbers 0 to n - 1 in an order that the seed decides: Fisher-Yates from the last place down, place i exchanged with place
 * floor(u (i + 1)), u the first word of Philox block (i, stream) under the seed, over 2^32.
 */
export function permutation(n: number, seed: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const block = new Uint32Array(4);
  for (let i = n - 1; i > 0; i--) {
    block.set([i, 0, STREAM, 0]);
    philox(block, seed % 2 ** 32, Math.floor(seed / 2 ** 32));
    const j = Math.floor((block[0] / 2 ** 32) * (i + 1));
    const other = order[j];
    order[j] = order[i];
    order[i] = other;
  }
  return order;
}
