import type { Control } from '../backend/requests.js';
import { filtered, narrowed, newRows } from './added.js';
import type { Table } from './columns.js';
import { type Points, placesOf } from './points.js';
import { solveSegment } from './population.js';
import { type Figures, figuresFor, type Segment, tableOf } from './rows.js';
import { fitSegment } from './samples.js';

/** How the points of a sweep are cut: into parts of so many configurations, in order. */
export interface Cut {
  readonly parts: number;
  readonly configurations: number;
}

/** A sweep cut into parts, each of whose rows depend on the spec and the part's index alone. */
export interface Parts extends Cut {
  readonly points: Points;
  /** Sweeps whose points are there already. */
  readonly before: readonly Points[];
}

/** Parts that a sweep has where it is large enough: as many as shards can want, as few as readers like. */
const WANTED_PARTS = 64;
/** Rows of a part of exact points, and of one whose points take milliseconds each. */
const ROWS = { exact: [4096, 65_536], fitted: [32, 1024] } as const;

export function partsOf(points: Points, before: readonly Points[] = []): Parts {
  const { spec, configurations } = points;
  const isExact = spec.samples.every((n) => n === Number.POSITIVE_INFINITY);
  const [least, most] = isExact ? ROWS.exact : ROWS.fitted;
  const width = spec.latentDims.length;
  const rows = Math.min(most, Math.max(least, Math.ceil((configurations * width) / WANTED_PARTS)));
  const own = Math.max(1, Math.floor(rows / width));
  return { points, before, parts: Math.ceil(configurations / own), configurations: own };
}

interface Wanted {
  readonly segments: readonly Segment[];
  /** Of every row of the segments, whether it is wanted; null where all are. */
  readonly mask: Uint8Array | null;
  readonly rows: number;
}

/** What a part is to hold: its configurations, without rows that an earlier sweep has. */
function wantedOf({ points, before, configurations: size }: Parts, part: number): Wanted {
  const first = part * size;
  const count = Math.min(size, points.configurations - first);
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
  const { configurations, spec } = parts.points;
  return (
    Math.min(parts.configurations, configurations - part * parts.configurations) * spec.latentDims.length
  );
}

/** The rows of one part. */
export async function computePart(parts: Parts, part: number, control: Control): Promise<Table> {
  const { segments, mask } = wantedOf(parts, part);
  const { spec } = parts.points;
  const figures = await figuresOf(parts.points, segments, control);
  const table = tableOf(spec, segments, figures);
  return mask ? filtered(table, mask) : table;
}

/** What is found for the configurations of segments, one after the other. */
export async function figuresOf(
  { spec }: Points,
  segments: readonly Segment[],
  control: Control,
): Promise<Figures> {
  const width = spec.latentDims.length;
  const figures = figuresFor(segments.reduce((sum, { count }) => sum + count, 0) * width);
  let row = 0;
  for (const segment of segments) {
    await solveSegment(spec, segment, figures, row, control);
    await fitSegment(spec, segment, figures, row, control);
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
