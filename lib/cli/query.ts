import { type Command, Option } from 'commander';
import { type QueryAnswer, querySweep } from '../sweep/query.js';
import { toCsv } from './flat.js';
import { toJson } from './json.js';
import type { Shell } from './run.js';
import { table } from './table.js';

export interface QueryFlags {
  readonly format?: 'table' | 'csv' | 'json';
  readonly json?: boolean;
}

/** `exolam query DIR "SQL"`: a question to the rows of a sweep. */
export async function queryCommand(dir: string, sql: string, flags: QueryFlags, shell: Shell): Promise<void> {
  const answer = await querySweep(dir, sql);
  const format = flags.json ? 'json' : (flags.format ?? 'table');
  shell.out(format === 'table' ? tableOf(answer) : format === 'csv' ? csvOf(answer) : jsonOf(answer));
}

const cell = (value: unknown): string => {
  if (value === null) return '';
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value)
    ? String(value)
    : Number.isFinite(value)
      ? String(Number(value.toPrecision(6)))
      : 'inf';
};

function tableOf({ columns, rows }: QueryAnswer): string {
  return `${table(
    columns,
    rows.map((row) => row.map(cell)),
  )}\n`;
}

function csvOf({ columns, rows }: QueryAnswer): string {
  if (rows.length === 0) return `${columns.join(',')}\n`;
  return toCsv(
    rows.map((row) => new Map(columns.map((name, c) => [name, row[c] as string | number | null]))),
  );
}

function jsonOf({ columns, rows }: QueryAnswer): string {
  return `${toJson(rows.map((row) => Object.fromEntries(columns.map((name, c) => [name, row[c]]))))}\n`;
}

export function addQueryCommand(root: Command, shell: Shell): void {
  root
    .command('query')
    .description('a question in SQL to the rows of a sweep, the table "sweep" (through DuckDB)')
    .argument('<dir>', 'the folder of a sweep')
    .argument('<sql>', 'such as "SELECT objective, avg(innovationLeakage) FROM sweep GROUP BY objective"')
    .addOption(new Option('--format <f>', 'of the answer').choices(['table', 'csv', 'json']).default('table'))
    .option('--json', 'print JSON (what --format json does)')
    .action((dir: string, sql: string, flags: QueryFlags) => queryCommand(dir, sql, flags, shell));
}
