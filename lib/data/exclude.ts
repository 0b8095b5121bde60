import { ExolamError } from '../base/errors.js';
import { ranges } from './names.js';
import type { Episodes, Transitions } from './transitions.js';

/** "3, 7-9" as numbers of episodes. */
export function parseExclude(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const range = /^\s*(\d{1,9})(?:\s*[-:]\s*(\d{1,9}))?\s*$/.exec(part);
    const [from, to] = [Number(range?.[1]), Number(range?.[2] ?? range?.[1])];
    if (!(to >= from) || to - from > 1e6)
      throw new ExolamError('input', `--exclude: expected episodes such as 3,7-9 but received "${text}"`);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** What to say of the episodes that are left out; one that is not there is an error. */
export function excludeNote(path: string, known: ReadonlySet<number>, exclude: readonly number[]): string {
  const absent = exclude.filter((number) => !known.has(number));
  if (absent.length > 0)
    throw new ExolamError(
      'input',
      `--exclude: ${path} has no episode ${ranges(absent)}; it has ${ranges([...known].sort((a, b) => a - b))}`,
    );
  return `episodes left out by --exclude: ${ranges([...exclude].sort((a, b) => a - b))}`;
}

/** Episodes without those that the user leaves out. */
export function withoutEpisodes<T extends Episodes>(path: string, data: T, exclude: readonly number[]): T {
  const known = new Set([...data.list.map(({ number }) => number), ...data.absent]);
  const note = excludeNote(path, known, exclude);
  const list = data.list.filter(({ number }) => !exclude.includes(number));
  if (list.length === 0) throw new ExolamError('input', '--exclude: no episode is left');
  return { ...data, list, notes: [...data.notes, note] };
}

/** Transitions without the rows of the episodes that the user leaves out. */
export function withoutRows(path: string, t: Transitions, exclude: readonly number[]): Transitions {
  const note = excludeNote(path, new Set(t.episode), exclude);
  const kept: number[] = [];
  t.episode.forEach((number, row) => {
    if (!exclude.includes(number)) kept.push(row);
  });
  if (kept.length === 0) throw new ExolamError('input', '--exclude: no episode is left');
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
    notes: [...t.notes, note],
  };
}
