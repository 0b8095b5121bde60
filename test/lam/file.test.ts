import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitLinearLam } from '../../lib/lam/fit.js';
import { LinearLam } from '../../lib/lam/linear-lam.js';
import { decodeTensors } from '../../lib/lam/safetensors.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { generator, noise } from '../support/generator.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-linear-lam-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

const d = 12;
const world = {
  observationDim: d,
  endogenousDim: 4,
  exogenousDim: 3,
  actionDim: 2,
  mixing: 'gaussian',
  sensorNoise: 0.1,
} as const;
const objectives: ObjectiveSpec[] = [
  { kind: 'reconstruction' },
  { kind: 'reconstruction', decoder: 'identity' },
  { kind: 'action-supervised', weight: 2 },
  { kind: 'representation', projection: [0, 1, 2].map((i) => Array.from(noise(generator(i), d))) },
  { kind: 'cross-exogenous' },
  { kind: 'exogenous-robust', weight: 0.5 },
  { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0 },
];
const random = generator(5);
const [now, next] = [noise(random, 20 * d), noise(random, 20 * d)];

describe('a saved model', () => {
  it.each(objectives.map((o) => [JSON.stringify({ ...o, projection: undefined }), o] as const))(
    'is the same model, to the bit, when it is loaded: %s',
    async (_title, objective) => {
      const gauges =
        objective.kind === 'cross-exogenous'
          ? [undefined]
          : ([undefined, 'difference', 'innovation'] as const);
      for (const gauge of gauges) {
        const lam = await fitLinearLam(
          { world, objective, latentDim: 3 },
          { observationShape: [3, 4], ...(gauge ? { gauge } : {}) },
        );
        const [first, second, third] = ['a', 'b', 'c'].map((name) => join(folder, `${name}.safetensors`)) as [
          string,
          string,
          string,
        ];
        await lam.save(first);
        await lam.save(second);
        const loaded = await LinearLam.load(first);
        await loaded.save(third);
        expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
        expect(readFileSync(third).equals(readFileSync(first))).toBe(true);
        const z = lam.encode(now, next);
        expect(loaded.encode(now, next)).toEqual(z);
        expect(loaded.decode(now, z)).toEqual(lam.decode(now, z));
        expect(loaded).toEqual(lam);
        if (gauge)
          expect(loaded.withGauge('innovation').encode(now, next)).toEqual(
            lam.withGauge('innovation').encode(now, next),
          );
      }
      expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
    },
  );

  it('cannot be written where there is no folder, and leaves nothing behind', async () => {
    const lam = await fitLinearLam({ world, objective: { kind: 'reconstruction' }, latentDim: 3 });
    await expect(lam.save(join(folder, 'none', 'x.safetensors'))).rejects.toThrow(
      /cannot be written: its folder does not exist/,
    );
    await expect(lam.save(folder)).rejects.toThrow(/cannot be written/);
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('that is not there, or is a folder, is a sentence', async () => {
    await expect(LinearLam.load(join(folder, 'none.safetensors'))).rejects.toThrow(
      /cannot be read: there is no such file/,
    );
    await expect(LinearLam.load(folder)).rejects.toThrow(/cannot be read: it is a folder/);
  });
});

describe('a file', () => {
  let bytes: Buffer;
  beforeAll(async () => {
    const path = join(folder, 'good.safetensors');
    await (await fitLinearLam({ world, objective: { kind: 'reconstruction' }, latentDim: 3 })).save(path);
    bytes = readFileSync(path);
  });

  type Header = Record<
    string,
    { dtype: string; shape: unknown; data_offsets: unknown } & Record<string, string>
  >;
  const length = () => Number(bytes.readBigUInt64LE(0));
  const numbers = () => bytes.subarray(8 + length());

  /** The good file with its header changed. */
  function withHeader(change: (header: Header) => void): Buffer {
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length())) as Header;
    change(header);
    return assemble(JSON.stringify(header), numbers());
  }
  function assemble(text: string | Buffer, data: Uint8Array): Buffer {
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
    return Buffer.concat([head, Buffer.from(text), data]);
  }
  const withMetadata = (values: Record<string, string | undefined>) =>
    withHeader((header) => {
      Object.assign(header['__metadata__'] as object, values);
    });
  const tensor = (header: Header, name: string) => header[name];
  function withNumber(at: number, value: number): Buffer {
    const copy = Buffer.from(bytes);
    copy.writeDoubleLE(value, 8 + length() + 8 * at);
    return copy;
  }

  it('begins as the format says, with its numbers at a multiple of eight bytes', () => {
    expect(length() % 8).toBe(0);
    const { metadata, tensors } = decodeTensors(bytes, 'good');
    expect(metadata).toMatchObject({
      format: 'exolam.linear-lam',
      format_version: '1',
      gauge: 'innovation',
      latent_dim: '3',
    });
    expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([
      ['encoder.C', [3, d]],
      ['encoder.D', [3, d]],
      ['encoder.observation_mean', [d]],
      ['encoder.observation_next_mean', [d]],
      ['decoder.A', [d, d]],
      ['decoder.B', [d, 3]],
      ['decoder.observation_mean', [d]],
      ['decoder.prediction_mean', [d]],
      ['innovation.C', [3, d]],
      ['spectrum', [3]],
    ]);
  });

  const hostile: [name: string, make: () => Buffer, sentence: RegExp][] = [
    ['empty', () => Buffer.alloc(0), /it has 0 bytes/],
    [
      'shorter than the length',
      () => bytes.subarray(0, 7),
      /it has 7 bytes, and the header's length alone takes 8/,
    ],
    [
      'cut in the header',
      () => bytes.subarray(0, 100),
      /its header claims \d+ bytes, but only 92 follow: it is truncated/,
    ],
    [
      'cut in the numbers',
      () => bytes.subarray(0, bytes.length - 1),
      /"spectrum" ends at byte \d+, but there are \d+ bytes of numbers: it is truncated/,
    ],
    [
      'with bytes at its end',
      () => Buffer.concat([bytes, Buffer.alloc(3)]),
      /its last 3 bytes belong to no tensor/,
    ],
    [
      'with a header of 2^63 bytes',
      () => Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 128]), bytes.subarray(8)]),
      /its header claims 9223372036854775808 bytes; expected at most 100000000/,
    ],
    ['with a header that is not JSON', () => assemble('{"a":', numbers()), /its header is not JSON in UTF-8/],
    [
      'with a header that is not UTF-8',
      () => assemble(Buffer.from([0x7b, 0xff, 0x7d]), numbers()),
      /its header is not JSON in UTF-8/,
    ],
    [
      'with a header that is a list',
      () => assemble('[1]', numbers()),
      /its header is not a JSON object but \[1\]/,
    ],
    [
      'with numbers for metadata',
      () => withHeader((h) => Object.assign(h['__metadata__'] as object, { rank: 3 })),
      /__metadata__\.rank: expected a string but received 3/,
    ],
    [
      'with a list for metadata',
      () => withHeader((h) => Object.assign(h, { __metadata__: [] })),
      /__metadata__: expected an object of strings but received \[\]/,
    ],
    [
      'with another dtype',
      () => withHeader((h) => Object.assign(tensor(h, 'spectrum'), { dtype: 'F16' })),
      /tensor "spectrum"\.dtype: expected "F64" or "F32" but received "F16"/,
    ],
    [
      'with a negative shape',
      () => withHeader((h) => Object.assign(tensor(h, 'spectrum'), { shape: [-3] })),
      /"spectrum"\.shape: expected integers of at least 0 but received \[-3\]/,
    ],
    [
      'with a shape beyond counting',
      () => withHeader((h) => Object.assign(tensor(h, 'spectrum'), { shape: [2 ** 53 - 1, 2 ** 53 - 1] })),
      /tensor "spectrum": shape .* takes .* bytes, but data_offsets/,
    ],
    [
      'with offsets backwards',
      () => withHeader((h) => Object.assign(tensor(h, 'spectrum'), { data_offsets: [48, 24] })),
      /"spectrum"\.data_offsets: expected \[begin, end\] with begin <= end but received \[48,24\]/,
    ],
    [
      'with a tensor that is a number',
      () => withHeader((h) => Object.assign(h, { spectrum: 3 })),
      /tensor "spectrum": expected dtype, shape and data_offsets but received 3/,
    ],
    [
      'with overlapping tensors',
      () => withHeader((h) => Object.assign(tensor(h, 'encoder.D'), { data_offsets: [8, 8 + 3 * d * 8] })),
      /tensor "encoder\.D" begins at byte 8, inside the one before it/,
    ],
    [
      'with a hole',
      () =>
        withHeader((h) => {
          delete h['encoder.D'];
        }),
      /bytes 288 to 576 belong to no tensor/,
    ],
    [
      'of another program',
      () => withMetadata({ format: 'pt' }),
      /format: expected "exolam\.linear-lam" but received "pt"/,
    ],
    [
      'of a version to come',
      () => withMetadata({ format_version: '2' }),
      /format_version: expected "1" but received "2"/,
    ],
    [
      'without a gauge',
      () => withMetadata({ gauge: undefined }),
      /gauge: expected one of "innovation", "difference", "encoder" but received nothing/,
    ],
    [
      'with another gauge than its encoder',
      () => withMetadata({ gauge: 'difference' }),
      /gauge: expected encoder\.C of gauge "difference", but its number 0 is another/,
    ],
    [
      'with a gauge that its objective has not',
      () => withMetadata({ gauge: 'encoder' }),
      /gauge: "encoder" is none of objective reconstruction/,
    ],
    [
      'with an unknown objective',
      () => withMetadata({ objective: '{"kind":"magic"}' }),
      /objective.*: expected .* but received/,
    ],
    [
      'with an objective that decodes something else',
      () => withMetadata({ objective: `{"kind":"representation","projection":[[${Array(d).fill(1)}]]}` }),
      /prediction: expected "representation" but received "observation"/,
    ],
    [
      'with an objective of another width',
      () => withMetadata({ objective: '{"kind":"representation","projection":[[1]]}' }),
      /objective\.projection\[0\]: expected observationDim \(12\) numbers but received 1/,
    ],
    [
      'with another latent_dim than its tensors',
      () => withMetadata({ latent_dim: '4' }),
      /shape of tensor "encoder\.C": expected "\[4,12\]" but received "\[3,12\]"/,
    ],
    [
      'with a latent_dim in words',
      () => withMetadata({ latent_dim: 'three' }),
      /latent_dim: expected a number but received "three"/,
    ],
    [
      'with a latent_dim beyond the observation',
      () => withMetadata({ latent_dim: '13' }),
      /latent_dim: expected at most observation_dim \(12\) but received 13/,
    ],
    [
      'with a shape that is no observation',
      () => withMetadata({ observation_shape: '[5,5]' }),
      /product of observation_shape: expected 12 but received 25/,
    ],
    [
      'with another prediction_dim',
      () => withMetadata({ prediction_dim: '11' }),
      /prediction_dim: expected 12 but received 11/,
    ],
    [
      'with a fit to nothing known',
      () => withMetadata({ fit: '{"source":"dream"}' }),
      /fit.*: expected .* but received/,
    ],
    [
      'with one tensor too many',
      () =>
        withHeader((h) => Object.assign(h, { extra: { dtype: 'F64', shape: [0], data_offsets: [0, 0] } })),
      /unknown tensor "extra"; expected encoder\.C/,
    ],
    [
      'with one tensor by another name',
      () =>
        withHeader((h) => {
          h['spectra'] = tensor(h, 'spectrum');
          delete h['spectrum'];
        }),
      /unknown tensor "spectra"/,
    ],
    [
      'with NaN among its numbers',
      () => withNumber(2, Number.NaN),
      /tensor "encoder\.C": number 2 is NaN; every number must be finite/,
    ],
    [
      'with infinity among its numbers',
      () => withNumber(3 * d, Number.NEGATIVE_INFINITY),
      /tensor "encoder\.D": number 0 is -Infinity/,
    ],
    [
      'with an encoder that was edited',
      () => withNumber(7, 0.5),
      /gauge: expected encoder\.C of gauge "innovation", but its number 7 is another/,
    ],
  ];

  it.each(hostile)('%s is refused in one sentence', async (_name, make, sentence) => {
    const path = join(folder, 'hostile.safetensors');
    writeFileSync(path, make());
    const error = await LinearLam.load(path).then(
      () => undefined,
      (e: unknown) => e as Error & { kind?: string },
    );
    expect(error?.message).toMatch(sentence);
    expect(error).toMatchObject({ name: 'ExolamError', kind: 'data' });
    expect(error?.message).toContain(path);
    expect(error?.message).not.toContain('\n');
  });

  it('with any one byte of its header changed is refused or is still a model', async () => {
    const path = join(folder, 'changed.safetensors');
    const pick = generator(9);
    for (let trial = 0; trial < 300; trial++) {
      const copy = Buffer.from(bytes);
      copy[Math.floor(pick() * (8 + length()))] = Math.floor(pick() * 256);
      writeFileSync(path, copy);
      const outcome = await LinearLam.load(path).catch((e: unknown) => e as Error);
      expect(['ExolamError', undefined]).toContain((outcome as Error).name);
    }
  });
});

/** The names of pythons that run here. */
function python(): string | undefined {
  return ['python3', 'python'].find((name) => {
    try {
      execFileSync(name, ['-c', 'import struct, json'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

describe('a reader that knows nothing of exolam', () => {
  const name = python();
  const page = readFileSync(fileURLToPath(new URL('../../docs/linear-lam.md', import.meta.url)), 'utf8');
  const snippet = /```python\n([\s\S]*?)```/.exec(page)?.[1] as string;

  it.skipIf(name === undefined)(
    'reads the file with the lines of docs/linear-lam.md and finds the same latents',
    async () => {
      const lam = await fitLinearLam({
        world,
        objective: { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.1 },
        latentDim: 3,
      });
      const path = join(folder, 'lam.safetensors');
      await lam.save(path);
      const transitions = join(folder, 'transitions.json');
      writeFileSync(
        transitions,
        JSON.stringify({ o: [...now.subarray(0, d)], next: [...next.subarray(0, d)] }),
      );
      const program = `${snippet}
import sys
metadata, tensors = read(sys.argv[1])
pair = json.load(open(sys.argv[2]))
z = encode(tensors, pair["o"], pair["next"])
print(json.dumps([metadata, z, decode(tensors, pair["o"], z)]))`;
      const printed = execFileSync(name as string, ['-c', program, path, transitions], { encoding: 'utf8' });
      const [metadata, z, predicted] = JSON.parse(printed) as [Record<string, string>, number[], number[]];
      expect(metadata['gauge']).toBe('encoder');
      expect(JSON.parse(metadata['objective'])).toEqual(lam.objective);
      const own = lam.encode(now.subarray(0, d), next.subarray(0, d));
      const ownPrediction = lam.decode(now.subarray(0, d), own);
      [...own].forEach((x, i) => {
        expect(Math.abs(x - z[i])).toBeLessThan(1e-12);
      });
      [...ownPrediction].forEach((x, i) => {
        expect(Math.abs(x - predicted[i])).toBeLessThan(1e-12);
      });
    },
  );
});
