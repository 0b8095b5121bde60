import { ExolamError } from '../../base/errors.js';
import { gigabytes } from '../../base/memory.js';
import type { Values } from '../transitions.js';
import type { NdArray } from './named.js';

/** What the header of a .npy array says. */
export interface NpyHeader {
  readonly shape: readonly number[];
  readonly fortran: boolean;
  readonly dtype: Dtype;
  /** Bytes before the numbers. */
  readonly begin: number;
}

export interface Dtype {
  readonly name: string;
  readonly size: number;
  readonly bigEndian: boolean;
  readonly kind: string;
}

const MAGIC = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]);
const LONGEST_HEADER = 1 << 16;

/** Enough bytes of a .npy array to know how long its header is. */
export const NPY_PREFIX = 12;

/** Length of a header, from its first NPY_PREFIX bytes. */
export function npyHeaderLength(bytes: Buffer, what: string): number {
  if (bytes.length < NPY_PREFIX || !bytes.subarray(0, 6).equals(MAGIC))
    throw new ExolamError('data', `${what} is not a .npy array (truncated?)`);
  const version = bytes[6];
  if (version < 1 || version > 3)
    throw new ExolamError('data', `${what} has .npy version ${version}; versions 1 to 3 are supported`);
  const length = version === 1 ? 10 + bytes.readUInt16LE(8) : 12 + bytes.readUInt32LE(8);
  if (length > LONGEST_HEADER)
    throw new ExolamError(
      'data',
      `${what} claims a header of ${length} bytes; at most ${LONGEST_HEADER} are read`,
    );
  return length;
}

export function parseNpyHeader(bytes: Buffer, what: string): NpyHeader {
  const text = bytes.toString('latin1', bytes[6] === 1 ? 10 : 12);
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/.exec(text)?.[1];
  const fortran = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined && /['"]descr['"]\s*:\s*\[/.test(text))
    throw new ExolamError('data', `${what} is a structured array; expected plain numbers`);
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw new ExolamError('data', `${what} has a .npy header that cannot be read`);
  const sizes = shape.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number.parseInt(part, 10)]));
  return { shape: sizes, fortran: fortran === 'True', dtype: parseDtype(descr, what), begin: bytes.length };
}

const SIZES: Readonly<Record<string, readonly number[]>> = {
  f: [2, 4, 8],
  i: [1, 2, 4, 8],
  u: [1, 2, 4, 8],
  b: [1],
};
/** What numpy writes of ml_dtypes' bfloat16, for which it has no letter: two bytes of it knows not what. */
const BFLOAT16 = /^[<|=]?V2$/;
const REFUSED: Readonly<Record<string, string>> = {
  O: 'Python objects',
  S: 'byte strings',
  U: 'strings',
  V: 'raw bytes or a structure',
  M: 'dates',
  m: 'time spans',
  c: 'complex numbers',
};

function parseDtype(descr: string, what: string): Dtype {
  if (BFLOAT16.test(descr)) return { name: 'bfloat16', size: 2, bigEndian: false, kind: 'bf' };
  const [, order, kind, digits] = /^([<>|=]?)([a-zA-Z])(\d*)/.exec(descr) ?? [];
  const size = Number(digits);
  if (kind === undefined || !SIZES[kind]?.includes(size)) {
    const holds = kind && REFUSED[kind] ? `${REFUSED[kind]} (dtype ${descr})` : `dtype ${descr}`;
    throw new ExolamError(
      'data',
      `${what} holds ${holds}; expected numbers: float16 to float64, bfloat16, int8 to int64, bool`,
    );
  }
  return { name: descr, size, bigEndian: order === '>', kind };
}

/** Bytes of a number as it is held: what is exact in fewer is not widened. */
export function bytesInMemory({ kind, size }: Dtype): number {
  if ((kind === 'f' && size <= 4) || kind === 'bf') return 4;
  return (kind === 'u' || kind === 'b') && size === 1 ? 1 : 8;
}

/** How many numbers a shape has; `bytes` is what the file holds for them. */
export function countOf(shape: readonly number[], dtype: Dtype, what: string, bytes: number): number {
  const count = shape.reduce((product, n) => product * n, 1);
  const claimed = count * dtype.size;
  if (!Number.isSafeInteger(claimed) || claimed !== bytes)
    throw new ExolamError(
      'data',
      `${what} claims shape (${shape.join(', ')}${shape.length === 1 ? ',' : ''}) of ${dtype.name}, ${gigabytes(claimed)}, and the file holds ${gigabytes(bytes)} for it`,
    );
  return count;
}

/** The array that a header announces, and what takes its bytes as they come. `size` is that of header and numbers. */
export function npyTarget(header: Buffer, what: string, size: number): NumbersTarget {
  const { shape, fortran, dtype, begin } = parseNpyHeader(header, what);
  countOf(shape, dtype, what, size - begin);
  return numbersTarget(shape, dtype, fortran);
}

export interface NumbersTarget {
  readonly array: NdArray;
  readonly sink: (chunk: Buffer) => void;
}

/** An array to be filled by the bytes of its numbers, column by column where `fortran`. */
export function numbersTarget(shape: readonly number[], dtype: Dtype, fortran = false): NumbersTarget {
  const count = shape.reduce((product, n) => product * n, 1);
  const held = bytesInMemory(dtype);
  const stored =
    held === 4 ? new Float32Array(count) : held === 1 ? new Uint8Array(count) : new Float64Array(count);
  let at = 0;
  let rest = Buffer.alloc(0);
  const turn = fortran && shape.filter((n) => n > 1).length > 1;
  const values = turn ? stored.slice() : stored;
  const sink = (chunk: Buffer): void => {
    // A chunk may end inside a number: its first bytes wait for the next one.
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = bytes.length - (bytes.length % dtype.size);
    at += decode(bytes.subarray(0, whole), dtype, stored, at);
    rest = whole < bytes.length ? Buffer.from(bytes.subarray(whole)) : Buffer.alloc(0);
    if (turn && at === count) rowMajor(stored, shape, values);
  };
  return { array: { shape, values }, sink };
}

/** Column-major to row-major, for any number of dimensions. */
function rowMajor(from: Values, shape: readonly number[], into: Values): void {
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, d) => shape.slice(0, d).reduce((product, n) => product * n, 1));
  for (let to = 0; to < into.length; to++) {
    let at = 0;
    for (let d = 0; d < shape.length; d++) at += index[d] * strides[d];
    into[to] = from[at];
    for (let d = shape.length - 1; d >= 0 && ++index[d] === shape[d]; d--) index[d] = 0;
  }
}

/** Writes numbers from[0 ..] of the dtype into `into` from index `at`; returns how many. Whole numbers of bytes only. */
export function decode(
  bytes: Buffer,
  dtype: Dtype,
  into: Float64Array | Float32Array | Uint8Array,
  at: number,
): number {
  const { size, kind, bigEndian } = dtype;
  const count = bytes.length / size;
  if (
    !bigEndian &&
    kind === 'f' &&
    ((size === 8 && into instanceof Float64Array) || (size === 4 && into instanceof Float32Array))
  ) {
    // Same format on both sides (every machine that Node.js supports and that matters here is little-endian): copy.
    new Uint8Array(into.buffer, into.byteOffset + at * size, bytes.length).set(bytes);
    return count;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = reader(view, kind, size, !bigEndian);
  for (let i = 0; i < count; i++) into[at + i] = read(i * size);
  return count;
}

function reader(view: DataView, kind: string, size: number, little: boolean): (at: number) => number {
  switch (`${kind}${size}`) {
    case 'f8':
      return (at) => view.getFloat64(at, little);
    case 'f4':
      return (at) => view.getFloat32(at, little);
    case 'f2':
      return (at) => half(view.getUint16(at, little));
    case 'bf2':
      return (at) => brain(view.getUint16(at, little));
    case 'i8':
      return (at) => Number(view.getBigInt64(at, little));
    case 'i4':
      return (at) => view.getInt32(at, little);
    case 'i2':
      return (at) => view.getInt16(at, little);
    case 'i1':
      return (at) => view.getInt8(at);
    case 'u8':
      return (at) => Number(view.getBigUint64(at, little));
    case 'u4':
      return (at) => view.getUint32(at, little);
    case 'u2':
      return (at) => view.getUint16(at, little);
    default: // u1 and b1
      return (at) => view.getUint8(at);
  }
}

/** IEEE half precision: 1 sign bit, 5 exponent bits, 10 fraction bits. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** The first two bytes of a number of single precision. */
export function brain(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** Header of a little-endian (rows, dim) array of doubles or, of 4 bytes, floats, padded so that the numbers begin at a multiple of 64 bytes. */
export function npyHeader(rows: number, dim: number, bytes: 4 | 8): Buffer {
  const text = `{'descr': '<f${bytes}', 'fortran_order': False, 'shape': (${rows}, ${dim}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = Buffer.alloc(length, ' ');
  MAGIC.copy(header);
  header[6] = 1;
  header[7] = 0;
  header.writeUInt16LE(length - 10, 8);
  header.write(text, 10, 'latin1');
  header[length - 1] = 0x0a;
  return header;
}
