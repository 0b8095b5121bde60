import { describe, expect, it } from 'vitest';
import { drawRows, trainLoss } from '../../../lib/backend/reference/train/index.js';
import { encodeBatch } from '../../../lib/backend/reference/train/loss.js';
import { erf, Parameters } from '../../../lib/backend/reference/train/network.js';
import { shuffledRow } from '../../../lib/backend/reference/train/sources.js';
import type { TrainProblem } from '../../../lib/backend/train-requests.js';
import { LOSS_PARTS, tensorsOf } from '../../../lib/backend/train-requests.js';
import { BOOK, LINEAR, MLP, parameters, problem, ROBUST_HEADS, VARIANTS } from '../../support/train.js';

/** Largest difference between the gradient and central differences, over the largest entry; `of`: which parameters. */
async function gradientError(
  p: TrainProblem,
  of: (name: string) => boolean = () => true,
  part = 0,
): Promise<number> {
  const at = parameters(p.shape);
  const lossAt = async (values: Float64Array) =>
    (await trainLoss({ ...p, parameters: values, step: 2 })).parts[part];
  const { gradient } = await trainLoss({ ...p, parameters: at, step: 2 });
  const size = Math.max(...gradient.map(Math.abs));
  expect(size).toBeGreaterThan(0.01);
  let worst = 0;
  for (const { name, offset, size: count } of tensorsOf(p.shape)) {
    if (!of(name)) continue;
    // Some of each tensor, its ends among them.
    for (let i = 0; i < count; i += Math.max(1, Math.floor((count - 1) / 7))) {
      const h = 1e-5;
      const moved = at.slice();
      moved[offset + i] = at[offset + i] + h;
      const up = await lossAt(moved);
      moved[offset + i] = at[offset + i] - h;
      const slope = (up - (await lossAt(moved))) / (2 * h);
      worst = Math.max(worst, Math.abs(slope - gradient[offset + i]) / size);
    }
  }
  return worst;
}

describe('gradients are finite differences of the loss', () => {
  const shapes = { linear: LINEAR, gelu: MLP, tanh: { ...MLP, activation: 'tanh' as const } };
  for (const [name, shape] of Object.entries(shapes))
    it.each(Object.entries(VARIANTS))(`${name}: %s`, async (_, variant) => {
      expect(await gradientError(problem(shape, variant))).toBeLessThan(1e-8);
    });
  it('relu', async () => {
    expect(
      await gradientError(problem({ ...MLP, activation: 'relu' }, VARIANTS['composition'])),
    ).toBeLessThan(1e-8);
  });
  it('penalty on what is decoded', async () => {
    const variant = { objective: { robustWeight: 0.7, robustOn: 'decoded' as const } };
    for (const v of [variant, ...ROBUST_HEADS])
      expect(await gradientError(problem(LINEAR, v))).toBeLessThan(1e-8);
  });
  const quantised = { ...BOOK, commitment: 0 };
  it('behind a codebook', async () => {
    const behind = (name: string) => name.startsWith('decoder') || name.startsWith('head');
    expect(await gradientError(problem(MLP, { shape: { codebook: quantised } }), behind)).toBeLessThan(1e-8);
  });
  it('rows of a codebook follow their own part of the loss alone', async () => {
    const own = (name: string) => name === 'codebook';
    const p = problem(MLP, { shape: { codebook: quantised } });
    expect(await gradientError(p, own, LOSS_PARTS.indexOf('codebook'))).toBeLessThan(1e-8);
  });
  it('a codebook that holds every latent of the batch changes no gradient', async () => {
    const batchSize = 5;
    const codebook = { ...BOOK, codes: 1, size: batchSize };
    const [plain, book] = [
      problem(MLP, { batchSize }),
      problem(MLP, { batchSize, shape: { codebook }, objective: {} }),
    ];
    const at = parameters(plain.shape);
    const rows = await drawRows({
      ...plain,
      first: 2 * batchSize,
      count: batchSize,
      needs: { pair: false, later: 0, states: false },
    });
    const latents = encodeBatch(plain, new Parameters(plain.shape, at), rows, 2);
    const expected = await trainLoss({ ...plain, parameters: at, step: 2 });
    const found = await trainLoss({ ...book, parameters: Float64Array.of(...at, ...latents.at), step: 2 });
    expect(found.parts).toEqual(expected.parts);
    expect(found.gradient.subarray(0, at.length)).toEqual(expected.gradient);
  });
});

describe('the parts', () => {
  it('erf', () => {
    // Figures of mpmath.
    expect(erf(0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(erf(-2.3)).toBeCloseTo(-0.9988568234026434, 15);
    expect(erf(7)).toBe(1);
  });
  it('a shuffled pass holds every row once, each pass in an order of its own', () => {
    const pass = (rows: number, n: number) =>
      Array.from({ length: rows }, (_, i) => shuffledRow(rows, 9, n * rows + i));
    for (const rows of [1, 2, 3, 16, 17, 100]) {
      expect(pass(rows, 3).sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, i) => i));
    }
    expect(pass(100, 0)).not.toEqual(pass(100, 1));
  });
});
