import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { gigabytes, requireMemory } from '../../base/memory.js';
import { listNearest } from '../names.js';
import type { Episodes, Transitions } from '../transitions.js';
import { type Arrays, checkArrays, episodeNumbers, fromRows, type Matrix, toEpisodes } from './arrays.js';
import { decode, NPY_PREFIX, npyHeaderLength, parseNpyHeader } from './npy.js';
import { ZipReader } from './zip.js';

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

/**
 * An .npz in one of two forms:
 * - `observations` (T, d) with `episode_ends` (exclusive); the other arrays have T rows, and row t of those called "next"
 *   belongs to the step from frame t to t + 1;
 * - `observation` and `observation_next` (N, d), optionally with `episode_index` (N).
 * Optional in both: `actions`, `exogenous` (x of each row), `exogenous_next`, `observation_pair` with `observation_pair_next`. Others are not read.
 */
export async function readNpz(path: string, control: Control): Promise<Episodes | Transitions> {
  const zip = await ZipReader.open(path);
  try {
    const names = [...zip.entries.keys()]
      .filter((name) => name.endsWith('.npy'))
      .map((name) => name.slice(0, -4));
    const frames = names.includes('observations');
    requireForm(path, names, frames);
    const array = (name: string): Promise<Matrix | undefined> =>
      names.includes(name) ? readArray(zip, name, control) : Promise.resolve(undefined);
    const arrays: Arrays = {
      observation: (await array(frames ? 'observations' : ARRAYS.observation)) as Matrix,
      observationNext: frames ? undefined : await array(ARRAYS.observationNext),
      action: await array(ARRAYS.action),
      exogenous: await array(ARRAYS.exogenous),
      exogenousNext: await array(ARRAYS.exogenousNext),
      pairObservation: await array(ARRAYS.pairObservation),
      pairObservationNext: await array(ARRAYS.pairObservationNext),
    };
    if (arrays.observation.rows === 0)
      throw new ExolamError('data', `${path}: ${arrays.observation.name} has no rows`);
    checkArrays(path, arrays);
    if (frames) {
      const ends = endsOf(path, (await array('episode_ends')) as Matrix, arrays.observation.rows);
      return toEpisodes(arrays, { ends, numbers: ends.map((_, e) => e) }, []);
    }
    const index = await array('episode_index');
    if (index && index.rows !== arrays.observation.rows)
      throw new ExolamError(
        'data',
        `${path}: episode_index has ${index.rows} entries; expected ${arrays.observation.rows}, one per row`,
      );
    const episode = index && episodeNumbers(path, index);
    return fromRows(arrays, episode, []);
  } finally {
    await zip.close();
  }
}

function requireForm(path: string, names: readonly string[], frames: boolean): void {
  const needed = frames ? ['observations', 'episode_ends'] : [ARRAYS.observation, ARRAYS.observationNext];
  const missing = needed.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw new ExolamError(
    'data',
    `${path} has no array ${missing}; expected observations with episode_ends, or observation with observation_next; ` +
      `it holds: ${listNearest(missing, names)}`,
  );
}

function endsOf(path: string, matrix: Matrix, rows: number): number[] {
  const ends = Array.from(matrix.values);
  let before = 0;
  ends.forEach((end, e) => {
    if (!Number.isInteger(end) || end <= before || end > rows)
      throw new ExolamError(
        'data',
        `${path}: episode_ends[${e}] is ${end}; expected a whole number above ${before} and at most ${rows}, the number of frames`,
      );
    before = end;
  });
  if (before !== rows)
    throw new ExolamError(
      'data',
      `${path}: episode_ends stops at ${before}, and observations has ${rows} rows`,
    );
  return ends;
}

/** One array, its header's claim compared with the entry's size before anything of that size is allocated. */
async function readArray(zip: ZipReader, name: string, control: Control): Promise<Matrix> {
  const entry = zip.entries.get(`${name}.npy`);
  const what = `${zip.path}: ${name}`;
  if (!entry) throw new ExolamError('internal', `${what} was listed and is not there`);
  zip.requirePlausible(entry);
  let head = Buffer.alloc(0);
  let sink: ((chunk: Buffer) => void) | undefined;
  let result: Matrix | undefined;
  await zip.read(
    entry,
    (chunk) => {
      if (sink) return sink(chunk);
      // The header may arrive in parts; it is short, so collecting it costs nothing.
      head = Buffer.concat([head, chunk]);
      if (head.length < NPY_PREFIX) return;
      const begin = npyHeaderLength(head, what);
      if (head.length < begin) return;
      const target = prepare(head.subarray(0, begin), what, name, entry.size);
      result = target.matrix;
      sink = target.sink;
      sink(head.subarray(begin));
    },
    control.signal,
  );
  if (!result) throw new ExolamError('data', `${what} is not a .npy array (truncated?)`);
  return fromFortran(result);
}

interface NpyMatrix extends Matrix {
  readonly fortran: boolean;
}

function prepare(bytes: Buffer, what: string, name: string, size: number) {
  const { shape, fortran, dtype, begin } = parseNpyHeader(bytes, what);
  const [rows = 1, dim = 1] = shape;
  const text = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  if (shape.length === 0 || shape.length > 2)
    throw new ExolamError(
      'data',
      `${what} has shape ${text}; expected (rows, columns), or (rows,) for one column`,
    );
  const count = rows * dim;
  const claimed = count * dtype.size;
  if (!Number.isSafeInteger(claimed) || claimed !== size - begin)
    throw new ExolamError(
      'data',
      `${what} claims shape ${text} of ${dtype.name}, ${gigabytes(claimed)}, and the file holds ${gigabytes(size - begin)} for it`,
    );
  const single = dtype.kind === 'f' && dtype.size === 4;
  requireMemory(count * (single ? 4 : 8), `${what} ${text}`);
  const values = single ? new Float32Array(count) : new Float64Array(count);
  const matrix: NpyMatrix = { name, values, rows, dim, fortran: fortran && rows > 1 && dim > 1 };
  let at = 0;
  let rest = Buffer.alloc(0);
  const sink = (chunk: Buffer): void => {
    // A chunk may end inside a number: its first bytes wait for the next one.
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const whole = bytes.length - (bytes.length % dtype.size);
    at += decode(bytes.subarray(0, whole), dtype, values, at);
    rest = whole < bytes.length ? Buffer.from(bytes.subarray(whole)) : Buffer.alloc(0);
  };
  return { matrix, sink };
}

/** Column-major to row-major. */
function fromFortran(matrix: Matrix): Matrix {
  if (!(matrix as NpyMatrix).fortran) return matrix;
  const { values, rows, dim } = matrix;
  const rowMajor = values.slice();
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < dim; j++) rowMajor[row * dim + j] = values[j * rows + row];
  return { ...matrix, values: rowMajor };
}
