import { stat } from 'node:fs/promises';
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { allocate } from '../../base/memory.js';

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

/** Part of a column: (rows, width); width is 1 for a column of numbers, and the list's length for a column of lists. */
export interface Column {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  readonly values: Float64Array;
}

function broken(path: string, cause: unknown): ExolamError {
  if (cause instanceof ExolamError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ExolamError(
    'data',
    `${path} cannot be read as Parquet (truncated or damaged?): ${oneLine(reason)}`,
    {
      cause,
    },
  );
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}

export async function openParquet(path: string, _control?: Control): Promise<ParquetFile> {
  const { size } = await stat(path);
  // A Parquet file begins and ends in PAR1 around a footer length; the reader below looks at that end unchecked.
  if (size < 12)
    throw new ExolamError('data', `${path} has ${size} bytes, too few for a Parquet file (truncated?)`);
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const groups = groupsOf(path, metadata, size);
    const columns = topLevel(metadata);
    /** One row group of a column, in the pages' parts. */
    const column = async (
      name: string,
      rowStart: number,
      rowEnd: number,
      utf8 = true,
    ): Promise<ArrayLike<unknown>[]> => {
      const parts: ArrayLike<unknown>[] = [];
      try {
        const onChunk = ({ columnData }: { columnData: ArrayLike<unknown> }) => {
          parts.push(columnData);
        };
        await parquetRead({ file, metadata, compressors, columns: [name], rowStart, rowEnd, utf8, onChunk });
        const rows = parts.reduce((sum, { length }) => sum + length, 0);
        if (rows !== rowEnd - rowStart)
          throw new Error(`column ${name} holds ${rows} of ${rowEnd - rowStart} rows`);
      } catch (cause) {
        throw broken(path, cause);
      }
      return parts;
    };
    const rows = groups.at(-1)?.end ?? 0;
    return {
      path,
      rows,
      columns,
      async read(names, visit) {
        for (const { start, end } of groups) {
          const parts: Column[] = [];
          for (const name of names) parts.push(numbers(path, name, await column(name, start, end), start));
          visit(parts, start);
        }
      },
      async readRaw(name, most = Number.POSITIVE_INFINITY) {
        const all: unknown[] = [];
        for (const { start, end } of groups.filter(({ start }) => start < most))
          for (const part of await column(name, start, Math.min(end, most), false))
            for (const cell of Array.from(part)) all.push(cell);
        return all;
      },
    };
  } catch (cause) {
    throw broken(path, cause);
  }
}

/** Row ranges of the row groups, after comparing what the footer claims with the file's size. */
function groupsOf(path: string, metadata: FileMetaData, size: number): { start: number; end: number }[] {
  let row = 0;
  const groups: { start: number; end: number }[] = [];
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows);
    if (!Number.isSafeInteger(count) || count < 0)
      throw new Error(`a row group claims ${group.num_rows} rows`);
    for (const { meta_data: chunk } of group.columns) {
      if (!chunk) continue;
      const begin = Math.min(
        Number(chunk.data_page_offset),
        Number(chunk.dictionary_page_offset ?? Infinity),
      );
      const end = begin + Number(chunk.total_compressed_size);
      if (begin < 0 || !(end <= size))
        throw new ExolamError(
          'data',
          `${path} is truncated or damaged: column ${chunk.path_in_schema.join('.')} ends at byte ${end} and the file at ${size}`,
        );
    }
    if (count > 0) groups.push({ start: row, end: row + count });
    row += count;
  }
  if (BigInt(row) !== BigInt(metadata.num_rows))
    throw new Error(`the footer claims ${metadata.num_rows} rows, its row groups have ${row}`);
  return groups;
}

function topLevel(metadata: FileMetaData): string[] {
  const names: string[] = [];
  // The schema is a tree in depth-first order: skip what hangs below each child of the root.
  const schema = metadata.schema;
  const skip = (index: number): number => {
    let next = index + 1;
    for (let child = 0; child < (schema[index]?.num_children ?? 0); child++) next = skip(next);
    return next;
  };
  for (let index = 1; index < schema.length; index = skip(index)) names.push(schema[index]?.name ?? '');
  return names;
}

/** Numbers of a decoded column: numbers, bigints, booleans, or equally long lists of them. */
function numbers(path: string, name: string, parts: readonly ArrayLike<unknown>[], firstRow: number): Column {
  const rows = parts.reduce((sum, { length }) => sum + length, 0);
  const first = parts.find(({ length }) => length > 0)?.[0];
  const width = isList(first) ? flat(first).length : 1;
  if (width === 0)
    throw new ExolamError('data', `${path}: column ${name} has an empty list in row ${firstRow}`);
  const values = allocate(rows, width, `column ${name} of ${path}`);
  let row = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++, row++) {
      const cell = part[i];
      if (isList(first) !== isList(cell)) throw refused(path, name, firstRow + row, cell);
      if (!isList(cell)) {
        values[row] = number(path, name, firstRow + row, cell);
        continue;
      }
      const list = flat(cell);
      if (list.length !== width)
        throw new ExolamError(
          'data',
          `${path}: column ${name} has ${list.length} numbers in row ${firstRow + row}, and ${width} in the rows before`,
        );
      for (let j = 0; j < width; j++) values[row * width + j] = number(path, name, firstRow + row, list[j]);
    }
  }
  return { name, rows, width, values };
}

function isList(cell: unknown): cell is ArrayLike<unknown> {
  return Array.isArray(cell) || (ArrayBuffer.isView(cell) && !(cell instanceof DataView));
}

function flat(list: ArrayLike<unknown>): ArrayLike<unknown> {
  return Array.isArray(list) && list.some(isList) ? list.flatMap((inner) => Array.from(flat(inner))) : list;
}

function number(path: string, name: string, row: number, cell: unknown): number {
  if (typeof cell === 'number') return cell;
  if (typeof cell === 'bigint' || typeof cell === 'boolean') return Number(cell);
  throw refused(path, name, row, cell);
}

function refused(path: string, name: string, row: number, cell: unknown): ExolamError {
  const what =
    cell === null || cell === undefined
      ? 'a missing value'
      : typeof cell === 'string'
        ? 'text'
        : isList(cell)
          ? 'a list'
          : cell instanceof Date
            ? 'a date'
            : `a ${typeof cell}`;
  return new ExolamError(
    'data',
    `${path}: column ${name} has ${what} in row ${row}; every value must be a number`,
  );
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
