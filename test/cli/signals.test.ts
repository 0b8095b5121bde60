import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';

const cli = join(packageRoot(), 'dist/cli.mjs');
const folder = mkdtempSync(join(tmpdir(), 'exolam-signals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Starts a command, sends signals at these times, and tells how it ended and how long after the first one. */
function interrupted(args: readonly string[], signals: readonly (readonly [NodeJS.Signals, number])[]) {
  return new Promise<{ code: number | null; stderr: string; after: number }>((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    let first = 0;
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    for (const [signal, at] of signals)
      setTimeout(() => {
        first ||= performance.now();
        child.kill(signal);
      }, at);
    child.on('close', (code) => resolve({ code, stderr, after: performance.now() - first }));
  });
}

describe.skipIf(process.platform === 'win32')('Ctrl-C', () => {
  const huge = join(folder, 'huge.json');
  writeFileSync(
    huge,
    JSON.stringify({
      world: { observationDim: 20000, endogenousDim: 600, exogenousDim: 600, mixing: 'gaussian' },
      objective: { kind: 'reconstruction' },
      latentDim: 3,
    }),
  );

  test.each([
    ['a loop of JavaScript', ['verify', '--trials', '20000', '--only', 'T1'], 'SIGINT'],
    ['another', ['verify', '--trials', '20000', '--only', 'T11'], 'SIGTERM'],
    ['a world that takes long to make', ['solve', huge], 'SIGINT'],
  ] as const)('ends %s within a second or so', async (_, args, signal) => {
    const { code, stderr, after } = await interrupted(args, [[signal, 2000]]);
    expect(stderr.trim()).toBe('exolam: interrupted');
    expect(code).toBe(130);
    expect(after).toBeLessThan(2500);
  });

  test('a second one ends it at once', async () => {
    const { code, after } = await interrupted(
      ['verify', '--trials', '20000', '--only', 'T1'],
      [
        ['SIGINT', 2000],
        ['SIGTERM', 2100],
      ],
    );
    expect(code).toBe(130);
    expect(after).toBeLessThan(1500);
  });

  test('a file that is half there goes with it, also on a hang-up', async () => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const world = join(folder, 'w.json');
      writeFileSync(world, JSON.stringify({ observationDim: 64 }));
      const out = join(folder, 'half.npz');
      const { code } = await interrupted(
        ['generate', world, '--samples', '20000000', '--out', out],
        [[signal, 1500]],
      );
      expect(code).toBe(130);
      expect(readdirSync(folder).filter((name) => name.startsWith('half'))).toEqual([]);
    }
  });
});
