import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import type { Column } from '../../lib/sweep/columns.js';
import { toParquet } from '../../lib/sweep/parquet.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-parquet-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every kind of column, with so many rows; each kind with and without rows that have nothing. */
function columns(count: number): Map<string, Column> {
  const at = <T>(of: (i: number) => T) => Array.from({ length: count }, (_, i) => of(i));
  const figures = at((i) => (i % 3 === 0 ? Number.POSITIVE_INFINITY : Math.sin(i)));
  return new Map<string, Column>([
    ['all', { kind: 'double', values: Float64Array.from(figures) }],
    [
      'some',
      { kind: 'double', values: Float64Array.from(figures, (v, i) => (i % 5 === 2 ? Number.NaN : v)) },
    ],
    ['none', { kind: 'double', values: new Float64Array(count).fill(Number.NaN) }],
    ['rank', { kind: 'integer', values: Int32Array.from(at((i) => (i % 7 === 6 ? -1 : i))) }],
    ['unique', { kind: 'flag', values: Uint8Array.from(at((i) => i % 3)) }],
    ['sure', { kind: 'flag', values: Uint8Array.from(at((i) => i & 1)) }],
    [
      'who',
      {
        kind: 'coded',
        type: 'text',
        values: ['never', 'ä "quoted", name', 'b'],
        codes: Int32Array.from(at((i) => (i % 4 === 3 ? -1 : 1 + (i & 1)))),
      },
    ],
    [
      'seed',
      { kind: 'coded', type: 'integer', values: [2 ** 53 - 1, 5], codes: Int32Array.from(at((i) => i & 1)) },
    ],
    [
      'scale',
      {
        kind: 'coded',
        type: 'double',
        values: at((i) => i / 3),
        codes: Int32Array.from(at((i) => (i * 7) % Math.max(1, count))),
      },
    ],
    ['same', { kind: 'coded', type: 'double', values: [0.1, 0.5], codes: new Int32Array(count).fill(1) }],
  ]);
}

/** A cell as it was meant: null where there is none. */
function cell(column: Column, i: number): unknown {
  switch (column.kind) {
    case 'coded':
      return column.codes[i] < 0 ? null : column.values[column.codes[i]];
    case 'double':
      return Number.isNaN(column.values[i]) ? null : column.values[i];
    case 'integer':
      return column.values[i] < 0 ? null : column.values[i];
    case 'flag':
      return column.values[i] > 1 ? null : column.values[i] === 1;
  }
}

const written = (count: number) => {
  const path = join(folder, `${count}.parquet`);
  const pieces = toParquet({ count, columns: columns(count) }, { exolam: '{"version":1}', other: 'ü' });
  writeFileSync(path, Buffer.concat(pieces));
  return { path, bytes: Buffer.concat(pieces) };
};

describe.each([1, 7, 8, 9, 1000, 70_000])('a table of %i rows', (count) => {
  const { path, bytes } = written(count);
  const expected = columns(count);

  it('is what DuckDB reads', async () => {
    const connection = await (await DuckDBInstance.create()).connect();
    const reader = await connection.runAndReadAll(`SELECT * FROM '${path}'`);
    expect(reader.columnTypes().map(String)).toEqual([
      'DOUBLE',
      'DOUBLE',
      'DOUBLE',
      'INTEGER',
      'BOOLEAN',
      'BOOLEAN',
      'VARCHAR',
      'BIGINT',
      'DOUBLE',
      'DOUBLE',
    ]);
    const found = reader.getColumns();
    for (const [c, [name, column]] of [...expected].entries())
      for (let i = 0; i < count; i++) {
        const value = found[c][i];
        const plain = typeof value === 'bigint' ? Number(value) : value;
        if (plain !== cell(column, i)) expect(plain, `${name}[${i}]`).toBe(cell(column, i));
      }
    connection.closeSync();
  });

  it('is what hyparquet reads, with its metadata, in one row group', async () => {
    const buffer = new Uint8Array(bytes).buffer;
    const metadata = parquetMetadata(buffer);
    expect(metadata.row_groups).toHaveLength(1);
    expect(Number(metadata.num_rows)).toBe(count);
    expect(metadata.key_value_metadata).toEqual([
      { key: 'exolam', value: '{"version":1}' },
      { key: 'other', value: 'ü' },
    ]);
    const rows = await parquetReadObjects({ file: buffer });
    for (const i of [0, Math.floor(count / 2), count - 1])
      for (const [name, column] of expected) {
        const value = rows[i][name];
        expect(typeof value === 'bigint' ? Number(value) : (value ?? null), `${name}[${i}]`).toBe(
          cell(column, i),
        );
      }
  });
});

const python = (program: string, ...args: string[]) =>
  spawnSync('python3', ['-c', program, ...args], { encoding: 'utf8' });

/** Those that this machine's Python has: a demand of no other machine. DuckDB and hyparquet read the same on every one. */
const readers = [
  ['pandas', 'import pandas, pyarrow', 'pandas.read_parquet(path)'],
  ['polars', 'import polars', 'polars.read_parquet(path)'],
].filter(([, imports]) => python(imports as string).status === 0);

describe.runIf(readers.length > 0).each(readers)('a table in Python, by %s', (_, imports, read) => {
  it('has every value, with what is absent as missing', () => {
    const { path } = written(1000);
    const program = `${imports}
import sys, json
path = sys.argv[1]
table = ${read}
column = lambda name: [None if v is None or v != v else v for v in table[name].to_list()]
print(json.dumps({name: [str(v) if v in (float('inf'), float('-inf')) else v for v in column(name)] for name in table.columns}))`;
    const { stdout, stderr } = python(program, path);
    expect(stderr).toBe('');
    const found = JSON.parse(stdout) as Record<string, unknown[]>;
    for (const [name, column] of columns(1000))
      expect(found[name]).toEqual(
        Array.from({ length: 1000 }, (_, i) => {
          const value = cell(column, i);
          return value === Number.POSITIVE_INFINITY ? 'inf' : value;
        }),
      );
  });
});
