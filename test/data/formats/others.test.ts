import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import { failure, npy, scratch, varying } from '../files.js';

const file = scratch();

describe('a single .npy', () => {
  test('rows of one episode, or equally long episodes', async () => {
    const o = varying(12, 3);
    writeFileSync(file('a.npy'), npy(o, [12, 3]));
    const t = await openData(file('a.npy'));
    expect([t.count, t.observationDim, t.actionDim]).toEqual([11, 3, 0]);
    expect(t.observationNext).toEqual(o.subarray(3));
    expect(t.notes.join()).toMatch(/all rows are taken as one episode.*npz/);
    writeFileSync(file('b.npy'), npy(o, [3, 4, 3]));
    const batched = await openData(file('b.npy'));
    expect([...batched.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...batched.observation.subarray(9, 12)]).toEqual([...o.subarray(12, 15)]);
    expect((await failure(openData(file('b.npy'), { action: 'x' }))).message).toMatch(/--action is for/);
  });

  test('a header that claims more than the file holds', async () => {
    writeFileSync(file('c.npy'), npy(varying(12, 3), [12, 3], { shape: '(120000000, 3)' }));
    const { kind, message } = await failure(openData(file('c.npy')));
    expect(kind).toBe('data');
    expect(message).toMatch(/claims shape \(120000000, 3\)/);
  });
});

describe('a folder of tables', () => {
  const write = (name: string, files: Record<string, string>) => {
    const folder = file(name);
    mkdirSync(folder, { recursive: true });
    for (const [of, text] of Object.entries(files)) writeFileSync(join(folder, of), text);
    return folder;
  };
  const table = (seed: number, rows = 4) =>
    ['obs_0,act_0', ...Array.from({ length: rows }, (_, i) => `${Math.sin(seed + i)},${seed + i}`)].join(
      '\n',
    );

  test('each file an episode, in natural order; other files are not looked at', async () => {
    const folder = write('runs', {
      'run10.csv': table(3),
      'run2.csv': table(2),
      'run1.csv': table(1),
      '._run1.csv': 'x',
      'notes.md': 'x',
    });
    const t = await openData(folder);
    expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...t.observation]).toEqual([1, 2, 3].flatMap((s) => [0, 1, 2].map((i) => Math.sin(s + i))));
    expect([...(t.action as Float64Array)].slice(0, 3)).toEqual([1, 2, 3]);
    expect(t.notes.join()).toMatch(/3 files are read as one data set/);
  });

  test('a file that cannot be read is left out, unless --strict; one of another width is an error', async () => {
    const folder = write('mixed', { 'a.csv': table(1), 'b.csv': 'obs_0\n1\n"', 'c.csv': table(3) });
    const t = await openData(folder);
    expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(t.notes.join('\n')).toMatch(/file 1 is left out: .*b\.csv cannot be read as CSV/);
    expect((await failure(openData(folder, { strict: true }))).message).toMatch(/--strict asks for all/);
    const wide = write('wide', { 'a.csv': table(1), 'b.csv': 'obs_0,obs_1\n1,2\n2,3\n3,5' });
    expect((await failure(openData(wide))).message).toMatch(
      /observations 2 wide and actions 0, and a\.csv 1 and 1/,
    );
  });
});

test.each(['x.pt', 'x.pkl', 'x.tfrecord', 'x.zarr.zip'])(
  '%s: the message says how to write an .npz',
  async (name) => {
    writeFileSync(file(name), 'x');
    expect((await failure(openData(file(name)))).message).toMatch(
      /not a kind of file that can be read.*numpy\.savez\("data\.npz", observations=o, actions=a, episode_ends=ends\)/,
    );
  },
);
