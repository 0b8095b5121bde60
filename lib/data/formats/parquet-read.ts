import { stat } from 'node:fs/promises';
import { asyncBufferFromFile, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ExolamError } from '../../base/errors.js';
import { allocate, gigabytes, requireMemory } from '../../base/memory.js';

/** Part of a column: (rows, width); width is 1 for a column of numbers, and the list's length for a column of lists. */
export interface Column {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  readonly values: Float64Array;
}

/** What is asked of a file: its footer, or some rows of some columns of one row group. */
export type ParquetRequest =
  | { readonly kind: 'footer'; readonly path: string }
  | {
      readonly kind: 'columns';
      readonly path: string;
      readonly group: number;
      readonly names: readonly string[];
    }
  | {
      readonly kind: 'raw';
      readonly path: string;
      readonly group: number;
      readonly name: string;
      readonly rows: number;
    };

/** A file's footer, checked against the file: no data yet. */
export interface Footer {
  /** Top-level columns, in the file's order. */
  readonly columns: readonly string[];
  readonly groups: readonly { readonly start: number; readonly end: number; readonly bytes: number }[];
}

interface Opened {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly footer: Footer;
  /** For each top-level column: its part of the schema, and its chunks in every row group. */
  readonly parts: ReadonlyMap<
    string,
    { readonly schema: readonly [number, number]; readonly chunks: readonly number[] }
  >;
}

/** Numbers that a small file may claim: more than a hundredfold of its bytes, and much, was made to fill a machine. */
const SUSPECT_RATIO = 100;
const SUSPECT_BYTES = 1 << 28;

/** The file that was asked last: its footer may be long. */
let last: Opened | undefined;

/** Answers one request. Runs in a process of its own, so that a file that makes it run on can be given up. */
export async function answerParquet(request: ParquetRequest): Promise<unknown> {
  try {
    if (request.kind === 'footer') last = undefined;
    const opened = last?.path === request.path ? last : await open(request.path);
    last = opened;
    if (request.kind === 'footer') return opened.footer;
    return request.kind === 'columns' ? await columnsOf(opened, request) : await cellsOf(opened, request);
  } catch (cause) {
    throw broken(request.path, cause);
  }
}

function broken(path: string, cause: unknown): unknown {
  if (cause instanceof ExolamError || (cause as NodeJS.ErrnoException).code === 'ENOENT') return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ExolamError(
    'data',
    `${path} cannot be read as Parquet (truncated or damaged?): ${reason.replace(/\s+/g, ' ').slice(0, 200)}`,
    { cause },
  );
}

async function open(path: string): Promise<Opened> {
  const { size } = await stat(path);
  // A Parquet file begins and ends in PAR1 around a footer length; the reader below looks at that end unchecked.
  if (size < 12)
    throw new ExolamError('data', `${path} has ${size} bytes, too few for a Parquet file (truncated?)`);
  const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path));
  const groups = groupsOf(path, metadata, size);
  const parts = partsOf(metadata);
  return { path, metadata, footer: { columns: topLevel(metadata).map(({ name }) => name), groups }, parts };
}

/** Numbers of some columns in one row group. */
async function columnsOf(
  opened: Opened,
  { path, group, names }: Extract<ParquetRequest, { kind: 'columns' }>,
): Promise<Column[]> {
  const { start, end, bytes } = opened.footer.groups[group];
  const claimed = 8 * (end - start) * names.length;
  if (claimed > SUSPECT_BYTES && claimed > SUSPECT_RATIO * bytes)
    throw new ExolamError(
      'data',
      `${path} claims ${end - start} rows, ${gigabytes(claimed)}, in ${bytes} bytes; this looks like a file made to fill the memory`,
    );
  requireMemory(claimed, `${names.length} columns of ${path}`);
  const chunks = await decode(opened, group, names, end - start, true);
  return names.map((name) => numbers(path, name, chunks.get(name) ?? [], start));
}

/** Cells of one column as they are stored. */
async function cellsOf(
  opened: Opened,
  { group, name, rows }: Extract<ParquetRequest, { kind: 'raw' }>,
): Promise<unknown[]> {
  const { start, end } = opened.footer.groups[group];
  const chunks = await decode(opened, group, [name], end - start, false);
  return (chunks.get(name) ?? []).flatMap((part) => Array.from(part)).slice(0, rows);
}

/**
 * The first rows of some columns of one row group, in the pages' parts. The library below is shown these columns alone: it
 * looks through all there are for each one.
 */
async function decode(opened: Opened, group: number, names: readonly string[], rows: number, utf8: boolean) {
  const { metadata, parts, path } = opened;
  // In the file's order, as the library expects them.
  const wanted = [...new Set(names)]
    .flatMap((name) => parts.get(name) ?? [])
    .sort((one, other) => one.schema[0] - other.schema[0]);
  const index = metadata.row_groups.flatMap((g, i) => (Number(g.num_rows) > 0 ? [i] : []))[group];
  const whole = metadata.row_groups[index];
  const count = Number(whole.num_rows);
  const narrow: FileMetaData = {
    ...metadata,
    num_rows: BigInt(count),
    schema: [
      { ...metadata.schema[0], num_children: wanted.length },
      ...wanted.flatMap(({ schema: [from, to] }) => metadata.schema.slice(from, to)),
    ],
    row_groups: [{ ...whole, columns: wanted.flatMap(({ chunks }) => chunks.map((c) => whole.columns[c])) }],
  };
  const found = new Map<string, ArrayLike<unknown>[]>();
  const onChunk = ({ columnName, columnData }: { columnName: string; columnData: ArrayLike<unknown> }) => {
    const list = found.get(columnName);
    if (list) list.push(columnData);
    else found.set(columnName, [columnData]);
  };
  const file = await asyncBufferFromFile(path);
  await parquetRead({ file, metadata: narrow, compressors, rowStart: 0, rowEnd: rows, utf8, onChunk });
  for (const name of names) {
    const held = (found.get(name) ?? []).reduce((sum, { length }) => sum + length, 0);
    if (held !== rows) throw new Error(`column ${name} holds ${held} of ${rows} rows`);
  }
  return found;
}

/** Row ranges of the row groups, after comparing what the footer claims with the file's size. */
function groupsOf(path: string, metadata: FileMetaData, size: number): Footer['groups'] {
  let row = 0;
  const groups: { start: number; end: number; bytes: number }[] = [];
  for (const group of metadata.row_groups) {
    const count = Number(group.num_rows);
    if (!Number.isSafeInteger(count) || count < 0)
      throw new Error(`a row group claims ${group.num_rows} rows`);
    let bytes = 0;
    for (const { meta_data: chunk } of group.columns) {
      if (!chunk) continue;
      const begin = Math.min(
        Number(chunk.data_page_offset),
        Number(chunk.dictionary_page_offset ?? Infinity),
      );
      const end = begin + Number(chunk.total_compressed_size);
      bytes += end - begin;
      if (begin < 0 || !(end <= size))
        throw new ExolamError(
          'data',
          `${path} is truncated or damaged: column ${chunk.path_in_schema.join('.')} ends at byte ${end} and the file at ${size}`,
        );
    }
    if (count > 0) groups.push({ start: row, end: row + count, bytes });
    row += count;
  }
  if (BigInt(row) !== BigInt(metadata.num_rows))
    throw new Error(`the footer claims ${metadata.num_rows} rows, its row groups have ${row}`);
  return groups;
}

/** The children of the schema's root: the schema is a tree in depth-first order. */
function topLevel({ schema }: FileMetaData): { name: string; from: number; to: number }[] {
  const skip = (index: number): number => {
    let next = index + 1;
    for (let child = 0; child < (schema[index]?.num_children ?? 0) && next < schema.length; child++)
      next = skip(next);
    return next;
  };
  const found: { name: string; from: number; to: number }[] = [];
  for (let from = 1; from < schema.length; ) {
    const to = skip(from);
    // Damaged, it may be of any type.
    if (typeof schema[from]?.name !== 'string') throw new Error('a column has no name');
    found.push({ name: schema[from]?.name ?? '', from, to });
    from = to;
  }
  return found;
}

function partsOf(metadata: FileMetaData): Opened['parts'] {
  const chunks = new Map<string, number[]>();
  metadata.row_groups[0]?.columns.forEach(({ meta_data: chunk }, c) => {
    const [name = ''] = chunk?.path_in_schema ?? [];
    const list = chunks.get(name);
    if (list) list.push(c);
    else chunks.set(name, [c]);
  });
  return new Map(
    topLevel(metadata).map(({ name, from, to }) => [
      name,
      { schema: [from, to], chunks: chunks.get(name) ?? [] },
    ]),
  );
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
