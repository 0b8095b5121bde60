/**
 * Nonlinear models on the user's data: every two groups of episodes are held out once, from models with a start and an order of
 * rows of their own. Probes are fitted on the episodes that a model was trained on and judged on those held out, one by one.
 */
import type { Backend, EstimatedMetric } from '../backend/requests.js';
import { type ErrorSums, isLeakage } from '../metrics/interval.js';
import { type LatentErrors, LatentJudge, type NonlinearMetric } from '../metrics/judge.js';
import { rowsSource } from '../train/setting.js';
import { focusedOn, type Projection } from './nonlinear-representation.js';
import { latentsOf, NONLINEAR_REMEDIES, stepsOf, trainedModels } from './nonlinear-runs.js';
import type { RealData } from './real-data.js';
import { pairsOf } from './real-spec.js';
import { breathe, type Run } from './study.js';
import type { Row } from './table.js';

/** What is measured of a model, the metric that reads its errors, and what these are of where that is not z itself. */
export const REAL_MEASURES = {
  leakage: { probe: 'nonlinear', metric: 'innovationLeakage', of: 'exogenous' },
  actionError: { probe: 'nonlinear', metric: 'actionError', of: 'action' },
  rawActionError: { probe: 'nonlinear', metric: 'rawActionError', of: 'action' },
  rawInnovationError: { probe: 'nonlinear', metric: 'rawInnovationError', of: 'exogenous' },
  linearLeakage: { probe: 'linear', metric: 'innovationLeakage', of: 'exogenous' },
  linearActionError: { probe: 'linear', metric: 'actionError', of: 'action' },
  shareExogenous: { probe: 'linear', metric: 'latentShare.exogenous', of: null },
  consistencyError: { probe: 'linear', metric: 'consistencyError', of: null },
} as const;
export type RealMeasure = keyof typeof REAL_MEASURES;
export const MEASURES = Object.keys(REAL_MEASURES) as RealMeasure[];

/** The column of what a measure's errors are a share of. */
export const wholeOf = (measure: RealMeasure) => `${measure}Of`;
/** The column of the same on the episodes that the model was trained on. */
export const trainedOf = (measure: RealMeasure) => `${measure}Trained`;

function sumsOf({ linear, nonlinear }: LatentErrors, measure: RealMeasure): ErrorSums | null {
  const { probe, metric } = REAL_MEASURES[measure];
  return probe === 'linear'
    ? (linear?.sums(0, 0, metric as EstimatedMetric) ?? null)
    : (nonlinear?.get(metric as NonlinearMetric)?.sums ?? null);
}

/** Rows of the table: a model and one of the two groups that were held out of it. */
export async function realRows(run: Run, data: RealData, advance: (done: number, total: number) => void) {
  const pairs = pairsOf(data.spec);
  const rows: Row[] = [];
  for (const [i, pair] of pairs.entries()) {
    await breathe(run);
    rows.push(...(await heldOut(run, data, pair, run.spec.seed + i)));
    advance(i + 1, pairs.length);
  }
  return rows;
}

/** Models of every objective, with two groups held out. */
export async function heldOut(
  run: Run,
  data: RealData,
  pair: readonly [number, number],
  seed: number,
): Promise<Row[]> {
  const { backend, signal, threads, spec } = run;
  const control = { signal, threads };
  const isOut = (group: number) => group === pair[0] || group === pair[1];
  const train = Int32Array.from(data.group.keys()).filter((row) => !isOut(data.group[row]));
  const source = rowsSource(data.rows, train, train, true);
  const projection = await representation(data, train, backend, control);
  const requests = NONLINEAR_REMEDIES.map(({ id }) =>
    stepsOf({ remedy: id, seed, codebook: null }, data.spec, source, projection, spec.nonlinear),
  );
  const named = NONLINEAR_REMEDIES.map(({ id }) => `${data.spec.data.path}, ${id}`);
  const models = await trainedModels(requests, named, run);
  const judged = judgedRows(data, pair, spec.nonlinear.rows);
  const { folds, trained } = judgedFolds(data.spec, pair);
  const { nonlinear } = spec;
  const judge = await LatentJudge.create(judged, {
    ...{ backend, ...control, folds, jackknife: 'folds' },
    ...{ components: nonlinear.components, features: nonlinear.features },
  });
  const rows: Row[] = [];
  for (const [i, { id }] of NONLINEAR_REMEDIES.entries()) {
    const errors = await judge.errors(await latentsOf(models[i], judged, run), control);
    for (const [own, beside] of [pair, [pair[1], pair[0]]] as const)
      rows.push({
        ...{ remedy: id, seed, heldOut: own, beside, rows: judged.rowsOf[own], loss: models[i].loss },
        ...measured(errors, own, trained),
      });
  }
  return rows;
}

function measured(errors: LatentErrors, own: number, trained: number): Row {
  const row: Record<string, number> = {};
  for (const measure of MEASURES) {
    const sums = sumsOf(errors, measure);
    const isLeak = isLeakage(REAL_MEASURES[measure].metric as EstimatedMetric);
    const share = (unit: number) => {
      const left = sums ? sums.num[unit] / sums.den[unit] : Number.NaN;
      return isLeak ? 1 - left : left;
    };
    row[measure] = share(own);
    row[wholeOf(measure)] = sums?.den[own] ?? Number.NaN;
    row[trainedOf(measure)] = share(trained);
  }
  return row;
}

/** P from the frames that a model is trained on: the best linear prediction of the clean ones. */
async function representation(
  { rows }: RealData,
  train: Int32Array,
  backend: Backend,
  control: { readonly signal?: AbortSignal | undefined; readonly threads?: number | undefined },
): Promise<Projection> {
  const d = rows.observationDim;
  const gathered = (values: Float64Array) => {
    const out = new Float64Array(train.length * d);
    train.forEach((row, i) => {
      out.set(values.subarray(row * d, (row + 1) * d), i * d);
    });
    return out;
  };
  const clean = gathered(rows.endogenousNext as Float64Array);
  return focusedOn(gathered(rows.observationNext), clean, train.length, backend, control);
}

/**
 * Folds of the judge: what is held out is one, so that its probes are fitted on what the model was trained on, which is cut in two
 * for the choice of ridges. The trained rows stand in the first fold once more, as a last unit: the same probes on the rows that
 * they were fitted on.
 */
function judgedFolds({ groups }: RealData['spec'], pair: readonly number[]) {
  let others = 0;
  const folds = groups.map((_, group) => (pair.includes(group) ? 0 : 1 + (others++ % 2)));
  return { folds: [...folds, 0], trained: groups.length };
}

/** The rows that models are judged on, at most `most` beside their copies, evenly spread: their groups are the judge's episodes. */
function judgedRows(data: RealData, pair: readonly number[], most: number) {
  const { rows, group, exogenous, exogenousNext, spec } = data;
  const spread = Math.min(rows.count, most);
  const all = Array.from({ length: spread }, (_, i) => Math.floor((i * rows.count) / spread));
  const trained = all.filter((row) => !pair.includes(group[row]));
  const at = Int32Array.from([...all, ...trained]);
  const count = at.length;
  const picked = (values: Float64Array | undefined, width: number) => {
    const out = new Float32Array(count * width);
    if (values)
      at.forEach((row, i) => {
        out.set(values.subarray(row * width, (row + 1) * width), i * width);
      });
    return out;
  };
  const d = rows.observationDim;
  return {
    rowsOf: spec.groups.map((_, g) => all.filter((row) => group[row] === g).length),
    ...{ count, observationDim: d, actionDim: spec.actionDim, exogenousDim: spec.exogenousDim },
    episode: at.map((row, i) => (i < spread ? group[row] : spec.groups.length)),
    observation: picked(rows.observation, d),
    observationNext: picked(rows.observationNext, d),
    pairObservation: picked(rows.pairObservation, d),
    pairObservationNext: picked(rows.pairObservationNext, d),
    action: picked(rows.action, spec.actionDim),
    exogenous: picked(exogenous, spec.exogenousDim),
    exogenousNext: picked(exogenousNext, spec.exogenousDim),
  };
}
