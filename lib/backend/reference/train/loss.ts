import type { RowNeeds, Rows } from '../../batch-sources.js';
import {
  rowNormals,
  seenWidth,
  TRAIN_STREAM,
  type TrainObjective,
  type TrainProblem,
  uniform,
} from '../../train-requests.js';
import { codebookRow, type Quantised, quantise } from './codebook.js';
import {
  type Block,
  backward,
  beside,
  columns,
  combine,
  forward,
  linear,
  linearBack,
  type Parameters,
  type Passed,
  rowsBlock,
} from './network.js';

/** What a problem's batches must hold. */
export function needsOf({ shape, objective }: Pick<TrainProblem, 'shape' | 'objective'>): RowNeeds {
  return {
    pair: objective.crossExogenous || objective.robustWeight > 0,
    later: shape.targets - 1,
    states: false,
  };
}

/** A batch as the network sees it. */
interface Seen {
  readonly encoder: Block;
  readonly pairEncoder: Block | null;
  /** What the decoder is given beside z. */
  readonly given: Block;
  /** (rows, targets x w) */
  readonly target: Block;
  readonly action: Block;
  readonly labelled: Uint8Array;
}

const plus = (a: number, b: number) => a + b;
const scaled = (block: Block, factor: number) =>
  rowsBlock(
    block.rows,
    block.width,
    block.at.map((v) => factor * v),
  );

/** h = P o for each of the observations side by side in a row. */
function seenThrough(
  problem: Pick<TrainProblem, 'shape' | 'projection'>,
  rows: number,
  from: Float32Array,
): Block {
  const { observationDim: d, projectionDim: h } = problem.shape;
  if (h === 0) return rowsBlock(rows, from.length / rows, Float64Array.from(from));
  const each = from.length / d;
  const out = rowsBlock(rows, (each / rows) * h);
  for (let r = 0; r < each; r++)
    for (let i = 0; i < h; i++) {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += problem.projection[i * d + j] * from[r * d + j];
      out.at[r * h + i] = sum;
    }
  return out;
}

/** Which rows of the batch show their action. */
function labelsOf(problem: TrainProblem, rows: Rows, step: number): Uint8Array {
  if (rows.labelled.length > 0) return rows.labelled;
  const { labelFraction } = problem.objective;
  return Uint8Array.from({ length: rows.count }, (_, r) =>
    Number(uniform(problem.seed, TRAIN_STREAM.labels, step * rows.count + r) < labelFraction),
  );
}

function see(problem: TrainProblem, rows: Rows, step: number): Seen {
  const { shape, objective: o, seed } = problem;
  const w = seenWidth(shape);
  const through = (from: Float32Array) => seenThrough(problem, rows.count, from);
  const noise = (stream: number, deviation: number) =>
    scaled(
      rowsBlock(rows.count, w, Float64Array.from(rowNormals(seed, stream, step * rows.count, rows.count, w))),
      deviation,
    );
  const encoded = (before: Float32Array, after: Float32Array) => {
    const [h, next] = [through(before), through(after)];
    if (shape.encoderInput === 'difference') return combine(next, h, (b, a) => b - a);
    if (o.encoderNoise === 0) return beside(h, next);
    const n = noise(TRAIN_STREAM.encoderNoise, o.encoderNoise);
    return beside(combine(h, n, plus), combine(next, n, plus));
  };
  const cross = o.crossExogenous;
  let given = through(cross ? rows.pairObservation : rows.observation);
  let target = through(cross ? rows.pairObservationNext : rows.observationNext);
  if (shape.targets > 1) target = beside(target, through(cross ? rows.pairLater : rows.later));
  if (o.decoderNoise > 0) {
    const n = noise(TRAIN_STREAM.decoderNoise, o.decoderNoise);
    given = combine(given, n, plus);
    target = combine(target, beside(...Array<Block>(shape.targets).fill(n)), plus);
  }
  return {
    encoder: encoded(rows.observation, rows.observationNext),
    pairEncoder: o.robustWeight > 0 ? encoded(rows.pairObservation, rows.pairObservationNext) : null,
    given,
    target,
    action: rowsBlock(rows.count, shape.actionDim, Float64Array.from(rows.action)),
    labelled: labelsOf(problem, rows, step),
  };
}

/** The decoder on z: its passes, and the prediction with what is carried over. */
export function decode(p: Parameters, given: Block, latent: Block): { passed: Passed; prediction: Block } {
  const { shape } = p;
  const passed = forward(p, 'decoder', shape.decoderInput === 'both' ? beside(given, latent) : latent);
  const carried = beside(...Array<Block>(shape.targets).fill(given));
  return {
    passed,
    prediction: shape.residual ? combine(passed.output, carried, plus) : passed.output,
  };
}

/** Loss of a batch by part (LOSS_PARTS), with the gradient in `p` and what the codebook needs to follow. */
export interface BatchLoss {
  readonly parts: Float64Array;
  readonly encoded: Block;
  readonly quantised: Quantised | null;
}

/** The latents of a batch, before the codebook. */
export function encodeBatch(problem: TrainProblem, p: Parameters, rows: Rows, step: number): Block {
  return forward(p, 'encoder', see(problem, rows, step).encoder).output;
}

const sumOfSquares = (block: Block) => block.at.reduce((sum, v) => sum + v * v, 0);

export function lossOf(problem: TrainProblem, p: Parameters, rows: Rows, step: number): BatchLoss {
  const { shape, objective } = problem;
  const n = rows.count;
  const k = shape.latentDim;
  const seen = see(problem, rows, step);
  const encoder = forward(p, 'encoder', seen.encoder);
  const z = encoder.output;
  const book = p.tensors.get('codebook');
  const bookRows = () => Array.from({ length: book?.size ?? 0 }, (_, i) => p.values[(book?.offset ?? 0) + i]);
  const quantised = book ? quantise(shape, bookRows(), z) : null;
  const latent = quantised?.latent ?? z;

  const { passed, prediction } = decode(p, seen.given, latent);
  const error = combine(prediction, seen.target, (a, b) => a - b);
  const reconstruction = sumOfSquares(error) / n;
  const input = backward(p, 'decoder', passed, scaled(error, 2 / n));
  const back = columns(input, input.width - k, k);
  const action = actionLoss(objective, p, seen, latent, back);
  const straight = quantised ? codebookLoss(p, z, quantised, back) : 0;

  let robust = 0;
  if (seen.pairEncoder) {
    const pair = forward(p, 'encoder', seen.pairEncoder);
    const pairBack = rowsBlock(n, k);
    const penalty = objective.robustOn === 'decoded' ? decodedPenalty : latentPenalty;
    robust = penalty(objective, p, z, pair.output, back, pairBack);
    backward(p, 'encoder', pair, pairBack);
  }
  backward(p, 'encoder', encoder, back);
  const loss = reconstruction + action + robust + straight;
  return {
    parts: Float64Array.of(loss, reconstruction, action, robust, straight),
    encoded: z,
    quantised,
  };
}

/** weight |a - head(z)|^2 over the labelled rows; its gradient in z is added to `back`. */
function actionLoss(
  objective: TrainObjective,
  p: Parameters,
  seen: Seen,
  latent: Block,
  back: Block,
): number {
  const { actionWeight, labelMean } = objective;
  if (actionWeight === 0) return 0;
  const { labelled, action } = seen;
  const divisor = labelMean === 'rows' ? latent.rows : labelled.reduce((sum, v) => sum + v, 0);
  if (divisor === 0) return 0;
  const error = combine(linear(p, 'head', latent), action, (a, b) => a - b);
  error.at.forEach((_, i) => {
    if (labelled[Math.floor(i / error.width)] === 0) error.at[i] = 0;
  });
  const share = actionWeight / divisor;
  const input = linearBack(p, 'head', latent, scaled(error, 2 * share));
  back.at.forEach((v, i) => {
    back.at[i] = v + input.at[i];
  });
  return share * sumOfSquares(error);
}

/** |z - row|^2: the encoder's part times the commitment, the codebook's part where it follows the gradient. */
function codebookLoss(p: Parameters, z: Block, quantised: Quantised, back: Block): number {
  const { shape } = p;
  const book = shape.codebook as NonNullable<typeof shape.codebook>;
  const { offset } = p.tensor('codebook');
  const own = book.update === 'loss' ? 1 : 0;
  let loss = 0;
  for (let r = 0; r < z.rows; r++)
    for (let part = 0; part < book.codes; part++) {
      const { begin, width } = codebookRow(shape, part, quantised.codes[r * book.codes + part]);
      for (let j = 0; j < width; j++) {
        const at = r * z.width + part * width + j;
        const error = z.at[at] - p.values[offset + begin + j];
        loss += (book.commitment + own) * error * error;
        back.at[at] += (2 * book.commitment * error) / z.rows;
        p.gradient[offset + begin + j] -= (2 * own * error) / z.rows;
      }
    }
  return loss / z.rows;
}

/** weight mean (|B (z - z2)|^2 + share |H (z - z2)|^2): B the decoder's columns on z, H the head, share what the action counts. */
function decodedPenalty(
  { robustWeight, actionWeight, labelMean, labelFraction }: TrainObjective,
  p: Parameters,
  z: Block,
  z2: Block,
  back: Block,
  pairBack: Block,
): number {
  const k = p.shape.latentDim;
  const moved = combine(z, z2, (a, b) => a - b);
  // One map's columns on z, the last of its inputs.
  const ofMap = (name: string, weight: number): number => {
    const { offset, shape: dims } = p.tensor(name);
    const [outputs, inputs] = dims as [number, number];
    const share = weight / z.rows;
    let loss = 0;
    for (let r = 0; r < z.rows; r++)
      for (let i = 0; i < outputs; i++) {
        const row = offset + i * inputs + inputs - k;
        let out = 0;
        for (let j = 0; j < k; j++) out += p.values[row + j] * moved.at[r * k + j];
        loss += share * out * out;
        for (let j = 0; j < k; j++) {
          const at = r * k + j;
          p.gradient[row + j] += 2 * share * out * moved.at[at];
          back.at[at] += 2 * share * out * p.values[row + j];
          pairBack.at[at] -= 2 * share * out * p.values[row + j];
        }
      }
    return loss;
  };
  const counted = actionWeight * (labelMean === 'rows' ? labelFraction : 1);
  const ofHead = counted > 0 ? ofMap('head.weight', robustWeight * counted) : 0;
  return ofMap('decoder.0.weight', robustWeight) + ofHead;
}

/** weight times the sum over coordinates of mean (z - z2)^2 over the variance of both; 0 where nothing varies. */
function latentPenalty(
  { robustWeight: weight }: TrainObjective,
  _: Parameters,
  z: Block,
  z2: Block,
  back: Block,
  pairBack: Block,
): number {
  const [n, k] = [z.rows, z.width];
  let loss = 0;
  for (let j = 0; j < k; j++) {
    let mean = 0;
    for (let r = 0; r < n; r++) mean += (z.at[r * k + j] + z2.at[r * k + j]) / (2 * n);
    let variance = 0;
    let moved = 0;
    for (let r = 0; r < n; r++) {
      const [a, b] = [z.at[r * k + j], z2.at[r * k + j]];
      variance += ((a - mean) ** 2 + (b - mean) ** 2) / (2 * n);
      moved += (a - b) ** 2 / n;
    }
    if (!(variance > 0)) continue;
    loss += (weight * moved) / variance;
    for (let r = 0; r < n; r++) {
      const at = r * k + j;
      const [a, b] = [z.at[at], z2.at[at]];
      const apart = (2 * (a - b)) / (n * variance);
      const spread = moved / (variance * variance * n);
      back.at[at] += weight * (apart - spread * (a - mean));
      pairBack.at[at] += weight * (-apart - spread * (b - mean));
    }
  }
  return loss;
}
