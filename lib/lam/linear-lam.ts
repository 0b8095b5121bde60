import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { isDetached, parse, pathField, quote } from '../base/validate.js';
import { requireFinite } from '../data/checks.js';
import { multiply, multiplyTransposed } from '../linalg/dense.js';
import { hstack, type Matrix, matrix, minus, plus, scale } from '../linalg/matrix.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import { bounded } from './bounded.js';
import type { Decoder, Encoder } from './decoder.js';
import { decodeModel, encodeModel, readModel, writeModel } from './file.js';
import {
  type FitSource,
  type LinearLamMeans,
  type LinearLamParts,
  predictionOf,
  requireGauge,
  type StateGauge,
} from './parts.js';

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
  readonly objective: ObjectiveSpec;
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
    this.encoding = hstack([encoder.C, encoder.D]);
    this.decoding = hstack([decoder.A, decoder.B]);
  }

  /**
   * The latents of transitions. `observations` and `next` hold o and o' as rows, (count, observationDim) each; the answer is
   * (count, latentDim). A row's latents are the same bits in every batch. Throws {@link ExolamError}: `input` for sizes that do not
   * fit, `data` for numbers that are not finite, `numerical` where the latents would not be.
   */
  encode(observations: Batch, next: Batch): Float64Array {
    const d = this.observationDim;
    const count = rowsOf(observations, d, 'observations', 'observationDim');
    requireRows(next, d, 'next', 'observationDim', count);
    const { observation, observationNext } = this.means;
    const latents = affine(count, this.encoding, [
      { rows: observations, width: d, mean: observation },
      { rows: next, width: d, mean: observationNext },
    ]);
    return bounded(latents, this.latentDim, 'latent');
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
    return bounded(out, m, 'prediction');
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
    const C = gauge === 'innovation' ? innovationC : scale(-1, D);
    const undone = plus(multiply(B, minus(before, C)), A);
    return new LinearLam({
      ...this.parts,
      gauge,
      encoder: { C, D },
      decoder: { A: undone, B, innovationC },
    });
  }

  /** Writes the model as a `.safetensors` file (layout: docs/linear-lam.md); it appears whole or not at all. */
  save(path: string): Promise<void> {
    return boundary('save', async () => writeModel(parse(pathField, path, 'path'), this.parts));
  }

  /**
   * Reads what {@link save} wrote: the same bits. Throws {@link ExolamError}: `input` for a file that cannot be read, `data` for
   * one that is not a model, is damaged or contradicts itself.
   */
  static load(path: string): Promise<LinearLam> {
    return boundary('load', async () => new LinearLam(await readModel(parse(pathField, path, 'path'))));
  }

  /** The bytes of the file that {@link save} writes, for where there are no files. */
  toBytes(): Uint8Array {
    return encodeModel(this.parts);
  }

  /** A model from {@link toBytes}, or from the bytes of a file that {@link save} wrote. Throws as {@link load} does. */
  static fromBytes(bytes: Uint8Array): LinearLam {
    if (!(bytes instanceof Uint8Array))
      throw new ExolamError('input', `bytes: expected a Uint8Array but received ${quote(bytes)}`);
    return new LinearLam(decodeModel(bytes, 'bytes'));
  }
}

function rowsOf(values: Batch, width: number, name: string, dim: string): number {
  if (!(values instanceof Float64Array || values instanceof Float32Array) || isDetached(values))
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
