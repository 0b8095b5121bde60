import { describe, expect, it } from 'vitest';
import { normals, normalsF32, philox } from '../../lib/random/philox.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import { createWorld, fullMixing } from '../../lib/world/world.js';
import { backends, native, reference } from '../support/backends.js';

describe('random streams', () => {
  // The known answers of Random123 for Philox4x32-10.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('are Philox4x32-10: counter %j', (counter, key, expected) => {
    const words = Uint32Array.from(counter);
    philox(words, key[0], key[1]);
    expect([...words]).toEqual(expected);
  });

  it.each([
    [0, 0, 0],
    [2 ** 53 - 1, 2 ** 52 + 7, 2 ** 45 + 1],
    [12345, 1003, 7],
  ])('are the same on native and reference: seed %d, stream %d, first %d', (seed, stream, first) => {
    const a = native.normals(seed, stream, first, 1001);
    const b = reference.normals(seed, stream, first, 1001);
    a.forEach((v, i) => {
      expect(Math.abs(v - b[i])).toBeLessThan(2e-14);
    });
  });

  it.each([
    [0, 0, 0],
    [2 ** 53 - 1, 2 ** 52 + 7, 2 ** 45 + 1],
    [12345, 1003, 7],
  ])('in f32 are those of f64 arithmetic to 1e-6: seed %d, stream %d, first %d', (seed, stream, first) => {
    const a = native.normalsF32(seed, stream, first, 1_000_001);
    const b = reference.normalsF32(seed, stream, first, 1_000_001);
    let most = 0;
    a.forEach((v, i) => {
      most = Math.max(most, Math.abs(v - b[i]));
    });
    expect(most).toBeLessThan(1e-6);
    expect(most).toBeGreaterThan(0);
  });

  it.each(backends)('in f32 have the moments of N(0, 1): %s', (_, backend) => {
    const count = 500_000;
    const x = backend.normalsF32(3, 4, 5, count);
    const moment = (power: number) => x.reduce((sum, v) => sum + v ** power, 0) / count;
    // Five deviations of each mean.
    for (const [power, expected, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const)
      expect(Math.abs(moment(power) - expected)).toBeLessThan(5 * Math.sqrt(variance / count));
  });

  it('depend on the index alone', () => {
    const narrow = normalsF32(1, 2, 10, 100);
    expect(normalsF32(1, 2, 13, 50)).toEqual(narrow.slice(3, 53));
    expect(normalsF32(1, 3, 10, 100)).not.toEqual(narrow);
    const whole = normals(1, 2, 10, 100);
    expect(normals(1, 2, 13, 50)).toEqual(whole.slice(3, 53));
    const memory = new Float64Array(50);
    expect(native.normals(1, 2, 13, 50, memory)).toBe(memory);
    expect(memory).toEqual(native.normals(1, 2, 10, 100).slice(3, 53));
    expect(normals(1, 3, 10, 100)).not.toEqual(whole);
    expect(normals(2, 2, 10, 100)).not.toEqual(whole);
  });
});

describe('sampling', () => {
  const spec = {
    observationDim: 9,
    mixing: 'gaussian' as const,
    exogenousScale: 1.4,
    processNoise: 0.2,
    sensorNoise: 0.1,
    stateFeedback: 0.4,
    exogenousFeedback: 0.3,
    actionExogenousCorrelation: 0.5,
    seed: 3,
  };

  it('agrees on native and reference, in any batches', async () => {
    const collect = async (backend: typeof native, batch: number) => {
      const rows: number[] = [];
      for await (const b of sampleTransitions(spec, { samples: 300, batch, pairs: true, backend }))
        rows.push(...b.observation, ...b.action);
      return rows;
    };
    const all = async (backend: typeof native) => {
      for await (const batch of sampleTransitions(spec, { samples: 300, pairs: true, backend })) return batch;
      throw new Error('no batch');
    };
    const [a, r] = [await all(native), await all(reference)];
    for (const name of Object.keys(a) as (keyof typeof a)[]) {
      const [x, y] = [a[name], r[name]];
      if (typeof x === 'number' || typeof y === 'number') continue;
      x.forEach((v, i) => {
        expect(Math.abs(v - y[i]), name).toBeLessThan(1e-12);
      });
    }
    expect(await collect(native, 100)).toEqual(await collect(native, 100));
    expect((await collect(native, 77)).sort()).toEqual((await collect(native, 300)).sort());
  });

  it('in f32 has the states of f64, the mixing to rounding and sensor noise of its own', async () => {
    const quiet = { ...spec, sensorNoise: 0 };
    const first = async <T>(batches: AsyncIterable<T>): Promise<T> => {
      for await (const batch of batches) return batch;
      throw new Error('no batch');
    };
    const draw = (world: typeof spec, backend: typeof native) => {
      const options = { samples: 700, pairs: true, backend };
      return Promise.all([
        first(sampleTransitions(world, options)),
        first(sampleTransitions(world, { ...options, precision: 'f32' })),
      ]);
    };
    const views = ['observation', 'observationNext', 'pairObservation', 'pairObservationNext'] as const;
    const states = ['action', 'exogenous', 'exogenousNext', 'endogenous', 'endogenousNext'] as const;
    for (const backend of [native, reference]) {
      const [wide, narrow] = await draw(quiet, backend);
      for (const name of states) expect(narrow[name]).toEqual(wide[name]);
      for (const name of views) {
        expect(narrow[name]).toBeInstanceOf(Float32Array);
        narrow[name].forEach((v, i) => {
          expect(Math.abs(v - wide[name][i]), name).toBeLessThan(3e-6);
        });
      }
    }
    const [[, a], [, b]] = [await draw(spec, native), await draw(spec, reference)];
    for (const name of views)
      a[name].forEach((v, i) => {
        expect(Math.abs(v - b[name][i]), name).toBeLessThan(3e-6);
      });
    // The noise alone, over its scale: 700 x 9 numbers of unit variance, five standard deviations.
    const [, silent] = await draw(quiet, native);
    const noise = Array.from(a.observation, (v, i) => (v - silent.observation[i]) / spec.sensorNoise);
    const variance = noise.reduce((sum, v) => sum + v * v, 0) / noise.length;
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / noise.length));
    const from = native.normalsF32(spec.seed, 8, 0, noise.length);
    noise.forEach((v, i) => {
      expect(Math.abs(v - from[i])).toBeLessThan(3e-5);
    });
    const wrong = { samples: 5, precision: 'f16' } as unknown as { samples: number };
    await expect(first(sampleTransitions(spec, wrong))).rejects.toThrow(
      'precision: expected one of "f64", "f32" but received "f16"',
    );
  });

  it('writes batches over one another where that is asked for', async () => {
    const options = { samples: 700, batch: 300, pairs: true, backend: native };
    const fresh: number[][] = [];
    for await (const b of sampleTransitions(spec, options))
      fresh.push([...b.pairObservationNext, ...b.action]);
    const memory = new Set<ArrayBufferLike>();
    for await (const b of sampleTransitions(spec, { ...options, reuse: true })) {
      expect([...b.pairObservationNext, ...b.action]).toEqual(fresh.shift());
      memory.add(b.observation.buffer);
    }
    expect(fresh).toEqual([]);
    expect(memory.size).toBe(1);
  });

  it('has the moments of its world, on every sample', async () => {
    const samples = 200_000;
    const world = createWorld(spec);
    const mixing = fullMixing(world);
    const d = spec.observationDim;
    const sum = new Float64Array(d * d);
    for await (const b of sampleTransitions(spec, { samples }))
      for (let row = 0; row < b.count; row++)
        for (let i = 0; i < d; i++)
          for (let j = 0; j < d; j++)
            sum[i * d + j] = sum[i * d + j] + b.observation[row * d + i] * b.observation[row * d + j];
    for (let i = 0; i < d; i++)
      for (let j = 0; j < d; j++) {
        let exact = i === j ? spec.sensorNoise ** 2 : 0;
        let [ii, jj] = [spec.sensorNoise ** 2, spec.sensorNoise ** 2];
        for (let k = 0; k < mixing.cols; k++) {
          const [a, b] = [mixing.data[i * mixing.cols + k], mixing.data[j * mixing.cols + k]];
          exact += a * b;
          ii += a * a;
          jj += b * b;
        }
        // Five standard deviations of a product of normals.
        const tolerance = 5 * Math.sqrt((ii * jj + exact * exact) / samples);
        expect(Math.abs(sum[i * d + j] / samples - exact)).toBeLessThan(tolerance);
      }
  });
});
