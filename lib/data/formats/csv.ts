import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import type { Control } from '../../backend/requests.js';
import { ExolamError } from '../../base/errors.js';
import { cancelled } from '../progress.js';

/** One record is a row of numbers: longer than this, it is an unclosed quote. */
const LONGEST_RECORD = 1 << 24;

/** Column names of a CSV file: its first record. */
export async function csvHeader(path: string, control: Control): Promise<string[]> {
  for await (const { record } of records(path, control)) return record;
  throw new ExolamError('data', `${path} is empty; a CSV file begins with a line of column names`);
}

/** One (rows, columns) matrix per group of column names. */
export async function csvMatrices(
  path: string,
  groups: readonly (readonly string[])[],
  control: Control,
): Promise<{ values: Float64Array; dim: number }[]> {
  const matrices = groups.map((group) => new Growing(group.length));
  let columns: number[][] | undefined;
  for await (const { record, line } of records(path, control)) {
    if (!columns) {
      columns = groups.map((group) => group.map((name) => record.indexOf(name)));
      continue;
    }
    columns.forEach((group, g) => {
      for (let j = 0; j < group.length; j++) {
        const text = record[group[j]];
        matrices[g]?.push(toNumber(text, path, groups[g]?.[j], line));
      }
    });
  }
  return matrices.map((matrix) => ({ values: matrix.values(), dim: matrix.dim }));
}

/** Words that programs write for a missing or infinite number: read as such, so that the message about them is the one for all formats. */
const NOT_FINITE: Readonly<Record<string, number>> = {
  '': Number.NaN,
  nan: Number.NaN,
  na: Number.NaN,
  null: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

function toNumber(text: string, path: string, column: string, line: number): number {
  const value = Number(text);
  if (text !== '' && !Number.isNaN(value)) return value;
  const word = NOT_FINITE[text.toLowerCase()];
  if (word !== undefined) return word;
  throw new ExolamError(
    'data',
    `${path}: column ${column} holds "${text.slice(0, 40)}" in line ${line}; every value must be a number`,
  );
}

async function* records(path: string, control: Control): AsyncGenerator<{ record: string[]; line: number }> {
  const source = createReadStream(path);
  const parser = parse({
    bom: true,
    trim: true,
    skip_empty_lines: true,
    max_record_size: LONGEST_RECORD,
    info: true,
  });
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const item of parser) {
      if (control.signal?.aborted) throw cancelled();
      const { record, info } = item as { record: string[]; info: { lines: number } };
      yield { record, line: info.lines };
    }
  } catch (cause) {
    if (cause instanceof CsvError)
      throw new ExolamError('data', `${path} cannot be read as CSV (truncated?): ${cause.message}`, {
        cause,
      });
    throw cause;
  } finally {
    source.destroy();
  }
}

/** A row-major matrix whose number of rows is not known yet. */
class Growing {
  private data = new Float64Array(1024);
  private used = 0;
  constructor(readonly dim: number) {}

  push(value: number): void {
    if (this.used === this.data.length) {
      const larger = new Float64Array(2 * this.used);
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.used++] = value;
  }

  values(): Float64Array {
    return this.data.slice(0, this.used);
  }
}
