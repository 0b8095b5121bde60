import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { nativeBackend } from '../../lib/backend/native.js';
import { type Backend, PARAMETERS } from '../../lib/backend/requests.js';
import { hasWasm, wasmAddon } from '../../lib/backend/wasm/index.js';
import type { Wasm } from '../../lib/backend/wasm/instance.js';
import { packageRoot } from '../../lib/base/package-root.js';
import { solveBatch } from '../../lib/solve/population.js';
import { wasm as built, native } from '../support/backends.js';

const title = hasWasm() ? 'WebAssembly' : 'WebAssembly (skipped without build:wasm)';
const wasm = built as Backend;
const F = (n: number) => new Float64Array(n);

function printed(script: string, env: Record<string, string>): unknown {
  const file = fileURLToPath(new URL(`../support/${script}`, import.meta.url));
  const child = spawnSync(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, EXOLAM_ISA: '', EXOLAM_BACKEND: '', ...env },
    encoding: 'utf8',
  });
  expect(child.stderr).toBe('');
  return JSON.parse(child.stdout);
}

/** Many small eigenproblems: long, and in steps. */
function manyProblems(count: number) {
  const matrices = F(count * 144);
  const normals = wasm.normals(5, 1, 0, matrices.length);
  for (let p = 0; p < count; p++)
    for (let i = 0; i < 12; i++)
      for (let j = 0; j < 12; j++)
        matrices[144 * p + 12 * i + j] = normals[144 * p + 12 * Math.min(i, j) + Math.max(i, j)];
  return { matrices, n: 12, count };
}
const { matrices, n, count } = hasWasm() ? manyProblems(60_000) : { matrices: F(0), n: 12, count: 0 };
const eigen = (backend: Backend, control: object) =>
  backend.symmetricEigen(matrices, n, count, control as { signal: AbortSignal });

const bits = ({ values, vectors }: { values: Float64Array; vectors: Float64Array }) =>
  createHash('sha256').update(values).update(vectors).digest('hex');

/** A backend with no thread to compute in: what a page has whose policy forbids workers. */
async function threadless(): Promise<Backend> {
  vi.resetModules();
  vi.doMock('#start-thread', () => ({
    startThread() {
      throw new Error('no threads here');
    },
  }));
  const { wasmBackend } = await import('../../lib/backend/wasm/index.js');
  vi.doUnmock('#start-thread');
  vi.resetModules();
  return wasmBackend();
}

/** The module with at most so many pages of 64 KiB: in its memory section, 65536 as a LEB128 number. */
function withMemory(pages: number): Uint8Array {
  const bytes = readFileSync(join(packageRoot(), 'build', 'wasm', 'exolam.wasm'));
  const section = bytes.indexOf(Buffer.from([5, 6, 1, 1])); // id, length, one memory, with a limit
  const limit = bytes.indexOf(Buffer.from([0x80, 0x80, 4]), section);
  expect(limit - section).toBeLessThan(8);
  bytes.set([0x80 | (pages & 127), 0x80 | (pages >> 7), 0], limit);
  return bytes;
}

describe.skipIf(!hasWasm())(title, () => {
  it('has the bits of the baseline instruction set, in every call', () => {
    const [a, b] = [
      printed('print-stages.ts', { EXOLAM_BACKEND: 'wasm' }),
      printed('print-stages.ts', { EXOLAM_ISA: 'baseline' }),
    ] as Record<string, number[]>[];
    expect(Object.keys(a).length).toBe(8);
    for (const [name, numbers] of Object.entries(a)) {
      expect(numbers.length, name).toBeGreaterThan(30);
      expect(numbers, name).toEqual(b[name]);
    }
    expect(printed('print-solutions.ts', { EXOLAM_BACKEND: 'wasm' })).toEqual(
      printed('print-solutions.ts', { EXOLAM_ISA: 'baseline' }),
    );
  });

  it('gives a problem the same bits whatever its neighbours in the batch are', async () => {
    const cases = Array.from({ length: 9 }, (_, i) => ({
      world: { observationDim: 12, mixing: 'gaussian' as const, sensorNoise: 0.1, seed: i },
      objective: { kind: 'action-supervised' as const, weight: 1 + i },
      latentDim: 4,
    }));
    const figures = (all: { loss: number; spectrum: Float64Array }[]) =>
      all.map((s) => [s.loss, ...s.spectrum]);
    const together = await solveBatch(cases, { backend: wasm });
    const backwards = (await solveBatch([...cases].reverse(), { backend: wasm })).reverse();
    expect(figures(backwards)).toEqual(figures(together));
  });

  it('computes off this thread: timers run, progress is told, an abort ends it', async () => {
    let timers = 0;
    const timer = setInterval(() => timers++, 1);
    const news: number[] = [];
    const whole = await eigen(wasm, { onProgress: (done: number) => news.push(done) });
    clearInterval(timer);
    expect(timers).toBeGreaterThan(5);
    expect(news.length).toBeGreaterThan(1);
    expect([...news].sort((a, b) => a - b)).toEqual(news);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    await expect(eigen(wasm, { signal: abort.signal })).rejects.toMatchObject({ kind: 'cancelled' });
    expect(bits(await eigen(wasm, {}))).toBe(bits(whole));
  });

  it.each([
    ['without memory that threads share', () => wasm],
    ['without threads', threadless],
  ])('does so on a page %s, as far as it can', async (_, make) => {
    const shared = globalThis.SharedArrayBuffer;
    const backend = await make();
    try {
      Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
      const news: number[] = [];
      const whole = await eigen(backend, { onProgress: (done: number) => news.push(done) });
      expect(news.length).toBeGreaterThan(1);
      expect(whole.values.slice(0, 12)).toEqual(
        (await wasm.symmetricEigen(matrices.slice(0, 144), 12, 1)).values,
      );
      const abort = new AbortController();
      const stopped = eigen(backend, { signal: abort.signal, onProgress: () => abort.abort() });
      await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' });
      const thrown = eigen(backend, {
        onProgress: () => {
          throw new Error('the listener');
        },
      });
      await expect(thrown).rejects.toThrow('the listener');
    } finally {
      globalThis.SharedArrayBuffer = shared;
    }
  });

  it('checks kinds, lengths and ranges before it computes, and goes on after', async () => {
    const refused: [() => Promise<unknown>, RegExp][] = [
      [() => wasm.symmetricEigen(F(4), 3, 1), /matrices: expected 9 elements but received 4/],
      [
        () =>
          wasm.multiply({
            rows: 2,
            inner: 2,
            cols: 2,
            transposeA: false,
            transposeB: false,
            a: F(3),
            b: F(4),
          }),
        /a: expected 4/,
      ],
      [
        () => wasm.choleskySolve(F(4), F(2), 2, 1, 1, undefined, new Float32Array(2) as never),
        /solutions: expected a typed array of another kind/,
      ],
      [
        () => wasm.accumulate({ rows: 2 ** 52, width: 4096, data: F(0), mean: F(4096) }),
        /rows: more than memory can hold/,
      ],
      [
        () => wasm.accumulate({ rows: 2 ** 31, width: 2 ** 11, data: F(0), mean: F(2 ** 11) }),
        /data: expected 4294967295 elements/,
      ],
    ];
    for (const [call, message] of refused) await expect(call()).rejects.toThrow(message);
    expect((await wasm.symmetricEigen(Float64Array.of(2, 0, 0, 3), 2, 1)).values).toEqual(
      Float64Array.of(3, 2),
    );
  });

  it('refuses arrays that 4 GiB do not hold, and survives a stage that finds no memory', async () => {
    const { WebAssembly } = globalThis as never as { WebAssembly: Wasm };
    const addon = wasmAddon(WebAssembly, new WebAssembly.Module(withMemory(256)));
    const large = { byteLength: 4 * 2 ** 30 };
    Object.setPrototypeOf(large, Float64Array.prototype);
    const isView = vi.spyOn(ArrayBuffer, 'isView').mockImplementation((value) => value === large);
    await expect(addon.accumulate({ data: large })).rejects.toMatchObject({
      kind: 'data',
      message: /WebAssembly holds 4 GiB/,
    });
    isView.mockRestore();
    const backend = nativeBackend(addon, 'wasm');
    const population = (basis: number) => {
      const term = { variable: 'observation', coefficient: null } as const;
      const block = { terms: [term], projected: false };
      return backend.solvePopulation({
        count: 1,
        basis,
        endogenousDim: 1,
        exogenousDim: 1,
        actionDim: 1,
        projectionDim: 0,
        latentDims: Int32Array.of(1),
        objective: { y: [block], f: [], e: [block], penalties: [], gauge: 'encoder' },
        parameters: F(PARAMETERS.length),
        coefficients: F(0),
        matrixIndex: Int32Array.of(0),
        mixing: F(2 * basis),
        actionEffect: F(1),
        stateFeedback: F(1),
        exogenousFeedback: F(1),
        projection: F(0),
        relativeTolerance: 1e-10,
        encoder: false,
      });
    };
    await expect(population(5000)).rejects.toMatchObject({
      kind: 'data',
      message: /at most 4096 coordinates/,
    });
    await expect(population(400)).rejects.toMatchObject({ kind: 'data', message: /memory ran out/ });
    expect(backend.normals(1, 1, 0, 4)).toEqual(wasm.normals(1, 1, 0, 4));
  });

  it('agrees with native to 1e-10 where fused products round otherwise', async () => {
    const few = { matrices: matrices.slice(0, 144 * 50), n, count: 50 };
    const [a, b] = await Promise.all(
      [wasm, native].map((backend) => backend.symmetricEigen(few.matrices, few.n, few.count)),
    );
    a?.values.forEach((value, i) => {
      expect(Math.abs(value - (b?.values[i] ?? Number.NaN))).toBeLessThan(1e-10);
    });
  });
});
