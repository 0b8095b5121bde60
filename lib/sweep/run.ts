import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { controlFields } from '../backend/control.js';
import type { Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { cannotWrite, requireFolder, writeInPlace } from '../base/files.js';
import { describes, parseOptions, pathField } from '../base/validate.js';
import { version } from '../base/version.js';
import { constantsOf, openFolder, PARTS, partFile } from './folder.js';
import { lockShare } from './lock.js';
import { toParquet } from './parquet.js';
import { computePart, type Parts, partsOf, rowsOfPart } from './part.js';
import { pointsOf } from './points.js';
import type { Shard } from './shard.js';
import { type Checked, readSpec, type SweepSpec } from './spec.js';
import { ahead, partsOfShard, shardSchema } from './sweep.js';

export interface RunSweepOptions extends Control {
  /** The folder: `spec.json` and `parts/*.parquet`. What a run before has left there is kept, and only what is missing is computed. */
  readonly out: string;
  /** The share of the parts to write. Default: all. */
  readonly shard?: Shard | undefined;
  /** Add the points of this spec to those of another one that the folder holds. Default false. */
  readonly extend?: boolean | undefined;
  /** Once aborted, the parts in flight are finished and written, and no other is begun. `signal` drops them. Default: none. */
  readonly stop?: AbortSignal | undefined;
  /** Told what takes place, a sentence each. Default: nobody. */
  readonly onNote?: ((text: string) => void) | undefined;
}

const optionsSchema = describes<RunSweepOptions>()(
  z.strictObject({
    ...controlFields,
    out: pathField,
    shard: shardSchema.optional(),
    extend: z.boolean().default(false),
    stop: controlFields.signal,
    onNote: z
      .custom<(text: string) => void>((value) => typeof value === 'function', 'expected a function of text')
      .optional(),
  }),
);

/** What a run has done. */
export interface SweepRun {
  /** Rows of this share, those of this run, and those that were there before. */
  readonly points: number;
  readonly written: number;
  readonly before: number;
  /** False where it was stopped before the last part. */
  readonly finished: boolean;
}

/** A part of a folder: which spec of it, and which part of that. */
interface Place {
  readonly generation: number;
  readonly part: number;
}

/**
 * Computes the points of a sweep into a folder of Parquet parts, each written whole: a run that ends at any moment, however, loses
 * the parts in flight and nothing else, and another run goes on from there. Throws {@link ExolamError}.
 */
export function runSweep(spec: SweepSpec, options: RunSweepOptions): Promise<SweepRun> {
  return boundary('runSweep', async () => {
    const checked = parseOptions(optionsSchema, options);
    const read = readSpec(spec);
    pointsOf(read); // Whatever is wrong with it is said before anything is written.
    const note = checked.onNote ?? (() => {});
    await requireFolder(checked.out);
    const share = checked.shard ?? { index: 0, count: 1 };
    const lock = await lockShare(checked.out, share, note).catch((error) => {
      throw cannotWrite(checked.out, error);
    });
    try {
      const specs = await openFolder(checked.out, read, checked.extend);
      return await runParts(generationsOf(specs), checked, note);
    } finally {
      await lock.release();
    }
  });
}

/** The parts of each spec of a folder; each leaves out what those before it have. */
export function generationsOf(specs: readonly Checked[]): Parts[] {
  const points = specs.map(pointsOf);
  return points.map((own, g) => partsOf(own, points.slice(0, g)));
}

/** Every part of a share that has rows, in order, and which of them are there. */
export async function placesIn(
  dir: string,
  generations: readonly Parts[],
  shard: Shard | undefined,
): Promise<{ readonly place: Place; readonly rows: number; readonly isThere: boolean }[]> {
  const there = new Set(await wholeFiles(join(dir, PARTS)));
  return generations.flatMap((parts, generation) =>
    partsOfShard(parts, shard)
      .map((part) => ({
        place: { generation, part },
        rows: rowsOfPart(parts, part),
        isThere: there.has(partFile(generation, part)),
      }))
      .filter(({ rows }) => rows > 0),
  );
}

/** The parts that end as a Parquet file does; one that a dying disk cut short is computed again. */
async function wholeFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.parquet'));
  const whole: string[] = [];
  for (const name of names) {
    const file = await open(join(folder, name), 'r');
    try {
      const { size } = await file.stat();
      const { buffer } = await file.read(Buffer.alloc(4), 0, 4, Math.max(0, size - 4));
      if (buffer.toString('latin1') === 'PAR1') whole.push(name);
    } finally {
      await file.close();
    }
  }
  return whole;
}

/** What killed runs of this share left half written. */
async function removeHalves(dir: string, places: readonly { readonly place: Place }[]): Promise<void> {
  const own = new Set(places.map(({ place }) => partFile(place.generation, place.part)));
  for (const name of await readdir(join(dir, PARTS)))
    if (name.endsWith('.partial') && own.has(`${name.split('.parquet')[0]}.parquet`))
      await rm(join(dir, PARTS, name), { force: true });
}

async function runParts(
  generations: readonly Parts[],
  options: z.output<typeof optionsSchema>,
  note: (text: string) => void,
): Promise<SweepRun> {
  const { out, stop, onProgress } = options;
  const places = await placesIn(out, generations, options.shard);
  await removeHalves(out, places);
  const sum = (of: readonly { readonly rows: number }[]) => of.reduce((total, { rows }) => total + rows, 0);
  const [points, before] = [sum(places), sum(places.filter(({ isThere }) => isThere))];
  if (before > 0) note(`${before} of ${points} points are there already`);
  const missing = places.filter(({ isThere }) => !isThere);
  const control: Control = {
    signal: options.signal,
    threads: options.threads ?? defaultBackend().info().threads,
  };
  let written = 0;
  onProgress?.(before, points);
  const wanted = takeUntil(missing, stop);
  const tables = ahead(wanted, ({ place }) =>
    computePart(generations[place.generation], place.part, control),
  );
  for await (const { part, table } of tables) {
    const { generation, part: index } = part.place;
    const constants = JSON.stringify(constantsOf(generations[generation].points.spec));
    const pieces = toParquet(table, {
      exolam: JSON.stringify({ version, part: index, generation }),
      constants,
    });
    const path = join(out, PARTS, partFile(generation, index));
    await writeInPlace(path, (partial) => writePieces(partial, pieces));
    // What a refinement adds is not known before.
    written += rowsOfPart(generations[generation], index);
    onProgress?.(before + written, points);
  }
  return { points, written, before, finished: before + written === points };
}

/** Writes pieces without joining them first. */
async function writePieces(path: string, pieces: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w');
  try {
    let { bytesWritten } = await file.writev(pieces);
    // What a write left over, as on a disk that is filling up: the next one says why.
    for (const piece of pieces) {
      if (bytesWritten >= piece.length) bytesWritten -= piece.length;
      else {
        await file.writeFile(piece.subarray(bytesWritten));
        bytesWritten = 0;
      }
    }
  } finally {
    await file.close();
  }
}

function* takeUntil<T>(items: readonly T[], stop: AbortSignal | undefined): Generator<T, void> {
  for (const item of items) {
    if (stop?.aborted) return;
    yield item;
  }
}
