import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

import { packageRoot } from '../lib/base/package-root.js';

const root = packageRoot();

/** A process of its own, so that nothing but what is measured is in its memory; returns its output. */
function node(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status, stdout).toBe(0);
  return stdout;
}

const peakOf = (output: string) => (JSON.parse(output) as { peak: number }).peak;

describe('memory', () => {
  it('does not grow with the number of calls', { timeout: 60_000 }, () => {
    expect(node(['scripts/soak.mjs', '0.2'])).toMatch(/flat$/m);
  });

  it('a million configurations in one call stay below 300 MB', { timeout: 60_000 }, () => {
    // The part of the package that columns need: readers of files have memory of their own.
    const index = pathToFileURL(join(root, 'dist/solve.mjs')).href;
    const script = `
      import { solveColumns } from ${JSON.stringify(index)};
      const exogenousScale = Float64Array.from({ length: 1e6 }, (_, i) => 0.5 + (i % 1000) / 1000);
      const { loss } = await solveColumns(
        { objective: { kind: 'reconstruction' }, latentDims: [8], columns: { exogenousScale } },
        // The eight metrics that the limit was set for.
        { spectrum: true, metrics: ['actionError', 'futureLeakage', 'actionInformation', 'futureInformation', 'consistencyError', 'rawActionError', 'rawExogenousNextError', 'rawObservationError'] },
      );
      console.log(JSON.stringify({ last: loss[999999], first: loss[999], peak: process.resourceUsage().maxRSS * 1024 }));`;
    const { first, last, peak } = JSON.parse(node(['--input-type=module', '--eval', script])) as Record<
      string,
      number
    >;
    expect(last).toBe(first);
    // How high the heap stands when a collection comes is chance: the least of a few processes.
    const peaks = [peak, ...[1, 2, 3].map(() => peakOf(node(['--input-type=module', '--eval', script])))];
    expect(Math.min(...peaks)).toBeLessThan(300e6);
  });
});
