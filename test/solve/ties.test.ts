import { describe, expect, it } from 'vitest';
import { LEAST_FAVOURABLE, POPULATION_METRICS } from '../../lib/backend/requests.js';
import { solveColumns } from '../../lib/solve/columns.js';
import { solve } from '../../lib/solve/population.js';
import { backends, native, reference } from '../support/backends.js';

/** The default world as it was: action and exogenous innovations of one size. */
const TIED = { exogenousScale: 1 };

describe.each(backends)('%s: ties', (_name, backend) => {
  it.each([0, 1, 2])('the old default world, seed %i: the range, whatever rounding picks', async (seed) => {
    const answer = await solve(
      { world: { ...TIED, seed }, objective: { kind: 'reconstruction' }, latentDim: 3 },
      { backend },
    );
    expect(answer.unique).toBe(false);
    expect(answer.next).toBeCloseTo(1, 12);
    expect(answer.loss).toBeCloseTo(4, 12);
    // 3 of the 7 that tie: 3 action and 4 exogenous directions.
    const ranges = answer.ranges as Required<NonNullable<typeof answer.ranges>>;
    const close = (name: (typeof POPULATION_METRICS)[number], most: number, least: number) => {
      expect(ranges[name][0], name).toBeCloseTo(most, 12);
      expect(ranges[name][1], name).toBeCloseTo(least, 12);
      expect(answer.metrics[name], name).toBe(ranges[name][1]);
    };
    close('actionError', 0, 1);
    close('futureLeakage', 0, 0.75);
    close('innovationLeakage', 0, 0.75);
    close('latentShare.exogenous', 0, 1);
    close('latentShare.action', 1, 0);
    close('consistencyError', 0, 1);
    expect(ranges.actionInformation).toEqual([Number.POSITIVE_INFINITY, expect.closeTo(0, 12)]);
    expect(ranges.futureInformation).toEqual([expect.closeTo(0, 12), Number.POSITIVE_INFINITY]);
  });

  it('all that tie, or none: the answer is unique and has no ranges', async () => {
    for (const latentDim of [7, 8]) {
      const answer = await solve(
        { world: TIED, objective: { kind: 'reconstruction' }, latentDim },
        { backend },
      );
      expect(answer).toMatchObject({ unique: true, next: 0 });
      expect(answer.ranges).toBeUndefined();
      expect(answer.metrics.futureLeakage).toBeCloseTo(1, 12);
    }
  });

  it('coordinates of sensor noise tie with each other, and change neither what z knows of a nor of x', async () => {
    const world = { observationDim: 14, sensorNoise: 0.1, mixing: 'gaussian', seed: 3 } as const;
    const at = (latentDim: number) =>
      solve({ world, objective: { kind: 'reconstruction' }, latentDim }, { backend });
    const answer = await at(11);
    expect(answer.unique).toBe(false);
    expect(answer.next).toBeCloseTo(answer.spectrum[10], 14);
    const share = answer.ranges?.['latentShare.exogenous'];
    expect(share?.[0]).toBeCloseTo(share?.[1] as number, 9);
  });

  it('a world where the tied directions overlap: no mixture of them lies outside the range, and the ends are reached', async () => {
    // Action and exogenous innovation in one plane, 60 degrees apart, made equal by a third direction: M = I on the plane.
    const root = Math.sqrt(3) / 2;
    const world = {
      observationDim: 3,
      endogenousDim: 1,
      exogenousDim: 2,
      actionDim: 1,
      exogenousScale: Math.sqrt(2 / 3),
      actionScale: Math.sqrt(2 / 3),
      matrices: {
        endogenousMixing: [[1], [0], [0]],
        exogenousMixing: [
          [-0.5, -0.5],
          [root, -root],
          [0, 0],
        ],
        actionEffect: [[1]],
      },
      exogenousInitialScale: 0,
    };
    const answer = await solve({ world, objective: { kind: 'reconstruction' }, latentDim: 1 }, { backend });
    expect(answer.unique).toBe(false);
    expect(answer.spectrum[0]).toBeCloseTo(1, 12);
    // z along angle t explains 2/3 cos^2 t of a and (2 - 2/3 ... ) of x': |cov|^2 over the plane's three directions is constant.
    const explainsAction = (t: number) => (2 / 3) * Math.cos(t) ** 2;
    const explainsExogenous = (t: number) =>
      (2 / 3) * (Math.cos(t + Math.PI / 3) ** 2 + Math.cos(t - Math.PI / 3) ** 2);
    const over = (f: (t: number) => number) => {
      const values = Array.from({ length: 10001 }, (_, i) => f((Math.PI * i) / 10000));
      return [Math.min(...values), Math.max(...values)] as const;
    };
    const [leastKnown, mostKnown] = over(explainsAction);
    expect(answer.ranges?.actionError?.[0]).toBeCloseTo(1 - mostKnown, 7);
    expect(answer.ranges?.actionError?.[1]).toBeCloseTo(1 - leastKnown, 7);
    const [leastLeak, mostLeak] = over((t) => explainsExogenous(t) / 2);
    expect(answer.ranges?.innovationLeakage?.[0]).toBeCloseTo(leastLeak, 7);
    expect(answer.ranges?.innovationLeakage?.[1]).toBeCloseTo(mostLeak, 7);
    expect(answer.ranges?.['latentShare.exogenous']?.[1]).toBeCloseTo(2 * mostLeak, 7);
  });

  it('columns: unique, next, and the most favourable value beside the least', async () => {
    const exogenousScale = Float64Array.of(0.5, 1, 2, 1 + 1e-14);
    const answer = await solveColumns(
      { objective: { kind: 'reconstruction' }, latentDims: [3, 7], columns: { exogenousScale } },
      { backend },
    );
    expect([...answer.unique]).toEqual([1, 1, 0, 1, 0, 1, 0, 1]);
    expect(answer.next[0]).toBeCloseTo(0.25, 12);
    expect(answer.next[2]).toBeCloseTo(1, 12);
    expect(answer.metrics.futureLeakage?.[2]).toBeCloseTo(0.75, 12);
    expect(answer.favourable.futureLeakage?.[2]).toBeCloseTo(0, 12);
    expect(answer.favourable.futureLeakage?.[0]).toBe(answer.metrics.futureLeakage?.[0]);
    const without = await solveColumns(
      { objective: { kind: 'reconstruction' }, latentDims: [7], columns: { exogenousScale } },
      { backend },
    );
    expect(without.favourable).toBe(without.metrics);
  });
});

describe('ties', () => {
  it('have one answer on both backends, for every objective', async () => {
    const objectives = [
      { kind: 'reconstruction' },
      { kind: 'reconstruction', decoder: 'identity' },
      { kind: 'action-supervised', weight: 3 },
      { kind: 'cross-exogenous' },
      { kind: 'exogenous-robust', weight: 0.7 },
      { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.2 },
    ] as const;
    let ties = 0;
    // Actions and exogenous state that tie, and those that tie among themselves alone, which no metric tells apart.
    for (const objective of objectives)
      for (const [exogenousScale, sensorNoise] of [
        [1, 0],
        [1, 0.2],
        [2, 0],
      ])
        for (const latentDim of [2, 5, 8, 12]) {
          const question = {
            world: { exogenousScale, sensorNoise, observationDim: 16 },
            objective,
            latentDim,
          };
          const [a, b] = await Promise.all([
            solve(question, { backend: native }),
            solve(question, { backend: reference }),
          ]);
          expect(a.unique, JSON.stringify(question)).toBe(b.unique);
          if (!a.unique) ties++;
          for (const name of POPULATION_METRICS) {
            const what = `${name} of ${JSON.stringify(question)}`;
            const values = [
              [a.metrics[name], b.metrics[name]],
              [a.ranges?.[name]?.[0], b.ranges?.[name]?.[0]],
            ];
            for (const [x, y] of values) if (x !== y) expect(x, what).toBeCloseTo(y as number, 8);
            const [most, least] = a.ranges?.[name] ?? [0, 0];
            if (LEAST_FAVOURABLE[name] === 'high') expect(least).toBeGreaterThanOrEqual(most - 1e-12);
            else expect(least).toBeLessThanOrEqual(most + 1e-12);
          }
        }
    expect(ties).toBeGreaterThan(20);
  });
});
