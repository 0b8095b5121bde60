import { describe, expect, it } from 'vitest';
import type { NestedRequest } from '../../lib/backend/judging-requests.js';
import { fourierMap, medianDistance } from '../../lib/metrics/fourier.js';
import { judgeLatents, LatentJudge } from '../../lib/metrics/judge.js';
import type { JudgedRows } from '../../lib/metrics/judged-rows.js';
import { score } from '../../lib/metrics/score.js';
import { solve } from '../../lib/solve/population.js';
import type { AnyWorldSpec } from '../../lib/world/any-world.js';
import { type SampleBatch, sampleTransitions } from '../../lib/world/sample.js';
import { native, reference } from '../support/backends.js';

async function drawn(spec: AnyWorldSpec, count: number): Promise<{ rows: JudgedRows; batch: SampleBatch }> {
  for await (const batch of sampleTransitions(spec, {
    samples: count,
    batch: count,
    backend: native,
    pairs: true,
  })) {
    const width = (values: ArrayLike<number>) => values.length / count;
    const { observation, action, exogenous, exogenousNext } = batch as SampleBatch;
    return {
      batch: batch as SampleBatch,
      rows: {
        count,
        observation,
        observationDim: width(observation),
        action,
        actionDim: width(action),
        exogenous,
        exogenousNext,
        exogenousDim: width(exogenous),
      },
    };
  }
  throw new Error('no sample');
}

const latentsOf = (count: number, width: number, of: (row: number, i: number) => number) => ({
  latents: Float64Array.from({ length: count * width }, (_, at) => of(Math.floor(at / width), at % width)),
  latentDim: width,
});
const closeTo = (a: ArrayLike<number>, b: ArrayLike<number>, share: number) => {
  expect(a.length).toBe(b.length);
  const size = Math.max(...Array.from(b, Math.abs));
  Array.from(a).forEach((v, i) => {
    expect(Math.abs(v - b[i])).toBeLessThan(share * size);
  });
};

describe('moments of nonlinear features and nested regressions', () => {
  const rows = 180;
  const inputs = 6;
  const data = native.normals(5, 77, 0, rows * inputs);
  // The last column is a target: a curve of the first and a line of the second.
  for (let r = 0; r < rows; r++)
    data[r * inputs + 5] =
      Math.cos(2 * data[r * inputs]) + 0.5 * data[r * inputs + 1] + 0.1 * data[r * inputs + 4];
  const groups = [{ begin: 0, size: 2 }];
  const maps = [fourierMap(groups, [medianDistance(data, rows, inputs, groups[0])], 24, 3, 0)];
  const unit = Int32Array.from({ length: rows }, (_, r) => Math.floor((r * 9) / rows));
  const request = { rows, inputs, data, unit, units: 9, maps };

  it('are the same on native and reference, for any number of threads', async () => {
    const moments = await native.featureMoments(request);
    closeTo(moments, await reference.featureMoments(request), 1e-12);
    const nested: NestedRequest = {
      units: 9,
      width: 1 + inputs + 24,
      moments,
      folds: 3,
      groups: 9,
      fold: Int32Array.from({ length: 9 }, (_, u) => u % 3),
      group: Int32Array.from({ length: 9 }, (_, u) => u),
      questions: [
        {
          given: Int32Array.of(3, 4),
          added: Int32Array.from({ length: 26 }, (_, i) => (i < 2 ? 1 + i : 5 + i)),
          free: 2,
          targets: Int32Array.of(6, 1, 5, 1),
        },
        { given: new Int32Array(0), added: Int32Array.of(1, 2), free: 0, targets: Int32Array.of(6, 1) },
      ],
      grid: Float64Array.of(1e-6, 1e-3, 1e-1, 10),
    };
    const [a, b] = [await native.nestedErrors(nested), await reference.nestedErrors(nested)];
    expect(Array.from(a.ridges)).toEqual(Array.from(b.ridges));
    for (const name of ['held', 'training', 'replicates'] as const) closeTo(a[name], b[name], 1e-8);
    expect(await native.nestedErrors(nested, { threads: 3 })).toEqual(a);
    // The curve is found: nearly all of the target is explained where a line explains a fifth.
    const share = (t: number) => a.training[2 * t] / a.training[2 * t + 1];
    expect(share(0)).toBeLessThan(0.1);
    expect(share(2)).toBeGreaterThan(0.6);
  });
});

describe('judging latents', () => {
  const count = 3000;

  it('finds by nonlinear probes what linear ones miss, and no more than there is', async () => {
    const { rows, batch } = await drawn({ kind: 'mlp', gain: 2, seed: 3 }, count);
    const { action, exogenous, exogenousNext } = batch;
    // The sign of a_1 and its square: all of it, of which a line sees 2 / pi; and what is new in x_0, a quarter of x.
    const latents = latentsOf(count, 3, (r, i) => {
      const a = action[2 * r + 1];
      return [Math.sign(a), a * a, exogenousNext[4 * r] - 0.8 * exogenous[4 * r]][i];
    });
    const { linear, nonlinear, units } = await judgeLatents(rows, latents, { backend: native });
    expect(units).toBe(20);
    const [line, curve] = [linear?.metrics, nonlinear?.metrics];
    const between = (e: { value: number | null } | undefined, low: number, high: number) => {
      expect(e?.value).toBeGreaterThan(low);
      expect(e?.value).toBeLessThan(high);
    };
    between(line?.rawActionError, 0.65, 0.72); // 1 - 1 / pi
    between(curve?.rawActionError, 0.47, 0.54); // 1/2
    between(curve?.actionError, 0.47, 0.56);
    between(curve?.rawInnovationError, 0.72, 0.77); // 3/4
    between(curve?.innovationLeakage, 0.22, 0.27); // 1/4
    between(line?.innovationLeakage, 0.23, 0.27);
    expect(linear?.answer).toBe('leaks');
  });

  it('knows nothing from noise, whatever the scale and basis of z', async () => {
    const { rows } = await drawn({ kind: 'sprites', size: 8, seed: 4 }, count);
    const noise = native.normals(9, 123, 0, count * 2);
    const { linear, nonlinear } = await judgeLatents(
      rows,
      latentsOf(count, 2, (r, i) => 1e5 * noise[2 * r + i] + 1e3),
      { backend: native },
    );
    for (const metrics of [linear?.metrics ?? {}, nonlinear?.metrics ?? {}])
      for (const [name, e] of Object.entries(metrics)) {
        if (name.startsWith('latentShare')) continue;
        const leak = name.endsWith('Leakage');
        expect(Math.abs((e?.value ?? 9) - (leak ? 0 : 1)), name).toBeLessThan(0.02);
      }
    expect(linear?.answer).toBe('does-not-leak');
  });

  it('has the exact metrics of a linear encoder within its intervals', async () => {
    const world = { observationDim: 12, exogenousScale: 1.3, mixing: 'gaussian' as const, seed: 8 };
    const { encoder } = await solve(
      { world, objective: { kind: 'reconstruction' }, latentDim: 3 },
      { encoder: true, backend: native },
    );
    if (!encoder) throw new Error('no encoder');
    const exact = (await score(encoder, { world }, { backend: native })).metrics;
    const { rows, batch } = await drawn(world, count);
    const { C, D } = encoder;
    const of = (o: Float64Array, next: Float64Array) =>
      latentsOf(count, 3, (r, i) => {
        let z = 0;
        for (let j = 0; j < 12; j++)
          z += C.data[i * 12 + j] * o[r * 12 + j] + D.data[i * 12 + j] * next[r * 12 + j];
        return z;
      });
    const { pairObservation, pairObservationNext } = batch;
    const { linear } = await judgeLatents(
      rows,
      {
        ...of(batch.observation, batch.observationNext),
        pairLatents: of(pairObservation, pairObservationNext).latents,
      },
      { probes: ['linear'], backend: native },
    );
    for (const name of [
      'actionError',
      'futureLeakage',
      'innovationLeakage',
      'latentShare.exogenous',
      'latentShare.action',
    ] as const) {
      const e = linear?.metrics[name];
      const slack = 0.01;
      expect(e?.low, name).toBeLessThan((exact[name] ?? 9) + slack);
      expect(e?.high, name).toBeGreaterThan((exact[name] ?? -9) - slack);
    }
    expect(linear?.metrics.consistencyError?.value).not.toBeNull();
  });

  it('is the same for any threads, on the folds that are given, and quicker by folds', async () => {
    const { rows } = await drawn({ kind: 'mlp', observationDim: 9, seed: 1 }, 400);
    const z = latentsOf(400, 2, (r, i) => (rows.action as Float64Array)[2 * r + i] + 0.1 * r);
    const options = { backend: native, features: 16, folds: Array.from({ length: 20 }, (_, u) => u % 4) };
    const one = await judgeLatents(rows, z, { ...options, threads: 1 });
    expect(await judgeLatents(rows, z, { ...options, threads: 3 })).toEqual(one);
    expect(one.folds).toEqual(options.folds);
    const quick = await judgeLatents(rows, z, { ...options, jackknife: 'folds' });
    expect(quick.nonlinear?.metrics.actionError?.value).toBe(one.nonlinear?.metrics.actionError?.value);
    expect(quick.nonlinear?.metrics.actionError?.degreesOfFreedom).toBe(2);
    const judge = await LatentJudge.create(rows, options);
    expect(await judge.judge(z)).toEqual(one);
  });

  it('agrees on native and reference', async () => {
    const { rows } = await drawn({ kind: 'mlp', observationDim: 7, seed: 2 }, 160);
    const noise = native.normals(2, 9, 0, 320);
    const z = latentsOf(160, 2, (r, i) => (rows.action as Float64Array)[2 * r + i] + noise[2 * r + i]);
    const options = { features: 8, folds: Array.from({ length: 20 }, (_, u) => u % 3) };
    const [a, b] = [
      await judgeLatents(rows, z, { ...options, backend: native }),
      await judgeLatents(rows, z, { ...options, backend: reference }),
    ];
    for (const kind of ['linear', 'nonlinear'] as const)
      for (const [name, e] of Object.entries(a[kind]?.metrics ?? {})) {
        const other = ((b[kind]?.metrics ?? {}) as Record<string, typeof e>)[name];
        expect(e?.reason, name).toBe(other?.reason);
        if (e?.value !== null && e?.value !== undefined)
          expect(Math.abs(e.value - (other?.value ?? 9)), name).toBeLessThan(1e-7);
      }
  });

  it('takes episodes as units, says why there are none, and stops when it is told to', async () => {
    const { rows } = await drawn({ kind: 'mlp', observationDim: 9 }, 300);
    const z = latentsOf(300, 1, (r) => (rows.action as Float64Array)[2 * r]);
    const of = (episodes: number) => ({
      ...rows,
      episode: Int32Array.from({ length: 300 }, (_, r) => r % episodes),
    });
    expect((await judgeLatents(of(6), z, { backend: native, features: 8 })).units).toBe(6);
    const few = await judgeLatents(of(3), z, { backend: native });
    expect([few.reason, few.linear]).toEqual(['fewer than 4 episodes', undefined]);
    const stop = new AbortController();
    stop.abort();
    await expect(judgeLatents(rows, z, { backend: native, signal: stop.signal })).rejects.toThrow(
      /cancelled/,
    );
    let last = 0;
    await judgeLatents(rows, z, {
      backend: native,
      features: 8,
      onProgress: (done, total) => {
        expect(done / total).toBeGreaterThanOrEqual(last);
        last = done / total;
      },
    });
    expect(last).toBe(1);
  });
});
