import type { Backend, Control, MomentsAnswer, ProbeAnswer } from '../backend/requests.js';
import type { Transitions } from '../data/transitions.js';
import type { Variables } from '../moments/of-data.js';

/** The metrics of docs/theory.md section 4 on data; one whose variables the data lacks is absent. */
export interface DataMetrics {
  actionError?: number;
  futureLeakage?: number;
  endogenousError?: number;
  actionInformation?: number;
  futureInformation?: number;
  consistencyError?: number;
  rawActionError?: number;
  rawExogenousNextError?: number;
  rawObservationError?: number;
}

/** Which targets are probed: all that the data has, or those of futureLeakage and actionError. */
export const EVERYTHING = 'everything';

export const ONLY_LEAKAGE = 'leakage';

/** A target variable t: its columns, and the metrics that entry `at` of a probe's figures gives. */
interface Target {
  readonly begin: number;
  readonly width: number;
  readonly metricsOf: (answer: ProbeAnswer, at: number) => DataMetrics;
}

/** The targets that the data has, `isAll` or those of leakage alone. */
function targetsOf(t: Transitions, v: Variables, isAll: boolean): Target[] {
  const targets: Target[] = [];
  if (t.action)
    targets.push({
      begin: v.layout.action,
      width: t.actionDim,
      metricsOf: (answer, at) => ({
        actionError: answer.conditional[at],
        actionInformation: answer.information[at],
        rawActionError: answer.raw[at],
      }),
    });
  if (t.exogenousNext)
    targets.push({
      begin: v.exogenousNext,
      width: t.exogenousDim,
      metricsOf: (answer, at) => ({
        futureLeakage: 1 - answer.conditional[at],
        futureInformation: answer.information[at],
        rawExogenousNextError: answer.raw[at],
      }),
    });
  if (t.endogenousNext && isAll)
    targets.push({
      begin: v.endogenousNext,
      width: t.observationDim,
      metricsOf: (answer, at) => ({ endogenousError: answer.conditional[at] }),
    });
  if (isAll)
    targets.push({
      begin: v.layout.observation,
      width: t.observationDim,
      metricsOf: (answer, at) => ({ rawObservationError: answer.raw[at] }),
    });
  return targets;
}

/**
 * The metrics of z = C o + D o' for each of `latentDims`, by ridge probes fitted to the moments `train` and measured on `heldOut`:
 * the shares 1 - R^2 of docs/theory.md section 4, those of a target given o and the raw ones. A metric is absent where the data
 * lacks its variable or where the target leaves nothing to explain.
 */
export async function probeAll(
  t: Transitions,
  v: Variables,
  train: Float64Array,
  heldOut: Float64Array,
  encoder: MomentsAnswer,
  rows: number,
  latentDims: readonly number[],
  ridge: number,
  backend: Backend,
  control: Control,
  wanted: typeof EVERYTHING | typeof ONLY_LEAKAGE = EVERYTHING,
): Promise<DataMetrics[]> {
  const targets = targetsOf(t, v, wanted === EVERYTHING);
  const { observation, observationNext, pairObservation, pairObservationNext } = v.layout;
  const answer = await backend.probe(
    {
      width: v.width,
      train,
      heldOut,
      observation,
      observationNext,
      observationDim: t.observationDim,
      encoderC: encoder.encoderC,
      encoderD: encoder.encoderD,
      rows,
      latentDims: Int32Array.from(latentDims),
      targets: Int32Array.from(targets.flatMap(({ begin, width }) => [begin, width])),
      ridge,
      pairObservation,
      pairObservationNext,
    },
    control,
  );
  return latentDims.map((_, i) => {
    const metrics: DataMetrics = {};
    targets.forEach(({ metricsOf }, n) => {
      Object.assign(metrics, metricsOf(answer, i * targets.length + n));
    });
    metrics.consistencyError = answer.consistency[i];
    for (const name of Object.keys(metrics) as (keyof DataMetrics)[])
      if (Number.isNaN(metrics[name])) delete metrics[name];
    return metrics;
  });
}
