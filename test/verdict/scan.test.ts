import { describe, expect, it } from 'vitest';
import { scanTransitions, transitions } from '../../lib/data/from-arrays.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { analyzeScan } from '../../lib/verdict/scan.js';
import { native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

// Scans of recordings whose lag and whose dependence on the stride are known, because the test made them.

interface Recording {
  readonly episodes: number;
  readonly length: number;
  /** Rows after its own step that the logger writes an action to. */
  readonly late?: number;
  /** What the action does to o. */
  readonly effect?: number;
  /** How much of o the policy answers. */
  readonly gain?: number;
  readonly seed?: number;
}

/**
 * o = (s1, s2, x1, x2), s' = 0.9 s + effect a + 0.1 noise, a = 0.7 of the last one + u - gain s; x' = 0.5 x + noise.
 */
function recorded({ episodes, length, late = 0, effect = 1, gain = 0, seed = 1 }: Recording) {
  const random = generator(seed);
  const found = { observations: [] as number[][], actions: [] as number[][], exogenous: [] as number[][] };
  const episodeEnds: number[] = [];
  for (let e = 0; e < episodes; e++) {
    let [s, x, a] = [noise(random, 2), noise(random, 2), noise(random, 2)].map((v) => Array.from(v));
    const done: number[][] = [];
    for (let t = 0; t < length; t++) {
      found.observations.push([...s, ...x]);
      found.exogenous.push(x);
      const [u, w, v] = [noise(random, 2), noise(random, 2), noise(random, 2)];
      a = a.map((last, j) => 0.7 * last + u[j] - gain * s[j]);
      done.push(a);
      s = s.map((value, j) => 0.9 * value + effect * a[j] + 0.1 * w[j]);
      x = x.map((value, j) => 0.5 * value + 2 * v[j]);
    }
    // What stands in a row before anything was done, or after, is some number.
    done.forEach((_, t) => {
      found.actions.push(done[t - late] ?? Array.from(noise(random, 2)));
    });
    episodeEnds.push(found.observations.length);
  }
  return { ...found, episodeEnds };
}

const options = {
  latentDims: [2],
  objectives: [{ kind: 'reconstruction' }],
  remedies: false,
  backend: native,
} as const;
const lags = [-2, -1, 0, 1, 2];

describe('a scan of lags', () => {
  it.each([1, -1, 2])('finds a logger that is %i rows off, with its sign', async (late) => {
    const scan = scanTransitions({ ...recorded({ episodes: 10, length: 30, late }), actionLag: lags });
    const found = await analyzeScan(scan, options);
    expect(found.alignment).toEqual({ answer: 'shifted', best: late, among: [late] });
    const [best, zero] = [late, 0].map((lag) => found.rows.find(({ value }) => value === lag));
    expect(best?.metrics.inverseDynamicsError?.value).toBeLessThan(0.05);
    // The difference is that of the two figures, and its interval is one number's.
    const { value, high } = best!.differences!.inverseDynamicsError!;
    expect(value).toBeCloseTo(
      best!.metrics.inverseDynamicsError!.value! - zero!.metrics.inverseDynamicsError!.value!,
      12,
    );
    expect(high).toBeLessThan(0);
    expect(found.sentence).toContain(`at lag ${late}, not at lag 0`);
    expect(found.sentence).toContain(
      `${Math.abs(late)} row${Math.abs(late) === 1 ? '' : 's'} ${late > 0 ? 'late' : 'early'}`,
    );
  });

  it.each([0, 0.5])('says 0 where there is no lag, with a policy that answers %s of o', async (gain) => {
    const scan = scanTransitions({ ...recorded({ episodes: 10, length: 30, gain }), actionLag: lags });
    const found = await analyzeScan(scan, options);
    expect(found.alignment).toEqual({ answer: 'in-step', best: 0, among: [0] });
    expect(found.sentence).toMatch(/^The action is best explained by the step from o to o' at lag 0/);
    // The rows and folds are the same at every lag, so what does not speak of the action is too.
    for (const { metrics } of found.rows)
      expect(metrics.innovationLeakage).toEqual(found.rows[0].metrics.innovationLeakage);
  });

  it('cannot tell where the action does nothing', async () => {
    for (const seed of [1, 2]) {
      const scan = scanTransitions({
        ...recorded({ episodes: 10, length: 30, effect: 0, seed }),
        actionLag: lags,
      });
      const found = await analyzeScan(scan, options);
      expect(found.alignment?.answer).toBe('cannot-tell');
      expect(found.alignment?.among).toContain(0);
      expect(found.sentence).toMatch(/cannot be told from 10 episodes/);
    }
  });

  it('does not call a lag best whose action o alone tells: what it would be best at is nothing', async () => {
    const made = recorded({ episodes: 10, length: 30 });
    // o holds the action before, as many a simulator's does.
    const observations = made.observations.map((o, i) => [...o, ...(made.actions[i - 1] ?? [0, 0])]);
    const found = await analyzeScan(
      scanTransitions({
        observations,
        actions: made.actions,
        episodeEnds: made.episodeEnds,
        actionLag: lags,
      }),
      options,
    );
    expect(found.rows[1].metrics.inverseDynamicsError?.reason).toBe('nothing is left to explain');
    expect(found.rows[1].actionGivenObservation).toBeLessThan(1e-8);
    expect(found.alignment).toEqual({ answer: 'cannot-tell', best: 0, among: [-1, 0] });
    expect(found.sentence).toContain('lag -1 cannot be judged');
  });

  it('says that fewer than 4 episodes tell nothing', async () => {
    const scan = scanTransitions({ ...recorded({ episodes: 3, length: 40 }), actionLag: lags });
    const found = await analyzeScan(scan, options);
    expect(found.sentence).toMatch(/cannot be told: fewer than 4 episodes/);
    expect(found.rows.map(({ metrics }) => metrics)).toEqual(lags.map(() => ({})));
  });
});

describe('a scan of strides', () => {
  it('is the analysis of each stride, at one latent dimension, with differences from the first', async () => {
    const arrays = recorded({ episodes: 10, length: 30 });
    const seen: number[] = [];
    const found = await analyzeScan(scanTransitions({ ...arrays, stride: [4, 1] }), {
      ...options,
      latentDims: [1, 2],
      onProgress: (done, total) => seen.push(done / total),
    });
    expect(found.scan).toEqual({ stride: [1, 4] });
    for (const [i, stride] of [1, 4].entries()) {
      const alone = await analyze(transitions({ ...arrays, stride }), { ...options, latentDims: [1, 2] });
      expect(found.analyses[i]).toEqual(alone);
      expect(found.rows[i].metrics.actionError).toEqual(
        alone.latent.find((row) => row.latentDim === 2)?.metrics.actionError,
      );
      expect(found.rows[i].answer).toBe(alone.verdict.answer);
    }
    expect(found.analyses[1].folds).toEqual(found.analyses[0].folds);
    expect(found.rows[0].differences).toBeNull();
    // One bar for the whole scan.
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen[seen.length - 1]).toBe(1);
  });

  it('tells what changes with the stride: x forgets itself, s gathers its actions', async () => {
    // Innovation of x at stride n: 4 (1 - 0.25^n) / 0.75, from 4 to 5.3; of s some 2 at stride 1, with 5 many times that.
    const scan = scanTransitions({ ...recorded({ episodes: 20, length: 60 }), stride: [1, 5] });
    const found = await analyzeScan(scan, { ...options, scale: 'given' });
    const [one, five] = found.rows;
    expect([one.answer, five.answer]).toEqual(['leaks', 'does-not-leak']);
    expect(one.metrics['latentShare.exogenous']?.low).toBeGreaterThan(0.9);
    expect(five.metrics['latentShare.exogenous']?.high).toBeLessThan(0.1);
    expect(five.differences?.innovationLeakage?.high).toBeLessThan(-0.8);
    expect(found.sentence).toMatch(
      /^Reconstruction leaks at stride 1 and does not leak at stride 5 \(latentDim 2\)/,
    );
    expect(found.sentence).toMatch(
      /innovation leakage is \S+ points \(95 %: \S+ to \S+\) lower at stride 5 than at 1/,
    );
  });

  it('calls figures that are exact the same, whatever their rounding', async () => {
    const made = recorded({ episodes: 6, length: 30 });
    // o adds up the actions and nothing else: what it gained is what was done, at any stride.
    const sums = [0, 0];
    const observations = made.observations.map((_, i) => {
      const before = [...sums];
      made.actions[i].forEach((a, j) => {
        sums[j] += a;
      });
      return before;
    });
    const scan = scanTransitions({ ...made, observations, exogenous: undefined, stride: [1, 3] });
    const { sentence } = await analyzeScan(scan, options);
    expect(sentence).toBe(
      'Whether reconstruction leaks is unknown, as no exogenous state is known (latentDim 2); action error does not change.',
    );
  });

  it('has the same bits for every number of threads', async () => {
    const arrays = { ...recorded({ episodes: 8, length: 30, late: 1 }), actionLag: [-1, 0, 1] };
    const [one, three] = await Promise.all(
      [1, 3].map((threads) => analyzeScan(scanTransitions(arrays), { ...options, threads })),
    );
    expect(three).toEqual(one);
  });

  it('takes what openScan and scanTransitions give', async () => {
    await expect(analyzeScan({ values: [1] } as never)).rejects.toThrow(
      /^scan: expected what openScan or scanTransitions gives/,
    );
  });
});
