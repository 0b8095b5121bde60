// Which episodes of the data are read: those that the user names (--episodes), without those that they leave out (--exclude).
import { ExolamError } from '../base/errors.js';
import { ranges } from './names.js';
import type { Episodes, Transitions } from './transitions.js';

/** A user's choice of episodes. */
export interface EpisodeChoice {
  readonly episodes?: readonly number[] | undefined;
  readonly exclude?: readonly number[] | undefined;
}

/** "3, 7-9", given to a flag, as numbers of episodes. */
export function parseEpisodes(flag: string, text: string): number[] {
  return text.split(',').flatMap((part) => {
    const range = /^\s*(\d{1,9})(?:\s*[-:]\s*(\d{1,9}))?\s*$/.exec(part);
    const [from, to] = [Number(range?.[1]), Number(range?.[2] ?? range?.[1])];
    if (!(to >= from) || to - from > 1e6)
      throw new ExolamError('input', `${flag}: expected episodes such as 3,7-9 but received "${text}"`);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** Which of the known episodes are wanted, and what to say of it: nothing where all are. One that is not there is an error. */
export function chooseEpisodes(path: string, known: ReadonlySet<number>, choice: EpisodeChoice) {
  const all = [...known].sort((a, b) => a - b);
  const notes: string[] = [];
  let wanted: ReadonlySet<number> = known;
  for (const [flag, what, named] of [
    ['--episodes', 'episodes read alone, by', choice.episodes],
    ['--exclude', 'episodes left out by', choice.exclude],
  ] as const) {
    if (named === undefined || (flag === '--exclude' && named.length === 0)) continue;
    const absent = named.filter((number) => !known.has(number));
    if (absent.length > 0)
      throw new ExolamError(
        'input',
        `${flag}: ${path} has no episode ${ranges(absent)}; it has ${ranges(all)}`,
      );
    const set = new Set(named);
    wanted = new Set([...wanted].filter((number) => set.has(number) === (flag === '--episodes')));
    if (wanted.size === 0) throw new ExolamError('input', `${flag}: no episode is left`);
    notes.push(`${what} ${flag}: ${ranges([...set].sort((a, b) => a - b))}`);
  }
  return { wanted, notes };
}

/** Recorded episodes, those that the user wants. */
export function wantedEpisodes<T extends Episodes>(path: string, data: T, choice: EpisodeChoice): T {
  const known = new Set([...data.list.map(({ number }) => number), ...data.absent]);
  const { wanted, notes } = chooseEpisodes(path, known, choice);
  if (notes.length === 0) return data;
  const list = data.list.filter(({ number }) => wanted.has(number));
  if (list.length === 0)
    throw new ExolamError('input', `${path}: none of the episodes that are wanted can be read`);
  return { ...data, list, notes: [...data.notes, ...notes] };
}

/** Transitions, the rows of the episodes that the user wants. */
export function wantedRows(path: string, t: Transitions, choice: EpisodeChoice): Transitions {
  const { wanted, notes } = chooseEpisodes(path, new Set(t.episode), choice);
  if (notes.length === 0) return t;
  const kept: number[] = [];
  t.episode.forEach((number, row) => {
    if (wanted.has(number)) kept.push(row);
  });
  return { ...rowsOf(t, kept), notes: [...t.notes, ...notes] };
}

/** The transitions of some rows, in the order in which they are given. */
export function rowsOf(t: Transitions, kept: readonly number[]): Transitions {
  const rows = <A extends Float64Array | undefined>(values: A, dim: number): A => {
    if (!values) return values;
    const out = new Float64Array(kept.length * dim);
    kept.forEach((row, i) => {
      out.set(values.subarray(row * dim, (row + 1) * dim), i * dim);
    });
    return out as A;
  };
  const episode = Int32Array.from(kept, (row) => t.episode[row]);
  const d = t.observationDim;
  return {
    ...t,
    count: kept.length,
    observation: rows(t.observation, d),
    observationNext: rows(t.observationNext, d),
    action: rows(t.action, t.actionDim),
    exogenous: rows(t.exogenous, t.exogenousDim),
    exogenousNext: rows(t.exogenousNext, t.exogenousDim),
    pairObservation: rows(t.pairObservation, d),
    pairObservationNext: rows(t.pairObservationNext, d),
    endogenousNext: rows(t.endogenousNext, d),
    episode,
    episodes: { ...t.episodes, used: new Set(episode).size },
  };
}
