import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import type { Episodes, Transitions } from '../transitions.js';
import { type ArrayFile, type ArrayOptions, type NdArray, readNamed } from './named.js';
import { bytesInMemory, countOf, NPY_PREFIX, npyHeaderLength, npyTarget, parseNpyHeader } from './npy.js';
import { bomb, SUSPECT_BYTES, SUSPECT_RATIO, type ZipEntry, ZipReader } from './zip.js';

/** Names of the arrays in an .npz, as the public contract has them. */
export const ARRAYS = {
  observation: 'observation',
  observationNext: 'observation_next',
  action: 'actions',
  exogenous: 'exogenous',
  exogenousNext: 'exogenous_next',
  pairObservation: 'observation_pair',
  pairObservationNext: 'observation_pair_next',
} as const;

/** An .npz, whose arrays `readNamed` finds by their names. */
export async function readNpz(
  path: string,
  options: ArrayOptions,
  control: Control,
): Promise<Episodes | Transitions> {
  const zip = await ZipReader.open(path);
  try {
    return await readNamed(arrayFile(zip, control), options);
  } finally {
    await zip.close();
  }
}

function arrayFile(zip: ZipReader, control: Control): ArrayFile {
  const names = [...zip.entries.keys()]
    .filter((name) => name.endsWith('.npy') && !/(^|\/)[._]/.test(name))
    .map((name) => name.slice(0, -4));
  // Together they may be a bomb where none is on its own.
  const asked = new Map<string, { compressed: number; bytes: number }>();
  const notes: string[] = [];
  return {
    path: zip.path,
    names,
    notes,
    async header(name) {
      const entry = entryOf(zip, name);
      const what = `${zip.path}: ${name}`;
      zip.requirePlausible(entry);
      const head = await zip.head(entry, NPY_PREFIX);
      const { shape, dtype, begin } = parseNpyHeader(
        await zip.head(entry, npyHeaderLength(head, what)),
        what,
      );
      if (dtype.kind === 'bf') notes.push(`${name} holds numbers of two bytes and no name: read as bfloat16`);
      const count = countOf(shape, dtype, what, entry.size - begin);
      const bytes = count * bytesInMemory(dtype);
      asked.set(name, { compressed: entry.compressed, bytes: 8 * count });
      requireNoBomb(zip.path, [...asked.values()]);
      return { shape, bytes };
    },
    read: (name) => readArray(zip, name, control),
  };
}

function requireNoBomb(path: string, entries: readonly { compressed: number; bytes: number }[]): void {
  const sum = (key: 'compressed' | 'bytes') => entries.reduce((total, entry) => total + entry[key], 0);
  const [compressed, bytes] = [sum('compressed'), sum('bytes')];
  if (bytes > SUSPECT_BYTES && bytes > SUSPECT_RATIO * compressed) throw bomb(path, compressed, bytes);
}

function entryOf(zip: ZipReader, name: string): ZipEntry {
  const entry = zip.entries.get(`${name}.npy`);
  if (!entry) throw new ExolamError('internal', `${zip.path}: ${name} was listed and is not there`);
  return entry;
}

/** One array, its header's claim compared with the entry's size before anything of that size is allocated. */
async function readArray(zip: ZipReader, name: string, control: Control): Promise<NdArray> {
  const entry = entryOf(zip, name);
  const what = `${zip.path}: ${name}`;
  zip.requirePlausible(entry);
  let head = Buffer.alloc(0);
  let sink: ((chunk: Buffer) => void) | undefined;
  let result: NdArray | undefined;
  await zip.read(
    entry,
    (chunk) => {
      if (sink) return sink(chunk);
      // The header may arrive in parts; it is short, so collecting it costs nothing.
      head = Buffer.concat([head, chunk]);
      if (head.length < NPY_PREFIX) return;
      const begin = npyHeaderLength(head, what);
      if (head.length < begin) return;
      const target = npyTarget(head.subarray(0, begin), what, entry.size);
      result = target.array;
      sink = target.sink;
      sink(head.subarray(begin));
    },
    control.signal,
  );
  if (!result) throw new ExolamError('data', `${what} is not a .npy array (truncated?)`);
  return result;
}
