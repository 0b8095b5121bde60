import { z } from 'zod';
import { controlFields } from '../backend/control.js';
import type { Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { asExolamError } from '../base/boundary.js';
import { describes, integer, parseOptions } from '../base/validate.js';
import type { Column, Table } from './columns.js';
import { computePart, type Parts, partsOf, rowsOfPart } from './part.js';
import { pointsOf } from './points.js';
import { requireShard, type Shard } from './shard.js';
import { readSpec, type SweepSpec } from './spec.js';

export interface SweepOptions extends Control {
  /** The share of the points that is wanted: every count-th part from the index-th on. Default: all. */
  readonly shard?: Shard | undefined;
}

export const shardSchema = describes<Shard>()(z.strictObject({ index: integer(0), count: integer(1, 1e6) }));

const optionsSchema = describes<SweepOptions>()(
  z.strictObject({ ...controlFields, shard: shardSchema.optional() }),
);

/** Rows of a sweep, by column: numbers with NaN where a row has none, text with null, `rank` with -1. */
export interface SweepBatch {
  /** Index of the part that these rows are, from 0. */
  readonly part: number;
  readonly count: number;
  readonly columns: Readonly<
    Record<string, Float64Array | Int32Array | Uint8Array | readonly (string | null)[]>
  >;
}

/**
 * Every point of a sweep as batches of columns, in a fixed order, one part of at most some 65,000 rows at a time: what
 * `exolam sweep` writes. `onProgress` counts points. Throws {@link ExolamError} at the first batch where the spec is not accepted.
 */
export async function* sweep(spec: SweepSpec, options: SweepOptions = {}): AsyncGenerator<SweepBatch, void> {
  try {
    const { shard, ...control } = parseOptions(optionsSchema, options);
    const parts = partsOf(pointsOf(readSpec(spec)));
    const wanted = partsOfShard(parts, shard);
    const total = wanted.reduce((sum, part) => sum + rowsOfPart(parts, part), 0);
    let done = 0;
    const stopped = new AbortController();
    const own: Control = {
      signal: control.signal ? AbortSignal.any([control.signal, stopped.signal]) : stopped.signal,
      threads: control.threads ?? defaultBackend().info().threads,
    };
    try {
      for await (const { part, table } of ahead(wanted, (part) => computePart(parts, part, own))) {
        done += rowsOfPart(parts, part);
        control.onProgress?.(done, total);
        yield { part, count: table.count, columns: plainColumns(table) };
      }
    } finally {
      stopped.abort();
    }
  } catch (error) {
    throw asExolamError('sweep', error);
  }
}

/** The parts of one share: every count-th one. */
export function partsOfShard({ parts }: Pick<Parts, 'parts'>, shard: Shard | undefined): number[] {
  const { index, count } = shard ? requireShard(shard) : { index: 0, count: 1 };
  return Array.from({ length: Math.max(0, Math.ceil((parts - index) / count)) }, (_, i) => index + i * count);
}

/** The parts' tables in order; while one is taken, the next is being computed. */
export async function* ahead<P>(
  parts: Iterable<P>,
  compute: (part: P) => Promise<Table>,
): AsyncGenerator<{ part: P; table: Table }, void> {
  const start = (part: P) => {
    const promise = compute(part);
    // Whoever stops taking has no use for how the next one ends.
    promise.catch(() => {});
    return { part, promise };
  };
  let running: ReturnType<typeof start> | undefined;
  for (const part of parts) {
    const before = running;
    running = start(part);
    if (before) yield { part: before.part, table: await before.promise };
  }
  if (running) yield { part: running.part, table: await running.promise };
}

function plainColumns(table: Table): SweepBatch['columns'] {
  return Object.fromEntries([...table.columns].map(([name, column]) => [name, plainColumn(column)]));
}

function plainColumn(column: Column): SweepBatch['columns'][string] {
  if (column.kind !== 'coded') return column.values;
  const { type, values, codes } = column;
  if (type === 'text') return Array.from(codes, (code) => (code < 0 ? null : (values[code] as string)));
  return Float64Array.from(codes, (code) => (code < 0 ? Number.NaN : (values[code] as number)));
}
