import { describe, expect, it } from 'vitest';
import type { Backend, WishartRequest } from '../../lib/backend/requests.js';
import { drawMoments } from '../../lib/moments/drawn.js';
import { criticalDistance, distance } from '../../lib/theorems/statistics.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';

const request = (sources: number, width: number, degrees: number): WishartRequest => ({
  first: 3,
  count: 25,
  seed: 2 ** 40 + 5,
  degrees,
  width,
  sources,
  loadings: reference.normals(1, 99, 0, sources * width),
});
const identity = (n: number) => Float64Array.from({ length: n * n }, (_, at) => Number(at % (n + 1) === 0));

/** Lower Cholesky factor of an n x n matrix. */
function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  const at = (i: number, j: number) => l[i * n + j];
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let left = a[i * n + j];
      for (let k = 0; k < j; k++) left -= at(i, k) * at(j, k);
      l[i * n + j] = i === j ? Math.sqrt(left) : left / at(j, j);
    }
  return l;
}

describe('Wishart draws', () => {
  it.each([
    [1, 1, 1],
    [5, 4, 1],
    [5, 4, 3],
    [5, 8, 5],
    [17, 30, 1e9],
    [70, 9, 100],
    [140, 20, 66],
    [9, 9, 2 ** 53 - 1],
  ])('agree on native and reference: %d sources, width %d, %d degrees', async (sources, width, degrees) => {
    const r = request(sources, width, degrees);
    const [a, b] = [await native.wishart(r), await reference.wishart(r)];
    const largest = Math.max(...b.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    a.forEach((v, i) => {
      expect(Math.abs(v - b[i])).toBeLessThan(1e-12 * largest);
    });
  });

  it('have the same bits for every number of threads and in any batches', async () => {
    const r = { ...request(40, 30, 1000), count: 100 };
    const one = await native.wishart(r, { threads: 1 });
    expect(await native.wishart(r, { threads: 3 })).toEqual(one);
    const part = await native.wishart({ ...r, first: r.first + 37, count: 20 }, { threads: 2 });
    expect(part).toEqual(one.slice(37 * 900, 57 * 900));
  });

  // The same normals whatever the degrees: nothing is drawn per transition.
  it.each(backends)(
    'differ on the diagonal of their factor alone, from 1e3 to 1e9 degrees: %s',
    async (_, backend) => {
      const n = 12;
      const factors = await Promise.all(
        [1e3, 1e9].map(async (degrees) => {
          const w = await backend.wishart({ ...request(n, n, degrees), count: 1, loadings: identity(n) });
          return cholesky(
            w.map((v) => v * degrees),
            n,
          );
        }),
      );
      const [few, many] = factors as [Float64Array, Float64Array];
      for (let i = 0; i < n; i++)
        for (let j = 0; j < i; j++)
          // 1e9 times a rounding error, over a pivot of 3e4.
          expect(Math.abs(few[i * n + j] - many[i * n + j])).toBeLessThan(1e-4);
      expect(few[0]).toBeCloseTo(Math.sqrt(1e3), -1);
      expect(many[0] / Math.sqrt(1e9)).toBeCloseTo(1, 3);
    },
  );

  it.each([1, 2, 3, 7, 1e4])(
    'have the mean and variance of chi-squared variables: %d degrees',
    async (degrees) => {
      const [n, draws] = [4, 20_000];
      const w = await native.wishart({ ...request(n, n, degrees), count: draws, loadings: identity(n) });
      for (let i = 0; i < n; i++)
        for (let j = 0; j <= i; j++) {
          let [mean, square] = [0, 0];
          for (let draw = 0; draw < draws; draw++) {
            const v = w[draw * n * n + i * n + j];
            mean += v / draws;
            square += (v * v) / draws;
          }
          // W_ij / N: mean [i = j], variance (1 + [i = j]) / N; five standard deviations of either estimate.
          const variance = (1 + Number(i === j)) / degrees;
          expect(Math.abs(mean - Number(i === j))).toBeLessThan(5 * Math.sqrt(variance / draws));
          const kurtosis = i === j ? 3 + 12 / degrees : 3 + 6 / degrees;
          expect(Math.abs((square - mean ** 2) / variance - 1)).toBeLessThan(
            5 * Math.sqrt((kurtosis - 1) / draws),
          );
        }
    },
  );
});

const spec: WorldSpec = {
  observationDim: 4,
  endogenousDim: 2,
  exogenousDim: 2,
  actionDim: 1,
  mixing: 'gaussian',
  exogenousScale: 1.5,
  processNoise: 0.2,
  sensorNoise: 0.1,
  stateFeedback: 0.4,
  exogenousFeedback: 0.3,
  actionExogenousCorrelation: 0.5,
  seed: 11,
};
const DRAWS = 2000;

/** Leading eigenvalues, trace and the log of the product of all eigenvalues that are not zero, for the moments of each draw. */
async function figures(moments: Float64Array, width: number, transitions: number): Promise<number[][]> {
  const { values } = await native.symmetricEigen(moments, width, DRAWS);
  const draws = Array.from({ length: DRAWS }, (_, n) => values.subarray(n * width, (n + 1) * width));
  return [
    ...[0, 1, 2].map((k) => draws.map((v) => v[k])),
    draws.map((v) => v.reduce((a, b) => a + b, 0)),
    draws.map((v) => v.subarray(0, Math.min(width, transitions)).reduce((a, b) => a + Math.log(b), 0)),
  ];
}

/** The same from transitions one by one. */
async function sampled(transitions: number, width: number): Promise<Float64Array> {
  const moments = new Float64Array(DRAWS * width * width);
  for await (const b of sampleTransitions(spec, { samples: DRAWS * transitions, pairs: true })) {
    const views = [
      b.observation,
      b.observationNext,
      b.pairObservation,
      b.pairObservationNext,
      b.action,
      b.exogenousNext,
    ];
    for (let t = 0; t < b.count; t++) {
      const row = views.flatMap((v) =>
        Array.from(v.subarray((t * v.length) / b.count, ((t + 1) * v.length) / b.count)),
      );
      const at = Math.floor((b.first + t) / transitions) * width * width;
      for (let i = 0; i < width; i++)
        for (let j = 0; j < width; j++)
          moments[at + i * width + j] = moments[at + i * width + j] + (row[i] * row[j]) / transitions;
    }
  }
  return moments;
}

describe('drawMoments', () => {
  // 8 of the 24 sources are left out; 6 transitions make singular moments.
  it.each([6, 40])('draws what %d sampled transitions have', async (transitions) => {
    const drawn = await drawMoments(spec, { transitions, draws: DRAWS, pairs: true });
    expect(drawn.width).toBe(19);
    const found = await figures(drawn.moments, drawn.width, transitions);
    const expected = await figures(await sampled(transitions, drawn.width), drawn.width, transitions);
    // A right answer exceeds this once in a million.
    const critical = criticalDistance(DRAWS, 1e-6);
    found.forEach((values, i) => {
      expect(distance(values, expected[i]), `figure ${i}`).toBeLessThan(critical);
    });
    // Two degrees of freedom too many are found out.
    const wrong: Backend = {
      ...native,
      wishart: (r) => native.wishart({ ...r, degrees: r.degrees + 2 }),
    };
    const { moments } = await drawMoments(spec, { transitions, draws: DRAWS, pairs: true, backend: wrong });
    const off = await figures(moments, drawn.width, transitions);
    expect(Math.max(...off.map((values, i) => distance(values, expected[i])))).toBeGreaterThan(critical);
  });

  it('approaches the moments of the world', async () => {
    const { moments, layout, width } = await drawMoments(spec, { transitions: 1e12 });
    const world = { ...spec, seed: spec.seed as number };
    let trace = 0;
    for await (const b of sampleTransitions(world, { samples: 200_000 }))
      trace += b.action.reduce((sum, v) => sum + v * v, 0) / 200_000;
    const at = layout.action * (width + 1);
    expect(Math.abs(moments[at] / trace - 1)).toBeLessThan(5 * Math.sqrt(2 / 200_000));
  });

  it('gives the same draws in any batches', async () => {
    const whole = await drawMoments(spec, { transitions: 50, draws: 10 });
    const part = await drawMoments(spec, { transitions: 50, draws: 3, first: 4 });
    expect(part.moments).toEqual(whole.moments.slice(4 * whole.width ** 2, 7 * whole.width ** 2));
  });

  it.each([
    [{ transitions: 0 }, 'transitions: expected an integer from 1 but received 0'],
    [{ transitions: 5, draws: 1.5 }, 'draws: expected an integer from 1 but received 1.5'],
    [{ transitions: 5, first: -1 }, 'first: expected an integer from 0 but received -1'],
    [{ transitions: 5, first: 2 ** 52 }, /^first: expected .* but received 4503599627370496$/],
  ])('refuses %j', async (options, message) => {
    await expect(drawMoments(spec, options)).rejects.toThrow(message);
  });
});
