import { describe, expect, it } from 'vitest';
import type { Transitions } from '../../lib/data/transitions.js';
import { analyze } from '../../lib/verdict/analyze.js';
import type { Remedy } from '../../lib/verdict/remedies.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';
import { transitionsOf } from '../support/transitions.js';

const leaky: WorldSpec = {
  observationDim: 8,
  endogenousDim: 3,
  exogenousDim: 2,
  actionDim: 2,
  mixing: 'gaussian',
  exogenousScale: 2,
  sensorNoise: 0.02,
  seed: 1,
};

/** Rows of a world in so many episodes. */
async function inEpisodes(world: WorldSpec, count: number, episodes: number): Promise<Transitions> {
  const t = await transitionsOf(world, count);
  return { ...t, episode: Int32Array.from({ length: count }, (_, i) => Math.floor((i * episodes) / count)) };
}

const of = (remedies: readonly Remedy[], remedy: Remedy['remedy']) =>
  remedies.find((r) => r.remedy === remedy) as Remedy;

describe('remedies on data', () => {
  it('bring a leaking z below the level and keep the action, each judged on folds that did not choose it', async () => {
    const t = await inEpisodes(leaky, 6000, 30);
    const { remedies, verdict } = await analyze(t, { latentDims: [2], scale: 'given' });
    expect(verdict.answer).toBe('leaks');
    expect(remedies.map((r) => r.remedy)).toEqual([
      'action-supervised',
      'exogenous-robust',
      'cross-exogenous',
      'representation',
    ]);
    for (const r of remedies) {
      expect(r.reached, r.remedy).toBe('yes');
      expect(r.before.futureLeakage?.low).toBeGreaterThan(0.1);
      expect(r.after.futureLeakage?.high).toBeLessThan(0.1);
      expect(r.after.actionError?.high).toBeLessThan(0.5);
    }
    const { strengths, strength } = of(remedies, 'action-supervised');
    expect(strengths).toHaveLength(5);
    expect(strengths).toContain(strength);
    expect(strength).toBeGreaterThan(0);
    const gained = of(remedies, 'representation');
    expect(gained.parameter).toBe('gain');
    expect(gained.strength).toBeLessThan(1);
  });

  it('a stricter level asks for no less strength', async () => {
    const t = await inEpisodes(leaky, 3000, 20);
    const strengthAt = async (level: number) =>
      of((await analyze(t, { latentDims: [2], scale: 'given', level })).remedies, 'action-supervised')
        .strength as number;
    expect(await strengthAt(0.03)).toBeGreaterThanOrEqual(await strengthAt(0.3));
  });

  it('do not help where nothing is to be found: nothing is reached, nothing is claimed', async () => {
    const random = generator(3);
    const rows = (width: number) => noise(random, 240 * width);
    const t: Transitions = {
      ...(await inEpisodes(leaky, 240, 24)),
      observation: rows(8),
      observationNext: rows(8),
      action: rows(2),
      exogenousNext: rows(2),
      pairObservation: undefined,
      pairObservationNext: undefined,
    };
    const { remedies, verdict } = await analyze(t, { latentDims: [2] });
    expect(verdict.answer).not.toBe('leaks');
    for (const r of remedies) expect(r.reached, r.remedy).not.toBe('yes');
  });

  it('are not measured where the exogenous state is not known, or there are too few folds to choose inside of', async () => {
    const t = await inEpisodes(leaky, 400, 10);
    const blind = await analyze(
      { ...t, exogenous: undefined, exogenousNext: undefined, exogenousDim: 0 },
      { latentDims: [2] },
    );
    expect(blind.remedies).toEqual([]);
    expect(blind.notes.join('\n')).toMatch(/without a known exogenous state/);
    expect(blind.verdict.answer).toBe('unknown');
    const folds = Array.from({ length: 10 }, (_, i) => i % 3);
    expect((await analyze(t, { latentDims: [2], folds })).notes.join('\n')).toMatch(/fewer than 4 folds/);
  });

  it('need as many latents as the action has numbers to be supervised', async () => {
    const { remedies, notes } = await analyze(await inEpisodes(leaky, 400, 10), { latentDims: [1] });
    expect(remedies.map((r) => r.remedy)).not.toContain('action-supervised');
    expect(notes.join('\n')).toMatch(/takes a latentDim of 2/);
  });

  it('cross the boundary a handful of times each, whatever number of strengths is tried', async () => {
    const calls: string[] = [];
    const counting = new Proxy(native, {
      get: (backend, name: keyof typeof native) =>
        typeof backend[name] === 'function'
          ? (...args: unknown[]) => {
              calls.push(name);
              return (backend[name] as (...a: unknown[]) => unknown)(...args);
            }
          : backend[name],
    });
    const t = await inEpisodes(leaky, 600, 12);
    await analyze(t, { latentDims: [2], remedies: false, backend: counting });
    const without = calls.filter((name) => name === 'estimate').length;
    calls.length = 0;
    const { remedies } = await analyze(t, { latentDims: [2], backend: counting });
    // A remedy that is chosen costs a call a fold and one to be judged; one without strength costs one.
    expect(remedies).toHaveLength(4);
    expect(calls.filter((name) => name === 'estimate').length - without).toBe(3 * (5 + 1) + 1);
    // Labels come last.
    const before = calls.slice(0, calls.indexOf('trainMoments'));
    expect(
      before.filter((name) => name !== 'estimate' && name !== 'accumulate' && name !== 'info').length,
    ).toBeLessThan(10);
  });
});
