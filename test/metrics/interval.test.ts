import { describe, expect, it } from 'vitest';
import {
  answerOf,
  type ErrorSums,
  intervalOf,
  knowsAction,
  unitsNeeded,
} from '../../lib/metrics/interval.js';
import { studentQuantile } from '../../lib/metrics/student.js';

describe('studentQuantile', () => {
  // scipy.stats.t.ppf
  it.each([
    [0.975, 2, 4.302652729749462],
    [0.975, 3.807670136352424, 2.832637835127265],
    [0.975, 10, 2.228138851986274],
    [0.95, 5.8, 1.9552465612991115],
    [0.975, 250.5, 1.969479272051676],
    [0.95, 2, 2.9199855803537242],
  ])('p %f, %f degrees of freedom', (p, df, wanted) => {
    expect(Math.abs(studentQuantile(p, df) / wanted - 1)).toBeLessThan(1e-12);
  });
});

const sums = (over: Partial<ErrorSums> = {}): ErrorSums => ({
  num: [4, 5, 6, 5],
  den: [10, 10, 10, 10],
  training: [18, 40],
  replicates: [0.5, 0.52, 0.48, 0.5],
  total: 60,
  units: 4,
  ...over,
});

describe('intervalOf', () => {
  it('is the ratio of sums, with a step in the logarithm', () => {
    const e = intervalOf('actionError', sums());
    const logs = [0.5, 0.52, 0.48, 0.5].map(Math.log);
    const mean = logs.reduce((s, v) => s + v, 0) / 4;
    const se = Math.sqrt((3 / 4) * logs.reduce((s, v) => s + (v - mean) ** 2, 0));
    expect(e.value).toBe(0.5);
    expect(e.training).toBe(0.45);
    expect(e.standardError).toBeCloseTo(se, 14);
    expect(e.degreesOfFreedom).toBe(2);
    expect(e.high).toBeCloseTo(0.5 * Math.exp((0.95 / Math.sqrt(2 * 0.975 * 0.025)) * se), 12);
    expect(e.low * e.high).toBeCloseTo(0.25, 12);
    expect([e.rough, e.reason]).toEqual([true, null]);
  });

  it('is one minus that for a leakage, its ends exchanged', () => {
    const [error, leakage] = [intervalOf('actionError', sums()), intervalOf('futureLeakage', sums())];
    expect(leakage.value).toBe(1 - error.value);
    expect(leakage.low).toBe(1 - error.high);
    expect(leakage.high).toBe(1 - error.low);
  });

  it('is a point where the relation is exact to rounding', () => {
    const e = intervalOf(
      'actionError',
      sums({ num: [1e-14, 0, 1e-15, 0], replicates: [1e-16, 1e-13, 0, 1e-15] }),
    );
    expect([e.low, e.value, e.high, e.reason]).toEqual([1e-9, 1e-9, 1e-9, null]);
  });

  it('is measurable near 1, where the logarithm of what is left is uncertain and the leakage is not', () => {
    const near = sums({ num: [5e-4, 6e-4, 4e-4, 5e-4], replicates: [1e-5, 9e-5, 5e-5, 4e-5] });
    const leakage = intervalOf('innovationLeakage', near);
    expect(leakage.low).toBeGreaterThan(0.9);
    expect(leakage.reason).toBeNull();
    expect(intervalOf('actionError', near).reason).toBe('too uncertain');
    const wide = sums({ replicates: [0.1, 0.9, 0.5, 0.4] });
    expect(intervalOf('innovationLeakage', wide).reason).toBe('too uncertain');
  });

  it('tells the least and the greatest of single units', () => {
    expect(intervalOf('actionError', sums()).ofUnits).toEqual([0.4, 0.6]);
    expect(intervalOf('futureLeakage', sums()).ofUnits).toEqual([0.4, 0.6]);
  });

  it.each([
    ['nothing is left to explain', { total: 1e12 }],
    ['nothing is left to explain', { den: [0, 0, 0, 0], total: null }],
    ['what was fitted does not carry over', { total: 20 }],
    ['worse than without the latent', { num: [14, 12, 11, 10] }],
    ['too uncertain', { replicates: [0.1, 0.9, 0.5, 0.4] }],
    ['too uncertain', { replicates: [0.5, Number.NaN, 0.5, 0.5] }],
  ] as [string, Partial<ErrorSums>][])('%s', (reason, over) => {
    expect(intervalOf('futureLeakage', sums(over)).reason).toBe(reason);
  });
});

describe('answers', () => {
  const of = (low: number, high: number, training = high) => ({
    ...intervalOf('futureLeakage', sums()),
    low,
    high,
    value: (low + high) / 2,
    training,
  });
  const share = 'latentShare.exogenous';
  it('either can say that z leaks, both must say that it does not', () => {
    expect(answerOf({ innovationLeakage: of(0, 0.05), [share]: of(0.2, 0.4) }, 0.1)).toBe('leaks');
    expect(answerOf({ innovationLeakage: of(0, 0.05), [share]: of(0, 0.08) }, 0.1)).toBe('does-not-leak');
    expect(answerOf({ innovationLeakage: of(0, 0.05), [share]: of(0, 0.2) }, 0.1)).toBe('cannot-tell');
    expect(answerOf({ innovationLeakage: of(0, 0.05, 0.2), [share]: of(0, 0.08) }, 0.1)).toBe('cannot-tell');
    expect(answerOf({ futureLeakage: of(0.2, 0.3), [share]: of(0, 0.08) }, 0.1)).toBe('leaks');
    expect(answerOf({ [share]: of(0.2, 0.4) }, 0.1)).toBe('unknown');
    const unmeasured = { ...of(0.5, 0.6), reason: 'too uncertain' as const };
    expect(answerOf({ innovationLeakage: unmeasured, [share]: of(0, 0.05) }, 0.1)).toBe('cannot-tell');
  });

  it('how many units would do falls with the distance from the level', () => {
    const near = unitsNeeded(of(0.1, 0.2), 10, 0.1);
    const far = unitsNeeded(of(0.3, 0.6), 10, 0.1);
    expect(near).toBeGreaterThan(far);
    expect(Number.isInteger(near)).toBe(true);
  });

  it('z knows the action where its error is below that without z', () => {
    const error = intervalOf('actionError', sums());
    expect(knowsAction({ actionError: error })).toBe(true);
    expect(knowsAction({ actionError: { ...error, high: 1.01 } })).toBe(false);
    expect(knowsAction({})).toBeNull();
  });
});
