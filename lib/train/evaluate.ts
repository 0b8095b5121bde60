import type { Backend, Control } from '../backend/requests.js';
import { LOSS_PARTS, type TrainProblem } from '../backend/train-requests.js';
import { multiply } from '../linalg/dense.js';
import { minus, plus, sumOfSquares, vstack } from '../linalg/matrix.js';
import { populationLoss, populationMetrics, seenBy } from '../metrics/loadings.js';
import type { World } from '../world/world.js';
import { type LinearMaps, linearMaps } from './model.js';
import type { Setting } from './setting.js';

/** What a model came to: a line of the log. */
export interface Evaluation {
  readonly step: number;
  /** Expected loss: squared errors summed over coordinates, with the action's and the penalty at their weights. */
  readonly loss: number;
  /** docs/theory.md section 4. Exact where a linear model is trained in a linear world, elsewhere estimates on held-out rows. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Streams of rows that a model is judged on: no training seed is so large. */
const OTHER_SEED = 2 ** 52;

/** The loss with every action seen, which is what the share that training sees stands for. */
function judgedLoss({ lossOf }: Setting): TrainProblem['objective'] {
  const seen = lossOf.labelMean === 'rows' ? lossOf.labelFraction : 1;
  return { ...lossOf, actionWeight: lossOf.actionWeight * seen, labelFraction: 1 };
}

/** Whether a linear model in a linear world has an exact expected loss here: noise on P o is not known on o. */
export function hasExactFigures({ world, config, objective, lossOf }: Setting): boolean {
  const isNoisy = lossOf.encoderNoise > 0 || lossOf.decoderNoise > 0;
  return world !== null && config.model.kind === 'linear' && !(isNoisy && objective.projection);
}

/** Judges parameters: exactly where that is possible, else on the rows of `evaluation`. */
export async function evaluate(
  setting: Setting,
  parameters: Float32Array,
  step: number,
  backend: Backend,
  control: Control,
): Promise<Evaluation> {
  if (hasExactFigures(setting))
    return exactEvaluation(setting, setting.world as World, linearMaps(setting, parameters), step);
  const { shape, projection, evaluation, config } = setting;
  const answer = await backend.trainLoss(
    {
      ...{ shape, projection },
      source: evaluation,
      objective: judgedLoss(setting),
      batchSize: evaluation.kind === 'rows' ? evaluation.rows : config.evaluationRows,
      seed: OTHER_SEED + (config.seed % OTHER_SEED),
      parameters: Float64Array.from(parameters),
      step: 0,
    },
    control,
  );
  return { step, loss: answer.parts[LOSS_PARTS.indexOf('loss')], metrics: {} };
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
