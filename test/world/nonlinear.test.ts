import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../lib/backend/requests.js';
import { openData } from '../../lib/data/open.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import type { AnyWorldSpec } from '../../lib/world/any-world.js';
import { worldSource } from '../../lib/world/batch-source.js';
import { type GenerateOptions, type SampleBatch, sampleTransitions } from '../../lib/world/sample.js';
import { backends, native, reference } from '../support/backends.js';

const MLP: AnyWorldSpec = {
  kind: 'mlp',
  observationDim: 21,
  width: 37,
  depth: 2,
  gain: 1.5,
  sensorNoise: 0.1,
  stateFeedback: 0.3,
  exogenousFeedback: 0.2,
  seed: 5,
};
const SPRITES: AnyWorldSpec = {
  kind: 'sprites',
  size: 11,
  distractors: 3,
  agentRadius: 2.5,
  distractorRadius: 3,
  seed: 6,
};

type Rows = Omit<SampleBatch, 'first' | 'count'>;

/** All transitions of a world in one batch, or joined from several. */
async function drawn(spec: AnyWorldSpec, options: GenerateOptions, backend: Backend): Promise<Rows> {
  const parts: Record<string, number[]> = {};
  for await (const { first: _, count: __, ...rows } of sampleTransitions(spec, { ...options, backend }))
    for (const [name, values] of Object.entries(rows)) {
      parts[name] ??= [];
      for (const v of values) parts[name].push(v);
    }
  return Object.fromEntries(
    Object.entries(parts).map(([name, values]) => [name, Float64Array.from(values)]),
  ) as unknown as Rows;
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i])), 0);

describe.each([
  ['mlp', MLP],
  ['sprites', SPRITES],
])('the %s world', (_, spec) => {
  const options = { samples: 70, pairs: true };

  it('is the same on native and reference to the rounding of f32', async () => {
    const [a, b] = [await drawn(spec, options, native), await drawn(spec, options, reference)];
    for (const name of Object.keys(a) as (keyof Rows)[]) {
      expect(a[name].length, name).toBe(b[name].length);
      expect(farthest(a[name], b[name]), name).toBeLessThan(name.includes('bservation') ? 4e-6 : 1e-12);
    }
  });

  it.each(backends)('has the same bits in any batches, threads and precision: %s', async (_, backend) => {
    const whole = await drawn(spec, options, backend);
    expect(await drawn(spec, { ...options, batch: 13, threads: 3 }, backend)).toEqual(whole);
    expect(await drawn(spec, { ...options, precision: 'f32' }, backend)).toEqual(whole);
    const alone = await drawn(spec, { samples: 70 }, backend);
    expect(alone.observationNext).toEqual(whole.observationNext);
  });

  it('draws other transitions for another seed, and pairs that are not the view itself', async () => {
    const [a, b] = [await drawn(spec, options, native), await drawn({ ...spec, seed: 7 }, options, native)];
    expect(farthest(a.action, b.action)).toBeGreaterThan(0.1);
    expect(farthest(a.observation, b.observation)).toBeGreaterThan(0.1);
    expect(farthest(a.observation, a.pairObservation)).toBeGreaterThan(0.1);
    expect(farthest(a.observationNext, a.pairObservationNext)).toBeGreaterThan(0.1);
  });
});

describe('the mlp world', () => {
  it("shows in a pair the same s and s': without exogenous state nothing is redrawn", async () => {
    const still = { ...MLP, exogenousScale: 0, exogenousInitialScale: 0, sensorNoise: 0 };
    const rows = await drawn(still, { samples: 40, pairs: true }, native);
    expect(rows.pairObservation).toEqual(rows.observation);
    expect(rows.pairObservationNext).toEqual(rows.observationNext);
  });

  /** Share of the variance of o that a linear function of the states explains: least squares by gradient steps. */
  async function linearShare(gain: number) {
    const world: AnyWorldSpec = { kind: 'mlp', observationDim: 6, gain, seed: 2 };
    const { observation, endogenous, exogenous } = await drawn(world, { samples: 3000 }, native);
    const n = 3000;
    let [left, total] = [0, 0];
    for (let i = 0; i < 6; i++) {
      const y = Float64Array.from({ length: n }, (_, row) => observation[row * 6 + i]);
      const mean = y.reduce((sum, v) => sum + v / n, 0);
      // States are independent draws of N(0, 1): a coefficient is a covariance.
      const features = Array.from({ length: 8 }, (_, j) =>
        Float64Array.from({ length: n }, (_, row) =>
          j < 4 ? endogenous[row * 4 + j] : exogenous[row * 4 + j - 4],
        ),
      );
      const rest = y.map((v) => v - mean);
      for (let sweep = 0; sweep < 30; sweep++)
        for (const f of features) {
          const slope = f.reduce((sum, v, r) => sum + v * rest[r], 0) / f.reduce((sum, v) => sum + v * v, 0);
          f.forEach((v, r) => {
            rest[r] -= slope * v;
          });
        }
      left += rest.reduce((sum, v) => sum + v * v, 0);
      total += y.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    }
    return 1 - left / total;
  }

  it('is linear where gain is small and not where it is large', async () => {
    expect(await linearShare(1e-3)).toBeGreaterThan(1 - 1e-4);
    expect(await linearShare(4)).toBeLessThan(0.8);
  });
});

describe('the sprite world', () => {
  const size = 12;
  const alone: AnyWorldSpec = {
    kind: 'sprites',
    size,
    distractors: 1,
    distractorBrightness: 1e-9,
    agentSpeed: 0.5,
    seed: 1,
  };
  /** Where the light of a frame is on the circle of one axis. */
  const centre = (frame: Float64Array, axis: 'row' | 'column') => {
    let [c, s] = [0, 0];
    frame.forEach((light, at) => {
      const pixel = (axis === 'row' ? Math.floor(at / size) : at % size) + 0.5;
      c += light * Math.cos((2 * Math.PI * pixel) / size);
      s += light * Math.sin((2 * Math.PI * pixel) / size);
    });
    return ((Math.atan2(s, c) / (2 * Math.PI)) * size + size) % size;
  };

  it('shows the agent where s says, and a motion of less than a pixel', async () => {
    const rows = await drawn(alone, { samples: 50 }, native);
    for (let r = 0; r < 50; r++) {
      const at = (values: Float64Array, i: number) => values[2 * r + i];
      const frame = (values: Float64Array) => values.subarray(r * size * size, (r + 1) * size * size);
      (['column', 'row'] as const).forEach((axis, i) => {
        const [now, next] = [
          centre(frame(rows.observation), axis),
          centre(frame(rows.observationNext), axis),
        ];
        expect(Math.abs(now - at(rows.endogenous, i))).toBeLessThan(0.03);
        const moved = ((next - now + 1.5 * size) % size) - size / 2;
        expect(at(rows.endogenousNext, i)).toBeCloseTo(at(rows.endogenous, i) + 0.5 * at(rows.action, i), 12);
        if (Math.abs(at(rows.action, i)) < 3)
          expect(Math.abs(moved - 0.5 * at(rows.action, i))).toBeLessThan(0.06);
      });
    }
  });

  it('keeps pixels within [0, 1], with as many and as bright sprites as there can be', async () => {
    const bright: AnyWorldSpec = {
      kind: 'sprites',
      size: 8,
      distractors: 64,
      distractorBrightness: 1,
      spread: 8,
    };
    const { observation, observationNext } = await drawn(bright, { samples: 200 }, native);
    for (const v of [...observation, ...observationNext]) {
      expect(v).toBeGreaterThanOrEqual(0);
      expect(v).toBeLessThanOrEqual(1);
    }
    expect(Math.max(...observation)).toBeGreaterThan(0.999);
  });

  it('starts around where sprites are at home', async () => {
    const { endogenous, exogenous } = await drawn({ ...SPRITES, spread: 0.1 }, { samples: 400 }, native);
    const mean = (values: Float64Array, width: number, i: number) =>
      values.reduce((sum, v, at) => sum + (at % width === i ? v / 400 : 0), 0);
    for (const i of [0, 1]) expect(mean(endogenous, 2, i)).toBeCloseTo(5.5, 1);
    // 3/8 of 11 pixels away, a third of a turn apart.
    [0, 1, 2].forEach((n) => {
      const turn = (2 * Math.PI * n) / 3;
      expect(mean(exogenous, 6, 2 * n)).toBeCloseTo(5.5 + 4.125 * Math.cos(turn), 1);
      expect(mean(exogenous, 6, 2 * n + 1)).toBeCloseTo(5.5 + 4.125 * Math.sin(turn), 1);
    });
  });

  it('starts anywhere on the frame alike where spread is large', async () => {
    const { endogenous, exogenous } = await drawn({ ...SPRITES, spread: 11 }, { samples: 4000 }, native);
    for (const values of [endogenous, exogenous]) {
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
      expect(Math.abs(mean - 5.5)).toBeLessThan(0.2);
      expect(Math.abs(variance - 11 ** 2 / 12)).toBeLessThan(0.5);
    }
  });

  it('has a pair with the same agent: what moves in both is the agent alone', async () => {
    const rows = await drawn(
      { ...SPRITES, distractorBrightness: 1e-9 },
      { samples: 40, pairs: true },
      native,
    );
    expect(farthest(rows.pairObservation, rows.observation)).toBeLessThan(1e-7);
    expect(farthest(rows.pairObservationNext, rows.observationNext)).toBeLessThan(1e-7);
  });
});

describe('files of nonlinear worlds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exolam-nonlinear-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each(['npz', 'parquet'])('are read back, exogenous state and pairs included: %s', async (kind) => {
    const path = join(folder, `sprites.${kind}`);
    await writeSamples(SPRITES, path, { samples: 30, pairs: true, precision: 'f32', backend: native });
    const t = await openData(path);
    const rows = await drawn(SPRITES, { samples: 30, pairs: true }, native);
    expect([t.count, t.observationDim, t.exogenousDim, t.actionDim]).toEqual([30, 121, 6, 2]);
    expect(Array.from(t.observation)).toEqual(Array.from(rows.observation));
    expect(Array.from(t.exogenousNext ?? [])).toEqual(Array.from(rows.exogenousNext));
    expect(Array.from(t.pairObservationNext ?? [])).toEqual(Array.from(rows.pairObservationNext));
  });

  it('are refused in one sentence where the world is none', async () => {
    const wrong: [unknown, RegExp][] = [
      [{ kind: 'video' }, /world\.kind: expected one of "linear", "mlp", "sprites" but received "video"/],
      [{ kind: 'mlp', mixing: 'gaussian' }, /world: unknown key "mixing"; did you mean/],
      [{ kind: 'mlp', gain: 0 }, /world\.gain: expected more than 0 but received 0/],
      [
        { kind: 'mlp', actionDim: 5 },
        /world\.actionDim: expected at most endogenousDim \(4\) but received 5/,
      ],
      [{ kind: 'mlp', depth: 9 }, /world\.depth: expected at most 8 but received 9/],
      [{ kind: 'sprites', size: 3 }, /world\.size: expected at least 4 but received 3/],
      [{ kind: 'sprites', size: 8, agentRadius: 5 }, /world\.agentRadius: expected at most 4 but received 5/],
      [
        { kind: 'sprites', agentBrightness: 0 },
        /world\.agentBrightness: expected a number more than 0 and at most 1/,
      ],
    ];
    for (const [world, message] of wrong)
      await expect(
        writeSamples(world as AnyWorldSpec, join(folder, 'none.npz'), { samples: 3 }),
      ).rejects.toThrow(message);
  });

  it('say to solve that only the linear world has exact solutions', async () => {
    const { solve } = await import('../../lib/solve/population.js');
    const question = {
      world: { kind: 'mlp' } as never,
      objective: { kind: 'reconstruction' as const },
      latentDim: 1,
    };
    await expect(solve(question)).rejects.toThrow(
      /world\.kind: expected "linear", the world that has exact solutions .* but received "mlp"/,
    );
    const { loss } = await solve({ ...question, world: { kind: 'linear' } });
    expect(loss).toBe((await solve({ ...question, world: {} })).loss);
  });
});

describe.each([
  ['mlp', MLP],
  ['sprites', SPRITES],
])('training batches of the %s world', (_, spec) => {
  const needs = { pair: true, later: 2, states: true };
  const rows = (backend: Backend, first: number, count: number, threads?: number) =>
    backend.drawRows({ source: worldSource(spec), seed: 9, first, count, needs }, { threads });

  it('are the same on native and reference to the rounding of f32, and in any parts', async () => {
    const [a, b] = [await rows(native, 5, 41, 2), await rows(reference, 5, 41)];
    for (const [name, values] of Object.entries(b)) {
      const own = (a as unknown as Record<string, Float32Array>)[name];
      if (typeof values === 'number') continue;
      expect(own.length, name).toBe(values.length);
      expect(farthest(own, values as Float32Array), name).toBeLessThan(2e-5);
    }
    const part = await rows(native, 20, 7, 1);
    const d = a.observation.length / 41;
    expect(part.observation).toEqual(a.observation.slice(15 * d, 22 * d));
    expect(part.pairLater).toEqual(a.pairLater.slice(30 * d, 44 * d));
  });

  it('follow the same law as samples do', async () => {
    const [batch, sample] = [
      await native.drawRows({ source: worldSource(spec), seed: 1, first: 0, count: 4000, needs }),
      await drawn(spec, { samples: 4000, pairs: true }, native),
    ];
    for (const name of ['observation', 'observationNext', 'pairObservationNext', 'action'] as const) {
      const [one, other] = [moments(batch[name]), moments(sample[name])];
      expect(Math.abs(one.mean - other.mean), name).toBeLessThan(0.03);
      expect(Math.abs(one.deviation / other.deviation - 1), name).toBeLessThan(0.03);
    }
  });
});

function moments(values: ArrayLike<number>) {
  const all = Array.from(values);
  const mean = all.reduce((sum, v) => sum + v, 0) / all.length;
  const square = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / all.length;
  return { mean, deviation: Math.sqrt(square) };
}
