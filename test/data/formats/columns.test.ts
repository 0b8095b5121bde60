import { readFileSync, writeFileSync } from 'node:fs';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { matchNames } from '../../../lib/data/names.js';
import { openData } from '../../../lib/data/open.js';
import { failure, scratch } from '../files.js';

const file = scratch();
type Cells = readonly (number | string | null)[];

function csv(columns: Readonly<Record<string, Cells>>): string {
  const names = Object.keys(columns);
  const rows = columns[names[0]!]!.map((_, row) => names.map((name) => columns[name]![row] ?? '').join(','));
  writeFileSync(file('table.csv'), `${[names.join(','), ...rows].join('\n')}\n`);
  return file('table.csv');
}

function parquet(columns: Readonly<Record<string, Cells>>): string {
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data: [...data] }));
  writeFileSync(file('table.parquet'), Buffer.from(parquetWriteBuffer({ columnData })));
  return file('table.parquet');
}

const wave = (rows: number, seed: number) =>
  Array.from({ length: rows }, (_, i) => Math.sin(seed + i) + 0.25);

describe('names', () => {
  test('natural order, several patterns, what the star stood for', () => {
    expect(matchNames('obs_*', ['obs_10', 'obs_2', 'x', 'obs_1']).map(({ star }) => star)).toEqual([
      '1',
      '2',
      '10',
    ]);
    expect(matchNames('y, x*', ['x2', 'x1', 'y']).map(({ name }) => name)).toEqual(['y', 'x1', 'x2']);
    expect(matchNames('a.b', ['axb'])).toEqual([]);
  });
});

describe.each([
  ['csv', csv],
  ['parquet', parquet],
] as const)('%s', (_, table) => {
  test('frames of episodes, columns in natural order', async () => {
    const columns: Record<string, Cells> = { episode_index: [4, 4, 4, 4, 9, 9, 9] };
    for (const j of [10, 2, 1]) columns[`obs_${j}`] = wave(7, j);
    columns['act_0'] = wave(7, 50);
    const t = await openData(table(columns));
    expect([...t.episode]).toEqual([4, 4, 4, 9, 9]);
    expect([...t.observation.subarray(0, 3)]).toEqual([1, 2, 10].map((j) => wave(7, j)[0]));
    expect([...t.observationNext.subarray(9, 12)]).toEqual([1, 2, 10].map((j) => wave(7, j)[5]));
    expect(t.action![3]).toBe(wave(7, 50)[4]);
  });

  test('transitions with next_*, a pair and exogenous columns', async () => {
    const names = [
      'obs_0',
      'obs_1',
      'next_0',
      'next_1',
      'exo_next_0',
      'pair_0',
      'pair_1',
      'pair_next_0',
      'pair_next_1',
    ];
    const t = await openData(table(Object.fromEntries(names.map((name, seed) => [name, wave(5, seed)]))));
    expect([t.count, t.observationDim, t.actionDim, t.exogenousDim]).toEqual([5, 2, 0, 1]);
    expect(t.observationNext[3]).toBe(wave(5, 3)[1]);
    expect(t.pairObservationNext![2]).toBe(wave(5, 7)[1]);
  });

  test('without an episode column, one episode, and that is said', async () => {
    const t = await openData(table({ x: wave(6, 1), y: wave(6, 2), u: wave(6, 3) }), {
      observation: 'x,y',
      action: 'u',
    });
    expect([t.count, t.observationDim, t.actionDim]).toEqual([5, 2, 1]);
    expect(t.notes.join()).toMatch(/all rows are taken as one episode/);
  });

  test.each<[Record<string, Cells>, RegExp]>([
    [{ a: wave(6, 1) }, /--observation 'obs_\*' matches no column of .*; columns: a/],
    [
      { obs_0: wave(6, 1), obs_1: wave(6, 2), next_0: wave(6, 3) },
      /1 of 2 columns next_0 ... next_1 .*; next_1 is missing/,
    ],
    [{ obs_0: wave(6, 1), episode: [1, 1, 2, 2, 1, 1] }, /episode 1 comes back in row 4/],
    [
      { obs_0: wave(6, 1), episode: [1, 1, 1, 1.5, 2, 2] },
      /episode is 1.5 in row 3; expected a whole number/,
    ],
    [{ obs_0: ['a', 'b', 'c', 'd', 'e', 'f'] }, /column obs_0 (holds "a" in line 2|has text in row 0)/],
    [{ obs_0: [3, 3, 3, 3, 3, 3] }, /the observation is constant: its only coordinate holds/],
    [{ obs_0: [1] }, /the only episode has 1 frame/],
    [
      { obs_0: [0.5, 1.5, null, 2, 3, 4], z: wave(6, 1) },
      /column obs_0, line 4, is NaN|obs_0 has a missing value in row 2/,
    ],
  ])('what cannot be used: case %#', async (columns, expected) => {
    const { kind, message } = await failure(openData(table(columns)));
    expect(['data', 'input']).toContain(kind);
    expect(message).toMatch(expected);
  });
});

describe('csv', () => {
  test('infinity, by word', async () => {
    const { message } = await failure(openData(csv({ obs_0: [0.5, 1, '-inf', 2, 3] })));
    expect(message).toMatch(/column obs_0, line 4, is -Infinity/);
  });

  test('cut in the middle of a line, and empty', async () => {
    writeFileSync(file('cut.csv'), 'obs_0,obs_1\n1,2\n3,4\n5');
    expect((await failure(openData(file('cut.csv')))).message).toMatch(
      /cannot be read as CSV \(truncated\?\).*line 4/,
    );
    writeFileSync(file('empty.csv'), '');
    expect((await failure(openData(file('empty.csv')))).message).toMatch(/is empty/);
    writeFileSync(file('twice.csv'), 'obs_0,obs_0\n1,2\n');
    expect((await failure(openData(file('twice.csv')))).message).toMatch(/two columns called "obs_0"/);
  });
});

describe('parquet', () => {
  test('NaN and infinity', async () => {
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const { kind, message } = await failure(openData(parquet({ obs_0: [0.5, 1.5, 2.5, value, 3.5] })));
      expect(kind).toBe('data');
      expect(message).toMatch(/obs_0: row 3, column 0 is (NaN|-Infinity)/);
    }
  });

  test('cut anywhere, it is an error and never a number', async () => {
    const whole = readFileSync(parquet({ obs_0: wave(300, 1), obs_1: wave(300, 2) }));
    for (let length = 0; length < whole.length; length += 211) {
      writeFileSync(file('cut.parquet'), whole.subarray(0, length));
      const { kind, message } = await failure(openData(file('cut.parquet')));
      expect(kind).toBe('data');
      expect(message).toMatch(/truncated/);
    }
  });

  test('the front of the file lost, its footer kept', async () => {
    const whole = readFileSync(parquet({ obs_0: wave(3000, 1), obs_1: wave(3000, 2) }));
    writeFileSync(file('front.parquet'), whole.subarray(whole.length - 1500));
    expect((await failure(openData(file('front.parquet')))).message).toMatch(/truncated or damaged/);
  });
});
