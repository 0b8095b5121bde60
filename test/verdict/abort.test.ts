import { expect, it } from 'vitest';

import { transitions } from '../../lib/data/from-arrays.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

/** So wide that it is worked on from rows: a second of work and more. */
const [DIM, ROWS] = [640, 1_500];

it('an analysis of wide observations ends within 100 ms of its own work, wherever it is', async () => {
  const random = generator(1);
  const data = transitions({
    observation: noise(random, ROWS * DIM),
    observationNext: noise(random, ROWS * DIM),
    action: noise(random, ROWS * 2),
    episode: Int32Array.from({ length: ROWS }, (_, row) => row % 10),
    observationDim: DIM,
    actionDim: 2,
  });
  for (const after of [5, 20, 60, 150, 300, 500]) {
    const stop = new AbortController();
    let aborted = process.cpuUsage();
    setTimeout(() => {
      aborted = process.cpuUsage();
      stop.abort();
    }, after);
    await expect(
      analyze(data, { backend: native, signal: stop.signal, remedies: false }),
    ).rejects.toMatchObject({ kind: 'cancelled' });
    const { user, system } = process.cpuUsage(aborted);
    expect((user + system) / 1000).toBeLessThan(100);
  }
});
