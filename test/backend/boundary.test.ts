import { describe, expect, test } from 'vitest';
import { guarded } from '../../lib/backend/guarded.js';
import { loadAddon } from '../../lib/backend/load-addon.js';
import { nativeBackend } from '../../lib/backend/native.js';
import { solve } from '../../lib/solve/population.js';

const addon = loadAddon();
const native = nativeBackend(addon);
const safe = guarded(native);
const F = (n: number) => new Float64Array(n);
const HUGE = 2 ** 52;

describe('sizes that no array has', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['eigen of 0', () => native.symmetricEigen(F(0), 0, 3)],
    [
      'eigen beyond 2^64',
      () => native.symmetricEigen(F(0), 4096, HUGE, undefined, { values: F(0), vectors: F(0) }),
    ],
    ['systems of 0', () => native.choleskySolve(F(0), F(0), 0, 1, 3)],
    ['systems beyond 2^64', () => native.choleskySolve(F(0), F(0), 4096, 4096, HUGE, undefined, F(0))],
    ['rows beyond 2^64', () => native.accumulate({ rows: HUGE, width: 4096, data: F(0), mean: F(4096) })],
    ['a width of 0', () => native.accumulate({ rows: 3, width: 0, data: F(0), mean: F(0) })],
    ...[
      [HUGE, 4096, 0],
      [HUGE, 0, 0],
      [0, 3, 3],
      [3, 0, 3],
    ].map(([rows = 0, inner = 0, cols = 0]): [string, () => Promise<unknown>] => [
      `a product of ${rows} x ${inner} x ${cols}`,
      () => native.multiply({ rows, inner, cols, transposeA: false, transposeB: false, a: F(0), b: F(0) }),
    ]),
    [
      'a sample of width 0',
      () =>
        native.sample({
          first: 0,
          seed: 0,
          count: 2,
          observationDim: 0,
          endogenousDim: 1,
          exogenousDim: 1,
          actionDim: 1,
          pair: false,
          parameters: F(20),
          mixing: F(0),
          actionEffect: F(1),
          stateFeedback: F(1),
          exogenousFeedback: F(1),
        }),
    ],
  ])('%s', async (_, call) => {
    await expect(call()).rejects.toThrow(/expected|Invalid typed array length|Array buffer allocation/);
  });
});

describe('a representation that sees nothing', () => {
  test.each([
    ['zeros', [[0, 0, 0, 0, 0, 0, 0, 0, 0]]],
    ['two of them', [Array(9).fill(0), Array(9).fill(0)]],
  ])('%s', async (_, projection) => {
    await expect(
      solve({
        world: { observationDim: 9 },
        objective: { kind: 'representation', projection },
        latentDim: 1,
      }),
    ).rejects.toMatchObject({ name: 'ExolamError', kind: 'numerical', message: /nothing is left to encode/ });
  });

  test('at the boundary, a projection without rows is refused', async () => {
    const block = {
      projected: true,
      terms: [{ variable: 'observation' as const, coefficient: null, negative: false }],
    };
    const request = {
      count: 1,
      width: 4,
      moments: F(16).fill(1),
      layout: {
        observationDim: 2,
        actionDim: 0,
        observation: 0,
        observationNext: 2,
        pairObservation: -1,
        pairObservationNext: -1,
        action: -1,
      },
      objective: { y: [block], f: [], e: [block], penalties: [], gauge: 'encoder' as const },
      coefficients: F(0),
      projection: F(0),
      projectionDim: 0,
      latentDim: 1,
      ridge: 0,
      relativeTolerance: 1e-10,
    };
    await expect(native.solveMoments(request)).rejects.toThrow(/projection without rows/);
  });
});

describe('threads', () => {
  test('more than a machine has cost nothing and change nothing', async () => {
    const n = 300;
    const a = F(n * n).map((_, i) => Math.sin(i));
    const request = { rows: n, inner: n, cols: n, transposeA: false, transposeB: false, a, b: a };
    const before = process.memoryUsage().rss;
    const many = await native.multiply(request, { threads: 1_000_000_000 });
    await native.symmetricEigen(a.slice(0, 100 * 25), 5, 100, { threads: 1_000_000_000 });
    expect(process.memoryUsage().rss - before).toBeLessThan(2e8);
    expect(many).toEqual(await native.multiply(request, { threads: 1 }));
    await expect(
      solve({ world: {}, objective: { kind: 'reconstruction' }, latentDim: 2 }, { threads: 1e9 }),
    ).rejects.toThrow(/threads: expected an integer from 1 to 1024/);
  });
});

describe('arrays that change while a call is running', () => {
  const n = 400;
  const a = () => F(n * n).map((_, i) => Math.sin(i));
  const request = (x: Float64Array, y: Float64Array) => ({
    rows: n,
    inner: n,
    cols: n,
    transposeA: false,
    transposeB: false,
    a: x,
    b: y,
  });

  test('transferred, shrunk, overwritten or shared: the answer is that of the call', async () => {
    const right = await native.multiply(request(a(), a()));
    const given = a();
    const transferred = safe.multiply(request(a(), given));
    structuredClone(given.buffer, { transfer: [given.buffer] });
    expect(given.length).toBe(0);
    expect(await transferred).toEqual(right);

    const written = a();
    const overwritten = safe.multiply(request(written, a()));
    written.fill(Number.NaN);
    expect(await overwritten).toEqual(right);

    const shared = new Float64Array(new SharedArrayBuffer(n * n * 8));
    shared.set(a());
    const running = safe.multiply(request(shared, a()));
    shared.fill(0);
    expect(await running).toEqual(right);

    type Resizable = ArrayBuffer & { resize(bytes: number): void };
    const Buffers = ArrayBuffer as unknown as new (
      bytes: number,
      options: { maxByteLength: number },
    ) => Resizable;
    const buffer = new Buffers(n * n * 8, { maxByteLength: n * n * 8 });
    const shrinking = new Float64Array(buffer);
    shrinking.set(a());
    const shrunk = safe.multiply(request(shrinking, a()));
    buffer.resize(0);
    expect(await shrunk).toEqual(right);
  });

  test('answers go where the caller wants them, unless that is gone', async () => {
    const matrices = F(4);
    matrices.set([2, 1, 1, 3]);
    const into = { values: F(2), vectors: F(4) };
    expect(await safe.symmetricEigen(matrices, 2, 1, undefined, into)).toBe(into);
    expect(into).toEqual(await native.symmetricEigen(matrices, 2, 1));
    const solutions = F(2);
    const gone = safe.choleskySolve(matrices, F(2).fill(1), 2, 1, 1, undefined, solutions);
    structuredClone(solutions.buffer, { transfer: [solutions.buffer] });
    await expect(gone).rejects.toMatchObject({ kind: 'input', message: /transferred or resized/ });
  });
});
