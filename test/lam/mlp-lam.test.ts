import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { initialState, type NetworkShape } from '../../lib/backend/train-requests.js';
import { MlpLam } from '../../lib/lam/mlp-lam.js';
import { normals } from '../../lib/random/philox.js';
import { native } from '../support/backends.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-mlp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shape: NetworkShape = {
  ...{ observationDim: 5, projectionDim: 0, actionDim: 2, latentDim: 4 },
  ...{ encoderInput: 'both', decoderInput: 'both', residual: true, targets: 1, bias: true },
  ...{ encoderHidden: [7, 6], decoderHidden: [8], activation: 'gelu' },
  codebook: { size: 5, codes: 2, update: 'loss', decay: 0.9, commitment: 0.25, reviveBelow: 0 },
};
const d = shape.observationDim;

function lamOf(codebook: NetworkShape['codebook'], firstFactor = 1, targets = 1): MlpLam {
  const own = { ...shape, codebook, targets };
  const { parameters } = initialState(own, 3);
  // Rows of a codebook are 0 before its first step.
  const filled = parameters.map((v, i) => (v === 0 ? Math.sin(i) : v));
  return new MlpLam({
    ...{ shape: own, projection: new Float32Array(0), parameters: filled, steps: 7, trainedWith: '0' },
    mean: Float64Array.from({ length: d }, (_, i) => i / 10),
    factor: Float64Array.from({ length: d }, (_, i) => (i === 0 ? firstFactor : 1 + i / 3)),
    objective: { kind: 'reconstruction' },
  });
}
const continuous = lamOf(null);
const quantised = lamOf(shape.codebook);
const rows = 6;
const o = normals(1, 1, 0, rows * d);
const next = normals(1, 2, 0, rows * d);

describe('MlpLam', () => {
  it('is saved and loaded to the same bits', async () => {
    for (const lam of [continuous, quantised]) {
      const path = join(folder, 'lam.safetensors');
      await lam.save(path);
      const again = await MlpLam.load(path);
      expect(again).toEqual(lam);
      expect(MlpLam.fromBytes(lam.toBytes())).toEqual(lam);
      const z = await lam.encode(o, next, { backend: native });
      expect(await again.encode(o, next, { backend: native })).toEqual(z);
      expect(z).toHaveLength(rows * 4);
      expect(await lam.decode(o, z, { backend: native })).toHaveLength(rows * d);
    }
  });

  it('of a codebook says which rows z is', async () => {
    const codes = await quantised.encodeCodes(o, next, { backend: native });
    const z = await quantised.encode(o, next, { backend: native });
    const book = quantised.tensors.get('codebook')?.data as Float32Array;
    for (let r = 0; r < rows; r++)
      for (let part = 0; part < 2; part++) {
        const at = (part * 5 + (codes[2 * r + part] as number)) * 2;
        expect(Array.from(z.slice(4 * r + 2 * part, 4 * r + 2 * part + 2))).toEqual(
          Array.from(book.slice(at, at + 2)),
        );
      }
    await expect(continuous.encodeCodes(o, next)).rejects.toThrow(/expected a model with a codebook/);
  });

  it('refuses what does not fit, in a sentence', async () => {
    await expect(continuous.encode(o.slice(1), next)).rejects.toThrow(
      /^observations: expected rows of 5 numbers/,
    );
    await expect(continuous.encode(o, next.slice(d))).rejects.toThrow(/^next: expected 6 rows of 5 numbers/);
    await expect(continuous.encode(o, undefined as never)).rejects.toThrow(
      /^next: expected a Float64Array or a Float32Array but received nothing$/,
    );
    await expect(continuous.decode(o, new Float64Array(3))).rejects.toThrow(/^latents: /);
    await expect(continuous.encode([1] as never, next)).rejects.toThrow(
      /^observations: expected a Float64Array/,
    );
    await expect(
      continuous.encode(
        o.map(() => Number.NaN),
        next,
      ),
    ).rejects.toThrow(/NaN/);
    await expect(MlpLam.load(join(folder, 'none'))).rejects.toMatchObject({ kind: 'input' });
    await expect(continuous.save('')).rejects.toMatchObject({ kind: 'input' });
    const bytes = continuous.toBytes();
    for (const [what, change] of [
      ['is truncated', (b: Uint8Array) => b.slice(0, b.length - 4)],
      ['other text', () => new TextEncoder().encode('{"a": 1} and so on')],
      ['another format', (b: Uint8Array) => replaced(b, 'exolam.mlp-lam', 'exolam.mlp-lim')],
      ['another tensor', (b: Uint8Array) => replaced(b, 'decoder.1.bias', 'decoder.1.boas')],
      ['another activation', (b: Uint8Array) => replaced(b, 'gelu', 'gilu')],
    ] as const)
      expect(() => MlpLam.fromBytes(change(bytes)), what).toThrow(/^bytes/);
  });
});

function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString('latin1');
  expect(text).toContain(from);
  return Uint8Array.from(Buffer.from(text.replaceAll(from, to), 'latin1'));
}

/** The recipe of docs/train.md, as it stands there. */
const recipe = /```python\n([\s\S]*?)```/.exec(
  readFileSync(new URL('../../docs/train.md', import.meta.url), 'utf8'),
)?.[1] as string;
const python = '/usr/bin/python3';
const has = (module: string) => spawnSync(python, ['-c', `import ${module}`]).status === 0;

describe.skipIf(!has('torch'))('the recipe for PyTorch', () => {
  it.each([
    ['a continuous z', continuous],
    ['a codebook', quantised],
    ['a coordinate that never moves', lamOf(shape.codebook, 0)],
    ['a horizon', lamOf(null, 0, 3)],
  ])('gives the latents and predictions of a model with %s', async (_, lam) => {
    const path = join(folder, 'torch.safetensors');
    await lam.save(path);
    const lists = (values: Float64Array) =>
      JSON.stringify(Array.from({ length: rows }, (_, r) => Array.from(values.slice(r * d, (r + 1) * d))));
    const script = `${recipe}\nlam = load(${JSON.stringify(path)})\nz = lam.encode(torch.tensor(${lists(o)}), torch.tensor(${lists(next)}))\nprint(json.dumps([z.flatten().tolist(), lam.decode(torch.tensor(${lists(o)}), z).flatten().tolist()]))\n`;
    const file = join(folder, 'recipe.py');
    writeFileSync(file, script);
    const [z, decoded] = JSON.parse(execFileSync(python, [file], { encoding: 'utf8' })) as [
      number[],
      number[],
    ];
    const own = await lam.encode(o, next, { backend: native });
    z.forEach((v, i) => {
      expect(v).toBeCloseTo(own[i] as number, 5);
    });
    expect(decoded).toHaveLength(rows * lam.predictionDim);
    (await lam.decode(o, own, { backend: native })).forEach((v, i) => {
      expect(decoded[i]).toBeCloseTo(v, 4);
    });
  });
});

describe('the file without any library', () => {
  it('holds every tensor where its header says', () => {
    const bytes = Buffer.from(continuous.toBytes());
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8')) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [name, { shape: dims, data }] of continuous.tensors) {
      const entry = header[name] as (typeof header)[string];
      expect(entry).toMatchObject({ dtype: 'F32', shape: dims });
      const [begin] = entry.data_offsets;
      data.forEach((v, i) => {
        expect(bytes.readFloatLE(8 + length + begin + 4 * i)).toBe(v);
      });
    }
  });
});
