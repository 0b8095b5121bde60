/** One column of a table; `unit` is empty for counts and names. */
export interface Column {
  readonly name: string;
  readonly unit: string;
  readonly meaning: string;
}

export type Cell = string | number;

/** Measured numbers, as a CSV file and results.json hold them: enough to draw every figure again. */
export interface Table {
  readonly name: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export type Row = Readonly<Record<string, Cell>>;

/** A table from rows by name; a column is [meaning] or [meaning, unit]. */
export function tableOf(
  name: string,
  title: string,
  columns: Readonly<Record<string, readonly [meaning: string, unit?: string]>>,
  rows: readonly Row[],
): Table {
  const names = Object.keys(columns);
  return {
    name,
    title,
    columns: names.map((column) => {
      const [meaning, unit = ''] = columns[column] as readonly [string, string?];
      return { name: column, unit, meaning };
    }),
    rows: rows.map((row) => names.map((column) => row[column])),
  };
}

export function rowsOf(table: Table): Row[] {
  return table.rows.map((row) => Object.fromEntries(table.columns.map((c, i) => [c.name, row[i]])));
}

/** RFC 4180, numbers in full. */
export function csv(table: Table): string {
  const cell = (value: Cell): string => {
    const text = String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [table.columns.map((c) => c.name), ...table.rows]
    .map((row) => `${row.map(cell).join(',')}\n`)
    .join('');
}

/** Rows of one `key` together: their mean, least and greatest of each of `values`, in order of first appearance. */
export function spread(rows: readonly Row[], key: readonly string[], values: readonly string[]): Row[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const id = JSON.stringify(key.map((k) => row[k]));
    const group = groups.get(id);
    if (group) group.push(row);
    else groups.set(id, [row]);
  }
  return [...groups.values()].map((group) => {
    const out: Record<string, Cell> = {};
    for (const k of key) out[k] = group[0]?.[k];
    for (const v of values) {
      const all = group.map((row) => row[v] as number);
      out[v] = all.reduce((a, b) => a + b, 0) / all.length;
      out[`${v}Least`] = Math.min(...all);
      out[`${v}Greatest`] = Math.max(...all);
    }
    return out;
  });
}
