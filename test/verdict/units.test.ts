import { expect, it } from 'vitest';
import { transitions } from '../../lib/data/from-arrays.js';
import { openData } from '../../lib/data/open.js';
import type { Analysis } from '../../lib/verdict/analysis.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { npy, npz, scratch } from '../data/files.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const file = scratch();
const [EPISODES, FRAMES] = [8, 30];
type Column = readonly [key: string, rows: number[][]];

/** o of 3 coordinates that moves by one of three actions and by x. */
function columns(): Column[] {
  const random = generator(6);
  const [now, next, actions, x, later, episode]: number[][][] = [[], [], [], [], [], []];
  for (let e = 0; e < EPISODES; e++) {
    let state = [0, 0];
    for (let t = 0; t < FRAMES; t++) {
      const [w, n, m, l] = noise(random, 4);
      const action = Math.floor(3 * random());
      const after = [0.8 * state[0] + action - 1, 0.9 * state[1] + w];
      const seen = ([s, c]: number[], by: number) => [s + c, s - c + 0.1 * by, c + 0.1 * by * by];
      now.push(seen(state, n));
      next.push(seen(after, m));
      x.push([state[1]]);
      later.push([after[1] + 0.01 * l]);
      actions.push([action]);
      episode.push([e]);
      state = after;
    }
  }
  const names = ['observation', 'observation_next', 'actions', 'exogenous', 'exogenous_next', 'episode'];
  return [now, next, actions, x, later, episode].map((rows, i) => [names[i], rows]);
}

/** Other units, coordinates that never move, other numbers for the same actions. */
function inOtherUnits([key, rows]: Column): Column {
  const factors = key.startsWith('observation') ? [1e3, 1e-3, 7] : [1e-3];
  if (key === 'episode') return [key, rows];
  if (key === 'actions') return [key, rows.map(([a]) => [[40, 7, 19][a]])];
  const scaled = rows.map((row) => row.map((v, j) => v * factors[j] - 2));
  return [key, key.startsWith('observation') ? scaled.map((row) => [...row, 3, -1e6]) : scaled];
}

const fromArrays = (all: readonly Column[]) =>
  transitions({
    ...Object.fromEntries(all.slice(0, 5)),
    episode: all[5][1].map(([e]) => e),
  });

function fromNpz(name: string, all: readonly Column[]) {
  const arrays = all.map(([key, rows]) => {
    const values = Float64Array.from(rows.flat());
    return [key, npy(values, key === 'episode' ? [rows.length] : [rows.length, rows[0].length])];
  });
  return openData(npz(file(name), Object.fromEntries(arrays)));
}

it('units of measure, still coordinates and numbers of actions change no sentence and no figure, of arrays and of .npz', async () => {
  const own = columns();
  const other = own.map(inOtherUnits);
  const told: Analysis[] = [];
  for (const t of [
    fromArrays(own),
    fromArrays(other),
    await fromNpz('own.npz', own),
    await fromNpz('other.npz', other),
  ])
    told.push(await analyze(t, { latentDims: [2], remedies: false, backend: native }));
  const [first, ...others] = told;
  expect(first.categories).toEqual([0, 1, 2]);
  expect(first.verdict.answer).toBe('leaks');
  for (const a of others) {
    expect(a.verdict).toEqual(first.verdict);
    a.latent.forEach(({ metrics }, i) => {
      for (const [metric, e] of Object.entries(metrics))
        for (const end of ['value', 'low', 'high', 'training'] as const) {
          const wanted = first.latent[i].metrics[metric as keyof typeof metrics]?.[end] ?? Number.NaN;
          expect(Math.abs((e[end] ?? Number.NaN) - wanted), `${metric}: ${end}`).toBeLessThan(1e-6);
        }
    });
  }
});
