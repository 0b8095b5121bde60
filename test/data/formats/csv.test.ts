import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, scratch } from '../files.js';

const file = scratch();
const values = [0.25, -1.5, 3, 4e-3, 7, -0.125];
const rows = values.map((v, i) => [i < 3 ? 0 : 1, v, v * v] as const);
const right = [0.25, -1.5, 4e-3, 7].flatMap((v) => [v, v * v]);

function written(text: string, name = 'd.csv'): string {
  writeFileSync(file(name), name.endsWith('.gz') ? gzipSync(text) : text);
  return file(name);
}

const table = (mark: string, cell = (v: number) => String(v)) =>
  [['episode_index', 'obs_0', 'obs_1'], ...rows.map((row) => row.map((v) => cell(v)))]
    .map((row) => row.join(mark))
    .join('\n');

describe('dialects of CSV give the same numbers', () => {
  test.each([
    ['commas', table(',')],
    ['semicolons', table(';')],
    ['tabs', table('\t')],
    ['decimal commas', table(';', (v) => String(v).replace('.', ','))],
    ['decimal commas, tabs', table('\t', (v) => String(v).replace('.', ','))],
    ['quotes', table(',', (v) => `"${v}"`).replace('obs_0', '"obs_0"')],
    ['a comment before the header', `# recorded 2026, by hand\n${table(',')}`],
    ['a header in a comment, as numpy.savetxt writes it', `# ${table(',')}`],
    ['a comment between rows', table(',').replace('\n1,', '\n# second\n1,')],
    ['a byte order mark and other line ends', `\uFEFF${table(',').replaceAll('\n', '\r\n')}`],
    ['trailing commas', table(',').replaceAll('\n', ',,\n').concat(',,')],
    ['two columns of one name that are not read', table(',').replaceAll('\n', ',x,x\n').concat(',x,x')],
  ])('%s', async (_, text) => {
    for (const name of ['d.csv', 'd.csv.gz', 'd.tsv']) {
      const t = await openData(written(text, name));
      expect([...t.observation]).toEqual(right);
      expect([...t.episode]).toEqual([0, 0, 1, 1]);
    }
  });

  test('booleans as words', async () => {
    const cells = (...words: string[]) => `obs_0,obs_1\n${words.map((w, i) => `${w},${i}`).join('\n')}`;
    for (const words of [
      ['True', 'False', 'True', 'True', 'False'],
      ['true', 'FALSE', 'TRUE', 'true', 'false'],
    ]) {
      const t = await openData(written(cells(...words)));
      expect([...t.observation]).toEqual([1, 0, 0, 1, 1, 2, 1, 3]);
    }
  });

  test.each([
    ['0x1A', /column obs_1 holds "0x1A" in line 4/],
    ['0b1', /holds "0b1" in line 4/],
    ['1e', /holds "1e" in line 4/],
    ['1 2', /holds "1 2" in line 4/],
    ['', /column obs_1, line 4, is NaN/],
    ['-inf', /column obs_1, line 4, is -Infinity/],
  ])('a cell that is no number: %s', async (cell, expected) => {
    const text = table(',').replace('\n0,3,9', `\n0,3,${cell}`);
    expect((await failure(openData(written(text)))).message).toMatch(expected);
  });

  test('a decimal comma in a table of commas is an error, not two numbers', async () => {
    expect((await failure(openData(written(table(',').replace('0.25', '0,25'))))).message).toMatch(
      /cannot be read as CSV/,
    );
  });

  test('gzip cut short', async () => {
    const text = table(',').concat('\n', '1,2,3\n'.repeat(2000));
    writeFileSync(file('cut.csv.gz'), gzipSync(text).subarray(0, 60));
    const { kind, message } = await failure(openData(file('cut.csv.gz')));
    expect(kind).toBe('data');
    expect(message).toMatch(/cannot be read as gzip \(truncated\?\)/);
  });

  test('time grows with the number of columns, not with its square', async () => {
    const time = async (columns: number) => {
      const names = Array.from({ length: columns }, (_, j) => `obs_${j}`);
      const row = () => names.map(() => Math.floor(Math.random() * 10)).join(',');
      const path = written(`${names.join(',')}\n${row()}\n${row()}`, 'wide.csv');
      const start = process.cpuUsage();
      await failure(openData(path)); // one transition is too few: everything before is timed
      const { user, system } = process.cpuUsage(start);
      return user + system;
    };
    await time(5_000);
    const few = await time(10_000);
    expect(await time(80_000)).toBeLessThan(Math.max(8 * 4 * few, 2e6));
  });
});

test('a line end in a quoted name does not make two sentences of a message', async () => {
  const { message } = await failure(openData(written('"obs\n1",a\n1,2\n2,3\n'), { observation: 'state_*' }));
  expect(message).toContain('obs 1');
  expect(message).not.toContain('\n');
});
