/** Episodes that hold the same rows as an earlier one: to a jackknife over episodes they look like evidence, and are none. */
import type { Transitions } from '../data/transitions.js';
import type { Prepared } from '../metrics/estimates.js';

/** Episodes that are named in a note. */
const NAMED = 10;

/** Places of the units whose moments are those of an earlier unit, which of the same rows are the same bits. */
export function repeatedUnits({
  moments: { moments, width, rows },
  fold,
  units,
  blocks,
}: Prepared): number[] {
  const size = width ** 2;
  // Where moments sum over several units, or rows are kept in their place, nothing is known of single ones.
  if (rows || blocks || fold.length !== units) return [];
  const seen = new Set<string>();
  return Array.from({ length: units }, (_, u) => u).filter((u) => {
    const squares = Array.from({ length: width }, (_, j) => moments[u * size + j * (width + 1)]);
    // Rows that are independent are a unit each: of few values, they repeat by themselves.
    if (squares[0] === 1) return false;
    const key = squares.join();
    return seen.has(key) || !seen.add(key);
  });
}

/** That episodes are repeated, and what it does to intervals; nothing where none is. */
export function repeatedNote({ episode }: Transitions, data: Prepared): string[] {
  const repeated = repeatedUnits(data);
  if (repeated.length === 0) return [];
  const numbers = [...new Set(episode)];
  const named = repeated.slice(0, NAMED).map((u) => numbers[u]);
  const more = repeated.length > NAMED ? ', ...' : '';
  return [
    `${repeated.length} of ${numbers.length} episodes hold the same rows as an earlier one (${named.join(', ')}${more}): a model is judged on what it was trained on, and intervals are too narrow; leave them out`,
  ];
}
