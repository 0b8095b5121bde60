import { describe, expect, it } from 'vitest';
import { referenceBackend as backend } from '../../lib/backend/reference/index.js';
import { norm } from '../../lib/linalg/dense.js';
import { solve } from '../../lib/solve/population.js';
import { backends, native } from '../support/backends.js';
import { generator, noise } from '../support/generator.js';

/** Q diag(values) Q^T with a random orthogonal Q: the answer first, then the question. */
function withEigenvalues(values: number[], seed: number): Float64Array {
  const n = values.length;
  const random = generator(seed);
  const q = Array.from({ length: n }, () => noise(random, n));
  for (let i = 0; i < n; i++) {
    for (let pass = 0; pass < 2; pass++)
      for (let j = 0; j < i; j++) {
        const along = q[i].reduce((sum, v, k) => sum + v * q[j][k], 0);
        q[i] = q[i].map((v, k) => v - along * q[j][k]);
      }
    const norm = Math.hypot(...q[i]);
    q[i] = q[i].map((v) => v / norm);
  }
  const a = new Float64Array(n * n);
  values.forEach((w, m) => {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) a[i * n + j] += w * q[m][i] * q[m][j];
  });
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[i * n + j] = a[j * n + i];
  return a;
}

const spectra: [string, number[]][] = [
  ['one number', [-3]],
  ['two', [2, -1]],
  ['distinct', [5, 3, 1, 0.5, -0.25, -2]],
  ['repeated', [1, 1, 1, 1, 0.5, 0.5, 0]],
  ['all zero', [0, 0, 0, 0]],
  ['graded over twenty orders', Array.from({ length: 21 }, (_, i) => 10 ** -i)],
  ['rank one of many', [7, ...new Array<number>(30).fill(0)]],
  ['close', Array.from({ length: 40 }, (_, i) => 1 + (39 - i) * 1e-13)],
  ['large', [3e200, 2e200, -1e200]],
  ['small', [3e-200, 2e-200, 1e-210]],
  ['many', Array.from({ length: 150 }, (_, i) => 150 - i)],
];

describe('symmetricEigen', () => {
  it.each(spectra)('%s', async (_, wanted) => {
    const n = wanted.length;
    const a = withEigenvalues(wanted, n);
    const before = a.slice();
    const { values, vectors } = await backend.symmetricEigen(a, n, 1);
    expect(a).toEqual(before);
    const size = Math.max(...wanted.map(Math.abs));
    const tolerance = 1e-15 * (n + 10) * size;
    wanted.forEach((w, i) => {
      expect(Math.abs(values[i] - w)).toBeLessThanOrEqual(tolerance);
    });
    let skew = 0;
    let left = 0;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let dot = i === j ? -1 : 0;
        let mapped = -values[i] * vectors[i * n + j];
        for (let k = 0; k < n; k++) {
          dot += vectors[i * n + k] * vectors[j * n + k];
          mapped += a[j * n + k] * vectors[i * n + k];
        }
        skew = Math.max(skew, Math.abs(dot));
        left = Math.max(left, Math.abs(mapped));
      }
    expect(skew, 'rows are orthonormal').toBeLessThanOrEqual(1e-15 * (n + 10));
    expect(left, 'A v = w v').toBeLessThanOrEqual(tolerance);
  });

  it('solves a batch one by one and gives NaN where a matrix is not finite', async () => {
    const a = Float64Array.of(2, 1, 1, 2, Number.NaN, 0, 0, 1, 1, 0, 0, 4);
    const { values, vectors } = await backend.symmetricEigen(a, 2, 3);
    expect(values[0]).toBeCloseTo(3, 14);
    expect(values[1]).toBeCloseTo(1, 14);
    expect([...values.subarray(2, 4), ...vectors.subarray(4, 8)].every(Number.isNaN)).toBe(true);
    expect([...values.subarray(4)]).toEqual([4, 1]);
  });
});

describe('choleskySolve', () => {
  it('recovers known solutions and gives NaN where a matrix is not positive definite', async () => {
    const n = 9;
    const m = 3;
    const good = withEigenvalues([9, 8, 7, 5, 3, 2, 1, 0.5, 0.01], 5);
    const bad = withEigenvalues([9, 8, 7, 5, 3, 2, 1, 0.5, -0.01], 6);
    const x = noise(generator(2), n * m);
    const b = new Float64Array(n * m);
    for (let i = 0; i < n; i++)
      for (let k = 0; k < n; k++) for (let j = 0; j < m; j++) b[i * m + j] += good[i * n + k] * x[k * m + j];
    const matrices = Float64Array.of(...bad, ...good);
    const solved = await backend.choleskySolve(matrices, Float64Array.of(...b, ...b), n, m, 2);
    expect([...solved.subarray(0, n * m)].every(Number.isNaN)).toBe(true);
    x.forEach((v, i) => {
      expect(Math.abs(solved[n * m + i] - v)).toBeLessThan(1e-11);
    });
  });
});

describe.each(backends)('multiply on %s', (_, each) => {
  it.each([
    [1, 1, 1],
    [3, 70, 5],
    [130, 9, 4],
  ])('(%i, %i) times (%i)', async (rows, inner, cols) => {
    const a = noise(generator(rows), rows * inner);
    const b = noise(generator(cols + 9), inner * cols);
    const turned = (m: Float64Array, r: number, c: number) =>
      Float64Array.from(m, (_v, i) => m[(i % r) * c + Math.floor(i / r)]);
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const product = await each.multiply({
          rows,
          inner,
          cols,
          a: transposeA ? turned(a, rows, inner) : a,
          b: transposeB ? turned(b, inner, cols) : b,
          transposeA,
          transposeB,
        });
        expect(product).toHaveLength(rows * cols);
        product.forEach((v, at) => {
          const [i, j] = [Math.floor(at / cols), at % cols];
          let wanted = 0;
          for (let k = 0; k < inner; k++) wanted += a[i * inner + k] * b[k * cols + j];
          expect(Math.abs(v - wanted)).toBeLessThan(1e-13 * inner);
        });
      }
  });
});

describe('accumulate', () => {
  it.each([1, 4, 7, 30])('%i rows, against sums in the order of the definition', async (rows) => {
    const width = 5;
    const data = noise(generator(rows), rows * width).map((v) => v + 3);
    const mean = Float64Array.of(3, 2, 3, 1, 3);
    const sums = await backend.accumulate({ rows, width, data, mean });
    for (let i = 0; i < width; i++)
      for (let j = 0; j < width; j++) {
        let wanted = 0;
        for (let r = 0; r < rows; r++)
          wanted += (data[r * width + i] - mean[i]) * (data[r * width + j] - mean[j]);
        expect(Math.abs(sums[i * width + j] - wanted)).toBeLessThan(1e-12 * rows * 10);
        expect(sums[i * width + j]).toBe(sums[j * width + i]);
      }
  });
});

describe('control', () => {
  const n = 24;
  const count = 1500;
  const matrices = Float64Array.from({ length: count * n * n }, (_, i) => Math.sin(i));

  it('lets other tasks run, reports progress, and ends at the total', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const seen: [number, number][] = [];
    await backend.symmetricEigen(matrices, n, count, {
      onProgress: (done, total) => seen.push([done, total]),
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.every(([done, total], i) => total === count && (i === 0 || done >= seen[i - 1][0]))).toBe(
      true,
    );
    expect(seen.at(-1)).toEqual([count, count]);
  });

  it('stops when cancelled, before and during', async () => {
    const early = AbortSignal.abort();
    await expect(backend.symmetricEigen(matrices, n, count, { signal: early })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    const controller = new AbortController();
    const seen: number[] = [];
    const running = backend.symmetricEigen(matrices, n, count, {
      signal: controller.signal,
      onProgress: (done) => {
        seen.push(done);
        controller.abort();
      },
    });
    await expect(running).rejects.toMatchObject({ name: 'ExolamError', kind: 'cancelled' });
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeLessThan(count);
  });
});

describe.each(backends)('an earlier answer as memory for the next (%s)', (_, backend) => {
  const n = 3;
  const matrices = Float64Array.from(
    [withEigenvalues([3, 2, 1], 1), withEigenvalues([9, 4, 2], 2)].flatMap((a) => [...a]),
  );

  it('holds the same eigenproblems, and is what comes back', async () => {
    const fresh = await backend.symmetricEigen(matrices, n, 2);
    const into = { values: new Float64Array(2 * n).fill(7), vectors: new Float64Array(2 * n * n).fill(7) };
    expect(await backend.symmetricEigen(matrices, n, 2, {}, into)).toBe(into);
    expect(into).toEqual(fresh);
  });

  it('holds the same solutions, and is what comes back', async () => {
    const right = Float64Array.from({ length: 2 * n * 2 }, (_, i) => i + 1);
    const fresh = await backend.choleskySolve(matrices, right, n, 2, 2);
    const into = new Float64Array(2 * n * 2).fill(7);
    expect(await backend.choleskySolve(matrices, right, n, 2, 2, {}, into)).toBe(into);
    expect(into).toEqual(fresh);
  });
});

describe('lengths', () => {
  it('are those of as many numbers as there are, without overflow', () => {
    expect(norm([3, 4])).toBe(5);
    expect(norm([3e200, 4e200])).toBeCloseTo(5e200, -188);
    expect(norm([])).toBe(0);
    expect(norm([1, Number.NaN])).toBeNaN();
    expect(norm([1, Number.NEGATIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
    expect(norm(new Float64Array(300_000).fill(2))).toBeCloseTo(2 * Math.sqrt(300_000), 9);
  });

  it('of wide worlds fit: an encoder of 200,000 coordinates', async () => {
    const world = {
      observationDim: 200_000,
      endogenousDim: 2,
      exogenousDim: 1,
      actionDim: 1,
      sensorNoise: 0.1,
    };
    const { encoder } = await solve(
      { world, objective: { kind: 'reconstruction' }, latentDim: 4 },
      { encoder: true, backend: native },
    );
    expect(encoder?.D.cols).toBe(200_000);
    expect(encoder?.D.data.every(Number.isFinite)).toBe(true);
  });
});
