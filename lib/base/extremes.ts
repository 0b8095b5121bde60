/** The greatest of any number of values; Math.max(...values) ends in a full call stack where there are 1e5. */
export function greatestOf(values: Iterable<number>): number {
  let greatest = Number.NEGATIVE_INFINITY;
  for (const v of values) if (v > greatest || Number.isNaN(v)) greatest = v;
  return greatest;
}
