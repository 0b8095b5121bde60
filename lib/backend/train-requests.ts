/**
 * Training by gradient steps (docs/theory.md, section 6, items 2 and 3): the part of the seam for minibatches in f32. A linear latent
 * action model is the network without hidden layers, so that one engine trains both. What every batch holds is a function of
 * (seed, step) alone: a run that is cut in two has the same bits.
 */

import { normalsF32, philox } from '../random/philox.js';
import type { BatchSource } from './batch-sources.js';

/** Quantisation of z: its `codes` equal parts are each replaced by the nearest row of a codebook of their own. */
export interface CodebookShape {
  /** Rows of each codebook, at least 2. */
  readonly size: number;
  /** Parts of z, a divisor of latentDim; z becomes that many whole numbers below `size`. */
  readonly codes: number;
  /** `ema`: rows follow running means of what is assigned to them; `loss`: they follow the gradient of |z - row|^2. */
  readonly update: 'ema' | 'loss';
  /** Of running means, also of the counts that say which rows are dead, 0 to 1. */
  readonly decay: number;
  /** Weight of |z - row|^2 as a loss of the encoder. */
  readonly commitment: number;
  /** A row used less than this share of an even use (1 / size) is put onto a latent of the current batch; 0: never. */
  readonly reviveBelow: number;
}

/**
 * A latent action model: z = encoder(o, o'), quantised where there is a codebook; prediction = decoder(o, z). With a projection
 * every observation is first seen as h = P o. w: the width of what is seen, projectionDim or observationDim.
 */
export interface NetworkShape {
  readonly observationDim: number;
  /** Rows of P; 0: none. */
  readonly projectionDim: number;
  /** Width of the linear action head on z; 0: none. */
  readonly actionDim: number;
  readonly latentDim: number;
  /** `both`: [o, o'], 2 w inputs; `difference`: o' - o, w inputs. */
  readonly encoderInput: 'both' | 'difference';
  /** `both`: [o, z]; `latent`: z alone, and with `residual` the identity decoder o + B z. */
  readonly decoderInput: 'both' | 'latent';
  /** The prediction of each target is o plus what the decoder gives. */
  readonly residual: boolean;
  /** Widths of hidden layers; without any the map is linear. */
  readonly encoderHidden: readonly number[];
  readonly decoderHidden: readonly number[];
  /** After every hidden layer. gelu: x Phi(x), exactly. */
  readonly activation: 'relu' | 'gelu' | 'tanh';
  /** Each layer, the head included, adds a vector. */
  readonly bias: boolean;
  /** Observations that are predicted, o' and those after it, side by side: 1 for o' alone. */
  readonly targets: number;
  readonly codebook: CodebookShape | null;
}

/** w: the width of an observation as the network sees it. */
export function seenWidth(shape: NetworkShape): number {
  return shape.projectionDim > 0 ? shape.projectionDim : shape.observationDim;
}

/** Outputs of the decoder. */
export function predictionWidth(shape: NetworkShape): number {
  return shape.targets * seenWidth(shape);
}

/** One array of the parameters, row-major at `offset`. Weights are (outputs, inputs), as PyTorch's. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
}

/** Widths of a map's inputs, hidden layers and outputs. */
function encoderWidths(shape: NetworkShape): number[] {
  const input = seenWidth(shape) * (shape.encoderInput === 'both' ? 2 : 1);
  return [input, ...shape.encoderHidden, shape.latentDim];
}
function decoderWidths(shape: NetworkShape): number[] {
  const input = shape.latentDim + (shape.decoderInput === 'both' ? seenWidth(shape) : 0);
  return [input, ...shape.decoderHidden, predictionWidth(shape)];
}

/**
 * Every parameter, in the order of the flat array: `encoder.0.weight` [, `encoder.0.bias`], ..., `decoder.0.weight`, ...,
 * `head.weight` and `codebook` (codes, size, latentDim / codes), where the network has them. A linear encoder's weight is [C D], a
 * linear decoder's [A B].
 */
export function tensorsOf(shape: NetworkShape): Tensor[] {
  const tensors: Tensor[] = [];
  let offset = 0;
  const add = (name: string, ...dims: number[]) => {
    const size = dims.reduce((a, b) => a * b, 1);
    tensors.push({ name, shape: dims, offset, size });
    offset += size;
  };
  const layers = (name: string, widths: readonly number[]) => {
    for (let i = 1; i < widths.length; i++) {
      add(`${name}.${i - 1}.weight`, widths[i], widths[i - 1]);
      if (shape.bias) add(`${name}.${i - 1}.bias`, widths[i]);
    }
  };
  layers('encoder', encoderWidths(shape));
  layers('decoder', decoderWidths(shape));
  if (shape.actionDim > 0) {
    add('head.weight', shape.actionDim, shape.latentDim);
    if (shape.bias) add('head.bias', shape.actionDim);
  }
  const book = shape.codebook;
  if (book) add('codebook', book.codes, book.size, shape.latentDim / book.codes);
  return tensors;
}

/** Numbers of the flat array. */
export function parameterCount(shape: NetworkShape): number {
  return tensorsOf(shape).reduce((sum, { size }) => sum + size, 0);
}

/**
 * Where a run is: all that a next step depends on, beside the request. Arrays are f32; `first` and `second` are the optimiser's
 * moments, in the layout of `parameters` (sgd: momentum in `first`).
 */
export interface TrainState {
  /** Steps done. */
  readonly step: number;
  readonly parameters: Float32Array;
  readonly first: Float32Array;
  readonly second: Float32Array;
  /** (codes, size): running counts of rows of the batch per codebook row; empty without a codebook. */
  readonly codebookCounts: Float32Array;
  /** (codes, size, latentDim / codes): running sums of what is assigned; empty unless `ema`. */
  readonly codebookSums: Float32Array;
}

/** Numbers of the streams that training draws from, beside those of the batch sources. */
export const TRAIN_STREAM = {
  initial: 0x74720001,
  encoderNoise: 0x74720002,
  decoderNoise: 0x74720003,
  labels: 0x74720004,
  revive: 0x74720005,
  order: 0x74720006,
  /** A source's own streams are numbered from here. */
  source: 0x74720010,
} as const;

/** The first word of Philox block `index` of a stream over 2^32: uniform in [0, 1). */
export function uniform(seed: number, stream: number, index: number): number {
  const block = Uint32Array.of(index % 2 ** 32, Math.floor(index / 2 ** 32), stream, 0);
  philox(block, seed % 2 ** 32, Math.floor(seed / 2 ** 32));
  return block[0] / 2 ** 32;
}

/**
 * Untrained parameters as PyTorch's `nn.Linear` has them: weights and biases uniform within 1 / sqrt(inputs). A map without hidden
 * layers is a sum of maps of its two inputs, each with its own number of inputs. Codebook rows are 0: the first step puts them onto
 * latents of its batch.
 */
export function initialState(shape: NetworkShape, seed: number): TrainState {
  const tensors = tensorsOf(shape);
  const count = parameterCount(shape);
  const parameters = new Float32Array(count);
  const blocks = inputBlocks(shape);
  const widths = new Map(tensors.map((t) => [t.name, t.shape.at(-1) ?? 1]));
  for (const t of tensors) {
    if (t.name === 'codebook') continue;
    const inputs = widths.get(t.name.replace('bias', 'weight')) ?? 1;
    const parts = blocks.get(t.name) ?? [inputs];
    for (let i = 0; i < t.size; i++) {
      let fanIn = inputs;
      let column = i % inputs;
      if (t.name.endsWith('weight'))
        for (const part of parts) {
          fanIn = part;
          if (column < part) break;
          column -= part;
        }
      const at = t.offset + i;
      parameters[at] = (2 * uniform(seed, TRAIN_STREAM.initial, at) - 1) / Math.sqrt(fanIn);
    }
  }
  const book = shape.codebook;
  return {
    step: 0,
    parameters,
    first: new Float32Array(count),
    second: new Float32Array(count),
    codebookCounts: new Float32Array(book ? book.codes * book.size : 0),
    codebookSums: new Float32Array(book?.update === 'ema' ? book.size * shape.latentDim : 0),
  };
}

/** Of linear maps with two inputs, the width of each. */
function inputBlocks(shape: NetworkShape): Map<string, readonly number[]> {
  const width = seenWidth(shape);
  const blocks = new Map<string, readonly number[]>();
  if (shape.encoderHidden.length === 0 && shape.encoderInput === 'both')
    blocks.set('encoder.0.weight', [width, width]);
  if (shape.decoderHidden.length === 0 && shape.decoderInput === 'both')
    blocks.set('decoder.0.weight', [width, shape.latentDim]);
  return blocks;
}

/**
 * What is minimised, the mean over the rows of a batch of
 *
 *     |y - prediction|^2 + actionWeight |a - head(z)|^2 + robustWeight penalty(z, z2) + codebook terms
 *
 * squared errors being summed over coordinates. theory.md, section 3, has each kind; with several set they are composed.
 */
export interface TrainObjective {
  /** The decoder is given o2 and predicts o2' (and later views of the pair) in place of o and o'. */
  readonly crossExogenous: boolean;
  /** Deviation of n1, added to the o and the o' that the encoder sees: the same n1, fresh in every row. */
  readonly encoderNoise: number;
  /** Deviation of n2, added to the o that the decoder sees and to every target. */
  readonly decoderNoise: number;
  /** 0: the head is not trained. */
  readonly actionWeight: number;
  /** Share of the rows whose action is seen; a source that knows which rows are labelled decides in its place. */
  readonly labelFraction: number;
  /** The action's error is divided by all rows of the batch, or by those labelled alone (0 where there are none). */
  readonly labelMean: 'rows' | 'labelled';
  /** Weight of the penalty on what the latent changes between the views of a pair; 0: none. */
  readonly robustWeight: number;
  /**
   * `decoded`: |B (z - z2)|^2, B the decoder's matrix on z, and with a head w |H (z - z2)|^2 more, w the actionWeight (times
   * labelFraction where labelMean is `rows`). It does not depend on the scale of z and is the closed form's penalty, whose
   * B^T B = I is of the two together; it needs a decoder without hidden layers. `latent`: the sum over coordinates of (z - z2)^2 over the
   * variance of both views' z in the batch.
   */
  readonly robustOn: 'decoded' | 'latent';
}

/** How parameters follow the gradient. The rate is learningRate, times (step + 1) / warmupSteps in the first steps, times a cosine. */
export interface TrainOptimiser {
  readonly kind: 'sgd' | 'adam' | 'adamw';
  readonly learningRate: number;
  /** Of sgd. */
  readonly momentum: number;
  /** Of adam and adamw. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** adamw: parameters shrink by rate x weightDecay; else weightDecay x parameter is added to the gradient. */
  readonly weightDecay: number;
  /** 0: none. */
  readonly warmupSteps: number;
  /** Steps over which the rate falls to finalShare of itself along half a cosine, and stays there; 0: it does not fall. */
  readonly cosineSteps: number;
  readonly finalShare: number;
}

/** The rate of the step after `step` steps. */
export function learningRateAt(optimiser: TrainOptimiser, step: number): number {
  const { learningRate, warmupSteps, cosineSteps, finalShare } = optimiser;
  const warm = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  const along = cosineSteps > 0 ? Math.min(1, step / cosineSteps) : 0;
  return learningRate * warm * (finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * along)));
}

/** A network, what it is trained on and for: what every call below is about. */
export interface TrainProblem {
  readonly shape: NetworkShape;
  /** (projectionDim, observationDim) */
  readonly projection: Float32Array;
  readonly source: BatchSource;
  readonly objective: TrainObjective;
  readonly batchSize: number;
  /** Decides batches, noise, labels and revived codes. */
  readonly seed: number;
}

/** Parts of the loss, weights included: the total, the reconstruction, the action head, the penalty, the codebook. */
export const LOSS_PARTS = ['loss', 'reconstruction', 'action', 'robust', 'codebook'] as const;

/** So many steps from a state on. The state that is given is not changed. */
export interface TrainStepsRequest extends TrainProblem {
  readonly optimiser: TrainOptimiser;
  readonly state: TrainState;
  readonly steps: number;
  /** Steps whose mean loss is one entry of the trace, from 1. */
  readonly traceEvery: number;
}

export interface TrainStepsAnswer {
  /** After the last step; where the loss is not finite, the state that was given. */
  readonly state: TrainState;
  /** (LOSS_PARTS.length, ceil(steps / traceEvery)): means over the steps of each stretch, before each step's update. */
  readonly trace: Float64Array;
  /** (codes, size): share of this call's rows that were assigned to each codebook row; empty without a codebook. */
  readonly usage: Float64Array;
  /** STATUS.ok or STATUS.nonFinite. */
  readonly status: number;
  /** The step whose loss was not finite, counted as `state.step` is; -1: none. */
  readonly failedAt: number;
}

/** The loss of one batch and its gradient, in f64. With a codebook the gradient is the straight-through one. */
export interface TrainLossRequest extends TrainProblem {
  readonly parameters: Float64Array;
  /** The batch is that of the step after so many. */
  readonly step: number;
}

export interface TrainLossAnswer {
  /** (LOSS_PARTS.length) */
  readonly parts: Float64Array;
  readonly gradient: Float64Array;
}

/** The network on given rows; without noise. */
export interface ApplyRequest {
  readonly shape: NetworkShape;
  readonly projection: Float32Array;
  readonly parameters: Float32Array;
  readonly rows: number;
  /** (rows, observationDim) each: what the encoder is given. Empty where `latent` is given. */
  readonly observation: Float32Array;
  readonly observationNext: Float32Array;
  /** (rows, latentDim): decoded in place of what the encoder makes, as it is; null: the encoder's, quantised. */
  readonly latent: Float32Array | null;
  /** (rows, observationDim): what the decoder is given, null: `observation`. */
  readonly decoderObservation: Float32Array | null;
}

export interface ApplyAnswer {
  /** (rows, latentDim): z before quantisation. */
  readonly encoded: Float32Array;
  /** (rows, latentDim): what the decoder and the head are given. */
  readonly latent: Float32Array;
  /** (rows, codes), empty without a codebook. */
  readonly codes: Int32Array;
  /** (rows, targets x w) */
  readonly prediction: Float32Array;
  /** (rows, actionDim) */
  readonly action: Float32Array;
}

/** The arrays of an answer, all zero. */
export function applyArrays(r: ApplyRequest): ApplyAnswer {
  const { shape, rows } = r;
  const f32 = (width: number) => new Float32Array(rows * width);
  return {
    encoded: f32(shape.latentDim),
    latent: f32(shape.latentDim),
    codes: new Int32Array(rows * (shape.codebook?.codes ?? 0)),
    prediction: f32(predictionWidth(shape)),
    action: f32(shape.actionDim),
  };
}

/** Standard normals of training's f32 streams: element = row x width + coordinate. */
export function rowNormals(
  seed: number,
  stream: number,
  firstRow: number,
  rows: number,
  width: number,
): Float32Array {
  return normalsF32(seed, stream, firstRow * width, rows * width);
}
