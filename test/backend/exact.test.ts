import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { POPULATION_METRICS, STATUS } from '../../lib/backend/requests.js';
import { backends } from '../support/backends.js';
import { exactCase } from '../support/exact-worlds.js';
import { requestOf } from '../support/golden.js';

/** 40 digits, by test/support/exact.py: an implementation that shares nothing with the product. */
interface Answer {
  readonly index: number;
  readonly extreme: boolean;
  /** From the last eigenvalue taken to the next, relative to the largest. */
  readonly gap: number;
  readonly rank: number;
  readonly loss: number;
  readonly spectrum: number[];
  readonly metrics: Record<string, number | 'Infinity' | null>;
}

const answers: Answer[] = JSON.parse(
  readFileSync(fileURLToPath(new URL('../golden/exact/answers.json', import.meta.url)), 'utf8'),
);
const numberOf = (v: number | 'Infinity' | null | undefined) =>
  v === 'Infinity' ? Number.POSITIVE_INFINITY : (v ?? Number.NaN);

describe.each(backends)('%s: 40 digits', (_name, backend) => {
  it.each(answers.map((a) => [`world ${a.index}${a.extreme ? ', extreme scale' : ''}`, a] as const))(
    '%s',
    async (_, { index, extreme, ...want }) => {
      const golden = exactCase(index, extreme);
      const answer = await backend.solvePopulation(requestOf([golden]));
      expect(answer.status[0]).toBe(STATUS.ok);
      expect(answer.rank[0]).toBe(want.rank);
      expect(answer.unique[0]).toBe(1);
      const wrong: string[] = [];
      const check = (what: string, actual: number, wanted: number, tolerance: number) => {
        if (Object.is(actual, wanted) || Math.abs(actual - wanted) <= tolerance) return;
        wrong.push(`${what}: ${actual} should be ${wanted}`);
      };
      // A loss that is exactly 0 is left as rounding.
      check('loss', answer.loss[0], want.loss, Math.max(1e-9 * want.loss, 1e-22 * want.spectrum[0]));
      want.spectrum.forEach((value, i) => {
        const beyond = i >= want.rank;
        check(`spectrum[${i}]`, answer.spectrum[i], beyond ? 0 : value, 1e-9 * value + 1e-28);
      });
      // The eigenvectors of eigenvalues that nearly meet, at scales far apart, are less certain than their sum.
      const tolerance = extreme ? 1e-7 : 1e-8;
      if (want.gap > 1e-8)
        POPULATION_METRICS.forEach((name, m) => {
          const value = numberOf(want.metrics[name]);
          check(name, answer.metrics[m], value, tolerance * Math.max(1, Math.abs(value)));
          check(`${name}, favourable`, answer.favourable[m], 0, 0);
        });
      expect(wrong).toEqual([]);
    },
  );
});
