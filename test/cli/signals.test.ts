import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';

const cli = join(packageRoot(), 'dist/cli.mjs');
const folder = mkdtempSync(join(tmpdir(), 'exolam-signals-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Seconds of processor time of a process: what it has done, however busy the machine is. Elsewhere than on Linux, since `started`. */
function computed(pid: number, started: number): number {
  if (process.platform !== 'linux') return (performance.now() - started) / 1000;
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/**
 * Starts a command, sends it signals, and tells how it ended and how long after the first one. The first goes when the
 * command has computed for so many seconds (on a busy machine it may not be up after as many by the clock), a second a
 * tenth of a second later.
 */
async function interrupted(args: readonly string[], seconds: number, ...signals: readonly NodeJS.Signals[]) {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  const started = performance.now();
  while (child.exitCode === null && computed(child.pid as number, started) < seconds) await setTimeout(20);
  const first = performance.now();
  for (const [i, signal] of signals.entries()) {
    if (i > 0) await setTimeout(100);
    child.kill(signal);
  }
  return { code: await closed, stderr, after: performance.now() - first };
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
    const { code, stderr, after } = await interrupted(args, 1.5, signal);
    expect(stderr.trim()).toBe('exolam: interrupted');
    expect(code).toBe(130);
    expect(after).toBeLessThan(2500);
  });

  test('a second one ends it at once', async () => {
    const { code, after } = await interrupted(
      ['verify', '--trials', '20000', '--only', 'T1'],
      1.5,
      'SIGINT',
      'SIGTERM',
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
        1,
        signal,
      );
      expect(code).toBe(130);
      expect(readdirSync(folder).filter((name) => name.startsWith('half'))).toEqual([]);
    }
  });
});
