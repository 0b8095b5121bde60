/** Shades that a field of cells is drawn in: more than an eye tells apart on the ramp. */
export const SHADES = 64;

interface Side {
  readonly low: number;
  readonly high: number;
}

/** A rectangle of a field chart. */
export interface CellBlock extends Readonly<Record<string, number>> {
  readonly xLow: number;
  readonly xHigh: number;
  readonly yLow: number;
  readonly yHigh: number;
  readonly value: number;
}

/**
 * A field of values in 0 .. 1 (by x, then y) as few rectangles: neighbours of one shade are drawn as one, first up each column, then
 * across columns whose runs are alike. A chart of 10,000 cells is then a few kilobytes to a few hundred.
 */
export function mergedCells(
  xs: readonly Side[],
  ys: readonly Side[],
  values: readonly number[],
): CellBlock[] {
  const shade = (value: number) => Math.round(value * (SHADES - 1)) / (SHADES - 1);
  const blocks: CellBlock[] = [];
  let open = new Map<string, CellBlock>();
  for (const [i, x] of xs.entries()) {
    const column = new Map<string, CellBlock>();
    for (let from = 0, to = 0; from < ys.length; from = to) {
      const value = shade(values[i * ys.length + from]);
      while (to < ys.length && shade(values[i * ys.length + to]) === value) to++;
      const key = `${from} ${to} ${value}`;
      const left = open.get(key);
      const [yLow, yHigh] = [ys[from].low, ys[to - 1].high];
      column.set(key, { xLow: left?.xLow ?? x.low, xHigh: x.high, yLow, yHigh, value });
      open.delete(key);
    }
    // What the column did not continue is finished.
    blocks.push(...open.values());
    open = column;
  }
  return [...blocks, ...open.values()];
}
