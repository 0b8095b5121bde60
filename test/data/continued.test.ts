import { describe, expect, it } from 'vitest';
import { continuedRows } from '../../lib/data/continued.js';
import { transitions } from '../../lib/data/from-arrays.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const D = 3;

/** Pairs (o, o') `stride` frames apart of trajectories of so many frames, without a word of whose they are. */
function pairs(lengths: readonly number[], stride: number) {
  const random = generator(9);
  const [now, next, episode]: [number[][], number[][], number[]] = [[], [], []];
  lengths.forEach((length, e) => {
    const frames: number[][] = [Array.from(noise(random, D))];
    while (frames.length < length) {
      const w = noise(random, D);
      frames.push(frames[frames.length - 1].map((v, j) => 0.9 * v + w[j]));
    }
    for (let t = 0; t + stride < length; t++) {
      now.push(frames[t]);
      next.push(frames[t + stride]);
      episode.push(e);
    }
  });
  return { now, next, episode };
}

const found = ({ now, next }: { now: number[][]; next: number[][] }) =>
  continuedRows(Float64Array.from(now.flat()), Float64Array.from(next.flat()), now.length, D);

describe('rows that continue each other', () => {
  it.each([1, 2, 5])('are the trajectories they were cut from, stride %i', (stride) => {
    const given = pairs([40, 25, 60, 31], stride);
    expect(found(given)).toMatchObject({ stride, trajectories: 4 });
    expect(Array.from(found(given)?.episode ?? [])).toEqual(given.episode);
  });

  it('are not found among independent rows, nor where few states repeat by chance', () => {
    const random = generator(4);
    const rows = (n: number) => Array.from({ length: n }, () => Array.from(noise(random, D)));
    expect(found({ now: rows(200), next: rows(200) })).toBeNull();
    const coin = (n: number) => Array.from({ length: n }, () => [Number(noise(random, 1)[0] > 1.5), 0, 0]);
    expect(found({ now: coin(300), next: coin(300) })).toBeNull();
    expect(found({ now: rows(1), next: rows(1) })).toBeNull();
  });

  it('are analysed as if their episodes had been given, and a note says so', async () => {
    const { now, next, episode } = pairs([30, 24, 36, 28, 30, 26], 2);
    const about = { observation: now, observationNext: next };
    const silent = transitions(about);
    expect(silent.notes.join()).toMatch(/o' of one is o of the row 2 further on: .*6 trajectories/);
    expect(silent.episodes.used).toBe(6);
    const options = { latentDims: [1, 2], backend: native };
    const [a, b] = [
      await analyze(silent, options),
      await analyze(transitions({ ...about, episode }), options),
    ];
    expect(a.units).toBe(6);
    expect(a.latent).toEqual(b.latent);
    // Who says that every row stands alone is believed.
    const alone = transitions({ ...about, episode: now.map((_, i) => i) });
    expect(alone.episodes.used).toBe(now.length);
  });
});
