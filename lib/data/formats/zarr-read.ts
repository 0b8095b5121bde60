import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import type { Values } from '../transitions.js';
import type { NdArray } from './named.js';
import { brain, half } from './npy.js';

/** What is asked of a zarr store: the shapes of all of its arrays, or the numbers of some. */
export type ZarrRequest =
  | { readonly kind: 'zarr-tree'; readonly path: string }
  | { readonly kind: 'zarr-arrays'; readonly path: string; readonly names: readonly string[] };

/** An array of a store, by its path in it. */
export interface ZarrArray {
  readonly name: string;
  readonly shape: readonly number[];
}

/** An array's numbers, and of how many of its chunks there was no file. */
export interface ZarrNumbers extends NdArray {
  readonly absent: number;
}

/** Chunks without a file beside each that has one: they count as fill values, and a few bytes may claim billions of them. */
const MOST_ABSENT = 100;
const DEEPEST = 8;
const MOST = 10_000;
const METADATA = ['.zarray', 'zarr.json'];
/** Sixteen bits that Node 20 has no arrays for: read as whole numbers, and turned into what they stand for. */
const SIXTEEN: Readonly<Record<string, (bits: number) => number>> = {
  '<f2': half,
  float16: half,
  bfloat16: brain,
};
const AS_BITS: Readonly<Record<string, string>> = { '<f2': '<u2', float16: 'uint16', bfloat16: 'uint16' };

type Library = typeof import('zarrita');

/** Answers one request. Runs in a process of its own: chunks are unpacked by code that is not ours. */
export async function answerZarr(request: ZarrRequest): Promise<unknown> {
  const { path } = request;
  try {
    const arrays = await treeOf(path);
    if (request.kind === 'zarr-tree') return arrays.map(({ name, shape }) => ({ name, shape }));
    const wanted = request.names.map((name) => arrays.find((one) => one.name === name) as Described);
    const numbers = wanted.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
    requireMemory(24 * numbers, `${wanted.length} arrays of ${path}`);
    const library = await load();
    const found: ZarrNumbers[] = [];
    for (const one of wanted) found.push(await numbersOf(library, path, one));
    return found;
  } catch (cause) {
    if (cause instanceof ExolamError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const [, codec] = /^Unknown codec: (?:numcodecs\.)?([\w.-]{1,80})$/.exec(reason) ?? [];
    if (codec !== undefined)
      throw new ExolamError(
        'data',
        `${path}: an array is compressed by ${codec}, which cannot be unpacked here (blosc, lz4, zstd, zlib and gzip can): save it again with one of those, or its arrays as an .npz`,
        { cause },
      );
    throw new ExolamError(
      'data',
      `${path} cannot be read as zarr (truncated or damaged?): ${reason.replace(/\s+/g, ' ').slice(0, 200)}`,
      { cause },
    );
  }
}

/** From source, the process imports it by itself, as it does the library of HDF5. */
const importLibrary = (): Promise<Library> => {
  const { importLibrary } = globalThis as { importLibrary?: (name: string) => Promise<Library> };
  return importLibrary ? importLibrary('zarrita') : import('zarrita');
};

async function load(): Promise<Library> {
  try {
    return await importLibrary();
  } catch (cause) {
    throw new ExolamError(
      'unsupported',
      'reading zarr needs the package zarrita, which is not installed: npm install zarrita',
      { cause },
    );
  }
}

/** Of an array, of version 2 or 3: not yet checked. */
interface Metadata {
  readonly node_type?: unknown;
  readonly shape?: unknown;
  readonly dtype?: unknown;
  readonly data_type?: unknown;
  readonly fill_value?: unknown;
  readonly chunks?: unknown;
  readonly chunk_grid?: { readonly configuration?: { readonly chunk_shape?: unknown } };
}

interface Described extends ZarrArray {
  readonly type: string;
  readonly fill: unknown;
  /** Of the chunks that are files: with sharding, of the shards. */
  readonly chunks: readonly number[];
}

/** The arrays of a store. Below an array there are chunks alone: they may be many, and nothing looks at them here. */
async function treeOf(path: string): Promise<Described[]> {
  const found: Described[] = [];
  const visit = async (name: string, depth: number): Promise<void> => {
    const entries = await readdir(join(path, name), { withFileTypes: true });
    for (const file of METADATA) {
      if (!entries.some((entry) => entry.name === file)) continue;
      const metadata = JSON.parse(metadataOf(await readFile(join(path, name, file), 'utf8'))) as Metadata;
      const { node_type, shape, dtype, data_type, fill_value } = metadata;
      if (file === 'zarr.json' && node_type !== 'array') continue;
      if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
        throw new Error(`${name || 'the array'} has shape ${JSON.stringify(shape)}`);
      const chunks = metadata.chunks ?? metadata.chunk_grid?.configuration?.chunk_shape;
      found.push({
        name,
        shape,
        type: String(dtype ?? data_type),
        fill: fill_value,
        chunks: Array.isArray(chunks) ? chunks.map(Number) : shape,
      });
      return;
    }
    if (depth >= DEEPEST || found.length > MOST)
      throw new Error('it has too many arrays, or groups within groups');
    for (const entry of entries)
      if ((entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
        await visit(name === '' ? entry.name : `${name}/${entry.name}`, depth + 1);
  };
  await visit('', 0);
  return found;
}

/** Metadata as Python writes it may hold NaN, which JSON does not know; as text a fill value may be it. */
const metadataOf = (text: string) => text.replace(/:\s*(-?)(NaN|Infinity)\b/g, ': "$1$2"');

async function numbersOf(library: Library, path: string, described: Described): Promise<ZarrNumbers> {
  const { name, shape, type, fill } = described;
  await requireFiles(path, described);
  const ofBits = Object.hasOwn(SIXTEEN, type) ? SIXTEEN[type] : undefined;
  let absent = 0;
  const store = {
    async get(key: string): Promise<Uint8Array | undefined> {
      const last = key.split('/').at(-1) as string;
      const bytes = await readFile(join(path, key)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
        throw error;
      });
      if (last === '.zattrs') return bytes;
      if (!METADATA.includes(last)) {
        if (!bytes) absent++;
        return bytes;
      }
      if (!bytes) return undefined;
      const text = metadataOf(bytes.toString('utf8'));
      return Buffer.from(ofBits ? inBits(text) : text);
    },
  };
  if (ofBits && fill !== 0 && fill !== null && fill !== undefined && fill !== '0x0000')
    throw new ExolamError('data', `${path}: ${name} has fill value ${String(fill)} of ${type}; expected 0`);
  const opened = await library.open(library.root(store).resolve(`/${name}`), { kind: 'array' });
  requireWholeChunks(opened);
  const got = (await library.get(opened, null)) as unknown as {
    data: Iterable<number | bigint | boolean>;
    stride: number[];
  };
  // An array without dimensions comes as its one number.
  if (shape.length === 0) return { shape, values: Float64Array.of(Number(got)), absent };
  const values = valuesOf(path, name, got.data);
  if (ofBits) for (let i = 0; i < values.length; i++) values[i] = ofBits(values[i]);
  return { shape, values: inRows(values, shape, got.stride), absent };
}

/** Every chunk of the grid is looked for: far more than there are files are a claim, not data. */
async function requireFiles(path: string, { name, shape, chunks }: Described): Promise<void> {
  const wanted = shape.reduce((product, n, d) => product * Math.ceil(n / Math.max(1, chunks[d] || n)), 1);
  if (wanted <= MOST_ABSENT) return;
  const files = await readdir(join(path, name), { recursive: true, withFileTypes: true });
  const there = files.filter((file) => !file.isDirectory()).length;
  if (wanted > MOST_ABSENT * there)
    throw new ExolamError(
      'data',
      `${path}: ${name || 'the array'} has shape ${JSON.stringify(shape)}, which is ${wanted} chunks, but there are ${there} files`,
    );
}

/** The library takes a chunk for whole that has unpacked to fewer numbers, and leaves zeros where they should be. */
function requireWholeChunks(opened: { getChunk: (...of: never[]) => Promise<unknown> }): void {
  const read = opened.getChunk.bind(opened);
  opened.getChunk = async (...of) => {
    const chunk = (await read(...of)) as { data: { length: number }; shape: number[] };
    const count = chunk.shape.reduce((product, n) => product * n, 1);
    if (chunk.data.length !== count)
      throw new Error(`chunk ${String(of[0])} holds ${chunk.data.length} of ${count} numbers`);
    return chunk;
  };
}

/** An array's metadata with its type of sixteen bits exchanged for whole numbers of as many. */
function inBits(text: string): string {
  const metadata = JSON.parse(text) as Record<string, unknown>;
  for (const key of ['dtype', 'data_type'])
    if (typeof metadata[key] === 'string') metadata[key] = AS_BITS[metadata[key]] ?? metadata[key];
  if (metadata['fill_value'] === '0x0000') metadata['fill_value'] = 0;
  return JSON.stringify(metadata);
}

function valuesOf(path: string, name: string, data: Iterable<unknown>): Values {
  if (data instanceof Uint8Array || data instanceof Float32Array || data instanceof Float64Array) return data;
  const list = Array.from(data);
  if (!list.every((cell) => ['number', 'bigint', 'boolean'].includes(typeof cell)))
    throw new ExolamError('data', `${path}: ${name} holds ${typeof list[0]} values; expected numbers`);
  return Float64Array.from(list as (number | bigint | boolean)[], Number);
}

/** Row-major, whatever the order is in which the store keeps its numbers. */
function inRows(values: Values, shape: readonly number[], stride: readonly number[]): Values {
  let step = 1;
  const rows = shape.map(() => 0);
  for (let d = shape.length - 1; d >= 0; d--) {
    rows[d] = step;
    step *= shape[d];
  }
  if (rows.every((one, d) => one === stride[d] || shape[d] <= 1)) return values;
  const out = values.slice();
  const index = shape.map(() => 0);
  for (let to = 0; to < out.length; to++) {
    out[to] = values[index.reduce((sum, i, d) => sum + i * stride[d], 0)];
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d]++;
      if (index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}
