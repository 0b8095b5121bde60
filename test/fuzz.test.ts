import { describe, expect, it } from 'vitest';

import { type Case, type ObjectiveSpec, type Solution, solve } from '../lib/index.js';
import type { WorldSpec } from '../lib/world/world.js';
import { native, reference } from './support/backends.js';
import { generator } from './support/generator.js';

/** A world and an objective at random, with parameters at their edges (0, 1) as often as not. */
function question(seed: number): Case {
  const random = generator(seed);
  const whole = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(all: readonly T[]) => all[whole(0, all.length - 1)];
  const edge = (value: number, ...edges: number[]) => (random() < 0.4 ? pick([0, ...edges]) : value);
  const endogenousDim = whole(1, 6);
  const exogenousDim = whole(1, 6);
  const mixing = pick(['orthonormal', 'gaussian'] as const);
  const least = mixing === 'orthonormal' ? endogenousDim + exogenousDim : 1;
  const observationDim = whole(least, least + 12);
  const world: WorldSpec = {
    observationDim,
    endogenousDim,
    exogenousDim,
    actionDim: whole(1, endogenousDim),
    mixing,
    endogenousDecay: edge(1.5 * random(), 1),
    exogenousDecay: edge(1.2 * random(), 1),
    actionScale: edge(2 * random(), 1),
    exogenousScale: edge(3 * random(), 1),
    policyNoise: edge(0.2 + random(), 1),
    processNoise: edge(0.5 * random()),
    sensorNoise: edge(0.1 + 0.4 * random()),
    stateFeedback: edge(random()),
    exogenousFeedback: edge(random()),
    actionExogenousCorrelation: edge(0.9 * random()),
    seed: whole(0, 1e6),
  };
  const base = pick<ObjectiveSpec>([
    { kind: 'reconstruction' },
    { kind: 'reconstruction', decoder: 'identity' },
    { kind: 'cross-exogenous' },
    { kind: 'augmented', encoderNoise: edge(random()), decoderNoise: edge(random()) },
  ]);
  const parts = [base];
  const has = () => random() < 0.35;
  if (has()) parts.push({ kind: 'action-supervised', weight: edge(5 * random()), labelFraction: random() });
  if (has()) parts.push({ kind: 'exogenous-robust', weight: edge(4 * random()) });
  if (has()) {
    const row = () => Array.from({ length: observationDim }, () => 2 * random() - 1);
    parts.push({ kind: 'representation', projection: Array.from({ length: whole(1, observationDim) }, row) });
  }
  const objective = (parts.length === 1 ? base : { kind: 'composition', parts }) as ObjectiveSpec;
  return { world, objective, latentDim: whole(1, observationDim) };
}

const near = (a: number, b: number, tolerance: number) =>
  a === b || Math.abs(a - b) <= tolerance * (1 + Math.abs(b));

/** Where the last eigenvalue that is kept equals one that is not, or is tiny, metrics are not determined to many digits. */
function isDetermined({ spectrum, rank }: Solution, all: Solution | null, latentDim: number): boolean {
  const leading = spectrum[0];
  const kept = spectrum[Math.min(rank, latentDim) - 1];
  const next = all?.spectrum[latentDim] ?? 0;
  return kept > 1e-4 * leading && (rank <= latentDim || kept - next > 1e-6 * kept);
}

async function answer(asked: Case, backend: typeof native): Promise<Solution | string> {
  try {
    return await solve(asked, { backend });
  } catch (error) {
    return `${(error as { kind: string }).kind}: ${(error as Error).message}`;
  }
}

describe('native and reference, on worlds and compositions at random', () => {
  it.each(Array.from({ length: 20 }, (_, i) => i))('lot %i', async (lot) => {
    let compared = 0;
    for (let i = 0; i < 40; i++) {
      const asked = question(1000 * lot + i);
      const what = JSON.stringify(asked);
      const [a, b] = [await answer(asked, native), await answer(asked, reference)];
      if (typeof a === 'string' || typeof b === 'string') {
        expect(a, what).toBe(b);
        continue;
      }
      expect(near(a.loss, b.loss, 1e-9), `${what}: loss ${a.loss} ${b.loss}`).toBe(true);
      expect(a.rank, what).toBe(b.rank);
      b.spectrum.forEach((value, k) => {
        expect(near(a.spectrum[k], value, 1e-9), `${what}: eigenvalue ${k}`).toBe(true);
      });
      expect(Object.keys(a.metrics).sort(), what).toEqual(Object.keys(b.metrics).sort());
      const { observationDim = 0 } = asked.world ?? {};
      const wider = { ...asked, latentDim: asked.latentDim + 1 };
      const all = asked.latentDim < observationDim ? await answer(wider, reference) : null;
      if (!isDetermined(b, typeof all === 'string' ? null : all, asked.latentDim)) continue;
      compared++;
      for (const [name, value] of Object.entries(b.metrics)) {
        const other = a.metrics[name as keyof typeof a.metrics] as number;
        expect(near(other, value, 1e-7), `${what}: ${name} ${other} ${value}`).toBe(true);
      }
    }
    expect(compared).toBeGreaterThan(5);
  });
});
