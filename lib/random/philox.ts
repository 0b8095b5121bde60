/**
 * Random numbers drawn by index: element i of the stream (seed, stream) depends on nothing else. Philox4x32-10 (Salmon et al.,
 * SC 2011) and Box-Muller; the addon draws the same numbers, to rounding.
 */

const WORD = 2 ** 32;

/** The upper 32 bits of a 32 x 32 bit product. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  // Partial sums stay below 2^33: exact in f64, and >>> 16 would lose their upper bit.
  const middle = ah * bl + ((al * bl) >>> 16);
  const carry = (middle & 0xffff) + al * bh;
  return (ah * bh + Math.floor(middle / 65536) + Math.floor(carry / 65536)) >>> 0;
}

/** Ten rounds of Philox in place: counter (4 words), key (2 words). */
export function philox(counter: Uint32Array, key0: number, key1: number): void {
  let a = counter[0];
  let b = counter[1];
  let c = counter[2];
  let d = counter[3];
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, a);
    const low0 = Math.imul(0xd2511f53, a) >>> 0;
    const high1 = multiplyHigh(0xcd9e8d57, c);
    const low1 = Math.imul(0xcd9e8d57, c) >>> 0;
    a = (high1 ^ b ^ k0) >>> 0;
    b = low1;
    c = (high0 ^ d ^ k1) >>> 0;
    d = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  counter[0] = a;
  counter[1] = b;
  counter[2] = c;
  counter[3] = d;
}

/** The upper 52 bits of two words as a fraction in [0, 1). */
const fraction = (high: number, low: number) => (high * 2 ** 20 + (low >>> 12)) * 2 ** -52;

/**
 * Elements first .. first + count of the N(0, 1) stream (seed, stream), all safe non-negative integers. Elements 2 b and 2 b + 1
 * come from block b: sqrt(-2 ln u) times cos and sin of 2 pi v, with u = 1 - fraction(x1, x0) and v = fraction(x3, x2).
 */
export function normals(
  seed: number,
  stream: number,
  first: number,
  count: number,
  out = new Float64Array(count),
): Float64Array {
  const x = new Uint32Array(4);
  const key0 = seed % WORD;
  const key1 = Math.floor(seed / WORD);
  for (let i = -(first % 2); i < count; i += 2) {
    const block = (first + i) / 2;
    x[0] = block % WORD;
    x[1] = Math.floor(block / WORD);
    x[2] = stream % WORD;
    x[3] = Math.floor(stream / WORD);
    philox(x, key0, key1);
    const radius = Math.sqrt(-2 * Math.log(1 - fraction(x[1], x[0])));
    const angle = 2 * Math.PI * fraction(x[3], x[2]);
    if (i >= 0) out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/**
 * The f32 stream (seed, stream): elements 4 b .. 4 b + 3 are two pairs from block b, of words (x0, x1) and (x2, x3). In each,
 * u = (floor(x / 2) + 1/2) 2^-31, rounded to f32 before and after the half is added, and v = x' 2^-32; then Box-Muller in f64,
 * rounded to f32 once.
 */
export function normalsF32(
  seed: number,
  stream: number,
  first: number,
  count: number,
  out = new Float32Array(count),
): Float32Array {
  const x = new Uint32Array(4);
  for (let i = -(first % 4); i < count; i += 4) {
    const block = (first + i) / 4;
    x[0] = block % WORD;
    x[1] = Math.floor(block / WORD);
    x[2] = stream % WORD;
    x[3] = Math.floor(stream / WORD);
    philox(x, seed % WORD, Math.floor(seed / WORD));
    for (let pair = 0; pair < 4; pair += 2) {
      const u = Math.fround(Math.fround(x[pair] >>> 1) * 2 ** -31 + 2 ** -32);
      const radius = Math.sqrt(-2 * Math.log(u));
      const angle = 2 * Math.PI * (x[pair + 1] / WORD);
      const at = i + pair;
      if (at >= 0 && at < count) out[at] = radius * Math.cos(angle);
      if (at + 1 >= 0 && at + 1 < count) out[at + 1] = radius * Math.sin(angle);
    }
  }
  return out;
}
