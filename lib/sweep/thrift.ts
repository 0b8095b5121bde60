/** Thrift's compact protocol, as far as Parquet's footer and page headers need it. */

const I32 = 5;
const I64 = 6;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

/** A field as data: what writes it is one function, which the engine then compiles once. */
export interface Field {
  readonly type: number;
  /** Of integers, text, a list, or a struct's fields and their ids, ascending. */
  readonly value: number | string | readonly Field[];
  readonly ids?: readonly number[];
}

export const i32 = (value: number): Field => ({ type: I32, value });
export const i64 = (value: number): Field => ({ type: I64, value });
export const text = (value: string): Field => ({ type: BINARY, value });

/** A list of one type, at least one entry. */
export const list = (items: readonly Field[]): Field => ({ type: LIST, value: items });

/** A struct of its fields by id, ascending; those that are absent are left out. */
export function struct(fields: Readonly<Record<number, Field | undefined>>): Field {
  const there = Object.entries(fields).filter((entry): entry is [string, Field] => entry[1] !== undefined);
  return { type: STRUCT, value: there.map(([, field]) => field), ids: there.map(([id]) => Number(id)) };
}

export function bytesOf(field: Field): Uint8Array {
  const out: number[] = [];
  write(out, field);
  return Uint8Array.from(out);
}

function write(out: number[], { type, value, ids }: Field): void {
  if (typeof value === 'number') varint(out, signed(value));
  else if (typeof value === 'string') {
    const bytes = UTF8.encode(value);
    varint(out, bytes.length);
    for (const byte of bytes) out.push(byte);
  } else if (type === STRUCT) writeStruct(out, value, ids ?? []);
  else writeList(out, value);
}

function writeList(out: number[], items: readonly Field[]): void {
  const type = items[0]?.type ?? STRUCT;
  if (items.length < 15) out.push((items.length << 4) | type);
  else {
    out.push(0xf0 | type);
    varint(out, items.length);
  }
  for (const item of items) write(out, item);
}

function writeStruct(out: number[], fields: readonly Field[], ids: readonly number[]): void {
  let before = 0;
  for (const [i, field] of fields.entries()) {
    if (ids[i] - before <= 15) out.push(((ids[i] - before) << 4) | field.type);
    else {
      out.push(field.type);
      varint(out, signed(ids[i]));
    }
    before = ids[i];
    write(out, field);
  }
  out.push(0);
}

const UTF8 = new TextEncoder();

function varint(out: number[], value: number): void {
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) out.push((left % 128) | 128);
  out.push(left);
}

/** Zigzag, of integers up to 2^52 in size. */
const signed = (value: number) => (value < 0 ? -2 * value - 1 : 2 * value);
