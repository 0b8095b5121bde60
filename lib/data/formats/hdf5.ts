import { stat } from 'node:fs/promises';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { LeftOut } from '../left-out.js';
import { listNearest, matchNames, naturally } from '../names.js';
import { plain, ROLE_NAMES } from '../roles.js';
import type { Episode, Episodes, Transitions, Values } from '../transitions.js';
import { checkArrays, type Matrix, toEpisodes } from './arrays.js';
import { ask } from './file-reader-client.js';
import type { Dataset } from './hdf5-read.js';
import { type ArrayFile, type ArrayOptions, type NdArray, readNamed } from './named.js';
import { shrink } from './pictures.js';

/** Seconds that a request may take beside those for its bytes. */
const LEAST_SECONDS = 5;
const BYTES_A_SECOND = 5e6;
const NUMBERS_A_SECOND = 1e7;
/** Memory for a number: as the library has it, and as it is handed on. */
const BYTES_A_NUMBER = 40;

export interface Hdf5Options extends ArrayOptions {
  readonly strict?: boolean | undefined;
}

/**
 * An HDF5 file in one of two forms:
 * - a group for each episode, with its observations, its actions and more: `data/demo_0/obs/...` (robomimic, LIBERO),
 *   `traj/0/obs`, `episode_0/observations` (Minari); the group of observations may hold several datasets;
 * - arrays of all rows at its root or in one group, as an .npz has them (D4RL).
 */
export async function readHdf5(
  path: string,
  options: Hdf5Options,
  control: Control,
): Promise<Episodes | Transitions> {
  const { size } = await stat(path);
  const budget = (numbers: number) => ({
    seconds: LEAST_SECONDS + size / BYTES_A_SECOND + numbers / NUMBERS_A_SECOND,
    bytes: size + BYTES_A_NUMBER * numbers,
  });
  const tree = await ask<Dataset[]>({ kind: 'tree', path }, budget(0), control.signal);
  const counts = new Map(tree.map(({ name, shape }) => [name, shape.reduce((product, n) => product * n, 1)]));
  const read = (names: readonly string[]) => {
    const numbers = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
    return ask<NdArray[]>({ kind: 'datasets', path, names }, budget(numbers), control.signal);
  };
  const groups = episodesIn(tree);
  return groups.length > 0
    ? readEpisodes(path, groups, read, options)
    : readNamed(flatFile(path, tree, read), options);
}

/** Datasets of one episode, by their names below its group. */
interface EpisodeGroup {
  readonly group: string;
  readonly datasets: ReadonlyMap<string, Dataset>;
}

const isObservation = (name: string) => ROLE_NAMES.observation.includes(plain(name.split('/')[0] as string));

/** Groups that hold observations, where there are several beside each other: episodes, in natural order. */
function episodesIn(tree: readonly Dataset[]): EpisodeGroup[] {
  const groups = new Map<string, Map<string, Dataset>>();
  for (const dataset of tree) {
    const parts = dataset.name.split('/');
    // The group of an episode is the first whose next part says observation, action or the like.
    for (let depth = 1; depth < parts.length; depth++) {
      const below = parts.slice(depth).join('/');
      const head = plain(parts[depth] as string);
      if (!Object.values(ROLE_NAMES).some((names) => names.includes(head))) continue;
      const group = parts.slice(0, depth).join('/');
      const own = groups.get(group) ?? new Map<string, Dataset>();
      own.set(below, dataset);
      groups.set(group, own);
      break;
    }
  }
  const all = [...groups].filter(([, datasets]) => [...datasets.keys()].some(isObservation));
  // One group that holds all rows is a file of arrays, unless its name counts episodes.
  if (all.length === 1 && !/\d$/.test(all[0]?.[0] ?? '')) return [];
  return all.map(([group, datasets]) => ({ group, datasets })).sort((a, b) => naturally(a.group, b.group));
}

type Read = (names: readonly string[]) => Promise<NdArray[]>;

async function readEpisodes(
  path: string,
  groups: readonly EpisodeGroup[],
  read: Read,
  options: Hdf5Options,
): Promise<Episodes> {
  const notes: string[] = [];
  const keys = observationKeys(path, groups[0] as EpisodeGroup, options.observation, notes);
  const action = keyOf('action', groups, options.action);
  const exogenous = options.exogenous;
  const leftOut = new LeftOut(path, options.strict ?? false);
  const parts: Episodes[] = [];
  for (const [e, { group, datasets }] of groups.entries()) {
    const wanted = [...keys, ...(action ? [action] : []), ...(exogenous ? [exogenous] : [])];
    const absent = wanted.find((key) => !datasets.has(key));
    if (absent !== undefined) {
      leftOut.add(e, `${group} has no ${absent}`);
      continue;
    }
    try {
      const arrays = await read(wanted.map((key) => `${group}/${key}`));
      parts.push(episodeOf(path, group, e, wanted, arrays, keys.length, action !== undefined, options));
    } catch (error) {
      if (!(error instanceof ExolamError) || error.kind !== 'data') throw error;
      leftOut.add(e, error.message);
    }
  }
  const [first] = parts;
  if (!first) throw leftOut.error();
  const odd = parts.findIndex(
    (p) => p.observationDim !== first.observationDim || p.actionDim !== first.actionDim,
  );
  if (odd >= 0)
    throw new ExolamError(
      'data',
      `${path}: ${groups[parts[odd]?.list[0]?.number ?? 0]?.group} has observations ${parts[odd]?.observationDim} wide and actions ` +
        `${parts[odd]?.actionDim}, and the first episode ${first.observationDim} and ${first.actionDim}`,
    );
  const list: Episode[] = parts.flatMap((part) => part.list);
  return { ...first, list, listed: groups.length, notes: [...notes, ...leftOut.notes()] };
}

/** The datasets that are the observation: those the option matches, else the only ones there are that are no pictures. */
function observationKeys(
  path: string,
  { datasets }: EpisodeGroup,
  given: string | undefined,
  notes: string[],
): string[] {
  const names = [...datasets.keys()];
  const short = (name: string) => name.split('/').slice(1).join('/');
  if (given !== undefined) {
    const found = matchNames(given, names).map(({ name }) => name);
    const below =
      found.length > 0
        ? found
        : names.filter((name) => isObservation(name) && matchNames(given, [short(name)]).length > 0);
    if (below.length > 0) return below.sort(naturally);
    throw new ExolamError(
      'input',
      `--observation '${given}' matches no dataset of an episode of ${path}; available: ${listNearest(given, names)}`,
    );
  }
  const candidates = names.filter((name) => isObservation(name) && !/^next/.test(plain(name)));
  const vectors = candidates.filter((name) => (datasets.get(name)?.shape.length ?? 0) <= 2);
  const inObs = vectors.filter((name) => name.includes('/'));
  const own = vectors.filter((name) => !name.includes('/'));
  const found = inObs.length > 0 ? inObs : own.length > 0 ? own.slice(0, 1) : candidates.slice(0, 1);
  if (candidates.length > 1)
    notes.push(
      `the observation is ${found.sort(naturally).join(', ')}; --observation picks of ${listNearest('', candidates)}`,
    );
  return found.sort(naturally);
}

function keyOf(
  role: 'action',
  groups: readonly EpisodeGroup[],
  given: string | undefined,
): string | undefined {
  if (given !== undefined) return given;
  const names = [...(groups[0]?.datasets.keys() ?? [])];
  return ROLE_NAMES[role]
    .map((alias) => names.find((name) => plain(name) === alias))
    .find((name) => name !== undefined);
}

/** One episode: its observations side by side, and its actions, as many as frames or one fewer. */
function episodeOf(
  path: string,
  group: string,
  number: number,
  names: readonly string[],
  arrays: readonly NdArray[],
  observations: number,
  hasAction: boolean,
  options: Hdf5Options,
): Episodes {
  const matrices = arrays.map(({ shape, values }, i): Matrix & { image?: Episodes['image'] } => {
    const [rows = 1, ...rest] = shape;
    const name = `${group}/${names[i]}`;
    if (values instanceof Uint8Array && rest.length >= 2)
      return { name, rows, ...shrink(values, rows, rest, options) };
    if (rest.length > 1)
      throw new ExolamError(
        'data',
        `${path}: ${name} has shape (${shape.join(', ')}); expected (rows, columns)`,
      );
    return { name, rows, values, dim: rest[0] ?? 1 };
  });
  const seen = matrices.slice(0, observations);
  const observation = seen.length === 1 ? (seen[0] as Matrix) : besideEachOther(path, group, seen);
  const action = hasAction ? matrices[observations] : undefined;
  const exogenous = options.exogenous ? matrices[matrices.length - 1] : undefined;
  const image = seen.length === 1 ? seen[0]?.image : undefined;
  const all = { observation, action, exogenous, image };
  checkArrays(path, all, 1);
  return toEpisodes(path, all, { ends: [observation.rows], numbers: [number] }, []);
}

function besideEachOther(path: string, group: string, parts: readonly Matrix[]): Matrix {
  const rows = parts[0]?.rows ?? 0;
  const odd = parts.find((part) => part.rows !== rows);
  if (odd)
    throw new ExolamError(
      'data',
      `${path}: ${odd.name} has ${odd.rows} rows; ${rows} are expected, as in ${parts[0]?.name}`,
    );
  const dim = parts.reduce((sum, part) => sum + part.dim, 0);
  const values: Values = new Float64Array(rows * dim);
  let begin = 0;
  for (const part of parts) {
    for (let row = 0; row < rows; row++)
      for (let j = 0; j < part.dim; j++) values[row * dim + begin + j] = part.values[row * part.dim + j];
    begin += part.dim;
  }
  return {
    name: `${group}: ${parts.map(({ name }) => name.split('/').at(-1)).join(', ')}`,
    rows,
    dim,
    values,
  };
}

/** Arrays of all rows: those at the root, or those of the only group. */
function flatFile(path: string, tree: readonly Dataset[], read: Read): ArrayFile {
  const prefixes = new Set(tree.map(({ name }) => name.split('/').slice(0, -1).join('/')));
  const prefix = prefixes.has('') || prefixes.size !== 1 ? '' : `${[...prefixes][0]}/`;
  const own = tree.filter(({ name }) => name.startsWith(prefix) && !name.slice(prefix.length).includes('/'));
  const shapes = new Map(own.map(({ name, shape }) => [name.slice(prefix.length), shape]));
  return {
    path,
    names: [...shapes.keys()],
    header: async (name) => {
      const shape = shapes.get(name) as readonly number[];
      return { shape, bytes: 8 * shape.reduce((product, n) => product * n, 1) };
    },
    read: async (name) => (await read([prefix + name]))[0] as NdArray,
  };
}
