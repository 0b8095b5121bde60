import { z } from 'zod';
import { requireFinite } from './data/checks.js';
import type { Decoder, Encoder } from './decoder.js';
import { ExolamError } from './errors.js';
import { type Matrix, matrix } from './matrix.js';
import {
  hasKind,
  type ObjectiveSpec,
  objectiveSchema,
  requireProjection,
  resolveObjective,
} from './objectives.js';
import { addScaled, multiply, multiplyTransposed } from './reference/linear-algebra.js';
import { readTensors, type Tensor, writeTensors } from './safetensors.js';
import { parse, quote } from './validate.js';

/**
 * Which function of o the latents hold beside what they say of o' (docs/linear-lam.md). `innovation`: z = D o' less what o tells of
 * it. `difference`: z = D (o' - o). `encoder`: as the objective alone determines it.
 */
export type StateGauge = 'innovation' | 'difference' | 'encoder';

/** What a model was fitted to. */
export type FitSource =
  | { readonly source: 'population' }
  | {
      readonly source: 'data';
      readonly transitions: number;
      readonly ridge: number;
      readonly whiten: boolean;
    };

export interface LinearLamParts {
  readonly objective: z.output<typeof objectiveSchema>;
  readonly gauge: StateGauge;
  /** Height, width, channels or the like; its product is observationDim. */
  readonly observationShape: readonly number[];
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  /** Means that are subtracted: o and o' before encoding, o before decoding; the prediction's is added. */
  readonly means: LinearLamMeans;
  readonly loss: number;
  readonly rank: number;
  readonly spectrum: Float64Array;
  readonly fit: FitSource;
  readonly fittedWith: string;
}

export interface LinearLamMeans {
  /** (observationDim) each. */
  readonly observation: Float64Array;
  readonly observationNext: Float64Array;
  readonly decoded: Float64Array;
  /** (predictionDim) */
  readonly prediction: Float64Array;
}

/** Rows of observations or latents, row-major. */
export type Batch = Float64Array | Float32Array;

/** Numbers of one block of centred rows: what a second-level cache holds. */
const BLOCK_NUMBERS = 1 << 16;

/**
 * A fitted linear latent action model, for use on observations:
 *
 *     z  = C (o - mean o) + D (o' - mean o')
 *     o' ~ mean o' + A (o - mean o) + B z
 *
 * Made by {@link fitLinearLam} or {@link LinearLam.load}. A model never changes; {@link withGauge} makes another.
 */
export class LinearLam {
  readonly objective: z.output<typeof objectiveSchema>;
  readonly gauge: StateGauge;
  readonly latentDim: number;
  readonly observationDim: number;
  readonly observationShape: readonly number[];
  /** What `decode` returns: next observations, or, of objective `representation`, next representations P o'. */
  readonly prediction: 'observation' | 'representation';
  readonly predictionDim: number;
  /** C and D, (latentDim, observationDim). Rows beyond the rank are zero. */
  readonly encoder: Encoder;
  /** A (predictionDim, observationDim), B (predictionDim, latentDim), and C of the innovation gauge. */
  readonly decoder: Decoder;
  readonly means: LinearLamMeans;
  /** Minimum of the objective, per transition. */
  readonly loss: number;
  /** Numerical rank of the problem; latents beyond it carry nothing. */
  readonly rank: number;
  /** (latentDim): leading eigenvalues of M, descending. */
  readonly spectrum: Float64Array;
  readonly fit: FitSource;
  /** Version of exolam that fitted the model. */
  readonly fittedWith: string;
  private readonly encoding: Matrix;
  private readonly decoding: Matrix;

  /** @internal Sizes agree: fitLinearLam and load see to it. */
  constructor(private readonly parts: LinearLamParts) {
    const { encoder, decoder } = parts;
    this.objective = parts.objective;
    this.gauge = parts.gauge;
    this.latentDim = encoder.C.rows;
    this.observationDim = encoder.C.cols;
    this.observationShape = parts.observationShape;
    this.prediction = predictionOf(parts.objective);
    this.predictionDim = decoder.A.rows;
    this.encoder = encoder;
    this.decoder = decoder;
    this.means = parts.means;
    this.loss = parts.loss;
    this.rank = parts.rank;
    this.spectrum = parts.spectrum;
    this.fit = parts.fit;
    this.fittedWith = parts.fittedWith;
    this.encoding = sideBySide(encoder.C, encoder.D);
    this.decoding = sideBySide(decoder.A, decoder.B);
  }

  /**
   * The latents of transitions. `observations` and `next` hold o and o' as rows, (count, observationDim) each; the answer is
   * (count, latentDim). A row's latents are the same bits in every batch. Throws {@link ExolamError}: `input` for sizes that do not
   * fit, `data` for numbers that are not finite.
   */
  encode(observations: Batch, next: Batch): Float64Array {
    const d = this.observationDim;
    const count = rowsOf(observations, d, 'observations', 'observationDim');
    requireRows(next, d, 'next', 'observationDim', count);
    const { observation, observationNext } = this.means;
    return affine(count, this.encoding, [
      { rows: observations, width: d, mean: observation },
      { rows: next, width: d, mean: observationNext },
    ]);
  }

  /**
   * The next observations that latents predict: (count, predictionDim) from `observations` (count, observationDim) and `latents`
   * (count, latentDim). Throws as {@link encode} does.
   */
  decode(observations: Batch, latents: Batch): Float64Array {
    const count = rowsOf(observations, this.observationDim, 'observations', 'observationDim');
    requireRows(latents, this.latentDim, 'latents', 'latentDim', count);
    const out = affine(count, this.decoding, [
      { rows: observations, width: this.observationDim, mean: this.means.decoded },
      { rows: latents, width: this.latentDim, mean: null },
    ]);
    const m = this.predictionDim;
    const { prediction } = this.means;
    for (let row = 0; row < out.length; row += m) for (let j = 0; j < m; j++) out[row + j] += prediction[j];
    return out;
  }

  /**
   * The same model with its latents in another gauge: each latent changes by a linear function of o (C changes, D does not), and A
   * by what undoes it, so that predictions stay as they are, to rounding. Throws {@link ExolamError} `unsupported` for
   * `cross-exogenous`, whose decoder sees another view than its encoder and cannot undo anything.
   */
  withGauge(gauge: 'innovation' | 'difference'): LinearLam {
    if (gauge === this.gauge) return this;
    requireGauge(gauge, this.objective);
    const { C: before, D } = this.encoder;
    const { A, B, innovationC } = this.decoder;
    const C = gauge === 'innovation' ? innovationC : negative(D);
    const moved = matrix(C.rows, C.cols, before.data.slice());
    addScaled(moved, -1, C);
    const undone = multiply(B, moved);
    addScaled(undone, 1, A);
    return new LinearLam({
      ...this.parts,
      gauge,
      encoder: { C, D },
      decoder: { A: undone, B, innovationC },
    });
  }

  /** Writes the model as a `.safetensors` file (layout: docs/linear-lam.md); it appears whole or not at all. */
  async save(path: string): Promise<void> {
    const tensors = new Map<string, Tensor>(
      layoutOf(this).map(([name, shape, pick]) => [name, { shape, data: pick(this) }]),
    );
    const metadata = {
      format: FORMAT,
      format_version: FORMAT_VERSION,
      exolam_version: this.fittedWith,
      objective: JSON.stringify(this.objective),
      gauge: this.gauge,
      latent_dim: String(this.latentDim),
      observation_dim: String(this.observationDim),
      observation_shape: JSON.stringify(this.observationShape),
      prediction: this.prediction,
      prediction_dim: String(this.predictionDim),
      rank: String(this.rank),
      loss: String(this.loss),
      fit: JSON.stringify(this.fit),
    };
    await writeTensors(path, { metadata, tensors });
  }

  /**
   * Reads what {@link save} wrote: the same bits. Throws {@link ExolamError}: `input` for a file that cannot be read, `data` for
   * one that is not a model, is damaged or contradicts itself.
   */
  static async load(path: string): Promise<LinearLam> {
    const { metadata, tensors } = await readTensors(path, LARGEST_FILE);
    try {
      return modelOf(metadata, tensors, path);
    } catch (error) {
      // What a file says is data, whoever checks it.
      if (!(error instanceof ExolamError) || error.kind !== 'input') throw error;
      throw new ExolamError('data', error.message, { cause: error });
    }
  }
}

/** What `decode` returns follows from the objective: of a representation, nothing else is decoded. */
function predictionOf(objective: ObjectiveSpec): 'observation' | 'representation' {
  return hasKind(objective, 'representation') ? 'representation' : 'observation';
}

/** Refuses a gauge that an objective's latents cannot be brought to. */
export function requireGauge(gauge: string, objective: ObjectiveSpec): void {
  if (gauge !== 'innovation' && gauge !== 'difference')
    throw new ExolamError(
      'input',
      `gauge: expected one of "innovation", "difference" but received ${quote(gauge)}`,
    );
  if (hasKind(objective, 'cross-exogenous'))
    throw new ExolamError(
      'unsupported',
      `gauge: expected none for objective cross-exogenous but received "${gauge}": its decoder sees another view than its encoder, so that it cannot undo a function of o`,
    );
}

export function negative(a: Matrix): Matrix {
  return matrix(
    a.rows,
    a.cols,
    a.data.map((v) => -v),
  );
}

function sideBySide(a: Matrix, b: Matrix): Matrix {
  const out = matrix(a.rows, a.cols + b.cols);
  for (let i = 0; i < a.rows; i++) {
    out.data.set(a.data.subarray(i * a.cols, (i + 1) * a.cols), i * out.cols);
    out.data.set(b.data.subarray(i * b.cols, (i + 1) * b.cols), i * out.cols + a.cols);
  }
  return out;
}

function rowsOf(values: Batch, width: number, name: string, dim: string): number {
  if (!(values instanceof Float64Array || values instanceof Float32Array))
    throw new ExolamError(
      'input',
      `${name}: expected a Float64Array or a Float32Array but received ${quote(values)}`,
    );
  if (values.length % width !== 0)
    throw new ExolamError(
      'input',
      `${name}: expected rows of ${dim} (${width}) numbers but received ${values.length} numbers`,
    );
  requireFinite(values, width, name);
  return values.length / width;
}

function requireRows(values: Batch, width: number, name: string, dim: string, count: number): void {
  const rows = rowsOf(values, width, name, dim);
  if (rows === count) return;
  throw new ExolamError(
    'input',
    `${name}: expected ${count} rows of ${dim} (${width}) numbers, as many as observations has, but received ${rows}`,
  );
}

interface Part {
  readonly rows: Batch;
  readonly width: number;
  readonly mean: Float64Array | null;
}

/** weights x (the parts side by side, each less its mean), for every row: a block of rows at a time. */
function affine(count: number, weights: Matrix, parts: readonly Part[]): Float64Array {
  const n = weights.cols;
  const block = Math.max(1, Math.floor(BLOCK_NUMBERS / n));
  const out = new Float64Array(count * weights.rows);
  for (let first = 0; first < count; first += block) {
    const here = Math.min(block, count - first);
    const x = matrix(here, n);
    let begin = 0;
    for (const { rows, width, mean } of parts) {
      for (let i = 0; i < here; i++) {
        const from = (first + i) * width;
        const to = i * n + begin;
        if (mean) for (let j = 0; j < width; j++) x.data[to + j] = rows[from + j] - mean[j];
        else for (let j = 0; j < width; j++) x.data[to + j] = rows[from + j];
      }
      begin += width;
    }
    out.set(multiplyTransposed(x, weights).data, first * weights.rows);
  }
  return out;
}

const FORMAT = 'exolam.linear-lam';
const FORMAT_VERSION = '1';
/** What one read can take on every platform. */
const LARGEST_FILE = 2 ** 31 - 1;

type Dims = Pick<LinearLam, 'latentDim' | 'observationDim' | 'predictionDim'>;
type Layout = readonly (readonly [
  name: string,
  shape: readonly number[],
  pick: (m: LinearLam) => Float64Array,
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
    z.strictObject({
      source: z.literal('data'),
      transitions: positive,
      ridge: z.number().min(0),
      whiten: z.boolean(),
    }),
  ]),
  exolam_version: z.string(),
});
/** Entries of the metadata that are strings in themselves; the others are JSON. */
const PLAIN = new Set(['gauge', 'prediction', 'exolam_version', 'format', 'format_version']);

function modelOf(
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, Tensor>,
  path: string,
): LinearLam {
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
  const objective = resolveObjective(about.objective as ObjectiveSpec, `${path}: objective`);
  const [k, d, m] = [about.latent_dim, about.observation_dim, about.prediction_dim];
  requireProjection(objective, d, `${path}: objective`);
  expect('prediction', predictionOf(objective.spec), about.prediction);
  expect('prediction_dim', objective.projection?.rows ?? d, m);
  expect('product of observation_shape', d, productOf(about.observation_shape));
  if (k > d) throw bad(`latent_dim: expected at most observation_dim (${d}) but received ${k}`);
  const fixed = hasKind(objective.spec, 'cross-exogenous');
  if (about.gauge === 'encoder' ? objective.rows.gauge !== 'encoder' : fixed)
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
      tensor.data.forEach((v, i) => {
        if (!Number.isFinite(v))
          throw bad(`tensor "${name}": number ${i} is ${v}; every number must be finite`);
      });
      return tensor.data;
    },
  ) as Float64Array[];
  const stated = { innovation: innovationC, difference: D.map((v) => -v), encoder: C }[about.gauge];
  const strays = C.findIndex((v, i) => v !== stated[i]);
  if (strays >= 0)
    throw bad(`gauge: expected encoder.C of gauge "${about.gauge}", but its number ${strays} is another`);
  return new LinearLam({
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
  });
}

export function productOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
