/** A page cannot ask: an array that is too large is refused by the engine. */
export function availableMemory(): number {
  return Number.POSITIVE_INFINITY;
}
