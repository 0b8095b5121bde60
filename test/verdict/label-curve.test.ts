import { describe, expect, it } from 'vitest';
import type { EstimatedData } from '../../lib/moments/of-units.js';
import { type LabelPoint, labelCurve, type Spread } from '../../lib/verdict/label-curve.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { native, reference } from '../support/backends.js';

/** Independent transitions with the exogenous state before them, in episodes of `length`. */
async function dataOf(spec: WorldSpec, samples: number, length: number): Promise<EstimatedData> {
  const { observationDim, actionDim, exogenousDim } = createWorld(spec).spec;
  for await (const b of sampleTransitions(spec, { samples, batch: samples, backend: native }))
    return {
      ...b,
      observationDim,
      actionDim,
      exogenousDim,
      episode: Int32Array.from({ length: samples }, (_, i) => Math.floor(i / length)),
    };
  throw new Error('no samples');
}

const readme: WorldSpec = { exogenousScale: 2, mixing: 'gaussian', sensorNoise: 0.02, seed: 1 };
const small: WorldSpec = { ...readme, observationDim: 6, endogenousDim: 2, exogenousDim: 2, actionDim: 2 };

describe("few labels in the README's world", () => {
  // Trained elsewhere on the stated objective, on other labels and another split.
  const TRAINED = [
    [10, 0.684, 0.893],
    [40, 0.21, 0.392],
    [60, 0.006, 0.024],
    [146, -0.001, 0.0025],
  ] as const;

  it('leak like none, and enough of them not at all', async () => {
    const { exogenous: _, ...t } = await dataOf(readme, 5000, 1);
    const { transitions, metric } = await labelCurve(t, {
      latentDim: 3,
      weight: 59.2,
      counts: TRAINED.map(([n]) => n),
      episodeCounts: [10],
      draws: 6,
      scale: 'given',
      backend: native,
    });
    expect(metric).toBe('futureLeakage');
    TRAINED.forEach(([n, leakage, actionError], i) => {
      const at = transitions[i];
      expect(at.transitions).toBe(n);
      for (const [spread, trained] of [
        [at.leakage as Spread, leakage],
        [at.actionError as Spread, actionError],
      ] as const) {
        // One training with one draw scatters more than the five folds of a draw together; 0.01 is for the other split.
        const scatter = (Math.sqrt(5) * (spread.high - spread.low)) / 2;
        expect(Math.abs(spread.mean - trained), `${n} labels`).toBeLessThan(0.01 + scatter);
        expect(scatter).toBeLessThan(0.15);
      }
    });
    expect(transitions[3].leakage?.high).toBeLessThan(0.005);
    expect(transitions[3].actionError?.high).toBeLessThan(0.005);
  });
});

describe('the label curve', () => {
  it('begins where the labels do: as many as o has coordinates say nothing without a ridge', async () => {
    const t = await dataOf(small, 600, 20);
    const ask = (weight: number) =>
      labelCurve(t, { latentDim: 2, weight, counts: [7, 12], draws: 3, ridge: 0, backend: native });
    const [none, some] = [await ask(0), await ask(40)];
    // W alone fits the actions of 7 labels in 6 coordinates and a mean: the minimum is that of reconstruction.
    const [silent, heard] = some.transitions.map(({ actionError }, i) =>
      Math.abs((actionError?.mean as number) - (none.transitions[i].actionError?.mean as number)),
    ) as [number, number];
    expect(silent).toBeLessThan(1e-4);
    expect(heard).toBeGreaterThan(0.01);
  });

  it('counts labelled episodes whole, spreads over draws, and is plain data', async () => {
    const t = await dataOf(small, 1200, 30);
    const curve = await labelCurve(t, { latentDim: 2, weight: 40, draws: 5, backend: native });
    expect(curve.metric).toBe('innovationLeakage');
    expect(curve.episodes.map(({ episodes }) => episodes)).toEqual([1, 2, 5, 10, 20, 32]);
    expect(curve.episodes.map(({ transitions }) => transitions)).toEqual([30, 60, 150, 300, 600, 960]);
    expect(curve.transitions.map(({ transitions }) => transitions)).toEqual([10, 20, 50, 100, 200, 500, 960]);
    for (const { leakage, actionError } of [...curve.transitions, ...curve.episodes])
      for (const spread of [leakage, actionError]) {
        expect(spread?.low).toBeLessThanOrEqual(spread?.mean as number);
        expect(spread?.high).toBeGreaterThanOrEqual(spread?.mean as number);
      }
    // All labels leave no choice to a draw, single or in episodes.
    const [single, whole] = [curve.transitions.at(-1), curve.episodes.at(-1)] as [LabelPoint, LabelPoint];
    expect(single.actionError?.high).toBeCloseTo(single.actionError?.low as number, 6);
    expect(whole.actionError?.mean).toBeCloseTo(single.actionError?.mean as number, 6);
    expect(single.actionError?.mean).toBeLessThan(0.1);
    expect(curve.transitions[0].actionError?.mean).toBeGreaterThan(0.2);
    expect(JSON.parse(JSON.stringify(curve))).toEqual(curve);
  });

  it('is the same on both backends and for any number of threads', async () => {
    const t = await dataOf(small, 400, 20);
    const options = { latentDim: 2, weight: 40, draws: 2, counts: [15, 100], episodeCounts: [2] };
    const one = await labelCurve(t, { ...options, backend: native, threads: 1 });
    expect(await labelCurve(t, { ...options, backend: native, threads: 3 })).toEqual(one);
    const other = await labelCurve(t, { ...options, backend: reference });
    one.transitions.forEach(({ leakage, actionError }, i) => {
      expect(other.transitions[i].leakage?.mean).toBeCloseTo(leakage?.mean as number, 6);
      expect(other.transitions[i].actionError?.mean).toBeCloseTo(actionError?.mean as number, 6);
    });
  });

  it('takes few whole values of an action for categories, whose directions are one less', async () => {
    const t = await dataOf(small, 600, 20);
    const action = Float64Array.from({ length: t.count }, (_, i) =>
      Math.sign((t.action as Float64Array)[2 * i]),
    );
    const ask = (latentDim: number) =>
      labelCurve(
        { ...t, action, actionDim: 1 },
        { latentDim, weight: 40, draws: 2, counts: [400], backend: native },
      );
    const { transitions } = await ask(2);
    // A sign is half known at best from what is linear in it: 1 - 2 / pi is left.
    expect(transitions[0].actionError?.mean).toBeGreaterThan(0.3);
    expect(transitions[0].actionError?.mean).toBeLessThan(0.5);
    await expect(ask(1)).resolves.toMatchObject({ latentDim: 1 });
  });

  it('stops when it is told to, and tells how far it is', async () => {
    const t = await dataOf(small, 400, 20);
    const told: number[] = [];
    const stop = new AbortController();
    const running = labelCurve(t, {
      latentDim: 2,
      weight: 40,
      draws: 1000,
      backend: native,
      signal: stop.signal,
      onProgress: (done, total) => {
        told.push(done / total);
        if (told.length === 3) stop.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
    expect(told).toEqual([1 / 5000, 2 / 5000, 3 / 5000]);
  });

  it('refuses what it cannot answer', async () => {
    const t = await dataOf(small, 100, 10);
    const ask = (options: object) => labelCurve(t, { latentDim: 2, weight: 1, backend: native, ...options });
    await expect(ask({ latentDim: 1 })).rejects.toThrow(
      /latentDim: expected from 2 \(directions of the action\) to 6/,
    );
    await expect(ask({ counts: [81] })).rejects.toThrow(/counts: expected at most 80/);
    await expect(ask({ episodeCounts: [9] })).rejects.toThrow(/episodeCounts: expected at most 8/);
    const { action: _, ...silent } = t;
    await expect(labelCurve(silent, { latentDim: 2, weight: 1, backend: native })).rejects.toThrow(/actions/);
  });
});
