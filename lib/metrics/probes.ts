import type { Backend, Control, MomentsAnswer } from '../backend/requests.js';
import type { Transitions } from '../data/transitions.js';
import type { Variables } from '../moments/of-data.js';

/** theory.md section 4 on data; a metric whose variables the data lacks is absent. */
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
  const d = t.observationDim;
  type Target = readonly [begin: number, width: number, read: (m: DataMetrics, at: number) => void];
  const targets: Target[] = [];
  const answer: {
    conditional: Float64Array;
    raw: Float64Array;
    information: Float64Array;
    consistency: Float64Array;
  }[] = [];
  const value = (name: 'conditional' | 'raw' | 'information', at: number) => answer[0]?.[name][at];
  if (t.action) {
    targets.push([
      v.layout.action,
      t.actionDim,
      (m, at) => {
        m.actionError = value('conditional', at);
        m.actionInformation = value('information', at);
        m.rawActionError = value('raw', at);
      },
    ]);
  }
  if (t.exogenousNext) {
    targets.push([
      v.exogenousNext,
      t.exogenousDim ?? 0,
      (m, at) => {
        m.futureLeakage = 1 - value('conditional', at);
        m.futureInformation = value('information', at);
        m.rawExogenousNextError = value('raw', at);
      },
    ]);
  }
  if (t.endogenousNext && wanted === EVERYTHING) {
    targets.push([
      v.endogenousNext,
      d,
      (m, at) => {
        m.endogenousError = value('conditional', at);
      },
    ]);
  }
  if (wanted === EVERYTHING) {
    targets.push([
      v.layout.observation,
      d,
      (m, at) => {
        m.rawObservationError = value('raw', at);
      },
    ]);
  }
  answer.push(
    await backend.probe(
      {
        width: v.width,
        train,
        heldOut,
        observation: v.layout.observation,
        observationNext: v.layout.observationNext,
        observationDim: d,
        encoderC: encoder.encoderC,
        encoderD: encoder.encoderD,
        rows,
        latentDims: Int32Array.from(latentDims),
        targets: Int32Array.from(targets.flatMap((target) => [target[0], target[1]])),
        ridge,
        pairObservation: v.layout.pairObservation,
        pairObservationNext: v.layout.pairObservationNext,
      },
      control,
    ),
  );
  return latentDims.map((_, i) => {
    const metrics: DataMetrics = {};
    targets.forEach(([, , read], n) => {
      read(metrics, i * targets.length + n);
    });
    metrics.consistencyError = answer[0]?.consistency[i];
    for (const name of Object.keys(metrics) as (keyof DataMetrics)[])
      if (Number.isNaN(metrics[name])) delete metrics[name];
    return metrics;
  });
}
