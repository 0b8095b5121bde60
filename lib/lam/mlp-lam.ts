import { z } from 'zod';
import { readTensors, writeTensors } from '#tensor-files';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { type NetworkShape, parameterCount, predictionWidth, tensorsOf } from '../backend/train-requests.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { isDetached, parse, pathField, quote } from '../base/validate.js';
import { requireFinite } from '../data/checks.js';
import { bounded } from './bounded.js';
import type { Batch } from './linear-lam.js';
import { decodeTensors, encodeTensors, type Tensor, type TensorFile } from './safetensors.js';

/** What a network was trained for and how its coordinates come from the user's. */
export interface MlpLamParts {
  readonly shape: NetworkShape;
  /** (projectionDim, observationDim) on the network's coordinates, empty without one. */
  readonly projection: Float32Array;
  /** Every weight, in the order of `tensorsOf(shape)`. */
  readonly parameters: Float32Array;
  /** (observationDim) each: a coordinate of the network's is (value - mean) x factor. */
  readonly mean: Float64Array;
  readonly factor: Float64Array;
  /** The objective, as JSON has it. */
  readonly objective: unknown;
  /** Steps of training. */
  readonly steps: number;
  readonly trainedWith: string;
}

const FORMAT = 'exolam.mlp-lam';
const FORMAT_VERSION = '1';
/** What one read can take on every platform. */
const LARGEST_FILE = 2 ** 31 - 1;

/**
 * A trained latent action model of multilayer perceptrons: z = encoder(o, o'), quantised where there is a codebook, and
 * o' ~ decoder(o, z). Made by training, or by {@link MlpLam.load}. A model never changes. It computes on the backend, off the main
 * thread, so that its answers are promises.
 */
export class MlpLam {
  readonly latentDim: number;
  readonly observationDim: number;
  /** What `decode` returns: next observations, or next representations P o'. */
  readonly prediction: 'observation' | 'representation';
  readonly predictionDim: number;
  /** How many of them, side by side: o' and those after it. */
  readonly horizon: number;
  /** Parts of z that a codebook quantises; 0: z is continuous. */
  readonly codes: number;
  readonly objective: unknown;
  readonly steps: number;
  readonly trainedWith: string;

  /** @internal Sizes agree: training and load see to it. */
  constructor(private readonly parts: MlpLamParts) {
    const { shape } = parts;
    this.latentDim = shape.latentDim;
    this.observationDim = shape.observationDim;
    this.prediction = shape.projectionDim > 0 ? 'representation' : 'observation';
    this.predictionDim = predictionWidth(shape);
    this.horizon = shape.targets;
    this.codes = shape.codebook?.codes ?? 0;
    this.objective = parts.objective;
    this.steps = parts.steps;
    this.trainedWith = parts.trainedWith;
  }

  /** Every tensor of the network by its name, as PyTorch's `state_dict` of the same layers has it. */
  get tensors(): ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
    return new Map(
      tensorsOf(this.parts.shape).map(({ name, shape, offset, size }) => [
        name,
        { shape, data: this.parts.parameters.slice(offset, offset + size) },
      ]),
    );
  }

  /**
   * The latents of transitions, quantised where there is a codebook: (count, latentDim) from o and o' as rows. Throws
   * {@link ExolamError}: `input` for sizes that do not fit, `data` for numbers that are not finite.
   */
  encode(observations: Batch, next: Batch, options: MlpLamOptions = {}): Promise<Float32Array> {
    return boundary('encode', async () => (await this.applied(observations, next, null, options)).latent);
  }

  /** Of a model with a codebook: which row each part of z is, (count, codes). */
  encodeCodes(observations: Batch, next: Batch, options: MlpLamOptions = {}): Promise<Int32Array> {
    return boundary('encodeCodes', async () => {
      if (this.codes === 0)
        throw new ExolamError(
          'unsupported',
          'encodeCodes: expected a model with a codebook, but this has none',
        );
      return (await this.applied(observations, next, null, options)).codes;
    });
  }

  /**
   * What latents predict, (count, predictionDim), from `observations` and `latents` (count, latentDim): next observations, of a model
   * with a horizon o', o'', ... side by side.
   */
  decode(observations: Batch, latents: Batch, options: MlpLamOptions = {}): Promise<Float64Array> {
    return boundary('decode', async () => {
      const { prediction } = await this.applied(observations, null, latents, options);
      const { mean, factor, shape } = this.parts;
      if (shape.projectionDim > 0) return Float64Array.from(prediction);
      const d = shape.observationDim;
      return Float64Array.from(prediction, (v, i) =>
        factor[i % d] === 0 ? mean[i % d] : v / factor[i % d] + mean[i % d],
      );
    });
  }

  /** Writes the model as a `.safetensors` file (layout: docs/train.md); it appears whole or not at all. */
  save(path: string): Promise<void> {
    return boundary('save', async () => writeTensors(parse(pathField, path, 'path'), fileOf(this.parts)));
  }

  /** Reads what {@link save} wrote: the same bits. Throws {@link ExolamError}: `input` for a file that cannot be read, else `data`. */
  static load(path: string): Promise<MlpLam> {
    return boundary('load', async () => {
      const known = parse(pathField, path, 'path');
      return new MlpLam(partsOf(await readTensors(known, LARGEST_FILE), known));
    });
  }

  /** The bytes of the file that {@link save} writes. */
  toBytes(): Uint8Array {
    return encodeTensors(fileOf(this.parts));
  }

  /** A model from {@link toBytes}. Throws as {@link load} does. */
  static fromBytes(bytes: Uint8Array): MlpLam {
    if (!(bytes instanceof Uint8Array))
      throw new ExolamError('input', `bytes: expected a Uint8Array but received ${quote(bytes)}`);
    return new MlpLam(partsOf(decodeTensors(bytes, 'bytes'), 'bytes'));
  }

  private async applied(
    observations: Batch,
    next: Batch | null,
    latents: Batch | null,
    { backend = defaultBackend(), ...control }: MlpLamOptions,
  ) {
    const { shape, projection, parameters, mean, factor } = this.parts;
    const d = shape.observationDim;
    const rows = rowsOf(observations, d, 'observations');
    if (next !== null) requireRows(next, d, 'next', rows);
    if (latents !== null) requireRows(latents, shape.latentDim, 'latents', rows);
    const seen = (values: Batch) => Float32Array.from(values, (v, i) => (v - mean[i % d]) * factor[i % d]);
    const answer = await backend.applyNetwork(
      {
        ...{ shape, projection, parameters, rows },
        observation: seen(observations),
        observationNext: next ? seen(next) : new Float32Array(rows * d),
        latent: latents && Float32Array.from(latents),
        decoderObservation: null,
      },
      control,
    );
    bounded(answer.latent, shape.latentDim, 'latent');
    bounded(answer.prediction, rows > 0 ? answer.prediction.length / rows : 1, 'prediction');
    return answer;
  }
}

export interface MlpLamOptions extends Control {
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

function rowsOf(values: Batch, width: number, name: string): number {
  if (!(values instanceof Float64Array || values instanceof Float32Array) || isDetached(values))
    throw new ExolamError(
      'input',
      `${name}: expected a Float64Array or a Float32Array but received ${quote(values)}`,
    );
  if (values.length % width !== 0)
    throw new ExolamError(
      'input',
      `${name}: expected rows of ${width} numbers but received ${values.length} numbers`,
    );
  requireFinite(values, width, name);
  return values.length / width;
}

function requireRows(values: Batch, width: number, name: string, rows: number): void {
  const found = rowsOf(values, width, name);
  if (found !== rows)
    throw new ExolamError(
      'input',
      `${name}: expected ${rows} rows of ${width} numbers, as many as observations has, but received ${found}`,
    );
}

const width = z.int().min(1);
const hiddenSchema = z.array(width);
const shapeSchema = z.strictObject({
  observationDim: width,
  projectionDim: z.int().min(0),
  actionDim: z.int().min(0),
  latentDim: width,
  encoderInput: z.enum(['both', 'difference']),
  decoderInput: z.enum(['both', 'latent']),
  residual: z.boolean(),
  encoderHidden: hiddenSchema,
  decoderHidden: hiddenSchema,
  activation: z.enum(['relu', 'gelu', 'tanh']),
  bias: z.boolean(),
  targets: width,
  codebook: z
    .strictObject({
      size: z.int().min(2),
      codes: width,
      update: z.enum(['ema', 'loss']),
      decay: z.number(),
      commitment: z.number(),
      reviveBelow: z.number(),
    })
    .nullable(),
});

function fileOf(parts: MlpLamParts): TensorFile {
  const { shape, projection, parameters, mean, factor } = parts;
  const tensors = new Map<string, Tensor>(
    tensorsOf(shape).map(({ name, shape: dims, offset, size }) => [
      name,
      { shape: dims, data: parameters.subarray(offset, offset + size) },
    ]),
  );
  tensors.set('observation_mean', { shape: [mean.length], data: mean });
  tensors.set('observation_factor', { shape: [factor.length], data: factor });
  if (shape.projectionDim > 0)
    tensors.set('projection', { shape: [shape.projectionDim, shape.observationDim], data: projection });
  return {
    metadata: {
      format: FORMAT,
      format_version: FORMAT_VERSION,
      exolam_version: parts.trainedWith,
      network: JSON.stringify(shape),
      objective: JSON.stringify(parts.objective),
      steps: String(parts.steps),
    },
    tensors,
  };
}

function partsOf({ metadata, tensors }: TensorFile, what: string): MlpLamParts {
  const bad = (why: string) => new ExolamError('data', `${what}: ${why}`);
  const expect = (field: string, accepted: unknown, received: unknown) => {
    if (accepted !== received)
      throw bad(`${field}: expected ${quote(accepted)} but received ${quote(received)}`);
  };
  const json = (field: string): unknown => {
    try {
      return JSON.parse(metadata[field] ?? '');
    } catch {
      throw bad(`${field}: expected JSON but received ${quote(metadata[field])}`);
    }
  };
  expect('format', FORMAT, metadata['format']);
  expect('format_version', FORMAT_VERSION, metadata['format_version']);
  const parsed = shapeSchema.safeParse(json('network'));
  if (!parsed.success) throw bad(`network: it is not the shape of a network`);
  const shape = parsed.data;
  const d = shape.observationDim;
  const taken = new Set<string>();
  const take = (name: string, dims: readonly number[], single: boolean) => {
    const tensor = tensors.get(name);
    if (!tensor) throw bad(`tensor "${name}" is missing`);
    taken.add(name);
    expect(`shape of tensor "${name}"`, JSON.stringify(dims), JSON.stringify(tensor.shape));
    expect(
      `dtype of tensor "${name}"`,
      single ? 'F32' : 'F64',
      tensor.data instanceof Float32Array ? 'F32' : 'F64',
    );
    const stray = tensor.data.findIndex((v) => !Number.isFinite(v));
    if (stray >= 0)
      throw bad(`tensor "${name}": number ${stray} is ${tensor.data[stray]}; every number must be finite`);
    return tensor.data;
  };
  const parameters = new Float32Array(parameterCount(shape));
  for (const { name, shape: dims, offset } of tensorsOf(shape))
    parameters.set(take(name, dims, true), offset);
  const mean = take('observation_mean', [d], false) as Float64Array;
  const factor = take('observation_factor', [d], false) as Float64Array;
  const projection =
    shape.projectionDim > 0
      ? (take('projection', [shape.projectionDim, d], true) as Float32Array)
      : new Float32Array(0);
  for (const name of tensors.keys()) if (!taken.has(name)) throw bad(`unknown tensor "${name}"`);
  const steps = Number(metadata['steps']);
  if (!Number.isSafeInteger(steps) || steps < 0)
    throw bad(`steps: expected an integer from 0 but received ${quote(metadata['steps'])}`);
  return {
    ...{ shape, projection, parameters, mean, factor, steps },
    objective: json('objective'),
    trainedWith: metadata['exolam_version'] ?? '',
  };
}
