import { describe, expect, it } from 'vitest';
import { answerOfBoth } from '../../lib/train/judges.js';
import { trainedSentence } from '../../lib/verdict/trained.js';

const told = (value: number, low: number, high: number, training = value) => ({
  value,
  low,
  high,
  training,
  reason: null,
});
const untold = { value: null, low: null, high: null, training: 0.4, reason: 'too uncertain' };

describe('the first sentence of a training run', () => {
  it('of exact figures has no intervals', () => {
    expect(
      trainedSentence({
        metrics: { innovationLeakage: 0.75, 'latentShare.exogenous': 1, actionError: 0.62 },
      }),
    ).toBe('z leaks: 100 % of it is exogenous. It leaves 62 % of the action unexplained.');
    expect(trainedSentence({ metrics: { innovationLeakage: 0.01, 'latentShare.exogenous': 0.02 } })).toBe(
      'z does not leak: it carries 1 % of what is new in the exogenous state, 2 % of it is exogenous, all below the level of 10 %.',
    );
    // What rounding leaves of an exact zero is no figure, and where nothing is new in x there is no question.
    expect(
      trainedSentence({
        metrics: { innovationLeakage: 0, 'latentShare.exogenous': 1.6e-18, actionError: 1.6e-18 },
      }),
    ).toBe(
      'z does not leak: it carries 0 % of what is new in the exogenous state, less than 0.01 % of it is exogenous, all below the level of 10 %. It leaves less than 0.01 % of the action unexplained.',
    );
    expect(trainedSentence({ metrics: { actionError: 0.5 } })).toBe(
      'Whether z leaks is no question here: nothing is new in the exogenous state. It leaves 50 % of the action unexplained.',
    );
  });

  it('of estimates is "leaks" where one probe lies above the level, and names it', () => {
    const linear = {
      innovationLeakage: told(0.05, 0.02, 0.08),
      'latentShare.exogenous': told(0.04, 0.01, 0.07),
    };
    const nonlinear = { innovationLeakage: told(0.4, 0.3, 0.5), actionError: told(0.8, 0.7, 0.9) };
    expect(
      trainedSentence({
        metrics: {},
        estimates: {
          linear,
          nonlinear,
          answer: answerOfBoth('does-not-leak', nonlinear as never),
          reason: null,
        },
      }),
    ).toBe(
      'z leaks: it carries 40 % (95 %: 30 to 50 %) of what is new in the exogenous state by a nonlinear probe. ' +
        'It leaves 80 % (95 %: 70 to 90 %) of the action unexplained by a nonlinear probe.',
    );
    expect(
      trainedSentence({ metrics: {}, estimates: { linear, answer: 'does-not-leak', reason: null } }),
    ).toMatch(/^z does not leak: /);
  });

  it('says that it cannot tell, and with which figures', () => {
    const share = told(0.04, 0.01, 0.07);
    for (const leakage of [told(0.05, -0.1, 0.2), untold, told(0.05, 0.02, 0.08, 0.3)]) {
      const linear = { innovationLeakage: leakage, 'latentShare.exogenous': share };
      expect(
        trainedSentence({ metrics: {}, estimates: { linear, answer: 'cannot-tell', reason: null } }),
      ).toMatch(/^Whether z leaks cannot be told: .*; the level is 10 %\.$/);
    }
    const linear = { innovationLeakage: untold, 'latentShare.exogenous': untold };
    expect(
      trainedSentence({
        metrics: {},
        estimates: { units: 5, linear, answer: 'cannot-tell', reason: null },
      }),
    ).toBe(
      'Whether z leaks cannot be told from 5 units (episodes or blocks of rows): not measurable (too uncertain).',
    );
  });

  it('is unknown without an exogenous state, and nothing where nothing was judged', () => {
    const linear = { actionError: told(0.5, 0.4, 0.6) };
    expect(
      trainedSentence({
        metrics: {},
        estimates: { linear: { actionError: untold }, answer: 'unknown', reason: null },
      }),
    ).toBe('Whether z leaks is unknown: no exogenous state is known.');
    expect(trainedSentence({ metrics: {}, estimates: { linear, answer: 'unknown', reason: null } })).toMatch(
      /^Whether z leaks is unknown/,
    );
    expect(
      trainedSentence({
        metrics: {},
        estimates: { linear: {}, answer: 'unknown', reason: 'fewer than 4 units' },
      }),
    ).toBe('Whether z leaks cannot be told: fewer than 4 units.');
    expect(trainedSentence({ metrics: {} })).toBe('');
  });

  it('agrees with the answer of both probes, of which one above the level is enough and one unmeasured too few', () => {
    const of = (leakage: ReturnType<typeof told> | typeof untold) =>
      answerOfBoth('does-not-leak', { innovationLeakage: leakage } as never);
    expect(of(told(0.4, 0.3, 0.5))).toBe('leaks');
    expect(of(told(0.02, 0.01, 0.03))).toBe('does-not-leak');
    for (const open of [told(0.05, -0.1, 0.2), untold]) expect(of(open)).toBe('cannot-tell');
    expect(answerOfBoth('leaks', { innovationLeakage: told(0.02, 0.01, 0.03) } as never)).toBe('leaks');
    expect(answerOfBoth('unknown', undefined)).toBe('unknown');
  });
});
