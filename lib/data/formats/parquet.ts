import { stat } from 'node:fs/promises';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { allocate } from '../../base/memory.js';
import { ask } from './file-reader-client.js';
import type { Column, Footer, ParquetRequest } from './parquet-read.js';

/** A Parquet file opened: its footer read and checked against the file, no data yet. */
export interface ParquetFile {
  readonly path: string;
  readonly rows: number;
  /** Top-level columns, in the file's order. */
  readonly columns: readonly string[];
  /** Calls `visit` once per row group with the rows of each named column, in the order of `names`. */
  read(
    names: readonly string[],
    visit: (columns: readonly Column[], firstRow: number) => void,
  ): Promise<void>;
  /** The first rows of one column, all by default, as they are stored: the bytes of images stay bytes. */
  readRaw(name: string, most?: number): Promise<readonly unknown[]>;
}

/** Seconds that a request may take: what is small and takes longer runs on without an end. */
const LEAST_SECONDS = 1;
const BYTES_A_SECOND = 5e6;
const NUMBERS_A_SECOND = 1e7;
/** Memory for a byte of the file, unpacked and taken apart, and for a number, which may be an object in a list. */
const BYTES_A_BYTE = 16;
const BYTES_A_NUMBER = 64;

export async function openParquet(path: string, control: Control = {}): Promise<ParquetFile> {
  const { size } = await stat(path);
  const asked = <T>(request: ParquetRequest, bytes: number, numbers: number): Promise<T> =>
    ask<T>(
      request,
      {
        seconds: LEAST_SECONDS + bytes / BYTES_A_SECOND + numbers / NUMBERS_A_SECOND,
        bytes: BYTES_A_BYTE * bytes + BYTES_A_NUMBER * numbers,
      },
      control.signal,
    );
  const { columns, groups } = await asked<Footer>({ kind: 'footer', path }, size, 0);
  return {
    path,
    columns,
    rows: groups.at(-1)?.end ?? 0,
    async read(names, visit) {
      const ask = (group: number) => {
        const { start, end, bytes } = groups[group];
        const columns = asked<Column[]>(
          { kind: 'columns', path, group, names },
          bytes,
          (end - start) * names.length,
        );
        // Where the visit of the group before it throws, nobody waits for this one.
        columns.catch(() => {});
        return columns;
      };
      // A group is parsed while the one before it is visited.
      let next = groups.length > 0 ? ask(0) : undefined;
      for (const [group, { start }] of groups.entries()) {
        const columns = (await next) as Column[];
        next = group + 1 < groups.length ? ask(group + 1) : undefined;
        visit(columns, start);
      }
    },
    async readRaw(name, most = Number.POSITIVE_INFINITY) {
      const all: unknown[] = [];
      for (const [group, { start, end, bytes }] of groups.entries()) {
        const rows = Math.min(end, most) - start;
        if (rows <= 0) break;
        for (const cell of await asked<unknown[]>({ kind: 'raw', path, group, name, rows }, bytes, rows))
          all.push(cell);
      }
      return all;
    },
  };
}

/** Whole columns side by side as one (rows, sum of widths) matrix per group of names, one row group in memory at a time. */
export async function readMatrices(
  file: ParquetFile,
  groups: readonly (readonly string[])[],
): Promise<{ values: Float64Array; dim: number }[]> {
  const names = groups.flat();
  let result: { values: Float64Array; dim: number }[] | undefined;
  let widths: number[] = [];
  await file.read(names, (columns, firstRow) => {
    if (!result) {
      widths = columns.map(({ width }) => width);
      let c = 0;
      result = groups.map((group) => {
        let dim = 0;
        for (const _ of group) dim += widths[c++];
        return { values: allocate(file.rows, dim, `${group[0]} ... of ${file.path}`), dim };
      });
    }
    let c = 0;
    for (let g = 0; g < groups.length; g++) {
      const { values, dim } = result[g];
      let at = 0;
      for (const _ of groups[g]) {
        const { values: part, width, rows, name } = columns[c];
        if (width !== widths[c])
          throw new ExolamError(
            'data',
            `${file.path}: column ${name} has ${width} numbers in row ${firstRow}, and ${widths[c]} in the rows before`,
          );
        for (let row = 0; row < rows; row++)
          for (let j = 0; j < width; j++) values[(firstRow + row) * dim + at + j] = part[row * width + j];
        at += width;
        c++;
      }
    }
  });
  return result ?? groups.map(() => ({ values: new Float64Array(0), dim: 0 }));
}
