import { describe, expect, it } from 'vitest';
import {
  type CriticalOptions,
  criticalConsistencyWeight,
  criticalGain,
  criticalWeight,
} from '../../lib/solve/critical.js';
import { solve } from '../../lib/solve/population.js';
import { leastStrength } from '../../lib/solve/strength-search.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native } from '../support/backends.js';

const strong: WorldSpec = {
  exogenousScale: 2,
  actionScale: 0.8,
  policyNoise: 0.5,
  stateFeedback: 0.4,
  seed: 3,
};
const [alpha, beta] = [0.16, 4];

describe.each(backends)('critical values on %s', (_, backend) => {
  it.each([
    ['gain', criticalGain, Math.sqrt(alpha / beta)],
    ['weight', criticalWeight, (beta - alpha) / 0.25],
    ['consistency weight', criticalConsistencyWeight, (beta / alpha - 1) / 2],
  ] as const)('%s: the search finds the closed form', async (_name, critical, expected) => {
    const closed = await critical(strong, { backend });
    expect(closed).toMatchObject({ method: 'closed form', futureLeakage: 0, isMonotone: true });
    expect(closed.value).toBeCloseTo(expected, 12);
    const searched = await critical(strong, { backend, search: true });
    expect(searched).toMatchObject({ method: 'search', isMonotone: true });
    expect(Math.abs(searched.value / expected - 1)).toBeLessThan(2e-6);
    expect(searched.futureLeakage).toBeLessThan(1e-9);
  });
});

const overlapping: WorldSpec = { ...strong, mixing: 'gaussian', sensorNoise: 0.02, exogenousFeedback: 0.3 };
const options: CriticalOptions = { backend: native, level: 0.02 };

describe('in a general world', () => {
  it('the leakage is at the level there, above it before', async () => {
    const { value, futureLeakage } = await criticalWeight(overlapping, options);
    expect(futureLeakage).toBeLessThanOrEqual(0.02);
    const leak = async (weight: number) =>
      (
        await solve(
          { world: overlapping, objective: { kind: 'action-supervised', weight }, latentDim: 3 },
          { backend: native },
        )
      ).metrics.futureLeakage as number;
    expect(await leak(value)).toBe(futureLeakage);
    expect(await leak(value * (1 - 2e-6))).toBeGreaterThan(0.02);
    expect(futureLeakage).toBeGreaterThan(0.02 - 1e-5);
  });

  it('a smaller level takes a stronger remedy', async () => {
    for (const [critical, sign] of [
      [criticalGain, -1],
      [criticalWeight, 1],
      [criticalConsistencyWeight, 1],
    ] as const) {
      const [loose, tight] = [
        await critical(overlapping, options),
        await critical(overlapping, { ...options, level: 2e-3 }),
      ];
      expect(sign * (tight.value - loose.value)).toBeGreaterThan(0);
    }
  });
});

describe('where there is nothing to cure', () => {
  const weak: WorldSpec = { exogenousScale: 0.2, actionDim: 2 };
  it.each([false, true])('no weight is needed, search %s', async (search) => {
    expect((await criticalWeight(weak, { backend: native, search })).value).toBe(0);
    expect((await criticalConsistencyWeight(weak, { backend: native, search })).value).toBe(0);
  });
  it('a level that everything meets is met by any gain', async () => {
    const noisy = { ...weak, exogenousDim: 4, sensorNoise: 0.01 };
    for (const world of [{ ...weak, exogenousDim: 4 }, noisy])
      expect((await criticalGain(world, { backend: native, latentDim: 1, level: 0.3 })).value).toBe(Infinity);
  });
});

describe('where no strength helps, a typed error says so', () => {
  it.each([false, true])('over-capacity, search %s', async (search) => {
    const asked = criticalWeight(strong, { backend: native, latentDim: 5, search });
    await expect(asked).rejects.toMatchObject({ name: 'ExolamError', kind: 'numerical' });
    await expect(asked).rejects.toThrow(
      search ? 'the least it reaches is 0.5' : 'latentDim 5 exceeds actionDim 3',
    );
  });
  it('a deterministic policy', async () => {
    await expect(criticalGain({ ...strong, policyNoise: 0 })).rejects.toThrow('policyNoise is 0');
  });
  it('distractors correlated with the action', async () => {
    const world = { ...overlapping, actionExogenousCorrelation: 0.6 };
    await expect(criticalConsistencyWeight(world, options)).rejects.toMatchObject({ kind: 'numerical' });
  });
});

describe('bad input', () => {
  it.each([
    ['level: expected a number from 0 up to, not including, 1 but received 1', { level: 1 }],
    ['latentDim: expected an integer from 1 to observationDim (24) but received 25', { latentDim: 25 }],
    ['relativeTolerance: expected a number between 1e-12 and 1 but received 0', { relativeTolerance: 0 }],
  ] as const)('%s', async (message, bad) => {
    await expect(criticalWeight(strong, bad)).rejects.toThrow(message);
  });
  it('supervision below actionDim of a policy that reacts has no closed form', async () => {
    await expect(criticalWeight(strong, { latentDim: 2, backend: native })).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });
});

it('leastStrength asks for whole grids and reports a leakage that comes back', async () => {
  const sizes: number[] = [];
  const found = await leastStrength(
    async (strengths) => {
      sizes.push(strengths.length);
      return strengths.map((s) => (s < 0.37 || (s > 10 && s < 100) ? 1 : 0));
    },
    { what: 'test', level: 0.5, relativeTolerance: 1e-9, scale: 1 },
  );
  expect(found.value).toBeCloseTo(0.37, 8);
  expect(found).toMatchObject({ isMonotone: false, futureLeakage: 0 });
  expect(sizes.length).toBeLessThan(9);
});
