import { extname } from 'node:path';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { writeInPlace } from '../../base/files.js';
import { type ArraySpec, rowsOf, type TransitionBatch, type TransitionDims } from './batch.js';
import { writeNpz } from './npz.js';
import { writeParquet } from './parquet.js';

/**
 * Writes `count` transitions that arrive in batches as `.npz` or `.parquet`, in the names that `openData` reads back. One
 * batch is in memory at a time. The file appears under its name when it is whole; before that, and after a failure or an
 * abort, there is none. Batches of any sizes give the same file. `precision` is that of the observations.
 */
export async function writeTransitions(
  path: string,
  count: number,
  dims: TransitionDims,
  batches: AsyncIterable<TransitionBatch>,
  control: Control = {},
  precision: 'f64' | 'f32' = 'f64',
): Promise<void> {
  const write = writerOf(path);
  const { observationDim: d, actionDim, exogenousDim, pair } = dims;
  const bytes: 4 | 8 = precision === 'f32' ? 4 : 8;
  const arrays = (
    [
      { key: 'observation', dim: d, bytes },
      { key: 'observationNext', dim: d, bytes },
      { key: 'action', dim: actionDim, bytes: 8 },
      { key: 'exogenous', dim: exogenousDim, bytes: 8 },
      { key: 'exogenousNext', dim: exogenousDim, bytes: 8 },
      { key: 'pairObservation', dim: pair ? d : 0, bytes },
      { key: 'pairObservationNext', dim: pair ? d : 0, bytes },
    ] satisfies ArraySpec[]
  ).filter(({ dim }) => dim > 0);
  await writeInPlace(path, (partial) =>
    write(partial, count, arrays, counted(count, arrays, batches, control)),
  );
}

/** The writer that a file's name asks for; for a check before any work is done. */
export function writerOf(path: string): typeof writeNpz {
  switch (extname(path).toLowerCase()) {
    case '.npz':
      return writeNpz;
    case '.parquet':
      return writeParquet;
    default:
      throw new ExolamError(
        'input',
        `--out ${path} is not a kind of file that can be written; expected .npz or .parquet`,
      );
  }
}

/** The batches as they come, each one checked, and `count` rows of them in all. */
async function* counted(
  count: number,
  arrays: readonly ArraySpec[],
  batches: AsyncIterable<TransitionBatch>,
  control: Control,
): AsyncGenerator<TransitionBatch> {
  let rows = 0;
  for await (const batch of batches) {
    if (control.signal?.aborted) throw new ExolamError('cancelled', 'writing the data was cancelled');
    const here = rowsOf(batch, arrays);
    for (const { key, dim, bytes } of arrays)
      if (batch[key].length !== here * dim || batch[key].BYTES_PER_ELEMENT !== bytes)
        throw new ExolamError(
          'internal',
          `a batch of ${here} rows has ${batch[key].length} numbers of ${8 * batch[key].BYTES_PER_ELEMENT} bits in ${key}, not ${here * dim} of ${8 * bytes}`,
        );
    rows += here;
    if (rows > count) throw new ExolamError('internal', `${rows} rows arrived of ${count}`);
    yield batch;
    control.onProgress?.(rows, count);
  }
  if (rows !== count) throw new ExolamError('internal', `${rows} rows arrived of ${count}`);
}
