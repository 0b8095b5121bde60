import type { Control } from '../backend/requests.js';
import { filtered, narrowed, newRows } from './added.js';
import type { Table } from './columns.js';
import { type Points, placesOf } from './points.js';
import { solveSegment } from './population.js';
import { refinedTable } from './refine.js';
import { type Figures, figuresFor, type Segment, tableOf } from './rows.js';
import { fitSegment } from './samples.js';
import type { Checked } from './spec.js';
import { trainSegment } from './trained.js';

/** A sweep cut into parts, each of whose rows depend on the spec and the part's index alone. */
export interface Parts {
  readonly points: Points;
  /** Sweeps whose points are there already. */
  readonly before: readonly Points[];
  readonly parts: number;
  /** The configurations of a part. */
  readonly rangeOf: (part: number) => { readonly first: number; readonly count: number };
}

/** Parts that a sweep has where it is large enough: as many as shards can want, as few as readers like. */
const WANTED_PARTS = 64;
/** Rows of a part of exact points, of one whose points take milliseconds each, and of one whose points take seconds. */
const ROWS = { exact: [4096, 65_536], fitted: [32, 1024], trained: [8, 256] } as const;

export function partsOf(points: Points, before: readonly Points[] = []): Parts {
  const { spec, configurations } = points;
  const isExact = spec.samples.every((n) => n === Number.POSITIVE_INFINITY);
  const [least, most] = spec.train ? ROWS.trained : isExact ? ROWS.exact : ROWS.fitted;
  const width = spec.latentDims.length;
  const rows = Math.min(most, Math.max(least, Math.ceil((configurations * width) / WANTED_PARTS)));
  const own = Math.max(1, Math.floor(rows / width));
  if (spec.refine) return { points, before, ...wholeSlices(points, own) };
  const rangeOf = (part: number) => ({
    first: part * own,
    count: Math.min(own, configurations - part * own),
  });
  return { points, before, parts: Math.ceil(configurations / own), rangeOf };
}

/** Parts of whole slices of one branch, in which refinement has all that it looks at. */
function wholeSlices({ branches }: Points, own: number): Pick<Parts, 'parts' | 'rangeOf'> {
  const ranges = branches.flatMap(({ axes, first, configurations }) => {
    const slice = axes.reduce((product, { length, interval }) => product * (interval ? length : 1), 1);
    const size = Math.max(1, Math.floor(own / slice)) * slice;
    return Array.from({ length: Math.ceil(configurations / size) }, (_, i) => ({
      first: first + i * size,
      count: Math.min(size, configurations - i * size),
    }));
  });
  return { parts: ranges.length, rangeOf: (part) => ranges[part] };
}

interface Wanted {
  readonly segments: readonly Segment[];
  /** Of every row of the segments, whether it is wanted; null where all are. */
  readonly mask: Uint8Array | null;
  readonly rows: number;
}

/** What a part is to hold: its configurations, without rows that an earlier sweep has. */
function wantedOf({ points, before, rangeOf }: Parts, part: number): Wanted {
  const { first, count } = rangeOf(part);
  const segments = segmentsOf(points, first, count);
  const { latentDims } = points.spec;
  const width = latentDims.length;
  if (before.length === 0) return { segments, mask: null, rows: count * width };
  const kept = segments.map((segment) => {
    const mask = newRows(segment, latentDims, before) ?? new Uint8Array(segment.count * width).fill(1);
    return narrowed(segment, mask, width);
  });
  const mask = Uint8Array.from(kept.flatMap((each) => Array.from(each.mask)));
  return {
    segments: kept.map((each) => each.segment).filter((segment) => segment.count > 0),
    mask,
    rows: mask.reduce((sum, one) => sum + one, 0),
  };
}

/** How many rows a part has; 0 where an earlier sweep has them all. */
export function rowsOfPart(parts: Parts, part: number): number {
  if (parts.before.length > 0) return wantedOf(parts, part).rows;
  return parts.rangeOf(part).count * parts.points.spec.latentDims.length;
}

/** The rows of one part. */
export async function computePart(parts: Parts, part: number, control: Control): Promise<Table> {
  const { segments, mask } = wantedOf(parts, part);
  const { spec } = parts.points;
  const figures = await figuresOf(spec, segments, control);
  if (spec.refine) return refinedTable(spec, segments, figures, figuresOf, control, mask);
  const table = tableOf(spec, segments, figures);
  return mask ? filtered(table, mask) : table;
}

/** What is found for the configurations of segments, one after the other. */
export async function figuresOf(
  spec: Checked,
  segments: readonly Segment[],
  control: Control,
): Promise<Figures> {
  const width = spec.latentDims.length;
  const figures = figuresFor(segments.reduce((sum, { count }) => sum + count, 0) * width);
  let row = 0;
  for (const segment of segments) {
    await solveSegment(spec, segment, figures, row, control);
    await fitSegment(spec, segment, figures, row, control);
    await trainSegment(spec, segment, figures, row, control);
    row += segment.count * width;
  }
  return figures;
}

/** Configurations first .. first + count, by branch. */
function segmentsOf({ branches }: Points, first: number, count: number): Segment[] {
  return branches.flatMap((branch) => {
    const begin = Math.max(first, branch.first);
    const end = Math.min(first + count, branch.first + branch.configurations);
    if (end <= begin) return [];
    return [{ branch, places: placesOf(branch, begin - branch.first, end - begin), count: end - begin }];
  });
}
