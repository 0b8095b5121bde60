import { describe, expect, it } from 'vitest';
import { claimsOf } from '../../lib/reproduce/claims.js';
import { meanInterval } from '../../lib/reproduce/intervals.js';
import { reproduceSpec } from '../../lib/reproduce/spec.js';
import type { Tables } from '../../lib/reproduce/study.js';
import { type Row, tableOf } from '../../lib/reproduce/table.js';
import { judge } from '../../lib/reproduce/verdict.js';

const spec = reproduceSpec({ quick: true });
/** The point of the grid nearest to 2, found again. */
const told = [...spec.exogenousScales].sort((a, b) => Math.abs(a - 2) - Math.abs(b - 2))[0];
const PLAIN = [0.6, 0.65, 0.7, 0.75];

/** The table of remedies with these values, one a world, under every remedy that is not named. */
function tablesOf(leakage: Record<string, number[]>, consistency: Record<string, number[]> = {}): Tables {
  const remedies = [
    'reconstruction',
    'representation',
    'action-supervised',
    'exogenous-robust',
    'cross-exogenous',
  ];
  const rows = ['orthonormal', 'gaussian'].flatMap((mixing) =>
    spec.exogenousScales.flatMap((exogenousScale) =>
      remedies.flatMap((remedy) =>
        [0, 1, 2, 3].map((seed): Row => {
          // Elsewhere other numbers stand, which no verdict is to read.
          const here = mixing === 'gaussian' && exogenousScale === told;
          const other = remedy === 'reconstruction' ? PLAIN[seed] : 0.01;
          const futureLeakage = here ? (leakage[remedy]?.[seed] ?? other) : 0.5;
          const consistencyError = here ? (consistency[remedy]?.[seed] ?? other) : 0.5;
          return { mixing, exogenousScale, remedy, seed, futureLeakage, consistencyError };
        }),
      ),
    ),
  );
  const columns = Object.fromEntries(Object.keys(rows[0]).map((name) => [name, [name] as const]));
  return { scale: tableOf('scale', 'a table', columns, rows) };
}

const verdicts = (...tables: Parameters<typeof tablesOf>) =>
  claimsOf(tablesOf(...tables), spec).map(({ verdict }) => verdict);

describe('the verdicts', () => {
  it('hold where every interval is clear', () => {
    expect(verdicts({})).toEqual(['holds', 'holds', 'holds']);
  });

  it('C1: does not hold where z carries next to nothing, and cannot tell where worlds differ too much', () => {
    expect(verdicts({ reconstruction: [0.01, 0.012, 0.02, 0.011] })[0]).toBe('does not hold');
    expect(verdicts({ reconstruction: [0.01, 0.9, 0.02, 0.3] })[0]).toBe('cannot tell');
  });

  it('C2: compares world by world', () => {
    // A tenth less in each world, though worlds differ by more than that.
    const reconstruction = [0.2, 0.4, 0.6, 0.8];
    const representation = [0.1, 0.301, 0.5, 0.7];
    expect(verdicts({ reconstruction, representation })[1]).toBe('holds');
    expect(verdicts({ reconstruction: representation, representation: reconstruction })[1]).toBe(
      'does not hold',
    );
    expect(verdicts({ reconstruction, representation: [0.5, 0.1, 0.9, 0.4] })[1]).toBe('cannot tell');
  });

  it('C3: is as good as the least of its objectives, and names it', () => {
    const noise = [0.2, 0.9, 0.5, 0.95];
    const worse = PLAIN.map((v) => v + 0.1);
    expect(verdicts({}, { 'action-supervised': noise })[2]).toBe('cannot tell');
    expect(verdicts({}, { 'action-supervised': noise, 'cross-exogenous': worse })[2]).toBe('does not hold');
    const [, , c3] = claimsOf(tablesOf({}, { 'cross-exogenous': worse }), spec);
    expect(c3.sentence).toContain('cross-exogenous reconstruction, raises it by 10 points');
  });

  it('have sentences whose numbers are those of the table, to the digit that they show', () => {
    const representation = [0.1, 0.13, 0.09, 0.11];
    const [c1, c2, c3] = claimsOf(tablesOf({ representation }), spec);
    // Mean of .6 .65 .7 .75; deviation .0645497; t(3) at .975 is 3.182446: half-width .1027.
    expect(c1.value).toBeCloseTo(0.675, 12);
    expect(c1.high - c1.value).toBeCloseTo((3.182446305284263 * 0.0645497224367903) / 2, 9);
    expect(c1.sentence).toMatch(
      /z carries 68\u00a0% .*interval 57 to 78\u00a0%; mean of 4 overlapping worlds/,
    );
    // Differences .5 .52 .61 .64: mean .5675, deviation .0680074, half-width .1082.
    expect(c2.value).toBeCloseTo(0.5675, 12);
    expect(c2.sentence).toMatch(
      /lowers that share by 57 points, to 11\u00a0% \(95\u00a0% interval 46 to 68 points/,
    );
    expect(c3.sentence).toMatch(/68\u00a0% of its variance under reconstruction/);
    for (const { value, low, high } of [c1, c2, c3]) expect(low < value && value < high).toBe(true);
  });

  it('cannot be told from one world', () => {
    const one = meanInterval([0.7]);
    expect(one.low).toBeNaN();
    expect(judge(one, 0.1)).toBe('cannot tell');
  });
});
