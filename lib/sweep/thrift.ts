/** Thrift's compact protocol, as far as Parquet's footer and page headers need it. */

const I32 = 5;
const I64 = 6;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

/** A field: its type, and what writes its value. */
export interface Field {
  readonly type: number;
  readonly write: (out: number[]) => void;
}

function varint(out: number[], value: number): void {
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) out.push((left % 128) | 128);
  out.push(left);
}

/** Zigzag, of integers up to 2^52 in size. */
const signed = (value: number) => (value < 0 ? -2 * value - 1 : 2 * value);

export const i32 = (value: number): Field => ({ type: I32, write: (out) => varint(out, signed(value)) });
export const i64 = (value: number): Field => ({ type: I64, write: (out) => varint(out, signed(value)) });
export const text = (value: string): Field => ({
  type: BINARY,
  write: (out) => {
    const bytes = new TextEncoder().encode(value);
    varint(out, bytes.length);
    for (const byte of bytes) out.push(byte);
  },
});

/** A list of one type, at least one entry. */
export const list = (items: readonly Field[]): Field => ({
  type: LIST,
  write: (out) => {
    const type = items[0]?.type ?? STRUCT;
    if (items.length < 15) out.push((items.length << 4) | type);
    else {
      out.push(0xf0 | type);
      varint(out, items.length);
    }
    for (const item of items) item.write(out);
  },
});

/** A struct of its fields by id, ascending; those that are absent are left out. */
export const struct = (fields: Readonly<Record<number, Field | undefined>>): Field => ({
  type: STRUCT,
  write: (out) => {
    let before = 0;
    for (const [key, field] of Object.entries(fields)) {
      if (!field) continue;
      const id = Number(key);
      if (id - before <= 15) out.push(((id - before) << 4) | field.type);
      else {
        out.push(field.type);
        varint(out, signed(id));
      }
      before = id;
      field.write(out);
    }
    out.push(0);
  },
});

export function bytesOf(field: Field): Uint8Array {
  const out: number[] = [];
  field.write(out);
  return Uint8Array.from(out);
}
