import { describe, expect, it } from 'vitest';
import { scanTransitions, transitions } from '../../lib/data/from-arrays.js';
import type { Rows } from '../../lib/data/index.js';

// Transitions at several strides and with actions at several lags: of the same episodes, of the same rows, never across an episode.

/** Frames of episodes of the given lengths: frame t of episode e is 100 e + t, its action 1000 + 100 e + t; the last is not there. */
function frames(lengths: readonly number[]) {
  const ends: number[] = [];
  const observations: number[][] = [];
  const actions: number[][] = [];
  lengths.forEach((length, e) => {
    for (let t = 0; t < length; t++) {
      observations.push([100 * e + t, Math.sin(100 * e + t)]);
      actions.push([t === length - 1 ? 1e9 : 1000 + 100 * e + t]);
    }
    ends.push(observations.length);
  });
  return { observations, actions, episodeEnds: ends };
}

const first = (values: Float64Array, width: number) =>
  Array.from({ length: values.length / width }, (_, i) => values[i * width]);

describe('the lag of an action', () => {
  it.each([
    [0, 1],
    [1, 1],
    [-1, 1],
    [2, 3],
    [-2, 3],
  ])('of %i rows at stride %i takes the same window, moved, within its episode', (actionLag, stride) => {
    const lengths = [9, 12];
    const t = transitions({ ...frames(lengths), stride, actionLag });
    const expected: { o: number; a: number }[] = [];
    lengths.forEach((length, e) => {
      for (let row = 0; row + stride < length; row++) {
        const window = Array.from({ length: stride }, (_, i) => row + actionLag + i);
        // The last frame of an episode has no action.
        if (window.some((r) => r < 0 || r > length - 2)) continue;
        const mean = window.reduce((sum, r) => sum + 1000 + 100 * e + r, 0) / stride;
        expected.push({ o: 100 * e + row, a: mean });
      }
    });
    expect(first(t.observation, 2)).toEqual(expected.map(({ o }) => o));
    expect(first(t.observationNext, 2)).toEqual(expected.map(({ o }) => o + stride));
    expect(Array.from(t.action as Float64Array)).toEqual(expected.map(({ a }) => a));
  });

  it('leaves lag 0 and what has none as they are', () => {
    const plain = transitions(frames([9, 12]));
    expect(transitions({ ...frames([9, 12]), actionLag: 0 })).toEqual(plain);
    expect(plain.notes.join()).not.toMatch(/later|earlier/);
    expect(transitions({ ...frames([9, 12]), actionLag: -2 }).notes).toContain(
      'the action of a transition is that of 2 rows earlier',
    );
  });

  it('is that of the rows of a trajectory where rows are transitions, and of none that do not continue each other', () => {
    const given = transitions(frames([9, 12]));
    const rows = (values: Float64Array, width: number): Rows =>
      Array.from({ length: given.count }, (_, i) => Array.from(values.subarray(i * width, (i + 1) * width)));
    const pairs = {
      observation: rows(given.observation, 2),
      observationNext: rows(given.observationNext, 2),
      actions: rows(given.action as Float64Array, 1),
    };
    const [pair, own] = [
      transitions({ ...pairs, actionLag: 1 }),
      transitions({ ...frames([9, 12]), actionLag: 1 }),
    ];
    expect(pair.observation).toEqual(own.observation);
    expect(pair.action).toEqual(own.action);
    expect(() =>
      transitions({
        ...pairs,
        observationNext: rows(
          given.observationNext.map((v) => v + 0.5),
          2,
        ),
        actionLag: 1,
      }),
    ).toThrow(/needs rows that continue each other/);
  });
});

describe('a scan of lags', () => {
  it('has the same rows at every lag, each with its own action', () => {
    const scan = scanTransitions({ ...frames([9, 12, 4]), actionLag: [1, -2, 0] });
    expect(scan.values).toEqual([-2, 0, 1]);
    const [zero, ...others] = [0, -2, 1].map(scan.at);
    for (const t of others) {
      expect(t.observation).toEqual(zero.observation);
      expect(t.episode).toEqual(zero.episode);
    }
    // Rows 2 to length - 3 alone have all of the actions: none in the episode of 4 frames.
    expect(first(zero.observation, 2)).toEqual([2, 3, 4, 5, 6, 102, 103, 104, 105, 106, 107, 108, 109]);
    const difference = scan.at(1).action!.map((a, i) => a - zero.action![i]);
    expect(new Set(difference)).toEqual(new Set([1]));
  });

  it('needs 0 among the lags, and one list alone', () => {
    const arrays = frames([9, 12]);
    expect(() => scanTransitions({ ...arrays, actionLag: [1, 2] })).toThrow(/expected 0 among the lags/);
    expect(() => scanTransitions({ ...arrays, actionLag: [0, 1], stride: [1, 2] })).toThrow(
      /expected one lag beside several strides/,
    );
    expect(() => scanTransitions({ ...arrays, stride: 2 })).toThrow(/expected several strides/);
    expect(() => scanTransitions({ ...arrays, actionLag: [0, 0.5] })).toThrow(
      /actionLag: expected an integer from -1000 to 1000, or a list of 1 to 100 of them/,
    );
    expect(() => transitions({ ...arrays, stride: [1, 2] as never })).toThrow(
      'stride: expected one integer from 1 (analyze compares several) but received [1,2]',
    );
    expect(() =>
      scanTransitions({
        observations: arrays.observations,
        episodeEnds: arrays.episodeEnds,
        actionLag: [0, 1],
      }),
    ).toThrow('--action-lag needs actions, and there are none in the arrays');
  });
});

describe('a scan of strides', () => {
  it('has at each stride what that stride alone has', () => {
    const scan = scanTransitions({ ...frames([9, 12, 20]), stride: [3, 1] });
    expect(scan.values).toEqual([1, 3]);
    for (const stride of scan.values)
      expect(scan.at(stride)).toEqual(transitions({ ...frames([9, 12, 20]), stride }));
  });

  it('has the same episodes at every stride, and says which strides and episodes it leaves out', () => {
    const scan = scanTransitions({ ...frames([12, 3, 20, 20, 20]), stride: [1, 5, 15, 40] });
    expect(scan.values).toEqual([1, 5]);
    for (const stride of scan.values) expect(new Set(scan.at(stride).episode)).toEqual(new Set([0, 2, 3, 4]));
    expect(scan.notes).toEqual([
      'strides of 15, 40 are left out: too few of the 5 episodes are that long',
      'episode 1 is left out at every stride: too short for a stride of 5',
    ]);
  });

  it('keeps strides below the length of the blocks of one long episode', () => {
    const scan = scanTransitions({ ...frames([200]), stride: [1, 20, 21] });
    expect(scan.values).toEqual([1, 20]);
    expect(scan.notes).toEqual([
      'a stride of 21 is left out: longer than a tenth of the only episode, so that its blocks would not be apart',
    ]);
  });

  it('refuses strides that no episode has, and rows that are transitions', () => {
    expect(() => scanTransitions({ ...frames([9, 12]), stride: [50, 60] })).toThrow(/a stride of 50 needs/);
    const { observations } = frames([9]);
    const pairs = { observation: observations.slice(1), observationNext: observations.slice(0, -1) };
    expect(() => scanTransitions({ ...pairs, stride: [1, 2] })).toThrow(/transitions already/);
  });
});
