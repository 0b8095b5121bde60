import { closeSync, openSync, writeSync } from 'node:fs';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { COLUMNS } from '../formats/columns.js';
import { type ArraySpec, rowsOf, type TransitionBatch } from './batch.js';

/** Rows buffers until they are written as one row group, whatever the batches' sizes. */
const ROW_GROUP = 16_384;

/** Columns obs_0 .., next_0 .., act_0 .. and so on, doubles or floats; a row group of them in memory at a time. */
export async function writeParquet(
  path: string,
  _count: number,
  arrays: readonly ArraySpec[],
  batches: AsyncIterable<TransitionBatch>,
): Promise<void> {
  const columns = arrays.flatMap(({ key, dim, bytes }) =>
    Array.from({ length: dim }, (_, j) => ({ name: COLUMNS[key].replace('*', String(j)), bytes })),
  );
  const schema: SchemaElement[] = [
    { name: 'schema', num_children: columns.length },
    ...columns.map(
      ({ name, bytes }): SchemaElement => ({
        name,
        type: bytes === 8 ? 'DOUBLE' : 'FLOAT',
        repetition_type: 'REQUIRED',
      }),
    ),
  ];
  const file = openSync(path, 'w');
  try {
    // Random doubles do not compress: plain pages are the smallest that they get.
    const writer = new ParquetWriter({
      writer: fileWriter(file),
      schema,
      codec: 'UNCOMPRESSED',
      statistics: false,
      createdBy: 'exolam',
    });
    const buffers = columns.map(({ bytes }) =>
      bytes === 8 ? new Float64Array(ROW_GROUP) : new Float32Array(ROW_GROUP),
    );
    let rows = 0;
    const flush = async (): Promise<void> => {
      if (rows === 0) return;
      await writer.write({
        columnData: columns.map(({ name }, c) => ({
          name,
          data: (buffers[c] as Float64Array | Float32Array).subarray(0, rows),
          encoding: 'PLAIN' as const,
          offsetIndex: false,
        })),
        rowGroupSize: rows,
      });
      rows = 0;
    };
    for await (const batch of batches) {
      const total = rowsOf(batch, arrays);
      for (let first = 0; first < total; ) {
        const part = Math.min(total - first, ROW_GROUP - rows);
        fill(buffers, rows, batch, arrays, first, part);
        rows += part;
        first += part;
        if (rows === ROW_GROUP) await flush();
      }
    }
    await flush();
    await writer.finish();
  } finally {
    closeSync(file);
  }
}

/** Rows first .. first + count of a batch, turned into columns from row `at` on. */
function fill(
  buffers: readonly (Float64Array | Float32Array)[],
  at: number,
  batch: TransitionBatch,
  arrays: readonly ArraySpec[],
  first: number,
  count: number,
): void {
  let c = 0;
  for (const { key, dim } of arrays) {
    const source = batch[key];
    for (let j = 0; j < dim; j++, c++) {
      const column = buffers[c];
      for (let row = 0; row < count; row++) column[at + row] = source[(first + row) * dim + j];
    }
  }
}

/** A writer that hands its bytes to the file after each row group, and keeps none. */
function fileWriter(file: number): ByteWriter & { flush(): void } {
  const writer = new ByteWriter(1 << 20) as ByteWriter & { flush(): void };
  writer.flush = () => {
    for (let done = 0; done < writer.index; )
      done += writeSync(file, new Uint8Array(writer.buffer, done, writer.index - done));
    writer.index = 0;
  };
  writer.finish = writer.flush;
  return writer;
}
