import { z } from 'zod';
import { readTensors, writeTensors } from '#tensor-files';
import { ExolamError } from '../base/errors.js';
import { parse, quote } from '../base/validate.js';
import { matrix } from '../linalg/matrix.js';
import {
  hasKind,
  type ObjectiveSpec,
  objectiveSchema,
  requireProjection,
  resolveForTraining,
  resolveObjective,
} from '../solve/objectives.js';
import { type LinearLamParts, predictionOf, productOf } from './parts.js';
import { decodeTensors, encodeTensors, type Tensor, type TensorFile } from './safetensors.js';

const FORMAT = 'exolam.linear-lam';

const FORMAT_VERSION = '1';

/** What one read can take on every platform. */
const LARGEST_FILE = 2 ** 31 - 1;

interface Dims {
  readonly latentDim: number;
  readonly observationDim: number;
  readonly predictionDim: number;
}

type Layout = readonly (readonly [
  name: string,
  shape: readonly number[],
  pick: (parts: LinearLamParts) => Float64Array,
])[];

/** The tensors of a file, in their order. */
function layoutOf({ latentDim: k, observationDim: d, predictionDim: m }: Dims): Layout {
  return [
    ['encoder.C', [k, d], (lam) => lam.encoder.C.data],
    ['encoder.D', [k, d], (lam) => lam.encoder.D.data],
    ['encoder.observation_mean', [d], (lam) => lam.means.observation],
    ['encoder.observation_next_mean', [d], (lam) => lam.means.observationNext],
    ['decoder.A', [m, d], (lam) => lam.decoder.A.data],
    ['decoder.B', [m, k], (lam) => lam.decoder.B.data],
    ['decoder.observation_mean', [d], (lam) => lam.means.decoded],
    ['decoder.prediction_mean', [m], (lam) => lam.means.prediction],
    ['innovation.C', [k, d], (lam) => lam.decoder.innovationC.data],
    ['spectrum', [k], (lam) => lam.spectrum],
  ];
}

const positive = z.int().min(1);

const metadataSchema = z.object({
  objective: objectiveSchema,
  gauge: z.enum(['innovation', 'difference', 'encoder']),
  latent_dim: positive,
  observation_dim: positive,
  observation_shape: z.array(positive).min(1),
  prediction: z.enum(['observation', 'representation']),
  prediction_dim: positive,
  rank: z.int().min(0),
  loss: z.number().min(0),
  fit: z.discriminatedUnion('source', [
    z.strictObject({ source: z.literal('population') }),
    z.strictObject({ source: z.literal('training'), steps: z.int().min(0), optimizer: z.string() }),
    z.strictObject({
      source: z.literal('data'),
      transitions: positive,
      ridge: z.number().min(0),
      whiten: z.boolean(),
      scale: z.enum(['standard', 'given']).optional(),
    }),
  ]),
  exolam_version: z.string(),
});

/** Entries of the metadata that are strings in themselves; the others are JSON. */
const PLAIN = new Set(['gauge', 'prediction', 'exolam_version', 'format', 'format_version']);

function partsOf(
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
): LinearLamParts {
  const bad = (why: string) => new ExolamError('data', `${path}: ${why}`);
  const expect = (field: string, accepted: unknown, received: unknown) => {
    if (accepted !== received)
      throw bad(`${field}: expected ${quote(accepted)} but received ${quote(received)}`);
  };
  expect('format', FORMAT, metadata['format']);
  expect('format_version', FORMAT_VERSION, metadata['format_version']);
  const entries = Object.entries(metadata).map(([key, text]): [string, unknown] => {
    if (PLAIN.has(key)) return [key, text];
    try {
      return [key, JSON.parse(text)];
    } catch {
      return [key, text];
    }
  });
  const about = parse(metadataSchema, Object.fromEntries(entries), path);
  const isTrained = about.fit.source === 'training';
  // What was trained may have no closed form, and keeps whatever gauge its steps led to.
  const named = `${path}: objective`;
  const objective = isTrained
    ? resolveForTraining(about.objective as ObjectiveSpec, true, named)
    : resolveObjective(about.objective as ObjectiveSpec, named);
  const [k, d, m] = [about.latent_dim, about.observation_dim, about.prediction_dim];
  requireProjection(objective, d, `${path}: objective`);
  expect('prediction', predictionOf(objective.spec), about.prediction);
  expect('prediction_dim', objective.projection?.rows ?? d, m);
  expect('product of observation_shape', d, productOf(about.observation_shape));
  if (k > d) throw bad(`latent_dim: expected at most observation_dim (${d}) but received ${k}`);
  const fixed = hasKind(objective.spec, 'cross-exogenous');
  const stays = isTrained || objective.rows.gauge === 'encoder';
  if (about.gauge === 'encoder' ? !stays : fixed)
    throw bad(`gauge: "${about.gauge}" is none of objective ${objective.spec.kind}`);

  const layout = layoutOf({ latentDim: k, observationDim: d, predictionDim: m });
  const known = layout.map(([name]) => name);
  for (const name of tensors.keys())
    if (!known.includes(name)) throw bad(`unknown tensor "${name}"; expected ${known.join(', ')}`);
  const [C, D, oMean, nextMean, A, B, decoded, prediction, innovationC, spectrum] = layout.map(
    ([name, shape]) => {
      const tensor = tensors.get(name);
      if (!tensor) throw bad(`tensor "${name}" is missing`);
      expect(`shape of tensor "${name}"`, JSON.stringify(shape), JSON.stringify(tensor.shape));
      if (tensor.data instanceof Float32Array)
        throw bad(`tensor "${name}": expected dtype "F64" but received "F32"`);
      tensor.data.forEach((v, i) => {
        if (!Number.isFinite(v))
          throw bad(`tensor "${name}": number ${i} is ${v}; every number must be finite`);
      });
      return tensor.data;
    },
  );
  const stated = { innovation: innovationC, difference: D.map((v) => -v), encoder: C }[about.gauge];
  const strays = C.findIndex((v, i) => v !== stated[i]);
  if (strays >= 0)
    throw bad(`gauge: expected encoder.C of gauge "${about.gauge}", but its number ${strays} is another`);
  return {
    objective: objective.spec,
    gauge: about.gauge,
    observationShape: about.observation_shape,
    encoder: { C: matrix(k, d, C), D: matrix(k, d, D) },
    decoder: { A: matrix(m, d, A), B: matrix(m, k, B), innovationC: matrix(k, d, innovationC) },
    means: { observation: oMean, observationNext: nextMean, decoded, prediction },
    loss: about.loss,
    rank: about.rank,
    spectrum,
    fit: about.fit,
    fittedWith: about.exolam_version,
  };
}

function tensorsOf(parts: LinearLamParts): TensorFile {
  const { encoder, decoder } = parts;
  const dims = { latentDim: encoder.C.rows, observationDim: encoder.C.cols, predictionDim: decoder.A.rows };
  const tensors = new Map<string, Tensor>(
    layoutOf(dims).map(([name, shape, pick]) => [name, { shape, data: pick(parts) }]),
  );
  const metadata = {
    format: FORMAT,
    format_version: FORMAT_VERSION,
    exolam_version: parts.fittedWith,
    objective: JSON.stringify(parts.objective),
    gauge: parts.gauge,
    latent_dim: String(dims.latentDim),
    observation_dim: String(dims.observationDim),
    observation_shape: JSON.stringify(parts.observationShape),
    prediction: predictionOf(parts.objective),
    prediction_dim: String(dims.predictionDim),
    rank: String(parts.rank),
    loss: String(parts.loss),
    fit: JSON.stringify(parts.fit),
  };
  return { metadata, tensors };
}

/** Writes a model's parts as a `.safetensors` file (layout: docs/linear-lam.md); it appears whole or not at all. */
export async function writeModel(path: string, parts: LinearLamParts): Promise<void> {
  await writeTensors(path, tensorsOf(parts));
}

/** The bytes of the file that {@link writeModel} writes. */
export function encodeModel(parts: LinearLamParts): Uint8Array {
  return encodeTensors(tensorsOf(parts));
}

/** The parts that {@link writeModel} wrote: the same bits. What a file says is data, whoever checks it. */
export async function readModel(path: string): Promise<LinearLamParts> {
  return checkedParts(await readTensors(path, LARGEST_FILE), path);
}

/** The parts of {@link encodeModel}; `what` is what messages call the bytes. */
export function decodeModel(bytes: Uint8Array, what: string): LinearLamParts {
  return checkedParts(decodeTensors(bytes, what), what);
}

function checkedParts({ metadata, tensors }: TensorFile, what: string): LinearLamParts {
  try {
    return partsOf(metadata, tensors, what);
  } catch (error) {
    if (!(error instanceof ExolamError) || error.kind !== 'input') throw error;
    throw new ExolamError('data', error.message, { cause: error });
  }
}
