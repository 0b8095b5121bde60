import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';

/** Loads the addon by itself, solves one eigenproblem after another, reports each, until told to stop or killed. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const addon = require('node-gyp-build')(workerData.root);
const n = 24, count = 2000;
const matrices = new Float64Array(count * n * n);
for (let c = 0; c < count; c++)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++)
      matrices[(c * n + i) * n + j] = matrices[(c * n + j) * n + i] = Math.sin(1 + c + i * 31 + j * 17);
async function once() {
  const values = new Float64Array(count * n);
  await addon.symmetricEigen({ matrices, n, count, values, vectors: new Float64Array(count * n * n),
    control: new Int32Array(new SharedArrayBuffer(12)), threads: 2 });
  return values;
}
(async () => {
  for (let i = 0; i < workerData.rounds; i++) {
    const values = await once();
    parentPort.postMessage(values.reduce((sum, v, k) => sum + v * Math.cos(k), 0));
  }
})();
`;

function start(rounds: number): Worker {
  return new Worker(SOURCE, { eval: true, workerData: { root: packageRoot(), rounds } });
}

describe('worker threads', () => {
  it('several at once load the addon, agree, and end', async () => {
    const answers = await Promise.all(
      Array.from(
        { length: 4 },
        () =>
          new Promise<number[]>((resolve, reject) => {
            const worker = start(3);
            const got: number[] = [];
            worker.on('message', (v: number) => got.push(v));
            worker.on('error', reject);
            worker.on('exit', (code) => (code === 0 ? resolve(got) : reject(new Error(`exit ${code}`))));
          }),
      ),
    );
    expect(answers.flat()).toHaveLength(12);
    expect(new Set(answers.flat()).size).toBe(1);
  });

  it('survives workers that are terminated in the middle of a task', async () => {
    for (let round = 0; round < 5; round++) {
      const workers = Array.from({ length: 3 }, () => start(1000));
      await Promise.all(workers.map((w) => new Promise((resolve) => w.once('message', resolve))));
      await Promise.all(workers.map((w) => w.terminate()));
    }
    const after = start(1);
    expect(await new Promise((resolve) => after.once('message', resolve))).toBeTypeOf('number');
    await after.terminate();
  });

  it('is found from the repository root', () => {
    expect(packageRoot()).toBe(fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, ''));
  });
});
