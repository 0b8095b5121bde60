import { join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { PARTS, readSweepFile } from './folder.js';

/** Rows of an answer: names of columns, and cells as JSON has them, infinite numbers as numbers. */
export interface QueryAnswer {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

/**
 * Asks a sweep in SQL: its rows are the table `sweep`, and `constants` holds what is the same in all of them. DuckDB, which is not
 * installed with exolam, reads the parts as they are.
 */
export async function querySweep(dir: string, sql: string): Promise<QueryAnswer> {
  const file = await readSweepFile(dir);
  if (!file)
    throw new ExolamError('input', `${dir}: expected the folder of a sweep, with spec.json and ${PARTS}/`);
  const { DuckDBInstance } = await engine();
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  try {
    const parts = quoted(join(dir, PARTS, '*.parquet'));
    await connection
      .run(`CREATE VIEW sweep AS SELECT * FROM read_parquet(${parts})`)
      .catch((cause: unknown) => {
        throw new ExolamError('data', `${dir}: expected parts that DuckDB reads, but ${firstLine(cause)}`, {
          cause,
        });
      });
    const constants = Object.entries(file.constants).filter(([, value]) => typeof value !== 'object');
    const cells = constants.map(
      ([name, value]) => `${typeof value === 'string' ? quoted(value) : `${value}::DOUBLE`} AS "${name}"`,
    );
    await connection.run(`CREATE VIEW constants AS SELECT ${cells.join(', ')}`);
    const reader = await connection.runAndReadAll(sql).catch((cause: unknown) => {
      throw new ExolamError('input', `SQL: ${firstLine(cause)}`, { cause });
    });
    return { columns: reader.columnNames(), rows: reader.getRowsJS().map((row) => row.map(plain)) };
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}

async function engine() {
  try {
    return await import('@duckdb/node-api');
  } catch (cause) {
    throw new ExolamError('unsupported', 'sweeps are queried by DuckDB: npm install @duckdb/node-api', {
      cause,
    });
  }
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** Of what DuckDB says the sentence, without the query that it repeats below. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}

/** Integers as numbers where they are exact; what JSON has no form for as text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value === null || ['number', 'string', 'boolean'].includes(typeof value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  return String(value);
}
