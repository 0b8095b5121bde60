/**
 * The safetensors format, as far as exolam writes and reads it: eight bytes with the header's length (little-endian), the header
 * (JSON: `__metadata__` with strings, and for every tensor its dtype, shape and data_offsets), then the numbers, row-major and
 * little-endian. Tensors are F64 or F32.
 */
import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';

export interface Tensor<Numbers extends Float64Array | Float32Array = Float64Array | Float32Array> {
  readonly shape: readonly number[];
  /** Float32Array of an F32 tensor. */
  readonly data: Numbers;
}

export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const LENGTH_BYTES = 8;
/** What other readers of the format accept, too. */
const LONGEST_HEADER = 100_000_000;
/** Numbers begin at a multiple of it, so that a reader may map them. */
const ALIGNMENT = 8;
/** Fills the header up to the alignment: JSON ends before it. */
const SPACE = 0x20;
const METADATA = '__metadata__';

/** The whole file; the same content gives the same bytes. */
export function encodeTensors(file: TensorFile): Uint8Array {
  const header: Record<string, unknown> = { [METADATA]: file.metadata };
  let end = 0;
  for (const [name, { shape, data }] of file.tensors) {
    const begin = end;
    end += data.byteLength;
    const dtype = data instanceof Float32Array ? 'F32' : 'F64';
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(LENGTH_BYTES + length + end).fill(SPACE);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  let at = LENGTH_BYTES + length;
  for (const { data } of file.tensors.values())
    for (const value of data) {
      if (data instanceof Float32Array) view.setFloat32(at, value, true);
      else view.setFloat64(at, value, true);
      at += data.BYTES_PER_ELEMENT;
    }
  return bytes;
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly isSingle: boolean;
  readonly begin: number;
  readonly end: number;
}

const isCount = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0;
const isRecord = (v: unknown): v is Record<string, unknown> =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

/** Reads what {@link encodeTensors} writes, and nothing that contradicts itself. `what` is what messages call it. */
export function decodeTensors(bytes: Uint8Array, what: string): TensorFile {
  const bad = (why: string, cause?: unknown) =>
    new ExolamError('data', `${what} is not a safetensors file of exolam: ${why}`, { cause });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < LENGTH_BYTES)
    throw bad(`it has ${bytes.length} bytes, and the header's length alone takes ${LENGTH_BYTES}`);
  const length = view.getBigUint64(0, true);
  const room = bytes.length - LENGTH_BYTES;
  if (length > BigInt(LONGEST_HEADER))
    throw bad(`its header claims ${length} bytes; expected at most ${LONGEST_HEADER}`);
  if (length > BigInt(room))
    throw bad(`its header claims ${length} bytes, but only ${room} follow: it is truncated`);
  const start = LENGTH_BYTES + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, start)),
    );
  } catch (error) {
    throw bad(`its header is not JSON in UTF-8 (${(error as Error).message})`, error);
  }
  if (!isRecord(header)) throw bad(`its header is not a JSON object but ${quote(header)}`);

  const { [METADATA]: metadata = {}, ...described } = header;
  if (!isRecord(metadata))
    throw bad(`${METADATA}: expected an object of strings but received ${quote(metadata)}`);
  for (const [key, value] of Object.entries(metadata))
    if (typeof value !== 'string')
      throw bad(`${METADATA}.${key}: expected a string but received ${quote(value)}`);
  const entries = Object.entries(described).map(([name, value]) => entryOf(name, value, bad));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);

  const size = bytes.length - start;
  let end = 0;
  for (const entry of entries) {
    if (entry.begin < end)
      throw bad(`tensor "${entry.name}" begins at byte ${entry.begin}, inside the one before it`);
    if (entry.begin > end) throw bad(`bytes ${end} to ${entry.begin} belong to no tensor`);
    end = entry.end;
    if (end > size)
      throw bad(
        `tensor "${entry.name}" ends at byte ${end}, but there are ${size} bytes of numbers: it is truncated`,
      );
  }
  if (end < size) throw bad(`its last ${size - end} bytes belong to no tensor`);

  const tensors = new Map<string, Tensor>();
  for (const { name, shape, begin, isSingle } of entries) {
    const length = shape.reduce((product, n) => product * n, 1);
    const data = isSingle ? new Float32Array(length) : new Float64Array(length);
    for (let i = 0; i < length; i++)
      data[i] = isSingle
        ? view.getFloat32(start + begin + 4 * i, true)
        : view.getFloat64(start + begin + 8 * i, true);
    tensors.set(name, { shape, data });
  }
  return { metadata: metadata as Record<string, string>, tensors };
}

function entryOf(name: string, value: unknown, bad: (why: string) => ExolamError): Entry {
  const tensor = `tensor "${name}"`;
  if (!isRecord(value))
    throw bad(`${tensor}: expected dtype, shape and data_offsets but received ${quote(value)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (dtype !== 'F64' && dtype !== 'F32')
    throw bad(`${tensor}.dtype: expected "F64" or "F32" but received ${quote(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw bad(`${tensor}.shape: expected integers of at least 0 but received ${quote(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[1] < offsets[0])
    throw bad(
      `${tensor}.data_offsets: expected [begin, end] with begin <= end but received ${quote(offsets)}`,
    );
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product: number, n: number) => product * n, dtype === 'F32' ? 4 : 8);
  if (end - begin !== bytes)
    throw bad(
      `${tensor}: shape ${quote(shape)} takes ${bytes} bytes, but data_offsets ${quote(offsets)} hold ${end - begin}`,
    );
  return { name, shape: shape, isSingle: dtype === 'F32', begin, end };
}
