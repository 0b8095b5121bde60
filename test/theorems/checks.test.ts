import { describe, expect, it } from 'vitest';
import { theorems } from '../../lib/theorems/index.js';
import { verify } from '../../lib/theorems/verify.js';
import { native, reference } from '../support/backends.js';

describe.each([
  ['native', native, 25],
  ['reference', reference, 3],
] as const)('on %s', (_, backend, trials) => {
  it.each(theorems.map((theorem) => [theorem.id, theorem] as const))('%s holds', async (id, theorem) => {
    for (const seed of [0, 20260513]) {
      const result = await theorem.check(trials, seed, { backend });
      expect(
        result.rows.filter((row) => !row.passed),
        `seed ${seed}`,
      ).toEqual([]);
      expect(result).toMatchObject({
        id,
        passed: true,
        trials,
        statement: theorem.statement,
        claim: theorem.claim,
      });
    }
  });
});

describe('a check', () => {
  const [, t2] = theorems as [unknown, (typeof theorems)[number]];

  it('is the same for the same seed and another one for another', async () => {
    const first = await t2.check(6, 1, { backend: native });
    expect(await t2.check(6, 1, { backend: native })).toEqual(first);
    expect(await t2.check(6, 2, { backend: native })).not.toEqual(first);
  });

  it('shows the row nearest to failure', async () => {
    const { rows, worst, tolerance } = await t2.check(10, 0, { backend: native });
    for (const row of rows) expect(row.worst / row.tolerance).toBeLessThanOrEqual(worst / tolerance);
    expect(rows.reduce((sum, row) => sum + row.comparisons, 0)).toBe(20);
  });

  it('refuses trials and seeds that are none', async () => {
    await expect(t2.check(0, 0)).rejects.toThrow(
      'trials: expected an integer from 1 to 1000000 but received 0',
    );
    await expect(t2.check(1, -1)).rejects.toThrow('seed: expected an integer from 0 but received -1');
  });
});

describe('verify', () => {
  it('runs the chosen checks in their order, in any case', async () => {
    const { checks, passed, trials, seed } = await verify({
      only: ['t7', 'T2'],
      trials: 4,
      seed: 3,
      backend: native,
    });
    expect(checks.map(({ id }) => id)).toEqual(['T2', 'T7']);
    expect({ passed, trials, seed }).toEqual({ passed: true, trials: 4, seed: 3 });
  });

  it('names what it accepts', async () => {
    await expect(verify({ only: ['T2', 'T12'] })).rejects.toThrow(
      /^only: expected some of T1, .*, T11 but received "T12"$/,
    );
    await expect(verify({ only: [] })).rejects.toThrow('but received nothing');
  });

  it('stops when told to', async () => {
    await expect(verify({ signal: AbortSignal.abort(), backend: native })).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });
});
