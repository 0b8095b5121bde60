import type { Coded, Column, Table } from './columns.js';
import { bytesOf, type Field, i32, i64, list, struct, text } from './thrift.js';

/**
 * A table as one Parquet file of one row group, straight from typed arrays: parameters as dictionaries and packed places, figures as
 * they are, what a row lacks as null. hyparquet-writer takes several times as long for columns with nulls, which it wants as lists of
 * boxed values; figures that are anything but constant do not compress, so that nothing is. The file is the pieces one after another.
 */
export function toParquet(table: Table, metadata: Readonly<Record<string, string>>): Uint8Array[] {
  const chunks: Uint8Array[] = [MAGIC];
  let offset = MAGIC.length;
  const described: Field[] = [];
  const schema: Field[] = [struct({ 4: text('schema'), 5: i32(table.columns.size) })];
  for (const [name, column] of table.columns) {
    const { pages, dictionaryLength, nulls, type, logical, encoding } = pagesOf(column, table.count);
    const size = pages.reduce((sum, page) => sum + page.length, 0);
    schema.push(
      struct({
        1: i32(type),
        3: i32(OPTIONAL),
        4: text(name),
        6: logical === undefined ? undefined : i32(logical),
      }),
    );
    described.push(
      struct({
        2: i64(offset),
        3: struct({
          1: i32(type),
          2: list([PLAIN, RLE, encoding].map(i32)),
          3: list([text(name)]),
          4: i32(UNCOMPRESSED),
          5: i64(table.count),
          6: i64(size),
          7: i64(size),
          9: i64(offset + dictionaryLength),
          11: dictionaryLength > 0 ? i64(offset) : undefined,
          12: struct({ 3: i64(nulls) }),
        }),
      }),
    );
    chunks.push(...pages);
    offset += size;
  }
  const footer = bytesOf(
    struct({
      1: i32(2),
      2: list(schema),
      3: i64(table.count),
      4: list([struct({ 1: list(described), 2: i64(offset - MAGIC.length), 3: i64(table.count) })]),
      5: list(Object.entries(metadata).map(([key, value]) => struct({ 1: text(key), 2: text(value) }))),
      6: text('exolam'),
    }),
  );
  chunks.push(footer, int32(footer.length), MAGIC);
  return chunks;
}

const MAGIC = new TextEncoder().encode('PAR1');
const OPTIONAL = 1;
const UNCOMPRESSED = 0;
/** Physical types. */
const [BOOLEAN, INT32, INT64, DOUBLE, BYTE_ARRAY] = [0, 1, 2, 5, 6];
const UTF8 = 0;
/** Encodings. */
const [PLAIN, RLE, RLE_DICTIONARY] = [0, 3, 8];
const [DATA_PAGE, DICTIONARY_PAGE] = [0, 2];

interface Pages {
  readonly pages: readonly Uint8Array[];
  /** Of the dictionary's page with its header; 0 without one. */
  readonly dictionaryLength: number;
  readonly nulls: number;
  readonly type: number;
  readonly logical?: number;
  readonly encoding: number;
}

function pagesOf(column: Column, count: number): Pages {
  switch (column.kind) {
    case 'coded':
      return codedPages(column, count);
    case 'double': {
      const { present, nulls } = presenceOf(column.values);
      const values = nulls === 0 ? column.values : column.values.filter((v) => !Number.isNaN(v));
      return {
        pages: dataPage(count, present, bytes(values), PLAIN),
        dictionaryLength: 0,
        nulls,
        type: DOUBLE,
        encoding: PLAIN,
      };
    }
    case 'integer': {
      const isWhole = !isAnyNegative(column.values);
      const { present, nulls } = isWhole ? WHOLE : presence(count, (i) => column.values[i] >= 0);
      const values = nulls === 0 ? column.values : column.values.filter((v) => v >= 0);
      return {
        pages: dataPage(count, present, bytes(values), PLAIN),
        dictionaryLength: 0,
        nulls,
        type: INT32,
        encoding: PLAIN,
      };
    }
    case 'flag': {
      const isWhole = !column.values.includes(2);
      const { present, nulls } = isWhole ? WHOLE : presence(count, (i) => column.values[i] < 2);
      const values = nulls === 0 ? column.values : column.values.filter((v) => v < 2);
      return {
        pages: dataPage(count, present, packed(values, 1), PLAIN),
        dictionaryLength: 0,
        nulls,
        type: BOOLEAN,
        encoding: PLAIN,
      };
    }
  }
}

interface Presence {
  /** 1 for each row that has a value, as definition levels want it; null where all have. */
  readonly present: Uint8Array | null;
  readonly nulls: number;
}

/** Every row has a value. */
const WHOLE: Presence = { present: null, nulls: 0 };

function presence(count: number, has: (i: number) => boolean): Presence {
  let nulls = 0;
  const present = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    if (has(i)) present[i] = 1;
    else nulls++;
  }
  return { present: nulls === 0 ? null : present, nulls };
}

function isAnyNegative(values: Int32Array): boolean {
  for (let i = 0; i < values.length; i++) if (values[i] < 0) return true;
  return false;
}

/** The same of figures, most of which are all there. */
function presenceOf(values: Float64Array): Presence {
  let isWhole = true;
  for (let i = 0; i < values.length && isWhole; i++) isWhole = !Number.isNaN(values[i]);
  return isWhole ? WHOLE : presence(values.length, (i) => !Number.isNaN(values[i]));
}

/** A dictionary of the values that occur, in the order of the axis, and the places of them. */
function codedPages({ type, values, codes }: Coded, count: number): Pages {
  const places = new Int32Array(values.length).fill(-1);
  const nulls = markUsed(codes, places);
  const used: (number | string)[] = [];
  for (let v = 0; v < places.length; v++) if (places[v] === 0) places[v] = used.push(values[v]) - 1;
  const present = nulls > 0 ? Uint8Array.from(codes, (code) => (code < 0 ? 0 : 1)) : null;
  const isSame = nulls === 0 && used.length === values.length;
  const indices = isSame ? codes : placesOfCodes(codes, places, count - nulls);
  const width = Math.max(1, 32 - Math.clz32(Math.max(0, used.length - 1)));
  const dictionary = plainValues(used, type);
  const header = bytesOf(
    struct({
      1: i32(DICTIONARY_PAGE),
      2: i32(dictionary.length),
      3: i32(dictionary.length),
      7: struct({ 1: i32(used.length), 2: i32(PLAIN) }),
    }),
  );
  const body = joined([Uint8Array.of(width), hybrid(indices, width)]);
  return {
    pages: [header, dictionary, ...dataPage(count, present, body, RLE_DICTIONARY)],
    dictionaryLength: header.length + dictionary.length,
    nulls,
    type: type === 'text' ? BYTE_ARRAY : type === 'integer' ? INT64 : DOUBLE,
    ...(type === 'text' ? { logical: UTF8 } : {}),
    encoding: RLE_DICTIONARY,
  };
}

/** Sets the places of codes that occur to 0; returns how many rows have none. */
function markUsed(codes: Int32Array, places: Int32Array): number {
  let nulls = 0;
  for (let i = 0, before = -1; i < codes.length; i++) {
    const code = codes[i];
    if (code < 0) nulls++;
    else if (code !== before) places[code] = 0;
    before = code;
  }
  return nulls;
}

function placesOfCodes(codes: Int32Array, places: Int32Array, size: number): Int32Array {
  const out = new Int32Array(size);
  for (let i = 0, at = 0; i < codes.length; i++) if (codes[i] >= 0) out[at++] = places[codes[i]];
  return out;
}

function plainValues(values: readonly (number | string)[], type: Coded['type']): Uint8Array {
  if (type === 'double') return bytes(Float64Array.from(values as number[]));
  if (type === 'integer') return bytes(BigInt64Array.from(values as number[], BigInt));
  return joined(
    values.flatMap((value) => {
      const encoded = new TextEncoder().encode(value as string);
      return [int32(encoded.length), encoded];
    }),
  );
}

/** A data page of format 1, which every reader knows: header, definition levels, values. */
function dataPage(
  count: number,
  present: Uint8Array | null,
  body: Uint8Array,
  encoding: number,
): Uint8Array[] {
  const levels = present ? hybrid(present, 1) : run(1, count, 1);
  const size = 4 + levels.length + body.length;
  const header = bytesOf(
    struct({
      1: i32(DATA_PAGE),
      2: i32(size),
      3: i32(size),
      5: struct({ 1: i32(count), 2: i32(encoding), 3: i32(RLE), 4: i32(RLE) }),
    }),
  );
  return [header, int32(levels.length), levels, body];
}

/** The hybrid of runs and packed values: one run where all are alike, else all packed. */
function hybrid(values: Uint8Array | Int32Array, width: number): Uint8Array {
  if (values.length === 0) return new Uint8Array();
  const [first] = values;
  let alike = 1;
  while (alike < values.length && values[alike] === first) alike++;
  if (alike === values.length) return run(first, values.length, width);
  return joined([varint(Math.ceil(values.length / 8) * 2 + 1), packed(values, width)]);
}

function run(value: number, length: number, width: number): Uint8Array {
  const valueBytes = Array.from({ length: Math.ceil(width / 8) }, (_, i) => (value >>> (8 * i)) & 255);
  return joined([varint(length * 2), Uint8Array.from(valueBytes)]);
}

/** Values of so many bits each, the lowest bit first, in whole groups of eight. */
function packed(values: Uint8Array | Int32Array, width: number): Uint8Array {
  const out = new Uint8Array(Math.ceil(values.length / 8) * width);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    // At most 7 bits wait, so that 24 more fit.
    held |= values[i] << bits;
    bits += width;
    for (; bits >= 8; bits -= 8) {
      out[at++] = held & 255;
      held >>>= 8;
    }
  }
  if (bits > 0) out[at] = held & 255;
  return out;
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) out.push((left % 128) | 128);
  return Uint8Array.from([...out, left]);
}

const int32 = (value: number) => bytes(Int32Array.of(value));

/** Numbers as they lie in memory: Parquet is little-endian, as is every machine that Node runs on but s390x. */
function bytes(values: Float64Array | Int32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
