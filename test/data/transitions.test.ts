import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checked } from '../../lib/data/checks.js';
import { pingPong, withDistractor } from '../../lib/data/distractor.js';
import { openData } from '../../lib/data/open.js';
import { type Episodes, toTransitions } from '../../lib/data/transitions.js';
import { failure, scratch } from './files.js';

const scratchFile = scratch();

/** Episodes of the given lengths; frame t of episode e is (100 e + t, 50 - t, 7), its action 10 e + t. */
function episodes(lengths: readonly number[], more: Partial<Episodes> = {}): Episodes {
  return {
    observationDim: 3,
    actionDim: 1,
    exogenousDim: 0,
    scale: 1,
    list: lengths.map((length, e) => ({
      number: e + 5,
      length,
      observation: Float64Array.from(
        { length: 3 * length },
        (_, i) => [100 * e + Math.floor(i / 3), 50 - Math.floor(i / 3), 7][i % 3]!,
      ),
      action: Float64Array.from({ length }, (_, t) => 10 * e + t),
    })),
    listed: lengths.length,
    absent: [],
    notes: [],
    ...more,
  };
}

describe('transitions', () => {
  test('never cross an episode, whatever the stride', () => {
    const t = toTransitions(episodes([4, 2, 5]), { stride: 3 });
    expect(t.count).toBe(1 + 0 + 2);
    expect([...t.episode]).toEqual([5, 7, 7]);
    expect([...t.observation]).toEqual([0, 50, 7, 200, 50, 7, 201, 49, 7]);
    expect([...t.observationNext]).toEqual([3, 47, 7, 203, 47, 7, 204, 46, 7]);
    expect(t.episodes).toEqual({ used: 2, listed: 3, absent: [] });
    expect(t.notes.join()).toMatch(/1 of 3 episodes have no more than 3 frames/);
  });

  test('the action over n frames is the mean of the n actions, and at stride 1 the action itself', () => {
    expect([...toTransitions(episodes([5]), { stride: 1 }).action!]).toEqual([0, 1, 2, 3]);
    expect([...toTransitions(episodes([5]), { stride: 3 }).action!]).toEqual([1, 2]);
  });

  test('arrays called next belong to the last step of the stride', () => {
    const base = episodes([5]);
    const row = Float64Array.from([0, 1, 2, 3, 4]);
    const t = toTransitions(
      { ...base, exogenousDim: 1, list: [{ ...base.list[0]!, exogenousNext: row }] },
      { stride: 2 },
    );
    expect([...t.exogenousNext!]).toEqual([1, 2, 3]);
  });

  test('one episode of one frame: no transition', () => {
    expect(() => toTransitions(episodes([1]), { stride: 1 })).toThrow(
      'there is no transition: the only episode has 1 frame, and a stride of 1 needs at least 2 in one episode',
    );
  });

  test('too few, constant in all coordinates, constant in some', () => {
    expect(() => checked(toTransitions(episodes([3]), { stride: 1 }))).toThrow(
      /there are 2 transitions; at least 4/,
    );
    const still = episodes([6]);
    const list = [{ ...still.list[0]!, observation: new Float64Array(18).fill(0.5) }];
    expect(() => checked(toTransitions({ ...still, list }, { stride: 1 }))).toThrow(
      /observation is constant: all 3 coordinates/,
    );
    expect(checked(toTransitions(episodes([6]), { stride: 1 })).notes).toContain(
      '1 of 3 observation coordinates never change',
    );
  });
});

describe('distractor', () => {
  test('plays a shorter episode forwards and backwards', () => {
    expect([0, 1, 2, 3, 4, 5].map((t) => pingPong(t, 3))).toEqual([0, 1, 2, 1, 0, 1]);
    expect(pingPong(9, 1)).toBe(0);
  });

  test('o = clean + weight x: the next episode as it is for vectors, the one after for the pair', () => {
    const e = episodes([4, 4, 4]);
    const clean = toTransitions(e, { stride: 1 });
    const t = withDistractor(e, { stride: 1 }, 0.5);
    for (let i = 0; i < clean.observation.length; i++) {
      const row = Math.floor(i / 3);
      // Transition row is frame t of episode n, each with 3 transitions.
      const [n, frame, j] = [Math.floor(row / 3), row % 3, i % 3];
      const x = (ahead: number, at: number) => e.list[(n + ahead) % 3]!.observation[at * 3 + j]!;
      expect(t.observation[i]).toBe(clean.observation[i]! + 0.5 * x(1, frame));
      expect(t.observationNext[i]).toBe(clean.observationNext[i]! + 0.5 * x(1, frame + 1));
      expect(t.pairObservation![i]).toBe(clean.observation[i]! + 0.5 * x(2, frame));
      expect(t.pairObservationNext![i]).toBe(clean.observationNext[i]! + 0.5 * x(2, frame + 1));
      expect(t.exogenousNext![i]).toBe(x(1, frame + 1));
      expect(t.endogenousNext![i]).toBe(clean.observationNext[i]);
    }
  });

  test('frames are flipped left to right, channel by channel', () => {
    // 1 row, 2 pixels, 2 channels
    const frame = (first: number) =>
      Float64Array.from([first, first + 1, first + 2, first + 3, first, 0, 0, 0]);
    const e: Episodes = {
      ...episodes([]),
      observationDim: 4,
      actionDim: 0,
      image: { width: 2, height: 1, channels: 2 },
      list: [0, 10].map((first, number) => ({ number, length: 2, observation: frame(first) })),
    };
    const t = withDistractor(e, { stride: 1 }, 1);
    expect([...t.observation.subarray(0, 4)]).toEqual([0 + 12, 1 + 13, 2 + 10, 3 + 11]);
  });

  test('weight 0 leaves the observation and still knows x', () => {
    const e = episodes([4, 4, 4]);
    const t = withDistractor(e, { stride: 1 }, 0);
    expect(t.observation).toEqual(toTransitions(e, { stride: 1 }).observation);
    expect(t.exogenousNext!.some((x) => x !== 0)).toBe(true);
  });

  test('two episodes have no pair, one has no distractor', () => {
    const t = withDistractor(episodes([4, 4]), { stride: 1 }, 1);
    expect(t.pairObservation).toBeUndefined();
    expect(t.notes.join()).toMatch(/no paired views: they need 3/);
    expect(() => withDistractor(episodes([9]), { stride: 1 }, 1)).toThrow(
      /there is only 1 episode here; at least 2 are needed/,
    );
  });
});

describe('numbers too large for covariances', () => {
  test.each([1e76, -1e200, 1e300])('%d is named and refused', async (value) => {
    const rows = Array.from({ length: 12 }, (_, i) => [
      Math.floor(i / 4),
      Math.sin(i * i),
      i === 5 ? value : Math.cos(i),
    ]);
    const path = scratchFile(`large${value}.csv`);
    writeFileSync(path, `episode,obs_0,obs_1\n${rows.map((row) => row.join(',')).join('\n')}\n`);
    const { kind, message } = await failure(openData(path));
    expect(kind).toBe('data');
    expect(message).toMatch(/observation: row \d, column 1 is .*magnitudes of at most 1e\+75/);
  });
});
