import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { quote } from '../../base/validate.js';
import { throwIfAborted } from '../progress.js';
import type { Episodes, Transitions } from '../transitions.js';
import { type ArrayFile, type ArrayOptions, readNamed } from './named.js';
import { bytesInMemory, countOf, type Dtype, numbersTarget } from './npy.js';

const LENGTH_BYTES = 8;
const LONGEST_HEADER = 100_000_000;

/** The format's names of types; what is not here holds no numbers that can be read. */
const TYPES: Readonly<Record<string, readonly [kind: string, size: number]>> = {
  F64: ['f', 8],
  F32: ['f', 4],
  F16: ['f', 2],
  BF16: ['bf', 2],
  I64: ['i', 8],
  I32: ['i', 4],
  I16: ['i', 2],
  I8: ['i', 1],
  U64: ['u', 8],
  U32: ['u', 4],
  U16: ['u', 2],
  U8: ['u', 1],
  BOOL: ['b', 1],
};

interface Tensor {
  readonly shape: readonly number[];
  /** Undefined where the type holds no numbers that can be read, which is an error of those who ask for it. */
  readonly dtype: Dtype | undefined;
  readonly type: unknown;
  readonly begin: number;
  readonly end: number;
}

/** A .safetensors file of arrays, named as in an .npz. */
export async function readSafetensors(
  path: string,
  options: ArrayOptions,
  control: Control,
): Promise<Episodes | Transitions> {
  const tensors = await tensorsOf(path);
  const tensor = (name: string) => {
    const { dtype, ...rest } = tensors.get(name) as Tensor;
    if (dtype) return { dtype, ...rest };
    throw new ExolamError(
      'data',
      `${path}: ${name} holds ${quote(rest.type)}; expected ${Object.keys(TYPES).join(', ')}`,
    );
  };
  const file: ArrayFile = {
    path,
    names: [...tensors.keys()],
    header: async (name) => {
      const { shape, dtype, begin, end } = tensor(name);
      return {
        shape,
        bytes: bytesInMemory(dtype) * countOf(shape, dtype, `${path}: ${name}`, end - begin),
      };
    },
    async read(name) {
      const { shape, dtype, begin, end } = tensor(name);
      const { array, sink } = numbersTarget(shape, dtype);
      let at = begin;
      if (end > begin)
        for await (const chunk of createReadStream(path, {
          start: begin,
          end: end - 1,
          highWaterMark: 1 << 20,
        })) {
          throwIfAborted(control);
          sink(chunk as Buffer);
          at += (chunk as Buffer).length;
        }
      if (at < end) throw new ExolamError('data', `${path} is truncated: ${name} ends at byte ${end}`);
      return array;
    },
  };
  return readNamed(file, options);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** The tensors that the header lists, in its order, each one inside the file. */
async function tensorsOf(path: string): Promise<ReadonlyMap<string, Tensor>> {
  const bad = (why: string, cause?: unknown) =>
    new ExolamError('data', `${path} cannot be read as safetensors (truncated or damaged?): ${why}`, {
      cause,
    });
  const { header, start, size } = await headerOf(path, bad);
  const { __metadata__: metadata, ...described } = header;
  if (isRecord(metadata) && String(metadata['format']).startsWith('exolam'))
    throw new ExolamError(
      'data',
      `${path} is a model that exolam saved, and expected is data: LinearLam.load reads it`,
    );
  return new Map(
    Object.entries(described).map(([name, value]) => [name, tensorOf(name, value, start, size, bad)]),
  );
}

type Bad = (why: string, cause?: unknown) => ExolamError;

async function headerOf(path: string, bad: Bad) {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(LENGTH_BYTES);
    const { bytesRead } = await file.read(head, 0, LENGTH_BYTES, 0);
    if (bytesRead < LENGTH_BYTES) throw bad(`it has ${size} bytes, too few for a header`);
    const length = head.readBigUInt64LE();
    if (length > BigInt(LONGEST_HEADER) || Number(length) + LENGTH_BYTES > size)
      throw bad(`its header claims ${length} bytes, and the file has ${size}`);
    const text = Buffer.alloc(Number(length));
    await file.read(text, 0, text.length, LENGTH_BYTES);
    let header: unknown;
    try {
      header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
    } catch (cause) {
      throw bad('its header is not JSON', cause);
    }
    if (!isRecord(header)) throw bad('its header is no JSON object');
    return { header, start: LENGTH_BYTES + text.length, size };
  } finally {
    await file.close();
  }
}

function tensorOf(name: string, value: unknown, start: number, size: number, bad: Bad): Tensor {
  const { dtype, shape, data_offsets: offsets } = isRecord(value) ? value : {};
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw bad(`tensor ${quote(name)} has shape ${quote(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw bad(`tensor ${quote(name)} has data_offsets ${quote(offsets)}`);
  const [begin, end] = [start + offsets[0], start + offsets[1]];
  if (end < begin || end > size)
    throw bad(`tensor ${quote(name)} ends at byte ${end}, and the file at ${size}`);
  const [kind, bytes] =
    typeof dtype === 'string' && Object.hasOwn(TYPES, dtype)
      ? (TYPES[dtype] as readonly [string, number])
      : [];
  const known = kind !== undefined && bytes !== undefined;
  return {
    shape,
    dtype: known ? { name: String(dtype), size: bytes, kind, bigEndian: false } : undefined,
    type: dtype,
    begin,
    end,
  };
}
