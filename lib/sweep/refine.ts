import { type Control, POPULATION_METRICS } from '../backend/requests.js';
import { filtered } from './added.js';
import { valueAt } from './axis.js';
import type { Table } from './columns.js';
import { concatenated, withRefinement } from './concatenate.js';
import type { SweepAxis } from './points.js';
import { type Figures, type Segment, tableOf } from './rows.js';
import type { Checked } from './spec.js';

/** How the figures of segments are found, for the latent dimensions of a spec. */
export type Solve = (spec: Checked, segments: readonly Segment[], control: Control) => Promise<Figures>;

/** A grid of one or two axes as fine as the refinement goes: coordinates are whole, those of the spec's grid multiples of `step`. */
interface Fine {
  readonly step: number;
  /** How many values each refined axis has; 1 for the second of a single one. */
  readonly sizes: readonly [number, number];
  readonly axes: readonly SweepAxis[];
}

/** One slice: all that is not refined is fixed. The metric at every point that is known, by `x * sizes[1] + y`. */
interface Slice {
  /** Place of its configurations in the segment, and of its latent dimension in the spec. */
  readonly outer: number;
  readonly latentDim: number;
  readonly known: Map<number, number>;
  cells: readonly (readonly [x: number, y: number])[];
}

/** The refined axes of a branch are its last ones. */
const refinedAxes = (axes: readonly SweepAxis[]) => axes.filter(({ interval }) => interval);

function fineOf(axes: readonly SweepAxis[], depth: number): Fine {
  const step = 2 ** depth;
  const fine = axes.map(({ length, keys, interval }) => {
    const last = (length - 1) * step;
    const values = Array.from({ length: last + 1 }, (_, i) => (interval ? valueAt(interval, i / last) : 0));
    return { length: last + 1, keys: keys.map(({ key }) => ({ key, values })) };
  });
  return { step, sizes: [fine[0].length, fine[1]?.length ?? 1], axes: fine };
}

/**
 * The rows of whole slices: the grid, then, round by round, points that halve each cell at whose corners the metric lies on both sides
 * of the level. Nothing but the spec and the slices decides which points these are.
 */
export async function refinedTable(
  spec: Checked,
  segments: readonly Segment[],
  figures: Figures,
  solve: Solve,
  control: Control,
  mask: Uint8Array | null,
): Promise<Table> {
  const grid = tableOf(spec, segments, figures);
  const tables: Table[] = [withRefinement(mask ? filtered(grid, mask) : grid, 0)];
  const width = spec.latentDims.length;
  let row = 0;
  for (const segment of segments) {
    const isWanted = (at: number) => mask === null || mask[at] === 1;
    tables.push(...(await refineSegment(spec, segment, figures, row, isWanted, solve, control)));
    row += segment.count * width;
  }
  return concatenated(tables);
}

async function refineSegment(
  spec: Checked,
  segment: Segment,
  figures: Figures,
  row: number,
  isWanted: (row: number) => boolean,
  solve: Solve,
  control: Control,
): Promise<Table[]> {
  const refine = spec.refine as NonNullable<Checked['refine']>;
  const metric = POPULATION_METRICS.indexOf(refine.metric);
  const fine = fineOf(refinedAxes(segment.branch.axes), refine.depth);
  const slices = slicesOf(spec, segment, fine, figures.metrics[metric], row, isWanted);
  const tables: Table[] = [];
  for (let round = 1, step = fine.step; round <= refine.depth; round++, step /= 2) {
    for (const [k, latentDim] of spec.latentDims.entries()) {
      const own = slices.filter((slice) => slice.latentDim === k);
      const asked = own.map((slice) => split(slice, fine, step, refine.level));
      const points = segmentAt(segment, fine, own, asked);
      if (points.count === 0) continue;
      const narrow = { ...spec, latentDims: [latentDim] };
      const found = await solve(narrow, [points], control);
      let at = 0;
      for (const [s, slice] of own.entries())
        for (const point of asked[s]) slice.known.set(point, found.metrics[metric][at++]);
      tables.push(withRefinement(tableOf(narrow, [points], found), round));
    }
  }
  return tables;
}

/** The slices of a segment that are wanted, with what the grid has found and all of their cells: an earlier sweep has all of one or none. */
function slicesOf(
  spec: Checked,
  segment: Segment,
  fine: Fine,
  values: Float64Array,
  row: number,
  isWanted: (row: number) => boolean,
): Slice[] {
  const [nx, ny] = fine.sizes.map((size) => (size - 1) / fine.step + 1) as [number, number];
  const width = spec.latentDims.length;
  const cells: [number, number][] = [];
  for (let x = 0; x + 1 < nx; x++)
    for (let y = 0; y < Math.max(1, ny - 1); y++) cells.push([x * fine.step, y * fine.step]);
  const slices: Slice[] = [];
  for (let outer = 0; outer < segment.count; outer += nx * ny)
    for (let k = 0; k < width; k++) {
      if (!isWanted(row + outer * width + k)) continue;
      const known = new Map<number, number>();
      for (let x = 0; x < nx; x++)
        for (let y = 0; y < ny; y++)
          known.set(
            x * fine.step * fine.sizes[1] + y * fine.step,
            values[row + (outer + x * ny + y) * width + k],
          );
      slices.push({ outer, latentDim: k, known, cells });
    }
  return slices;
}

/** Halves the cells that the level crosses; returns the points that are not known yet, in order. */
function split(slice: Slice, { sizes }: Fine, step: number, level: number): number[] {
  const isFlat = sizes[1] === 1;
  const half = step / 2;
  const at = (x: number, y: number) => x * sizes[1] + y;
  const wanted = new Set<number>();
  const next: [number, number][] = [];
  for (const [x, y] of slice.cells) {
    const corners = isFlat
      ? [at(x, 0), at(x + step, 0)]
      : [at(x, y), at(x + step, y), at(x, y + step), at(x + step, y + step)];
    const values = corners.map((corner) => slice.known.get(corner) ?? Number.NaN);
    // A metric that is not defined at a corner is on neither side.
    if (!(values.some((v) => v < level) && values.some((v) => v >= level))) continue;
    for (const dx of [0, half, step])
      for (const dy of isFlat ? [0] : [0, half, step]) {
        const point = at(x + dx, y + dy);
        if (!slice.known.has(point)) wanted.add(point);
        if (dx < step && (isFlat || dy < step)) next.push([x + dx, y + dy]);
      }
  }
  slice.cells = next;
  return [...wanted].sort((a, b) => a - b);
}

/** The points asked for, as configurations: what is not refined is that of the slice. */
function segmentAt(
  segment: Segment,
  fine: Fine,
  slices: readonly Slice[],
  asked: readonly number[][],
): Segment {
  const count = asked.reduce((sum, points) => sum + points.length, 0);
  const { branch, places } = segment;
  const refined = branch.axes.length - fine.axes.length;
  const axes = [...branch.axes.slice(0, refined), ...fine.axes];
  const own = axes.map(() => new Int32Array(count));
  let at = 0;
  for (const [s, { outer }] of slices.entries())
    for (const point of asked[s]) {
      for (let a = 0; a < refined; a++) own[a][at] = places[a][outer];
      own[refined][at] = Math.floor(point / fine.sizes[1]);
      if (fine.axes.length > 1) own[refined + 1][at] = point % fine.sizes[1];
      at++;
    }
  return { branch: { ...branch, axes }, places: own, count };
}
