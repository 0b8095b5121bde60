import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Control } from '../../backend/requests.js';
import { ExolamError, oneLine } from '../../base/errors.js';
import { requireMemory } from '../../base/memory.js';
import { cancelled } from '../progress.js';
import type { Table } from './table.js';

/** One record is a row of numbers: longer than this, it is an unclosed quote. */
const LONGEST_RECORD = 1 << 26;
/** Enough of a file to see how it is written. */
const SAMPLE = 1 << 16;

/** How a table is written: its separator, and its column names where a comment holds them, as numpy.savetxt writes it. */
interface Dialect {
  readonly delimiter: string;
  readonly header: readonly string[] | undefined;
}

/** A table of text: separated by comma, semicolon or tab, with or without comment lines (#), plain or gzipped. */
export async function openCsv(path: string, control: Control): Promise<Table> {
  const dialect = await dialectOf(path);
  const names = dialect.header ?? (await firstRecord(path, dialect, control));
  return { names, read: (groups) => csvMatrices(path, dialect, names, groups, control) };
}

async function firstRecord(path: string, dialect: Dialect, control: Control): Promise<readonly string[]> {
  for await (const { record } of records(path, dialect, control)) return record.map(oneLine);
  throw new ExolamError('data', `${path} is empty; a CSV file begins with a line of column names`);
}

/** One (rows, columns) matrix per group of column names. */
async function csvMatrices(
  path: string,
  dialect: Dialect,
  names: readonly string[],
  groups: readonly (readonly string[])[],
  control: Control,
) {
  const at = new Map(names.map((name, column) => [name, column]));
  const columns = groups.map((group) => group.map((name) => at.get(name) as number));
  const matrices = groups.map((group) => new Growing(group.length, path));
  const lines: number[] = [];
  const decimalComma = dialect.delimiter !== ',';
  let heading = dialect.header === undefined;
  for await (const { record, line } of records(path, dialect, control)) {
    if (heading) {
      heading = false;
      continue;
    }
    lines.push(line);
    columns.forEach((group, g) => {
      for (let j = 0; j < group.length; j++)
        matrices[g]?.push(toNumber(record[group[j]], decimalComma, path, groups[g]?.[j], line));
    });
  }
  return matrices.map((matrix, g) => ({
    values: matrix.values(),
    dim: matrix.dim,
    place: (row: number, column: number) => `column ${groups[g]?.[column]}, line ${lines[row]},`,
  }));
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const DECIMAL_COMMA = /^[+-]?\d*,\d+([eE][+-]?\d+)?$/;

/** Words that programs write for truth, and for a missing or infinite number: the latter are read as such, so that the message about them is the one for all formats. */
const WORDS: Readonly<Record<string, number>> = {
  true: 1,
  false: 0,
  '': Number.NaN,
  nan: Number.NaN,
  na: Number.NaN,
  'n/a': Number.NaN,
  none: Number.NaN,
  null: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '+inf': Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  infinity: Number.POSITIVE_INFINITY,
  '-infinity': Number.NEGATIVE_INFINITY,
};

function toNumber(text: string, decimalComma: boolean, path: string, column: string, line: number): number {
  if (NUMBER.test(text)) return Number(text);
  if (decimalComma && DECIMAL_COMMA.test(text)) return Number(text.replace(',', '.'));
  const word = WORDS[text.toLowerCase()];
  if (word !== undefined) return word;
  throw new ExolamError(
    'data',
    `${path}: column ${column} holds ${JSON.stringify(text.slice(0, 40))} in line ${line}; every value must be a number`,
  );
}

/** The separator that is there most often in the first line that is no comment. */
async function dialectOf(path: string): Promise<Dialect> {
  const lines = (await sampleOf(path)).split(/\r?\n/).filter((line) => line.trim() !== '');
  const first = lines.findIndex((line) => !line.startsWith('#'));
  const line = lines[first] ?? '';
  const bare = line.replace(/"[^"]*"?/g, '');
  const counts = [',', ';', '\t'].map((mark) => [mark, bare.split(mark).length - 1] as const);
  const [delimiter] = counts.reduce((best, next) => (next[1] > best[1] ? next : best));
  const split = (text: string) => text.split(delimiter).map((cell) => cell.trim());
  // Names in a comment, and numbers from the next line on.
  const heading = first > 0 ? split((lines[first - 1] as string).slice(1)) : [];
  const cells = split(line);
  const numbers = cells.every((cell) => NUMBER.test(cell) || cell.toLowerCase() in WORDS);
  return { delimiter, header: numbers && heading.length === cells.length ? heading : undefined };
}

async function sampleOf(path: string): Promise<string> {
  let text = '';
  try {
    for await (const chunk of bytesOf(path)) {
      text += (chunk as Buffer).toString('utf8');
      if (text.length > SAMPLE) break;
    }
  } catch (cause) {
    if (!(cause as NodeJS.ErrnoException).code?.startsWith('Z_')) throw cause;
    throw unreadable(path, (cause as Error).message, 'gzip');
  }
  return text.replace(/^\uFEFF/, '');
}

const isGzip = (path: string) => path.toLowerCase().endsWith('.gz');

function bytesOf(path: string): Readable {
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  if (!isGzip(path)) return source;
  const unpacked = createGunzip();
  source.on('error', (error) => unpacked.destroy(error));
  unpacked.on('close', () => source.destroy());
  return source.pipe(unpacked);
}

/** The records of a table, its comment lines and empty lines left out, and the line in which each one ends. */
async function* records(
  path: string,
  { delimiter }: Dialect,
  control: Control,
): AsyncGenerator<{ record: string[]; line: number }> {
  let width = 0;
  for await (const { text, line } of joinedLines(path)) {
    if (control.signal?.aborted) throw cancelled();
    if (text.startsWith('#') || text.trim() === '') continue;
    const record = text.includes('"') ? unquoted(text, delimiter) : text.split(delimiter);
    for (let j = 0; j < record.length; j++) record[j] = (record[j] as string).trim();
    width ||= record.length;
    if (record.length !== width)
      throw unreadable(path, `${width} fields are expected, and line ${line} has ${record.length}`);
    yield { record, line };
  }
}

/** Lines, those joined between which a quote stands open. */
async function* joinedLines(path: string): AsyncGenerator<{ text: string; line: number }> {
  const decoder = new TextDecoder('utf-8');
  let held = '';
  let open = '';
  let line = 0;
  const joined = (text: string): string | undefined => {
    line++;
    const whole = open === '' ? text : `${open}\n${text}`;
    const quotes = whole.includes('"') ? whole.split('"').length - 1 : 0;
    open = quotes % 2 === 1 ? whole : '';
    return open === '' ? whole : undefined;
  };
  try {
    for await (const chunk of bytesOf(path)) {
      const parts = (held + decoder.decode(chunk as Buffer, { stream: true })).split(/\r?\n/);
      held = parts.pop() as string;
      if (held.length + open.length > LONGEST_RECORD)
        throw unreadable(path, `line ${line + 1} does not end (an unclosed quote?)`);
      for (const part of parts) {
        const text = joined(part);
        if (text !== undefined) yield { text, line };
      }
    }
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code?.startsWith('Z_')
      ? unreadable(path, (cause as Error).message, 'gzip')
      : cause;
  }
  const last = joined(held + decoder.decode());
  if (last === undefined) throw unreadable(path, 'a quote is not closed');
  if (last !== '') yield { text: last, line };
}

/** Fields of a record with quotes: a quoted one may hold separators, line ends and, doubled, quotes. */
function unquoted(text: string, delimiter: string): string[] {
  const field = new RegExp(`\\s*"((?:[^"]|"")*)"[^"${delimiter}]*|[^${delimiter}]*`, 'y');
  const fields: string[] = [];
  for (let at = 0; at <= text.length; at = field.lastIndex + 1) {
    field.lastIndex = at;
    const found = field.exec(text);
    if (!found) break;
    fields.push(found[1] === undefined ? found[0] : found[1].replaceAll('""', '"'));
  }
  return fields;
}

function unreadable(path: string, why: string, format = 'CSV'): ExolamError {
  return new ExolamError(
    'data',
    `${path} cannot be read as ${format} (truncated?): ${why.replace(/\s+/g, ' ')}`,
  );
}

/** A row-major matrix whose number of rows is not known yet. */
class Growing {
  private data = new Float64Array(1024);
  private used = 0;
  constructor(
    readonly dim: number,
    private readonly path: string,
  ) {}

  push(value: number): void {
    if (this.used === this.data.length) {
      requireMemory(16 * this.used, `the numbers of ${this.path}`);
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
