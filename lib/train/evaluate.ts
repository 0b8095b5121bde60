import { LOSS_PARTS, type TrainProblem } from '../backend/train-requests.js';
import { ExolamError } from '../base/errors.js';
import { multiply } from '../linalg/dense.js';
import { minus, plus, sumOfSquares, vstack } from '../linalg/matrix.js';
import { populationLoss, populationMetrics, seenBy } from '../metrics/loadings.js';
import type { World } from '../world/world.js';
import { type CodebookUse, type Estimated, JUDGED_SEED, type Judges, type LatentsOf } from './judges.js';
import { type LinearMaps, linearMaps } from './model.js';
import type { Setting } from './setting.js';

/** What a model came to: a line of the log. */
export interface Evaluation {
  readonly step: number;
  /** Expected loss: squared errors summed over coordinates, with the action's and the penalty at their weights. */
  readonly loss: number;
  /**
   * docs/theory.md section 4. Exact where a linear model is trained in a linear world, elsewhere the values of `estimates` that can
   * be measured.
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** By linear probes on rows that training does not see, each with its 95 % interval. Absent where metrics are exact. */
  readonly estimates?: Estimated | undefined;
  /** Of a model with a codebook, on the same rows. */
  readonly codebook?: CodebookUse | undefined;
}

/** A run whose loss is not finite any more. */
export class Diverged extends ExolamError {
  constructor(step: number, learningRate: number) {
    super(
      'numerical',
      step === 0
        ? 'the loss is not finite before the first step: expected a world or data without such large values'
        : `the loss is not finite at step ${step}: expected a smaller learningRate than ${learningRate}, or data without such large values`,
    );
  }
}

/** The loss with every action seen, which is what the share that training sees stands for. */
export function judgedLoss({ lossOf }: Setting): TrainProblem['objective'] {
  const seen = lossOf.labelMean === 'rows' ? lossOf.labelFraction : 1;
  return { ...lossOf, actionWeight: lossOf.actionWeight * seen, labelFraction: 1 };
}

/** Whether what the latents hold is known without a sample: those of a linear model in a linear world. */
export function hasExactMetrics({ world, config }: Setting): boolean {
  return world !== null && config.model.kind === 'linear';
}

/** Whether the expected loss is known as well: noise on P o is not known on o. */
export function hasExactFigures(setting: Setting): boolean {
  const { objective, lossOf } = setting;
  const isNoisy = lossOf.encoderNoise > 0 || lossOf.decoderNoise > 0;
  return hasExactMetrics(setting) && !(isNoisy && objective.projection);
}

/** Judges parameters: exactly where that is possible, else on the rows of `evaluation`. Throws {@link Diverged}. */
export async function evaluate(
  setting: Setting,
  parameters: Float32Array,
  step: number,
  judges: Judges,
): Promise<Evaluation> {
  if (hasExactFigures(setting))
    return finite(
      setting,
      exactEvaluation(setting, setting.world as World, linearMaps(setting, parameters), step),
    );
  const { shape, projection, evaluation, config } = setting;
  const { backend, control } = judges;
  const answer = await backend.trainLoss(
    {
      ...{ shape, projection },
      source: evaluation,
      objective: judgedLoss(setting),
      batchSize: evaluation.kind === 'rows' ? evaluation.rows : config.evaluationRows,
      seed: JUDGED_SEED,
      parameters: Float64Array.from(parameters),
      step: 0,
    },
    control,
  );
  const loss = answer.parts[LOSS_PARTS.indexOf('loss')];
  // What its last step made of it no step has seen; no latents are judged of it either.
  finite(setting, { step, loss });
  if (hasExactMetrics(setting)) {
    const seen = seenBy(linearMaps(setting, parameters), setting.world as World);
    return { step, loss, metrics: populationMetrics(seen) };
  }
  return { step, loss, ...(await judges.evaluated(setting, networkLatents(setting, parameters, judges))) };
}

function finite<T extends { readonly step: number; readonly loss: number }>(
  { config }: Setting,
  found: T,
): T {
  if (!Number.isFinite(found.loss)) throw new Diverged(found.step, config.learningRate);
  return found;
}

/** What the encoder of a network makes of rows, quantised where it has a codebook. */
export function networkLatents(
  { shape, projection }: Setting,
  parameters: Float32Array,
  { backend, control }: Judges,
): LatentsOf {
  return async (observation, observationNext, rows) =>
    backend.applyNetwork(
      {
        ...{ shape, projection, parameters, rows, observation, observationNext },
        latent: null,
        decoderObservation: null,
      },
      control,
    );
}

/** The expected loss and the metrics of a linear model in a linear world. */
function exactEvaluation(setting: Setting, world: World, maps: LinearMaps, step: number): Evaluation {
  const { objective } = setting;
  const { crossExogenous, encoderNoise, decoderNoise, actionWeight, robustWeight } = judgedLoss(setting);
  const { C, D, A, B, H } = maps;
  const seen = seenBy({ C, D }, world);
  const { projection } = objective;
  let loss = populationLoss(seen, { A, B, projection, paired: crossExogenous });
  // Noise is independent of everything: n1 reaches z through C + D, n2 the error through 1 - A.
  const both = plus(C, D);
  if (encoderNoise > 0) loss += encoderNoise ** 2 * sumOfSquares(multiply(B, both));
  if (decoderNoise > 0) {
    const { observationDim } = setting;
    let square = sumOfSquares(A) + observationDim;
    for (let i = 0; i < observationDim; i++) square -= 2 * A.data[i * (A.cols + 1)];
    loss += decoderNoise ** 2 * square;
  }
  const e = seen.equations;
  const { C: c, D: d } = seen.encoder;
  const z = plus(multiply(c, e.observation), multiply(d, e.observationNext));
  if (actionWeight > 0) {
    const missed = sumOfSquares(minus(e.action, multiply(H, z)));
    loss += actionWeight * (missed + encoderNoise ** 2 * sumOfSquares(multiply(H, both)));
  }
  if (robustWeight > 0) {
    const moved = plus(
      multiply(c, minus(e.observation, e.pairObservation)),
      multiply(d, minus(e.observationNext, e.pairObservationNext)),
    );
    const weights = actionWeight > 0 ? vstack([B, scaled(H, Math.sqrt(actionWeight))]) : B;
    loss += robustWeight * sumOfSquares(multiply(weights, moved));
  }
  return { step, loss, metrics: populationMetrics(seen) };
}

const scaled = (m: LinearMaps['H'], factor: number) => ({ ...m, data: m.data.map((v) => factor * v) });
