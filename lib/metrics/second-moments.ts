import type { Backend, Control, ProbeAnswer } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { multiply, multiplyTransposed } from '../linalg/dense.js';
import {
  addScaled,
  block,
  identity,
  type Matrix,
  matrix,
  minus,
  plus,
  scale,
  sumOfSquares,
  trace,
} from '../linalg/matrix.js';
import type { Variables } from '../moments/of-data.js';
import type { DecoderMatrices, EncoderMatrices } from './loadings.js';

/** Widths of the variables. */
export interface Sizes {
  readonly observationDim: number;
  readonly actionDim: number;
  readonly exogenousDim: number;
}

/** Metrics of theory.md section 4 from second moments; one whose variables are not among them is absent. */
export interface SampleMetrics {
  actionError?: number;
  futureLeakage?: number;
  /** The clean o' given o and z over the clean o' given o. */
  endogenousError?: number;
  actionInformation?: number;
  futureInformation?: number;
  consistencyError?: number;
  rawActionError?: number;
  rawExogenousNextError?: number;
  rawObservationError?: number;
}

/** What is asked about a target from its entry of a probe's figures. */
interface Target extends Piece {
  readonly metricsOf: (answer: ProbeAnswer, at: number) => SampleMetrics;
}

function targetsOf({ sizes, variables: v }: MomentsSource): Target[] {
  const d = sizes.observationDim;
  const targets: Target[] = [
    {
      ...{ begin: v.layout.action, width: sizes.actionDim },
      metricsOf: ({ conditional, information, raw }, at) => ({
        actionError: conditional[at],
        actionInformation: information[at],
        rawActionError: raw[at],
      }),
    },
    {
      ...{ begin: v.exogenousNext, width: sizes.exogenousDim },
      metricsOf: ({ conditional, information, raw }, at) => ({
        futureLeakage: 1 - conditional[at],
        futureInformation: information[at],
        rawExogenousNextError: raw[at],
      }),
    },
    {
      ...{ begin: v.endogenousNext, width: d },
      metricsOf: ({ conditional }, at) => ({ endogenousError: conditional[at] }),
    },
    {
      ...{ begin: v.layout.observation, width: d },
      metricsOf: ({ raw }, at) => ({ rawObservationError: raw[at] }),
    },
  ];
  return targets.filter(({ begin }) => begin >= 0);
}

/** Joint second moments of a distribution, and what stands where. */
export interface MomentsSource {
  readonly sizes: Sizes;
  readonly variables: Variables;
  /** (width, width), about `mean`. */
  readonly moments: Float64Array;
  /** (width); null where everything has mean zero. */
  readonly mean: Float64Array | null;
}

/**
 * Metrics of a given encoder on one distribution, its probes fitted on another (or on the same: then the figures are those of the
 * fit itself). A variable that either lacks is not asked about.
 */
export async function momentsMetrics(
  encoder: EncoderMatrices,
  judged: MomentsSource,
  probes: MomentsSource,
  ridge: number,
  backend: Backend,
  control: Control,
): Promise<SampleMetrics> {
  const [on, from] = probes === judged ? [judged, judged] : shared(judged, probes);
  const targets = targetsOf(on);
  const { layout, width } = on.variables;
  const answer = await backend.probe(
    {
      width,
      train: from.moments,
      heldOut: on.moments,
      observation: layout.observation,
      observationNext: layout.observationNext,
      observationDim: on.sizes.observationDim,
      encoderC: encoder.C.data,
      encoderD: encoder.D.data,
      rows: encoder.C.rows,
      latentDims: Int32Array.of(encoder.C.rows),
      targets: Int32Array.from(targets.flatMap((target) => [target.begin, target.width])),
      ridge,
      pairObservation: layout.pairObservation,
      pairObservationNext: layout.pairObservationNext,
    },
    control,
  );
  const found: SampleMetrics = { consistencyError: answer.consistency[0] };
  targets.forEach(({ metricsOf }, at) => {
    Object.assign(found, metricsOf(answer, at));
  });
  for (const name of Object.keys(found) as (keyof SampleMetrics)[])
    if (Number.isNaN(found[name])) delete found[name];
  return found;
}

interface Piece {
  readonly begin: number;
  readonly width: number;
}

const NAMES = [
  'observation',
  'observationNext',
  'pairObservation',
  'pairObservationNext',
  'action',
  'exogenousNext',
  'endogenousNext',
] as const;

function pieceOf({ sizes, variables: v }: MomentsSource, name: (typeof NAMES)[number]): Piece {
  if (name === 'exogenousNext') return { begin: v.exogenousNext, width: sizes.exogenousDim };
  if (name === 'endogenousNext') return { begin: v.endogenousNext, width: sizes.observationDim };
  return { begin: v.layout[name], width: name === 'action' ? sizes.actionDim : sizes.observationDim };
}

/** Both with the variables alone that both have, in one order. */
function shared(a: MomentsSource, b: MomentsSource): [MomentsSource, MomentsSource] {
  const begins: Record<string, number> = {};
  const pieces: [Piece, Piece][] = [];
  let width = 0;
  for (const name of NAMES) {
    const [one, other] = [pieceOf(a, name), pieceOf(b, name)];
    begins[name] = -1;
    if (one.begin < 0 || other.begin < 0) continue;
    if (one.width !== other.width)
      throw new ExolamError(
        'input',
        `probes: expected ${name} of width ${one.width}, as where the encoder is judged, but received ${other.width}`,
      );
    begins[name] = width;
    width += one.width;
    pieces.push([one, other]);
  }
  const { exogenousNext, endogenousNext, ...rest } = begins as Record<(typeof NAMES)[number], number>;
  const layout = { observationDim: a.sizes.observationDim, actionDim: a.sizes.actionDim, ...rest };
  const variables = { width, layout, exogenousNext, endogenousNext };
  const of = (source: MomentsSource, which: 0 | 1): MomentsSource => {
    const columns = pieces.flatMap((piece) =>
      Array.from({ length: piece[which].width }, (_, i) => piece[which].begin + i),
    );
    const moments = new Float64Array(width * width);
    const from = source.variables.width;
    columns.forEach((row, i) => {
      columns.forEach((column, j) => {
        moments[i * width + j] = source.moments[row * from + column];
      });
    });
    return { sizes: a.sizes, variables, moments, mean: null };
  };
  return [of(a, 0), of(b, 1)];
}

/** What a model subtracts and adds. Where its means are not those of what it is judged on, it is off by a constant. */
export interface ModelMeans {
  readonly observation: Float64Array;
  readonly observationNext: Float64Array;
  readonly decoded: Float64Array;
  readonly prediction: Float64Array;
}

/** P o' - A o - B z = p v + constant, v the variables less their means: E|p v|^2 + |constant|^2. */
export function momentsLoss(
  source: MomentsSource,
  encoder: EncoderMatrices,
  decoder: DecoderMatrices,
  means: ModelMeans,
): number {
  const { layout, width } = source.variables;
  const d = source.sizes.observationDim;
  const target = decoder.projection ?? identity(d);
  const [o, next] = decoder.paired
    ? [layout.pairObservation, layout.pairObservationNext]
    : [layout.observation, layout.observationNext];
  const terms: [begin: number, weights: Matrix][] = [
    [next, target],
    [o, scale(-1, decoder.A)],
    [layout.observation, scale(-1, multiply(decoder.B, encoder.C))],
    [layout.observationNext, scale(-1, multiply(decoder.B, encoder.D))],
  ];
  const s = matrix(width, width, source.moments);
  let loss = 0;
  for (const [i, a] of terms)
    for (const [j, b] of terms) loss += trace(multiplyTransposed(multiply(a, block(s, i, d, j, d)), b));
  const meanAt = (begin: number) => source.mean?.slice(begin, begin + d) ?? new Float64Array(d);
  const here = {
    observation: meanAt(layout.observation),
    observationNext: meanAt(layout.observationNext),
    decoded: meanAt(o),
    prediction: meanAt(next),
  };
  return Math.max(0, loss) + missedOnAverage(here, means, encoder, decoder);
}

/** |constant|^2 of the above, from the means of o, o', the decoder's o and the o' that it predicts. */
export function missedOnAverage(
  here: ModelMeans,
  own: ModelMeans,
  { C, D }: EncoderMatrices,
  { A, B, projection }: DecoderMatrices,
): number {
  const column = (values: Float64Array) => matrix(values.length, 1, values);
  const off = (name: 'observation' | 'observationNext' | 'decoded') =>
    minus(column(here[name]), column(own[name]));
  const z = plus(multiply(C, off('observation')), multiply(D, off('observationNext')));
  const target = column(here.prediction);
  const constant = minus(projection ? multiply(projection, target) : target, column(own.prediction));
  addScaled(constant, -1, multiply(A, off('decoded')));
  addScaled(constant, -1, multiply(B, z));
  return sumOfSquares(constant);
}
