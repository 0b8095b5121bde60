import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { listNearest, type Match, matchNames, naturally, unknownName } from '../names.js';
import { looksLikeOurs, plain, ROLE_NAMES, Roles } from '../roles.js';
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
import { openCsv } from './csv.js';
import { openParquet, readMatrices } from './parquet.js';
import type { Table, TablePart } from './table.js';

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

/** Where the usual pattern matches nothing, the first of these that does. */
const OBSERVATIONS = [
  'obs_*',
  'observation_*',
  'observations_*',
  'observation.*',
  'observation',
  'observations',
  'obs',
  'state_*',
  'state',
];
const ACTIONS = ['act_*', 'action_*', 'actions_*', 'action.*', 'action', 'actions', 'act'];

export interface ColumnOptions {
  readonly observation?: string | undefined;
  readonly observationNext?: string | undefined;
  readonly action?: string | undefined;
  readonly exogenous?: string | undefined;
  readonly exogenousNext?: string | undefined;
  readonly episode?: string | undefined;
}

/** The table in a file: CSV in its dialects, or Parquet. */
export async function openTable(path: string, control: Control): Promise<Table> {
  if (/\.(csv|tsv|txt)(\.gz)?$/i.test(path)) return openCsv(path, control);
  const file = await openParquet(path, control);
  return { names: file.columns, read: (groups) => readMatrices(file, groups) };
}

/**
 * A table with named columns. Observation and action are patterns (`obs_*`, `act_*`; several separated by commas).
 * - Where every observation column has a partner (obs_3 and next_3, or next_obs_3, obs_next_3, obs_3_next ...), a row is a
 *   transition, and `pair_*`, `pair_next_*` are its paired view.
 * - Otherwise a row is a frame, and o' is a later row of the same episode: a column `episode_index`, or one of its other
 *   names, splits episodes; without one the table is a single episode.
 * - `exo_next_*` are x'.
 */
export async function readColumns(
  path: string,
  table: Table,
  options: ColumnOptions,
): Promise<Episodes | Transitions> {
  const { names } = table;
  const roles = new Roles(path, names, 'column');
  const episodeColumn = roles.find('episode', '--episode', options.episode);
  const groups = groupsOf(path, names, episodeColumn, options, roles);
  const present = Object.entries(groups).filter(([, columns]) => columns.length > 0);
  const used = [...present.flatMap(([, columns]) => columns), ...(episodeColumn ? [episodeColumn] : [])];
  requireDistinct(path, names, used);
  for (const name of used) roles.use(name);
  roles.unread(
    '--observation, --observation-next, --action, --exogenous, --exogenous-next and --episode name columns to read',
    looksLikeOurs,
  );
  const matrices = await table.read([
    ...present.map(([, columns]) => columns),
    ...(episodeColumn ? [[episodeColumn]] : []),
  ]);
  const found: Partial<Record<keyof typeof groups, Matrix>> = {};
  present.forEach(([key, columns], g) => {
    const label = columns.length === 1 ? `${columns[0]}` : patternOf(columns);
    found[key as keyof typeof groups] = toMatrix(label, matrices[g]);
  });
  const arrays = found as Partial<Arrays> & Pick<Arrays, 'observation'>;
  const { rows } = arrays.observation;
  if (rows === 0) throw new ExolamError('data', `${path} has no rows; expected one per frame or transition`);
  const episode = episodeColumn
    ? episodeNumbers(path, toMatrix(episodeColumn, matrices[matrices.length - 1]))
    : undefined;
  checkArrays(path, arrays);
  if (arrays.observationNext) return fromRows(path, arrays, episode, roles.notes);
  if (episode) return toEpisodes(path, arrays, boundsOf(path, episodeColumn as string, episode), roles.notes);
  return toEpisodes(path, arrays, { ends: [rows], numbers: [0] }, [
    ...roles.notes,
    'there is no episode_index column (--episode names another): all rows are taken as one episode, in the order of time',
  ]);
}

/** Columns of each array. */
function groupsOf(
  path: string,
  names: readonly string[],
  episodeColumn: string | undefined,
  options: ColumnOptions,
  roles: Roles,
) {
  const candidates = names.filter((name) => name !== episodeColumn);
  const action = matched('--action', path, options.action, ACTIONS, candidates, roles);
  const taken = new Set(action.map(({ name }) => name));
  const others = candidates.filter((name) => !taken.has(name));
  // A pattern such as obs_* also matches obs_next_0: what is another column's next is no observation.
  const all = matched('--observation', path, options.observation, OBSERVATIONS, others, roles);
  const known = nextLike(names);
  const nexts = new Set(
    known.size === 0
      ? []
      : all.flatMap((match) => NEXT_NAMES.map((way) => way(match)).filter((n) => known.has(n))),
  );
  const observation = all.filter(({ name }) => !nexts.has(name));
  const next =
    options.observationNext === undefined
      ? nextOf(path, observation, candidates)
      : given('--observation-next', path, options.observationNext, candidates);
  const ofOption = (option: string, pattern: string | undefined) =>
    pattern === undefined ? undefined : given(option, path, pattern, candidates);
  const exogenous =
    ofOption('--exogenous', options.exogenous) ??
    matchNames(COLUMNS.exogenous, candidates).map(({ name }) => name);
  const exogenousNext = ofOption('--exogenous-next', options.exogenousNext);
  return {
    observation: observation.map(({ name }) => name),
    observationNext: next,
    action: action.map(({ name }) => name),
    exogenous,
    exogenousNext: exogenousNext ?? matchNames(COLUMNS.exogenousNext, candidates).map(({ name }) => name),
    pairObservation: partners(path, observation, COLUMNS.pairObservation, candidates),
    pairObservationNext: partners(path, observation, COLUMNS.pairObservationNext, candidates),
  } satisfies Partial<Record<keyof Arrays, readonly string[]>>;
}

/** Columns of a pattern; a pattern that the user gave must match something, the default action need not. */
function matched(
  option: '--observation' | '--action',
  path: string,
  pattern: string | undefined,
  usual: readonly string[],
  names: readonly string[],
  roles: Roles,
): Match[] {
  const tried = pattern === undefined ? usual : [pattern];
  for (const one of tried) {
    const found = matchNames(one, names).filter(
      ({ name }) => pattern !== undefined || !/(^|_)(exo|pair|next)(_|$)/.test(plain(name)),
    );
    if (found.length === 0) continue;
    if (pattern === undefined && one !== usual[0])
      roles.notes.push(`the ${option.slice(2)} is ${one}; ${option} picks other columns`);
    return found;
  }
  if (pattern === undefined && option === '--action') return [];
  throw noColumn(option, tried[0], path, names);
}

function noColumn(option: string, pattern: string, path: string, names: readonly string[]): ExolamError {
  return new ExolamError(
    'input',
    `${option} '${pattern}' matches no column of ${path}; columns: ${listNearest(pattern, names)}`,
  );
}

function given(option: string, path: string, pattern: string, names: readonly string[]): readonly string[] {
  const found = matchNames(pattern, names).map(({ name }) => name);
  if (found.length > 0) return found;
  throw pattern.includes('*')
    ? noColumn(option, pattern, path, names)
    : unknownName(option, pattern, path, names);
}

/**
 * Ways of naming the next observation of a column: next_3, next_obs_3, obs_next_3, obs_3_next of obs_3; '' where one does
 * not apply.
 */
const NEXT_NAMES: readonly ((match: Match) => string)[] = [
  ({ name, star }) => (star === name ? '' : COLUMNS.observationNext.replace('*', () => star)),
  ...['next_', 'next.', 'Next_'].map(
    (before) =>
      ({ name }: Match) =>
        before + name,
  ),
  ...['_next', '.next', '_Next'].map(
    (after) =>
      ({ name }: Match) =>
        name + after,
  ),
  ({ name }) => inside(name, (mark) => `${mark}next${mark}`),
  ({ name }) => inside(name, (mark) => `_next${mark}`),
  ...ROLE_NAMES.observationNext.map(
    (next) =>
      ({ name }: Match) =>
        ROLE_NAMES.observation.includes(plain(name)) ? next : '',
  ),
];

/** A name with a text before its last part: obs_next_3 of obs_3. */
function inside(name: string, text: (mark: string) => string): string {
  const [, stem, mark, last] = /^(.*)([._])([^._]*)$/.exec(name) ?? [];
  return mark === undefined ? '' : `${stem}${text(mark)}${last}`;
}

/** The names that can be those of a next observation; most wide tables have none. */
function nextLike(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.filter((name) => /next/i.test(name)));
}

/** The next observation's columns, by the first way of naming them that is there: all of them or none. */
function nextOf(path: string, observation: readonly Match[], names: readonly string[]): readonly string[] {
  const known = nextLike(names);
  if (known.size === 0) return [];
  for (const way of NEXT_NAMES) {
    const wanted = observation.map(way);
    if (wanted.some((name) => known.has(name))) return allOf(path, wanted, known, patternOf(wanted));
  }
  return [];
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
  return wanted.some((name) => known.has(name)) ? allOf(path, wanted, known, pattern) : [];
}

function allOf(path: string, wanted: readonly string[], known: ReadonlySet<string>, pattern: string) {
  const missing = wanted.filter((name) => !known.has(name));
  if (missing.length > 0)
    throw new ExolamError(
      'data',
      `${path} has ${wanted.length - missing.length} of ${wanted.length} columns ${pattern} beside the observation's; ` +
        `${missing.sort(naturally)[0]} is missing`,
    );
  return wanted;
}

function patternOf(columns: readonly string[]): string {
  return `${columns[0]} ... ${columns[columns.length - 1]}`;
}

function toMatrix(name: string, part: TablePart): Matrix {
  const { values, dim, place } = part;
  return { name, values, dim, rows: dim === 0 ? 0 : values.length / dim, place };
}

/** Of the columns that are read, each name is there once; what else the file holds does not matter. */
function requireDistinct(path: string, names: readonly string[], used: readonly string[]): void {
  const wanted = new Set(used);
  const seen = new Set<string>();
  for (const name of names) {
    if (!wanted.has(name)) continue;
    if (seen.has(name)) throw new ExolamError('data', `${path} has two columns called "${name}"`);
    seen.add(name);
  }
}
