import { extname } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { listNearest, type Match, matchNames } from '../names.js';
import type { Episodes, Transitions } from '../transitions.js';
import {
  type Arrays,
  boundsOf,
  checkArrays,
  episodeNumbers,
  fromRows,
  type Matrix,
  toEpisodes,
} from './arrays.js';
import { csvHeader, csvMatrices } from './csv.js';
import { openParquet, readMatrices } from './parquet.js';

/** Columns that say which episode a row is of. */
const EPISODE_COLUMNS = ['episode_index', 'episode'];

/** Column names that `exolam generate` writes and this reader looks for; `*` is what the observation's star stood for. */
export const COLUMNS = {
  observation: 'obs_*',
  observationNext: 'next_*',
  action: 'act_*',
  exogenous: 'exo_now_*',
  exogenousNext: 'exo_next_*',
  pairObservation: 'pair_*',
  pairObservationNext: 'pair_next_*',
} as const;

export interface ColumnOptions {
  readonly observation?: string | undefined;
  readonly action?: string | undefined;
}

type Load = (groups: readonly (readonly string[])[]) => Promise<{ values: Float64Array; dim: number }[]>;

/**
 * A table with named columns. Observation and action are patterns (`obs_*`, `act_*`; several separated by commas).
 * - Where every observation column has a partner `next_*` (same text for the star: obs_3 and next_3), a row is a
 *   transition, and `pair_*`, `pair_next_*` are its paired view.
 * - Otherwise a row is a frame, and o' is a later row of the same episode: a column `episode_index` or `episode` splits
 *   episodes; without one the table is a single episode.
 * - `exo_next_*` are x'.
 */
export async function readColumns(
  path: string,
  options: ColumnOptions,
  control: Control,
): Promise<Episodes | Transitions> {
  let names: readonly string[];
  let load: Load;
  if (extname(path).toLowerCase() === '.csv') {
    names = await csvHeader(path, control);
    load = (groups) => csvMatrices(path, groups, control);
  } else {
    const file = await openParquet(path);
    names = file.columns;
    load = (groups) => readMatrices(file, groups);
  }
  requireDistinct(path, names);

  const episodeColumn = EPISODE_COLUMNS.find((name) => names.includes(name));
  const candidates = names.filter((name) => name !== episodeColumn);
  const action = matched('--action', path, options.action, COLUMNS.action, candidates);
  const observation = matched(
    '--observation',
    path,
    options.observation,
    COLUMNS.observation,
    candidates.filter((name) => !action.some((match) => match.name === name)),
  );
  const next = partners(path, observation, COLUMNS.observationNext, candidates);
  const groups: Record<keyof Arrays, readonly string[]> = {
    observation: observation.map(({ name }) => name),
    observationNext: next,
    action: action.map(({ name }) => name),
    exogenous: matchNames(COLUMNS.exogenous, candidates).map(({ name }) => name),
    exogenousNext: matchNames(COLUMNS.exogenousNext, candidates).map(({ name }) => name),
    pairObservation: partners(path, observation, COLUMNS.pairObservation, candidates),
    pairObservationNext: partners(path, observation, COLUMNS.pairObservationNext, candidates),
  };
  const present = Object.entries(groups).filter(([, columns]) => columns.length > 0);
  const matrices = await load([
    ...present.map(([, columns]) => columns),
    ...(episodeColumn ? [[episodeColumn]] : []),
  ]);
  const found: Partial<Record<keyof Arrays, Matrix>> = {};
  present.forEach(([key, columns], g) => {
    found[key as keyof Arrays] = toMatrix(
      columns.length === 1 ? `${columns[0]}` : patternOf(columns),
      matrices[g],
    );
  });
  const arrays = found as Partial<Arrays> & Pick<Arrays, 'observation'>;
  if (arrays.observation.rows === 0)
    throw new ExolamError('data', `${path} has no rows; expected one per frame or transition`);
  checkArrays(path, arrays);

  const episode = episodeColumn
    ? episodeNumbers(path, toMatrix(episodeColumn, matrices[matrices.length - 1]))
    : undefined;
  if (arrays.observationNext) return fromRows(arrays, episode, []);
  if (episode) return toEpisodes(arrays, boundsOf(path, episodeColumn as string, episode), []);
  return toEpisodes(arrays, { ends: [arrays.observation.rows], numbers: [0] }, [
    'there is no episode_index column: all rows are taken as one episode, in the order of time',
  ]);
}

/** Columns of a pattern; a pattern that the user gave must match something, the default action need not. */
function matched(
  option: '--observation' | '--action',
  path: string,
  given: string | undefined,
  usual: string,
  names: readonly string[],
): Match[] {
  const pattern = given ?? usual;
  const found = matchNames(pattern, names);
  if (found.length === 0 && (given !== undefined || option === '--observation'))
    throw new ExolamError(
      'input',
      `${option} '${pattern}' matches no column of ${path}; columns: ${listNearest(pattern, names)}`,
    );
  return found;
}

/** The columns that stand beside the observation's, all of them or none. */
function partners(
  path: string,
  observation: readonly Match[],
  pattern: string,
  names: readonly string[],
): readonly string[] {
  const known = new Set(names);
  const wanted = observation.map(({ star }) => pattern.replace('*', () => star));
  const missing = wanted.filter((name) => !known.has(name));
  if (missing.length === wanted.length) return [];
  if (missing.length > 0)
    throw new ExolamError(
      'data',
      `${path} has ${wanted.length - missing.length} of ${wanted.length} columns ${pattern} beside the observation's; ` +
        `${missing[0]} is missing`,
    );
  return wanted;
}

function patternOf(columns: readonly string[]): string {
  return `${columns[0]} ... ${columns[columns.length - 1]}`;
}

function toMatrix(name: string, part: { values: Float64Array; dim: number } | undefined): Matrix {
  const { values, dim } = part as { values: Float64Array; dim: number };
  return { name, values, dim, rows: dim === 0 ? 0 : values.length / dim };
}

function requireDistinct(path: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new ExolamError('data', `${path} has two columns called "${twice}"`);
}
