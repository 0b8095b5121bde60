import { describe, expect, it } from 'vitest';
import { coverage, coverageOfChoice, falseAnswers } from '../../bench/coverage/coverage.js';
import { native } from '../support/backends.js';

/** A short, seeded form of bench/coverage: pooled over metrics, so that its own noise is some 2 %. */
describe('95 % intervals on simulated worlds', () => {
  const pooled = (counts: readonly { measured: number; held: number; heldResampled: number }[]) => {
    const sum = (of: (c: (typeof counts)[number]) => number) => counts.reduce((s, c) => s + of(c), 0);
    const measured = sum((c) => c.measured);
    return { held: sum((c) => c.held) / measured, resampled: sum((c) => c.heldResampled) / measured };
  };
  const LEAST = 0.9;

  it('hold the value, and those that do not refit would not pass', async () => {
    const { metrics: found } = await coverage(40, 10, 60, native);
    for (const c of found) expect(c.measured / c.worlds, c.metric).toBeGreaterThan(0.8);
    const { held, resampled } = pooled(found);
    expect(held).toBeGreaterThan(LEAST);
    expect(resampled).toBeLessThan(LEAST);
  }, 60_000);

  it('hold what the strengths give that were chosen inside the folds', async () => {
    const { metrics, parted } = await coverageOfChoice(8, 10, 60, native, false);
    const measured = metrics.reduce((sum, c) => sum + c.measured, 0);
    expect(measured).toBeGreaterThan(30);
    expect(metrics.reduce((sum, c) => sum + c.held, 0) / measured).toBeGreaterThan(LEAST);
    // Folds that all chose alike would say nothing of choices.
    expect(parted).toBeGreaterThan(0);
  }, 60_000);

  it('find next to nothing where there is nothing', async () => {
    const { worlds, leaks, knows } = await falseAnswers(40, 10, 60, native);
    expect(leaks / worlds).toBeLessThanOrEqual(0.05);
    expect(knows / worlds).toBeLessThanOrEqual(0.05);
  }, 60_000);
});
