import { afterEach, describe, expect, it, vi } from 'vitest';
import { explain, type Shell } from '../../lib/cli/run.js';
import { type VerifyFlags, verifyCommand } from '../../lib/cli/verify.js';

async function run(flags: VerifyFlags, command = verifyCommand): Promise<{ code: number; out: string }> {
  let out = '';
  const shell: Shell = {
    out: (text) => {
      out += text;
    },
    note: () => {},
    signal: new AbortController().signal,
    interactive: false,
  };
  return { code: await command(flags, shell), out };
}

describe('exolam verify', () => {
  it('prints a line for each check and a verdict', async () => {
    const { code, out } = await run({ only: 'T2,T7', trials: 5 });
    expect(code).toBe(0);
    const lines = out.trim().split('\n');
    expect(lines[0]).toMatch(/^all 2 hold; 5 worlds each, seed 0/);
    expect(lines[2]).toMatch(/^statement +predicted +measured +worst error +tolerance +verdict$/);
    expect(lines[4]).toMatch(/^T2 {2}C1 {2}.* holds$/);
  });

  it('prints one JSON document', async () => {
    const { code, out } = await run({ only: 'T8', trials: 3, seed: 4, json: true });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      trials: 3,
      seed: 4,
      passed: true,
      checks: [{ id: 'T8', claim: 'C1', passed: true }],
    });
  });

  it.each(['T99', '', 'T2,,x'])('refuses --only %j as bad input', async (only) => {
    const { line, code } = explain(await run({ only }).catch((error: unknown) => error));
    expect(code).toBe(2);
    expect(line).toContain('expected some of T1, T2');
  });
});

describe('a failed check', () => {
  afterEach(() => {
    vi.doUnmock('../../lib/theorems/index.js');
    vi.resetModules();
  });

  it('exits with 1 and says what was predicted and what was measured', async () => {
    vi.resetModules();
    const { t2 } = await import('../../lib/theorems/t2-largest-innovations.js');
    const wrong = t2.withPrediction({ picks: () => ({ action: 0, exogenous: 0 }) });
    vi.doMock('../../lib/theorems/index.js', () => ({ theorems: [wrong] }));
    const { verifyCommand: command } = await import('../../lib/cli/verify.js');
    const { code, out } = await run({ trials: 4 }, command);
    expect(code).toBe(1);
    expect(out).toContain('FAILS');
    expect(out).toMatch(
      /^T2: futureLeakage, .*: predicted 0 but measured 1 \(error 1, tolerance 1\.0e-9\)$/m,
    );
    expect(out).toContain('0 of 1 hold');
  });
});
