import { writeFileSync } from 'node:fs';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { openData } from '../../../lib/data/open.js';
import type { Transitions } from '../../../lib/data/transitions.js';
import { failure, npy, npz, scratch, varying } from '../files.js';

const file = scratch();
const ROWS = 12;
const DIM = 3;
const o = varying(ROWS, DIM);
const next = varying(ROWS, DIM, 2);
const actions = varying(ROWS, 2, 3);
const column = (values: Float64Array, dim: number, j: number) =>
  Array.from({ length: ROWS }, (_, row) => values[row * dim + j] as number);

type Columns = Record<string, readonly unknown[]>;

function csv(columns: Columns, mark = ','): string {
  const names = Object.keys(columns);
  const rows = Array.from({ length: ROWS }, (_, row) => names.map((name) => columns[name]?.[row]).join(mark));
  writeFileSync(file('t.csv'), `${[names.join(mark), ...rows].join('\n')}\n`);
  return file('t.csv');
}

function parquet(columns: Columns): string {
  const columnData = Object.entries(columns).map(([name, data]) => ({ name, data: [...data] }));
  writeFileSync(file('t.parquet'), Buffer.from(parquetWriteBuffer({ columnData })));
  return file('t.parquet');
}

/** A table of the arrays, its columns named by these. */
function columnsOf(
  observation: (j: number) => string,
  observationNext: (j: number) => string,
  action = (j: number) => `act_${j}`,
): Columns {
  return Object.fromEntries([
    ...Array.from({ length: DIM }, (_, j) => [observation(j), column(o, DIM, j)]),
    ...Array.from({ length: DIM }, (_, j) => [observationNext(j), column(next, DIM, j)]),
    ...Array.from({ length: 2 }, (_, j) => [action(j), column(actions, 2, j)]),
  ]);
}

function expectTransitions(t: Transitions): void {
  expect([t.count, t.observationDim, t.actionDim]).toEqual([ROWS, DIM, 2]);
  expect(t.observation).toEqual(o);
  expect(t.observationNext).toEqual(next);
  expect(t.action).toEqual(actions);
}

describe('the next observation of a table', () => {
  test.each([
    ['obs_0', 'next_0'],
    ['obs_0', 'next_obs_0'],
    ['obs_0', 'obs_next_0'],
    ['obs_0', 'obs_0_next'],
    ['obs_0', 'next.obs_0'],
    ['observation_0', 'next_observation_0'],
    ['observation_0', 'observation_next_0'],
    ['state_0', 'next_state_0'],
    ['observation.0', 'observation.next.0'],
  ])('%s and %s', async (first, second) => {
    const named = (name: string) => (j: number) => name.replace('0', String(j));
    for (const table of [csv, parquet])
      expectTransitions(await openData(table(columnsOf(named(first), named(second)))));
  });

  test('by option, whatever it is called; and not at all where its columns are too few', async () => {
    const table = csv(
      columnsOf(
        (j) => `x${j}`,
        (j) => `y${j}`,
        (j) => `u${j}`,
      ),
    );
    const options = { observation: 'x*', action: 'u*', observationNext: 'y*' };
    expectTransitions(await openData(table, options));
    const { message } = await failure(openData(table, { ...options, observationNext: 'y0' }));
    expect(message).toMatch(/y0 has shape \(12, 1\); 3 columns are expected/);
    expect((await failure(openData(table, { ...options, observationNext: 'z*' }))).message).toMatch(
      /--observation-next 'z\*' matches no column/,
    );
  });

  test('a whole list column: observation with observation_next or next_observation', async () => {
    const lists = (values: Float64Array) =>
      Array.from({ length: ROWS }, (_, row) => [...values.subarray(row * DIM, (row + 1) * DIM)]);
    for (const name of ['observation_next', 'next_observation', 'next.observation']) {
      const columnData = [
        { name: 'observation', data: lists(o) },
        { name, data: lists(next) },
      ];
      const list = (of: string) => [
        { name: of, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', type: 'DOUBLE' },
      ];
      const schema = [{ name: 'schema', num_children: 2 }, ...list('observation'), ...list(name)];
      writeFileSync(
        file('lists.parquet'),
        Buffer.from(parquetWriteBuffer({ columnData, schema } as Parameters<typeof parquetWriteBuffer>[0])),
      );
      const t = await openData(file('lists.parquet'));
      expect(t.observationNext).toEqual(next);
      expect(t.count).toBe(ROWS);
    }
  });
});

describe('the column of episodes', () => {
  const episodes = Array.from({ length: ROWS }, (_, row) => Math.floor(row / 4));
  const frames = { obs_0: column(o, DIM, 0), obs_1: column(o, DIM, 1) };

  test.each([
    'episode_index',
    'episode',
    'Episode',
    'EPISODE_INDEX',
    'episodeId',
    'episode_number',
    'ep',
    'traj_id',
    'trajectory',
    'demo',
  ])('%s', async (name) => {
    const t = await openData(csv({ [name]: episodes, ...frames }));
    expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect(t.notes.some((note) => note.includes(`the column ${name} is read as`))).toBe(
      !['episode_index', 'episode'].includes(name),
    );
  });

  test('by option, of a table and of arrays', async () => {
    const t = await openData(csv({ run: episodes, ...frames }), { episode: 'run' });
    expect(new Set(t.episode).size).toBe(3);
    const rows = npz(file('run.npz'), {
      observation: npy(o, [ROWS, DIM]),
      observation_next: npy(next, [ROWS, DIM]),
      run: npy(Float64Array.from(episodes), [ROWS]),
    });
    expect(new Set((await openData(rows, { episode: 'run' })).episode).size).toBe(3);
    expect(new Set((await openData(rows)).episode).size).toBe(ROWS);
    expect((await openData(rows)).notes.join()).toMatch(/the array run is not read/);
  });
});

describe('arrays under other names', () => {
  const ends = npy(Float64Array.of(5, ROWS), [2]);

  test.each(['action', 'actions', 'act', 'Action'])('%s', async (name) => {
    const path = npz(file('a.npz'), {
      observations: npy(o, [ROWS, DIM]),
      episode_ends: ends,
      [name]: npy(actions, [ROWS, 2]),
    });
    const t = await openData(path);
    expect(t.actionDim).toBe(2);
    expect(t.action?.subarray(0, 4)).toEqual(actions.subarray(0, 4));
    expect(t.notes.some((note) => note.includes(`the array ${name} is read as actions`))).toBe(
      name !== 'actions',
    );
  });

  test.each([
    ['observations', 'next_observations'],
    ['observation', 'next_observation'],
    ['obs', 'next_obs'],
    ['obs', 'obs_next'],
    ['state', 'next_state'],
  ])('%s and %s', async (first, second) => {
    const path = npz(file('n.npz'), {
      [first]: npy(o, [ROWS, DIM]),
      [second]: npy(next, [ROWS, DIM]),
      actions: npy(actions, [ROWS, 2]),
    });
    expectTransitions(await openData(path));
  });

  test('by option', async () => {
    const path = npz(file('o.npz'), {
      x: npy(o, [ROWS, DIM]),
      y: npy(next, [ROWS, DIM]),
      u: npy(actions, [ROWS, 2]),
    });
    expectTransitions(await openData(path, { observation: 'x', observationNext: 'y', action: 'u' }));
    expect((await failure(openData(path, { observation: 'z' }))).message).toMatch(
      /--observation "z" is not in .*; available: u, x, y/,
    );
  });

  test("x of each frame is x' of the frame before; of transitions --exogenous-next names x'", async () => {
    const x = varying(ROWS, 2, 5);
    const path = npz(file('x.npz'), {
      observations: npy(o, [ROWS, DIM]),
      episode_ends: ends,
      exogenous: npy(x, [ROWS, 2]),
    });
    const t = await openData(path);
    // Frames 0 to 4 and 5 to 11: transitions end in frames 1 to 4 and 6 to 11.
    expect([...(t.exogenousNext as Float64Array)]).toEqual([...x.subarray(2, 10), ...x.subarray(12)]);
    const strided = await openData(path, { stride: 2 });
    expect([...(strided.exogenousNext as Float64Array)]).toEqual([...x.subarray(4, 10), ...x.subarray(14)]);
    const rows = npz(file('xr.npz'), {
      observation: npy(o, [ROWS, DIM]),
      observation_next: npy(next, [ROWS, DIM]),
      exogenous: npy(x, [ROWS, 2]),
    });
    const known = await openData(rows);
    expect([known.exogenous, known.exogenousNext]).toEqual([x, undefined]);
    expect(known.notes.join()).toMatch(/exogenous is read as x; .* there is no array exogenous_next/);
    const named = await openData(rows, { exogenousNext: 'exogenous' });
    expect(named.exogenousNext).toEqual(x);
  });

  test('ends marked by terminals and timeouts', async () => {
    const marks = (...at: number[]) => {
      const bytes = new Uint8Array(ROWS);
      for (const row of at) bytes[row] = 1;
      return npy(bytes, [ROWS], { descr: '|b1' });
    };
    const t = await openData(
      npz(file('d4rl.npz'), {
        observations: npy(o, [ROWS, DIM]),
        terminals: marks(4),
        timeouts: marks(7),
      }),
    );
    // Frames 0-4, 5-7, 8-11.
    expect([...t.episode]).toEqual([0, 0, 0, 0, 1, 1, 2, 2, 2]);
  });

  test('equally long episodes, with as many actions as frames or one fewer', async () => {
    for (const steps of [4, 3]) {
      const a = varying(3 * steps, 2, 3);
      const path = npz(file('b.npz'), {
        observations: npy(o, [3, 4, DIM]),
        actions: npy(a, [3, steps, 2]),
      });
      const t = await openData(path);
      expect([...t.episode]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
      expect([...(t.action as Float64Array).subarray(6, 8)]).toEqual([
        ...a.subarray(2 * steps, 2 * steps + 2),
      ]);
      expect(t.notes.join()).toMatch(/3 episodes of 4 frames/);
    }
    const { message } = await failure(
      openData(npz(file('b.npz'), { observations: npy(o, [3, 4, DIM]), actions: npy(actions, [4, 3, 2]) })),
    );
    expect(message).toMatch(/actions has shape \(4, 3, 2\); expected \(3, 4, \.\.\.\)/);
  });

  test('pictures of bytes: channels last or first, made small by areas, grey or in colour', async () => {
    // Two rows of five pixels: two of v, three of 2 v, in red only.
    const picture = (v: number, first: boolean) => {
      const line = [v, v, 2 * v, 2 * v, 2 * v];
      const pixels = [...line, ...line];
      return first
        ? [...pixels, ...pixels.map(() => 0), ...pixels.map(() => 0)]
        : pixels.flatMap((red) => [red, 0, 0]);
    };
    const levels = Array.from({ length: ROWS }, (_, row) => 10 * row + 3);
    const write = (first: boolean) =>
      npz(file('p.npz'), {
        observations: npy(
          Uint8Array.from(levels.flatMap((v) => picture(v, first))),
          first ? [ROWS, 3, 2, 5] : [ROWS, 2, 5, 3],
          { descr: '|u1' },
        ),
        episode_ends: ends,
      });
    for (const first of [false, true]) {
      const color = await openData(write(first), { resize: { width: 5, height: 1 }, color: true });
      expect(color.observationDim).toBe(15);
      expect(Array.from(color.observation.subarray(0, 15), (v) => Math.round(v * 255))).toEqual(
        [3, 3, 6, 6, 6].flatMap((red) => [red, 0, 0]),
      );
      const grey = await openData(write(first), { resize: { width: 2, height: 1 } });
      // The middle column counts half to either side.
      expect(Array.from(grey.observation.subarray(2, 4), (v) => Math.round(v * 255))).toEqual([
        Math.round(((13 + 13 + 26 / 2) / 2.5) * 0.299),
        Math.round(26 * 0.299),
      ]);
      expect((await openData(write(first))).observationDim).toBe(10);
    }
  });

  test('no action after the last frame: NaN there is not looked at, elsewhere it is an error', async () => {
    const path = (bad: number) => {
      const a = actions.slice();
      a[2 * bad] = Number.NaN;
      return npz(file('nan.npz'), {
        observations: npy(o, [ROWS, DIM]),
        episode_ends: ends,
        actions: npy(a, [ROWS, 2]),
      });
    };
    for (const last of [4, 11]) expect((await openData(path(last))).count).toBe(ROWS - 2);
    expect((await failure(openData(path(6)))).message).toMatch(/actions: row 6, column 0 is NaN/);
    const short = npz(file('short.npz'), {
      observations: npy(o, [ROWS, DIM]),
      episode_ends: ends,
      actions: npy(actions.subarray(0, 20), [ROWS - 2, 2]),
    });
    // Frame 5 begins the second episode; its action is row 4, for the first has one fewer.
    expect([...((await openData(short)).action as Float64Array).subarray(8, 10)]).toEqual([
      ...actions.subarray(8, 10),
    ]);
  });

  test('many entries that are a bomb together are refused before any is unpacked', async () => {
    const zeros = npy(new Uint8Array(1 << 24), [1 << 12, 1 << 12], { descr: '|u1' });
    const path = npz(
      file('bombs.npz'),
      { observation: zeros, observation_next: zeros, actions: zeros, exogenous_next: zeros },
      { deflate: true },
    );
    const before = process.memoryUsage().arrayBuffers;
    expect((await failure(openData(path))).message).toMatch(/zip bomb/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(6e7);
  });
});

describe('episodes left out and chosen', () => {
  const frames = {
    episode_index: Array.from({ length: ROWS }, (_, row) => Math.floor(row / 3)),
    obs_0: column(o, DIM, 0),
  };

  test('of frames and of transitions; a note says which; one that is not there is an error', async () => {
    const t = await openData(csv(frames), { exclude: [1, 3] });
    expect([...t.episode]).toEqual([0, 0, 2, 2]);
    expect(t.notes).toContain('episodes left out by --exclude: 1, 3');
    const rows = csv({ ...frames, next_0: column(next, DIM, 0) });
    const kept = await openData(rows, { exclude: [0] });
    expect([...kept.episode]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect([...kept.observation]).toEqual(column(o, DIM, 0).slice(3));
    expect((await failure(openData(rows, { exclude: [9] }))).message).toMatch(/has no episode 9; it has 0-3/);
    expect((await failure(openData(rows, { exclude: [0, 1, 2, 3] }))).message).toMatch(/no episode is left/);
    const chosen = await openData(rows, { episodes: [3, 1, 2], exclude: [3] });
    expect([...chosen.episode]).toEqual([1, 1, 1, 2, 2, 2]);
    expect(chosen.notes).toContain('episodes read alone, by --episodes: 1-3');
    expect([...(await openData(csv(frames), { episodes: [0, 2] })).episode]).toEqual([0, 0, 2, 2]);
    expect((await failure(openData(rows, { episodes: [9] }))).message).toMatch(
      /--episodes: .*has no episode 9/,
    );
    expect((await failure(openData(rows, { episodes: [2], exclude: [2] }))).message).toMatch(
      /no episode is left/,
    );
    expect((await failure(openData(rows, { episodes: [] }))).message).toMatch(/episodes/);
  });
});
