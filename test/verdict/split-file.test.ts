import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openData } from '../../lib/data/open.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-split-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEADER = 'episode,obs_0,obs_1,obs_2,act_0,exo_0';

/** Lines of episodes whose o moves by the action and by x. */
function lines(episodes: number, frames: number): string[][] {
  const random = generator(2);
  return Array.from({ length: episodes }, (_, e) => {
    let [s, x] = [0, 0];
    return Array.from({ length: frames }, () => {
      const [a, w, n] = noise(random, 3);
      const line = [e, s + x, s - x + 0.1 * n, x + 0.1 * n, a, x];
      s = 0.8 * s + a;
      x = 0.9 * x + w;
      return line.join(',');
    });
  });
}

it('a file that is split in two between episodes gives the same verdict and the same figures', async () => {
  const episodes = lines(8, 30);
  const whole = join(folder, 'whole.csv');
  writeFileSync(whole, `${[HEADER, ...episodes.flat()].join('\n')}\n`);
  const parts = join(folder, 'parts');
  mkdirSync(parts);
  [episodes.slice(0, 3), episodes.slice(3)].forEach((part, i) => {
    writeFileSync(join(parts, `part-${i}.csv`), `${[HEADER, ...part.flat()].join('\n')}\n`);
  });
  const columns = { observation: 'obs_*', action: 'act_*', exogenous: 'exo_*' };
  const options = { latentDims: [1, 2], backend: native };
  const [one, two] = [
    await analyze(await openData(whole, columns), options),
    await analyze(await openData(parts, columns), options),
  ];
  expect(two.transitions).toBe(8 * 29);
  expect(two.verdict).toEqual(one.verdict);
  expect(two.latent).toEqual(one.latent);
  expect(two.remedies).toEqual(one.remedies);
  expect(two.labels).toEqual(one.labels);
});
