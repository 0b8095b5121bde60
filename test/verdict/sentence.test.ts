import { describe, expect, it } from 'vitest';
import type { Interval } from '../../lib/metrics/interval.js';
import { about, decimals, percentOf, shareOf } from '../../lib/verdict/figures.js';
import {
  type Circumstances,
  type Intervals,
  latentDimOfVerdict,
  verdictOf,
} from '../../lib/verdict/sentence.js';

/** A leakage with an interval that reaches as far on the log scale of its ratio as stated. */
function leakage(value: number, step: number, training = value, reason: Interval['reason'] = null): Interval {
  const df = 10;
  const t = 2.2281388519649385; // of 10 degrees of freedom, 97.5 %
  return {
    value,
    low: 1 - (1 - value) * Math.exp(step),
    high: 1 - (1 - value) * Math.exp(-step),
    training,
    standardError: step / t,
    degreesOfFreedom: df,
    effectiveUnits: 20,
    rough: false,
    reason,
    ofUnits: [value - 0.1, value + 0.1],
  };
}

const error = (value: number, low: number, high: number): Interval => ({
  ...leakage(0, 0.1),
  value,
  low,
  high,
  training: value,
});

const c: Circumstances = {
  objective: 'reconstruction',
  latentDim: 3,
  because: 'the widest asked for',
  units: 20,
  unit: 'episode',
  level: 0.1,
  reason: null,
};
const of = (e: Intervals, change: Partial<Circumstances> = {}) => verdictOf(e, { ...c, ...change });

describe('the answer', () => {
  it('is "leaks" where either figure lies above the level, the other unmeasured or not', () => {
    const v = of({
      innovationLeakage: leakage(0.4, 0.1),
      'latentShare.exogenous': leakage(0, 2, 0, 'too uncertain'),
    });
    expect(v.answer).toBe('leaks');
    expect(v.sentence).toMatch(
      /^Reconstruction leaks at latentDim 3: z carries 40 % \(95 %: 34 to 46 %\) of what is new/,
    );
    expect(v.sentence).not.toMatch(/exogenous\.$/);
    // Little of x', since z is narrow, but z is made of it.
    expect(
      of({ innovationLeakage: leakage(0.05, 0.01), 'latentShare.exogenous': leakage(0.9, 0.3) }).answer,
    ).toBe('leaks');
  });

  it('is "does not leak" only where both lie below it, in training too', () => {
    const small = { innovationLeakage: leakage(0.01, 0.02), 'latentShare.exogenous': leakage(0.02, 0.03) };
    expect(of(small).answer).toBe('does-not-leak');
    expect(of({ ...small, innovationLeakage: leakage(0.01, 0.02, 0.2) }).answer).toBe('cannot-tell');
    expect(of({ ...small, 'latentShare.exogenous': leakage(0, 0.1, 0, 'too uncertain') }).answer).toBe(
      'cannot-tell',
    );
  });

  it('says with "does not leak" that z may hold nothing at all, unless z knows the action or none is known', () => {
    const small = { innovationLeakage: leakage(0.01, 0.02), 'latentShare.exogenous': leakage(0.02, 0.03) };
    const empty = / in training too; that z knows anything of the action cannot be told either\.$/;
    expect(of({ ...small, actionError: error(0.99, 0.95, 1.03) }).sentence).toMatch(empty);
    expect(of({ ...small, actionError: error(0.5, 0.4, 0.6) }).sentence).toMatch(/ in training too\.$/);
    expect(of(small).sentence).toMatch(/ in training too\.$/);
  });

  it('is "cannot tell" with the number of episodes that would do: four times as many halve the interval', () => {
    const wide = { innovationLeakage: leakage(0.2, 0.3), 'latentShare.exogenous': leakage(0.05, 0.02) };
    const v = of(wide);
    expect(v.answer).toBe('cannot-tell');
    const needed = v.unitsNeeded as number;
    // At so many episodes the lower end lies at the level.
    const step = 0.3 * Math.sqrt(20 / needed);
    expect(1 - 0.8 * Math.exp(step)).toBeCloseTo(0.1, 1);
    // The same interval from four times as many episodes takes four times as many more (both are rounded up).
    expect(Math.abs((of(wide, { units: 80 }).unitsNeeded as number) - 4 * needed)).toBeLessThan(4);
    expect(v.sentence).toMatch(
      /cannot be told from 20 episodes: .*the level is 10 %; about \d+0 episodes would do\./,
    );
  });

  it('tells no number of episodes where one figure must be small and is not measurable', () => {
    const lost = leakage(0, 2, 0, 'too uncertain');
    const low = of({ innovationLeakage: leakage(0.05, 0.1), 'latentShare.exogenous': lost });
    expect(low.answer).toBe('cannot-tell');
    expect(low.unitsNeeded).toBeNull();
    expect(low.sentence).not.toContain('would do');
    // A leak takes one alone.
    const high = of({ innovationLeakage: leakage(0.2, 0.3), 'latentShare.exogenous': lost });
    expect(high.unitsNeeded).toBeGreaterThan(20);
  });

  it('never takes what is not measurable for little', () => {
    const none = {
      innovationLeakage: leakage(-0.5, 0.1, 0, 'worse than without the latent'),
      'latentShare.exogenous': leakage(-0.5, 0.1, 0, 'worse than without the latent'),
    };
    const v = of(none);
    expect(v.answer).toBe('cannot-tell');
    expect(v.sentence).toMatch(/not measurable \(worse than without the latent\)/);
    expect(v.sentence).not.toMatch(/-?\d+ % \(/);
    expect(v.unitsNeeded).toBeNull();
  });

  it('says what is missing beside a figure that is measurable', () => {
    const small = leakage(0.01, 0.02);
    const lost = leakage(0, 0.1, 0.04, 'worse than without the latent');
    expect(of({ innovationLeakage: small, 'latentShare.exogenous': lost }).sentence).toContain(
      'of what is new in the exogenous state; how much of z is exogenous is not measurable (worse than without the latent); in training 4 % of z is exogenous;',
    );
    const nothing = leakage(0, 0.1, 0, 'nothing is left to explain');
    expect(of({ innovationLeakage: nothing, 'latentShare.exogenous': small }).sentence).toMatch(
      /of z is exogenous; what z carries of what is new in the exogenous state is not measurable \(nothing is left to explain\)/,
    );
    // Only the figure in training stands against the all-clear.
    const overfitted = of({ innovationLeakage: leakage(0.01, 0.02, 0.2), 'latentShare.exogenous': small });
    expect(overfitted.answer).toBe('cannot-tell');
    expect(overfitted.sentence).toMatch(
      /of z is exogenous; in training z carries 20 % of what is new there;/,
    );
  });

  it('says what was seen in training, and of one episode to another, where no interval can be told', () => {
    const seen = (share: Interval) =>
      of({
        innovationLeakage: leakage(0.42, 1.4, 0.51, 'too uncertain'),
        'latentShare.exogenous': share,
      });
    const v = seen(leakage(0.52, 1.4, 0.53, 'too uncertain'));
    expect(v.answer).toBe('cannot-tell');
    expect(v.sentence).toBe(
      'On these 20 episodes z is largely exogenous at latentDim 3: 53 % of it in training, 42 to 62 % in single episodes left out; ' +
        'whether reconstruction leaks on others cannot be told from 20 episodes: not measurable (too uncertain); ' +
        'in training z carries 51 % of what is new there; the level is 10 %.',
    );
    // Half of z in training alone does not carry the word: one episode left out that shows nothing takes it away, as less than half does.
    for (const less of [
      leakage(0.05, 1.4, 0.53, 'too uncertain'),
      leakage(0.3, 1.4, 0.49, 'too uncertain'),
    ]) {
      expect(seen(less).sentence).toMatch(
        /^Whether .*\(too uncertain\); in training (53|49) % of z is exogenous, and z carries 51 % of what is new there;/,
      );
    }
    expect(v.evidence[1]).toMatch(/in training 53 %, 42 to 62 % in single episodes/);
    // Where x is not known, what z carries is no share of what is new.
    const { sentence } = of({
      futureLeakage: leakage(0.42, 1.4, 0.51, 'too uncertain'),
      'latentShare.exogenous': leakage(0.3, 1.4, 0.49, 'too uncertain'),
    });
    expect(sentence).toContain(
      'z carries 51 % of the next exogenous state, beyond what the observation tells',
    );
    // What is measurable has its training figure in the evidence alone.
    expect(
      of({ innovationLeakage: leakage(0.1, 0.3), 'latentShare.exogenous': leakage(0.1, 0.3) }).sentence,
    ).not.toMatch(/training/);
  });

  it('is "unknown" without a known exogenous state, and says what would make it known', () => {
    const v = of({ actionError: error(0.5, 0.4, 0.6) });
    expect(v.answer).toBe('unknown');
    expect(v.sentence).toMatch(/exogenous_next.*--distractor/);
    expect(v.evidence).toHaveLength(1);
  });

  it('is "cannot tell" with the reason where there are too few episodes', () => {
    expect(of({}, { reason: 'fewer than 4 episodes', units: 3 })).toMatchObject({
      answer: 'cannot-tell',
      sentence: 'Whether reconstruction leaks cannot be told: fewer than 4 episodes.',
    });
  });
});

describe('the evidence', () => {
  it('says that z knows the action only where the whole interval lies below 1', () => {
    const base = { innovationLeakage: leakage(0.4, 0.1), 'latentShare.exogenous': leakage(0.5, 0.1) };
    expect(of({ ...base, actionError: error(0.9, 0.8, 0.99) }).evidence[2]).toMatch(
      /z knows something of the action/,
    );
    expect(of({ ...base, actionError: error(0.9, 0.7, 1.1) }).evidence[2]).toMatch(/cannot be told/);
  });

  it('is given at the least latentDim that is wide enough for the action, else at the widest', () => {
    expect(latentDimOfVerdict([1, 2, 4, 8], 3)).toMatchObject({ latentDim: 4 });
    expect(latentDimOfVerdict([1, 2], 3)).toMatchObject({ latentDim: 2 });
    expect(latentDimOfVerdict([1, 2], 0).because).toMatch(/no action is known/);
  });
});

describe('figures', () => {
  it('have the digits that their interval carries', () => {
    expect(percentOf(leakage(0.2512345, 0.1))).toBe('25 % (95 %: 17 to 32 %)');
    expect(percentOf(leakage(0.2512345, 0.001))).toBe('25.12 % (95 %: 25.05 to 25.20 %)');
    expect(shareOf(leakage(0.2512345, 0.1))).toBe('0.25 (0.17 to 0.32)');
    expect(shareOf(leakage(-0.0004, 0.05))).toBe('0.00 (-0.05 to 0.05)');
    expect(decimals(leakage(0.5, 0))).toBe(3);
  });

  it('that are guesses have one digit', () => {
    expect([about(7), about(23), about(131), about(2e6), about(Number.POSITIVE_INFINITY)]).toEqual([
      'about 7',
      'about 30',
      'about 200',
      'more than a million',
      'more than a million',
    ]);
  });
});
