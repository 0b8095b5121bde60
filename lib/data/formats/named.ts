import { ExolamError } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { noSuchArray, plain, Roles } from '../roles.js';
import type { Episodes, Transitions, Values } from '../transitions.js';
import {
  type Arrays,
  boundsOf,
  checkArrays,
  episodeNumbers,
  fromRows,
  type Matrix,
  toEpisodes,
} from './arrays.js';
import { type FrameOptions, shrink } from './pictures.js';

/** An array of any number of dimensions, row-major. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly values: Values;
}

/** A file of named arrays, whatever its format. */
export interface ArrayFile {
  readonly path: string;
  readonly names: readonly string[];
  /** The shape of an array and the bytes that reading it takes, before anything of that size is read. */
  header(name: string): Promise<{ readonly shape: readonly number[]; readonly bytes: number }>;
  read(name: string): Promise<NdArray>;
  /** What reading has found, a sentence each. */
  readonly notes?: readonly string[];
}

/** Which arrays to read; the names are those of the command line's options. */
export interface ArrayOptions extends FrameOptions {
  readonly observation?: string | undefined;
  readonly observationNext?: string | undefined;
  readonly action?: string | undefined;
  readonly exogenous?: string | undefined;
  readonly exogenousNext?: string | undefined;
  readonly episode?: string | undefined;
}

type Names = Readonly<
  Record<Exclude<keyof Arrays, 'image'> | 'episode' | 'episodeEnds', string | undefined>
> & {
  readonly over: readonly string[];
};

/**
 * Named arrays in one of two forms:
 * - frames of episodes: `observations` (T, d), with `episode_ends` (exclusive), a number of the episode for each row, or
 *   marks where one is over (`terminals`, `timeouts`, ...); or in equally long episodes, (E, T, d);
 * - transitions: `observation` and `observation_next` (N, d), optionally with a number of the episode for each row.
 * Pictures are (..., H, W) or (..., H, W, C) of bytes.
 */
export async function readNamed(file: ArrayFile, options: ArrayOptions): Promise<Episodes | Transitions> {
  const roles = new Roles(file.path, file.names, 'array');
  const names = namesOf(file, roles, options);
  await requireRoom(file, names);
  const read = async (name: string | undefined) =>
    name === undefined ? undefined : { name, ...asPictures(await file.read(name)) };
  const first = (await read(names.observation)) as Named;
  const layout = layoutOf(file.path, first, names);
  const notes = [...roles.notes, ...layout.notes];
  const all = () => [...notes, ...(file.notes ?? [])];
  const matrix = async (name: string | undefined, pictures = false): Promise<Matrix | undefined> => {
    const array = await read(name);
    return array && toMatrix(file.path, array, layout, pictures ? options : undefined);
  };
  const observation = toMatrix(file.path, first, layout, options);
  if (observation.rows === 0) throw new ExolamError('data', `${file.path}: ${observation.name} has no rows`);
  const arrays: Arrays = {
    observation,
    observationNext: await matrix(names.observationNext, true),
    action: await matrix(names.action),
    exogenous: await matrix(names.exogenous),
    exogenousNext: await matrix(names.exogenousNext),
    pairObservation: await matrix(names.pairObservation, true),
    pairObservationNext: await matrix(names.pairObservationNext, true),
    image: observation.image,
  };
  const { path } = file;
  if (arrays.observationNext) {
    checkArrays(path, arrays);
    const episode = await episodesOfRows(file, names, observation.rows);
    if (names.over.length > 0 && episode?.every((number) => number === 0))
      notes.push(`${names.over.join(', ')}: no mark of an end, so all rows are taken as one episode`);
    return fromRows(path, arrays, episode, all());
  }
  const bounds = await boundsOfFrames(file, names, observation, layout);
  checkArrays(path, arrays, bounds.ends.length);
  return toEpisodes(path, arrays, bounds, all());
}

type Named = NdArray & { readonly name: string };

/** Pictures are often kept as numbers of other types: (..., H, W, C) of whole numbers from 0 to 255 are bytes. */
function asPictures(array: NdArray): NdArray {
  const { shape, values } = array;
  if (values instanceof Uint8Array || shape.length < 4) return array;
  const channels = [shape.at(-1), shape.at(-3)].some((n) => n === 1 || n === 3 || n === 4);
  const whole = (v: number) => v >= 0 && v <= 255 && Number.isInteger(v);
  return channels && values.every(whole) ? { shape, values: Uint8Array.from(values) } : array;
}

function namesOf(file: ArrayFile, roles: Roles, options: ArrayOptions): Names {
  const observationNext = roles.find('observationNext', '--observation-next', options.observationNext);
  const episodeEnds = roles.find('episodeEnds');
  const pairObservation = roles.find('pairObservation');
  const pairObservationNext = roles.find('pairObservationNext');
  // A file may hold both forms: that of frames, with its ends, comes first.
  const own = options.observation ?? preferred(file.names, episodeEnds !== undefined);
  const observation = roles.find('observation', '--observation', own);
  const rows =
    observationNext !== undefined && !(episodeEnds !== undefined && observation === 'observations');
  if (observation === undefined)
    throw noSuchArray(file.path, observationNext ? 'observation' : 'observations', file.names);
  const action = roles.find('action', '--action', options.action);
  const exogenous = roles.find('exogenous', '--exogenous', options.exogenous);
  const exogenousNext = roles.find('exogenousNext', '--exogenous-next', options.exogenousNext);
  if (rows && exogenous !== undefined && exogenousNext === undefined)
    roles.notes.push(
      `${exogenous} is read as x; what z leaks is told by x', and there is no array exogenous_next (--exogenous-next)`,
    );
  const episode = roles.find('episode', '--episode', options.episode);
  const over = episode === undefined && episodeEnds === undefined ? roles.all('episodeOver') : [];
  roles.unread(
    '--observation, --observation-next, --action, --exogenous, --exogenous-next and --episode name arrays to read',
    (name) => !/^(rewards?|infos?|metadata|terminals?|timeouts?|dones?)(_|$)/.test(plain(name)),
  );
  return {
    observation,
    observationNext: rows ? observationNext : undefined,
    action,
    exogenous,
    exogenousNext,
    pairObservation,
    pairObservationNext,
    episode,
    episodeEnds,
    over,
  };
}

function preferred(names: readonly string[], ends: boolean): string | undefined {
  if (ends && names.includes('observations')) return 'observations';
  return names.includes('observation') ? 'observation' : undefined;
}

/** Everything that will be read, and the transitions made of it, before any of it is. */
async function requireRoom(file: ArrayFile, { over, ...names }: Names): Promise<void> {
  let bytes = 0;
  for (const name of [...Object.values(names), ...over]) if (name) bytes += (await file.header(name)).bytes;
  const { shape } = await file.header(names.observation as string);
  const numbers = shape.reduce((product, n) => product * n, 1);
  requireMemory(bytes + 2 * 8 * numbers, `the arrays of ${file.path} and their transitions`);
}

/** How the observation's dimensions are read, which every other array follows. */
export interface Layout {
  /** Frames in each of equally long episodes, (E, T, ...); 0 where the first dimension counts rows. */
  readonly batch: number;
  readonly episodes: number;
  readonly notes: readonly string[];
}

function layoutOf(path: string, { name, shape, values }: Named, names: Names): Layout {
  const text = shape.join(', ');
  const bytes = values instanceof Uint8Array;
  const marked = names.observationNext ?? names.episode ?? names.episodeEnds ?? names.over[0];
  if (shape.length === 0 || shape.length > 5) throw wrongShape(path, name, shape);
  if (shape.length === 5 || (!bytes && shape.length === 3 && marked === undefined))
    return {
      batch: shape[1],
      episodes: shape[0],
      notes: [`${name} of shape (${text}) is taken as ${shape[0]} episodes of ${shape[1]} frames each`],
    };
  if (!bytes && shape.length > 2) throw wrongShape(path, name, shape);
  return { batch: 0, episodes: 0, notes: [] };
}

function wrongShape(path: string, name: string, shape: readonly number[]): ExolamError {
  const text = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  return new ExolamError(
    'data',
    `${path}: ${name} has shape ${text}; expected (rows, columns), or (rows,) for one column`,
  );
}

interface PictureMatrix extends Matrix {
  readonly image?: Episodes['image'];
}

/** (rows, dim): pictures made small, equally long episodes one below the other. */
/** An array's rows, in the layout of the observation. */
export function toMatrix(
  path: string,
  array: Named,
  layout: Layout,
  pictures: FrameOptions | undefined,
): PictureMatrix {
  const { name, values } = array;
  let shape = array.shape;
  if (layout.batch > 0) {
    const [episodes = 0, frames = 0, ...rest] = shape;
    // Arrays of steps may have one row fewer than there are frames.
    if (episodes !== layout.episodes || (frames !== layout.batch && frames !== layout.batch - 1))
      throw new ExolamError(
        'data',
        `${path}: ${name} has shape (${shape.join(', ')}); expected (${layout.episodes}, ${layout.batch}, ...), as the observations have`,
      );
    shape = [episodes * frames, ...rest];
  }
  const [rows = 0, ...rest] = shape;
  if (pictures && values instanceof Uint8Array && (rest.length === 2 || rest.length === 3)) {
    const small = shrink(values, rows, rest, pictures);
    return { name, rows, ...small };
  }
  if (rest.length > 1) throw wrongShape(path, name, array.shape);
  return { name, values, rows, dim: rest[0] ?? 1 };
}

async function columnOf(file: ArrayFile, name: string, rows: number): Promise<Matrix> {
  const { shape, values } = await file.read(name);
  if (values.length !== rows)
    throw new ExolamError(
      'data',
      `${file.path}: ${name} has ${values.length} entries; expected ${rows}, one per row (its shape is (${shape.join(', ')}))`,
    );
  return { name, values, rows, dim: 1 };
}

async function episodesOfRows(file: ArrayFile, names: Names, rows: number): Promise<Int32Array | undefined> {
  if (names.episode !== undefined)
    return episodeNumbers(file.path, await columnOf(file, names.episode, rows));
  return names.over.length > 0 ? numbersOfMarks(await marksOf(file, names.over, rows)) : undefined;
}

async function boundsOfFrames(file: ArrayFile, names: Names, { rows, name }: Matrix, layout: Layout) {
  const { path } = file;
  if (layout.batch > 0) {
    const numbers = Array.from({ length: layout.episodes }, (_, e) => e);
    return { ends: numbers.map((e) => (e + 1) * layout.batch), numbers };
  }
  if (names.episodeEnds !== undefined) {
    const ends = endsOf(
      path,
      names.episodeEnds,
      Array.from((await file.read(names.episodeEnds)).values),
      rows,
      name,
    );
    return { ends, numbers: ends.map((_, e) => e) };
  }
  if (names.episode !== undefined)
    return boundsOf(path, names.episode, episodeNumbers(path, await columnOf(file, names.episode, rows)));
  if (names.over.length > 0)
    return boundsOf(path, names.over[0], numbersOfMarks(await marksOf(file, names.over, rows)));
  throw noSuchArray(path, name === 'observation' ? 'observation_next' : 'episode_ends', file.names);
}

/** Rows after which an episode is over, by any of the marks. */
async function marksOf(file: ArrayFile, over: readonly string[], rows: number): Promise<Uint8Array> {
  const marks = new Uint8Array(rows);
  for (const name of over) {
    const { values } = await columnOf(file, name, rows);
    for (let row = 0; row < rows; row++) if (values[row] !== 0) marks[row] = 1;
  }
  return marks;
}

function numbersOfMarks(marks: Uint8Array): Int32Array {
  const numbers = new Int32Array(marks.length);
  for (let row = 1; row < marks.length; row++) numbers[row] = numbers[row - 1] + marks[row - 1];
  return numbers;
}

function endsOf(
  path: string,
  name: string,
  ends: readonly number[],
  rows: number,
  frames: string,
): readonly number[] {
  let before = 0;
  ends.forEach((end, e) => {
    if (!Number.isInteger(end) || end <= before || end > rows)
      throw new ExolamError(
        'data',
        `${path}: ${name}[${e}] is ${end}; expected a whole number above ${before} and at most ${rows}, the number of frames`,
      );
    before = end;
  });
  if (before !== rows)
    throw new ExolamError('data', `${path}: ${name} stops at ${before}, and ${frames} has ${rows} rows`);
  return ends;
}
