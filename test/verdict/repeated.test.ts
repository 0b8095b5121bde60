import { expect, it } from 'vitest';
import { transitions } from '../../lib/data/from-arrays.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const random = generator(3);
const rows = (count: number, width: number) => Array.from({ length: count }, () => noise(random, width));

function data(copies: number, length: number) {
  const own = { observation: rows(6 * length, 4), observationNext: rows(6 * length, 4) };
  const copied = <T>(all: readonly T[]) => [...all, ...all.slice(0, copies * length)];
  return transitions({
    observation: copied(own.observation),
    observationNext: copied(own.observationNext),
    episode: Array.from({ length: (6 + copies) * length }, (_, i) => 10 + Math.floor(i / length)),
  });
}

it('episodes that hold the same rows as another are named in a note; rows that are an episode each are not', async () => {
  const notesOf = async (copies: number, length: number) =>
    (await analyze(data(copies, length), { latentDims: [1], backend: native })).notes.join();
  expect(await notesOf(2, 8)).toContain('2 of 8 episodes hold the same rows as an earlier one (16, 17):');
  expect(await notesOf(0, 8)).not.toContain('same rows');
  expect(await notesOf(6, 1)).not.toContain('same rows');
});
