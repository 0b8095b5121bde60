import type { Column, Table } from './columns.js';
import type { Branch, Key, Points, SweepAxis } from './points.js';
import type { Segment } from './rows.js';

/** Which points of a branch an earlier sweep has: those at whose every place this holds. */
interface Known {
  readonly axes: readonly Uint8Array[];
  readonly latentDims: Uint8Array;
}

const sameKey = (a: Key, b: Key) => JSON.stringify(a) === JSON.stringify(b);

/** The places of an axis whose values an earlier branch has as well: drawn ones place by place, all others wherever they stand. */
function knownPlaces(axis: SweepAxis, before: Branch): Uint8Array {
  const known = new Uint8Array(axis.length);
  const [{ key }] = axis.keys;
  const other = before.axes.find(({ keys }) => keys.some((own) => sameKey(own.key, key)));
  if (!other || other.keys.length !== axis.keys.length) return known;
  if (axis.keys.length > 1 && key.of === 'samples') {
    const told = ({ keys }: SweepAxis, i: number) => keys.map(({ values }) => values[i]).join(' ');
    const there = new Set(Array.from({ length: other.length }, (_, i) => told(other, i)));
    return known.map((_, i) => (there.has(told(axis, i)) ? 1 : 0));
  }
  if (axis.keys.length > 1) {
    for (let i = 0; i < Math.min(axis.length, other.length); i++)
      known[i] = axis.keys.every(
        ({ key: own, values }) => other.keys.find((o) => sameKey(o.key, own))?.values[i] === values[i],
      )
        ? 1
        : 0;
    return known;
  }
  const values = new Set(other.keys[0].values);
  return known.map((_, i) => (values.has(axis.keys[0].values[i]) ? 1 : 0));
}

/** What tells a branch from another: its objective but for its numbers. */
export function settingsOfBranch({ objective }: Branch): string {
  const keys = objective.strengths.map(({ strength }) => strength.slice(strength.indexOf('.') + 1));
  return `${objective.label} ${JSON.stringify(objective.spec, (key, value) => (keys.includes(key) ? null : value))}`;
}

function knownOf(branch: Branch, latentDims: readonly number[], before: readonly Points[]): Known[] {
  return before.flatMap((points) =>
    points.branches
      .filter((other) => settingsOfBranch(other) === settingsOfBranch(branch))
      .map((other) => ({
        axes: branch.axes.map((axis) => knownPlaces(axis, other)),
        latentDims: Uint8Array.from(latentDims, (k) => (points.spec.latentDims.includes(k) ? 1 : 0)),
      })),
  );
}

/** For each configuration and latent dimension of a segment, 1 where no earlier sweep has that point; null where none has any. */
export function newRows(
  segment: Segment,
  latentDims: readonly number[],
  before: readonly Points[],
): Uint8Array | null {
  const all = knownOf(segment.branch, latentDims, before);
  if (all.length === 0) return null;
  const width = latentDims.length;
  const mask = new Uint8Array(segment.count * width).fill(1);
  for (const { axes, latentDims: known } of all)
    for (let i = 0; i < segment.count; i++) {
      if (!axes.every((places, a) => places[segment.places[a][i]] === 1)) continue;
      for (let k = 0; k < width; k++) if (known[k]) mask[i * width + k] = 0;
    }
  return mask;
}

/** The configurations of a segment of which some row is wanted, and the mask of their rows. */
export function narrowed(
  segment: Segment,
  mask: Uint8Array,
  width: number,
): { segment: Segment; mask: Uint8Array } {
  const kept: number[] = [];
  for (let i = 0; i < segment.count; i++)
    if (mask.subarray(i * width, (i + 1) * width).includes(1)) kept.push(i);
  return {
    segment: {
      branch: segment.branch,
      places: segment.places.map((places) => Int32Array.from(kept, (i) => places[i])),
      count: kept.length,
    },
    mask: Uint8Array.from(
      { length: kept.length * width },
      (_, at) => mask[kept[Math.floor(at / width)] * width + (at % width)],
    ),
  };
}

/** The rows of a table that a mask keeps. */
export function filtered(table: Table, mask: Uint8Array): Table {
  const rows = Int32Array.from(mask.keys()).filter((i) => mask[i] === 1);
  if (rows.length === table.count) return table;
  const pick = (column: Column): Column => {
    switch (column.kind) {
      case 'coded':
        return { ...column, codes: rows.map((i) => column.codes[i]) };
      case 'double':
        return { ...column, values: Float64Array.from(rows, (i) => column.values[i]) };
      case 'integer':
        return { ...column, values: rows.map((i) => column.values[i]) };
      case 'flag':
        return { ...column, values: Uint8Array.from(rows, (i) => column.values[i]) };
    }
  };
  return {
    count: rows.length,
    columns: new Map([...table.columns].map(([name, column]) => [name, pick(column)])),
  };
}
