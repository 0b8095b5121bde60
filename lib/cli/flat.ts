/** Nested answers as flat rows of named cells, for CSV and Parquet. */

export type Cell = number | string | boolean | null;
export type FlatRow = ReadonlyMap<string, Cell>;

/** Below these keys a value is one cell of JSON: matrices, projections and parts of a composition have no width of their own. */
const WHOLE = new Set(['matrices', 'projection', 'parts', 'C', 'D']);

/** `{ a: { b: 1 }, c: [2, 3] }` as `a.b`, `c.0`, `c.1`. */
export function flatten(value: unknown, prefix = '', row = new Map<string, Cell>()): Map<string, Cell> {
  const list = ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<number>) : value;
  const key = prefix.slice(prefix.lastIndexOf('.') + 1);
  if (list === undefined) return row;
  if (list === null || typeof list !== 'object') row.set(prefix, list as Cell);
  else if (WHOLE.has(key)) row.set(prefix, JSON.stringify(list));
  else
    for (const [name, inner] of Object.entries(list))
      flatten(inner, prefix ? `${prefix}.${name}` : name, row);
  return row;
}

/** Every column that some row has, in the order in which they appear first. */
export function columnsOf(rows: readonly FlatRow[]): string[] {
  return [...new Set(rows.flatMap((row) => [...row.keys()]))];
}

function csvCell(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return '';
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : cell > 0 ? 'inf' : '-inf';
  const text = String(cell);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** RFC 4180, a header first; an absent value is empty, an infinite one inf. */
export function toCsv(rows: readonly FlatRow[]): string {
  const columns = columnsOf(rows);
  const lines = rows.map((row) => columns.map((name) => csvCell(row.get(name))).join(','));
  return `${[columns.map(csvCell).join(','), ...lines].join('\n')}\n`;
}

/** One Parquet file: numbers as doubles (infinite ones as they are), text and truth values as such, null where absent. */
export async function toParquet(rows: readonly FlatRow[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const columnData = columnsOf(rows).map((name) => {
    const cells = rows.map((row) => row.get(name) ?? null);
    const kinds = new Set(cells.filter((cell) => cell !== null).map((cell) => typeof cell));
    const type =
      kinds.size > 1
        ? 'STRING'
        : kinds.has('number')
          ? 'DOUBLE'
          : kinds.has('boolean')
            ? 'BOOLEAN'
            : 'STRING';
    const data = kinds.size > 1 ? cells.map((cell) => (cell === null ? null : String(cell))) : cells;
    return { name, data, type: type as 'DOUBLE', nullable: true };
  });
  return new Uint8Array(parquetWriteBuffer({ columnData, codec: 'SNAPPY' }));
}
