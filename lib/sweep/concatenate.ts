import type { Coded, Column, Table } from './columns.js';

/** A table that also says in which round of a refinement its rows were asked for. */
export function withRefinement(table: Table, round: number): Table {
  const column: Coded = {
    kind: 'coded',
    type: 'integer',
    values: [round],
    codes: new Int32Array(table.count),
  };
  const columns = new Map<string, Column>();
  for (const [name, own] of table.columns) {
    columns.set(name, own);
    if (name === 'latentDim') columns.set('refinement', column);
  }
  return { count: table.count, columns };
}

/** The rows of tables of the same columns, one after the other. */
export function concatenated(tables: readonly Table[]): Table {
  const count = tables.reduce((sum, table) => sum + table.count, 0);
  const columns = new Map<string, Column>();
  for (const name of tables[0].columns.keys())
    columns.set(
      name,
      joined(
        tables.map((table) => table.columns.get(name) as Column),
        count,
      ),
    );
  return { count, columns };
}

function joined(columns: readonly Column[], count: number): Column {
  const [first] = columns;
  if (first.kind === 'coded') return joinedCodes(columns as readonly Coded[], count);
  const values =
    first.kind === 'double'
      ? new Float64Array(count)
      : first.kind === 'flag'
        ? new Uint8Array(count)
        : new Int32Array(count);
  let at = 0;
  for (const column of columns as readonly Exclude<Column, Coded>[]) {
    values.set(column.values, at);
    at += column.values.length;
  }
  return { kind: first.kind, values } as Column;
}

/** One list of values for all, each once. */
function joinedCodes(columns: readonly Coded[], count: number): Coded {
  const places = new Map<number | string, number>();
  const codes = new Int32Array(count);
  let at = 0;
  for (const column of columns) {
    const map = column.values.map((value) => {
      const known = places.get(value);
      if (known !== undefined) return known;
      places.set(value, places.size);
      return places.size - 1;
    });
    for (const code of column.codes) codes[at++] = code < 0 ? -1 : map[code];
  }
  return { kind: 'coded', type: columns[0].type, values: [...places.keys()], codes };
}
