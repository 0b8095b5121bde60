import {
  type FeatureMap,
  featureWidth,
  type NestedAnswer,
  type NestedQuestion,
} from '../backend/judging-requests.js';
import type { Backend, Control, EstimatedMetric } from '../backend/requests.js';
import { LATENT_RIDGE } from '../base/conventions.js';
import { renumbered } from '../data/units.js';
import { type Estimate, portion, reported } from './estimates.js';
import { fourierMap, type InputGroup, medianDistance } from './fourier.js';
import { type ErrorSums, intervalOf } from './interval.js';
import { type NonlinearMetric, type PreparedRows, standardised } from './judged-rows.js';

/** Principal components of o that its nonlinear features see. */
const SEEN = 8;
const ROWS_SHARE = 0.3;
/** Ridges that are tried: fine where features are many for the rows, and one that leaves a prediction as it was. */
const GRID = Float64Array.from([-7, -5, -4, -3, -2, -1, 0, 3], (power) => 10 ** power);

/** Columns of [1, o, x, z, a, x', new in x', features of o, of z, of (o, z)]: first column and width of each. */
class Columns {
  readonly inputs: Record<string, InputGroup> = {};
  private readonly parts: { readonly values: Float64Array; readonly width: number }[] = [];
  private width = 0;

  add(name: string, values: Float64Array | undefined, width: number): void {
    if (!values || width === 0) return;
    this.inputs[name] = { begin: this.width, size: width };
    this.parts.push({ values, width });
    this.width += width;
  }

  /** (count, width) */
  data(count: number): { data: Float64Array; inputs: number } {
    const data = new Float64Array(count * this.width);
    let begin = 0;
    for (const { values, width } of this.parts) {
      for (let r = 0; r < count; r++)
        for (let j = 0; j < width; j++) data[r * this.width + begin + j] = values[r * width + j];
      begin += width;
    }
    return { data, inputs: this.width };
  }
}

const columnsOf = ({ begin, size }: InputGroup) => Array.from({ length: size }, (_, i) => 1 + begin + i);

interface Asked {
  readonly metric: NonlinearMetric;
  /** How an interval reads it: what its leakage or error is of. */
  readonly as: EstimatedMetric;
  readonly target: string;
}

/** x' less its best linear prediction from x over all rows, standardised. */
async function newIn(
  rows: PreparedRows,
  backend: Backend,
  control: Control,
): Promise<Float64Array | undefined> {
  const { exogenous, exogenousNext, exogenousDim: n, count } = rows;
  if (!exogenous || !exogenousNext) return undefined;
  const square = (a: Float64Array, b: Float64Array) =>
    backend.multiply({ rows: n, inner: count, cols: n, a, b, transposeA: true, transposeB: false }, control);
  const sxx = await square(exogenous, exogenous);
  const sxn = await square(exogenous, exogenousNext);
  // Next to nothing on the diagonal: a coordinate that never moves is 0 everywhere.
  for (let i = 0; i < n; i++) sxx[i * n + i] += LATENT_RIDGE * count;
  const weights = await backend.choleskySolve(sxx, sxn, n, n, 1, control);
  const predicted = await backend.multiply(
    { rows: count, inner: n, cols: n, a: exogenous, b: weights, transposeA: false, transposeB: false },
    control,
  );
  return standardised(
    exogenousNext.map((v, i) => v - predicted[i]),
    count,
    n,
  );
}

/** Squared errors behind each metric, and how an interval reads them. */
export type NonlinearErrors = ReadonlyMap<
  NonlinearMetric,
  { readonly as: EstimatedMetric; readonly sums: ErrorSums }
>;

/** Errors of nonlinear probes: ridge regressions on random Fourier features, nested, fold by fold. */
export async function nonlinearErrors(
  rows: PreparedRows,
  z: Float32Array | Float64Array,
  latentDim: number,
  options: { readonly features: number; readonly seed: number },
  backend: Backend,
  control: Control,
): Promise<NonlinearErrors> {
  const quiet = { ...control, onProgress: undefined };
  const columns = new Columns();
  const seen = Math.min(SEEN, rows.observationDim);
  columns.add('z', standardised(z, rows.count, latentDim), latentDim);
  columns.add('o', rows.observation, rows.observationDim);
  columns.add('x', rows.exogenous, rows.exogenousDim);
  columns.add('action', rows.action, rows.actionDim);
  columns.add('future', rows.exogenousNext, rows.exogenousDim);
  columns.add('new', await newIn(rows, backend, quiet), rows.exogenousDim);
  const { data, inputs } = columns.data(rows.count);
  const [latent, leading] = [columns.inputs['z'], { begin: columns.inputs['o'].begin, size: seen }];
  const [ofLatent, ofLeading] = [latent, leading].map((g) => medianDistance(data, rows.count, inputs, g));
  const { features, seed } = options;
  const maps: FeatureMap[] = [
    fourierMap([latent], [ofLatent], features, seed, 0),
    fourierMap([leading], [ofLeading], features, seed, 1),
    // z and o are neighbours: one stretch of inputs.
    fourierMap([latent, leading], [ofLatent, ofLeading], features, seed, 2),
  ];
  const moments = await backend.featureMoments(
    { rows: rows.count, inputs, data, unit: rows.units.unit, units: rows.units.count, maps },
    portion(control, 0, ROWS_SHARE),
  );
  const made = maps.map((_, m) => ({ begin: inputs + m * features, size: features }));
  const { questions, asked } = questionsOf(columns.inputs, made);
  const group = renumbered(rows.group);
  const answer = await backend.nestedErrors(
    {
      units: rows.units.count,
      width: featureWidth({ inputs, maps }),
      moments,
      folds: Math.max(...rows.fold) + 1,
      groups: Math.max(...group) + 1,
      fold: rows.fold,
      group,
      questions,
      grid: GRID,
    },
    portion(control, ROWS_SHARE, 1),
  );
  return new Map(
    asked.map(({ metric, as, target }, t) => [
      metric,
      { as, sums: sumsOf(answer, t, rows, columns.inputs[target].size) },
    ]),
  );
}

/** The metrics of nonlinear probes. */
export function nonlinearMetrics(errors: NonlinearErrors): Partial<Record<NonlinearMetric, Estimate>> {
  const metrics: Partial<Record<NonlinearMetric, Estimate>> = {};
  for (const [metric, { as, sums }] of errors) metrics[metric] = reported(intervalOf(as, sums));
  return metrics;
}

/** What is asked of columns that are there: by z alone, given o, and given o and x. */
function questionsOf(
  inputs: Readonly<Record<string, InputGroup>>,
  [ofLatent, ofLeading, ofBoth]: readonly InputGroup[],
): { questions: NestedQuestion[]; asked: Asked[] } {
  const questions: NestedQuestion[] = [];
  const asked: Asked[] = [];
  const ask = (given: readonly InputGroup[], added: readonly InputGroup[], all: readonly Asked[]) => {
    const own = all.filter(({ target }) => inputs[target]);
    if (own.length === 0) return;
    questions.push({
      given: Int32Array.from(given.flatMap(columnsOf)),
      added: Int32Array.from(added.flatMap(columnsOf)),
      // z itself: the least that a nonlinear probe finds is what a linear one does.
      free: inputs['z'].size,
      targets: Int32Array.from(own.flatMap(({ target }) => [1 + inputs[target].begin, inputs[target].size])),
    });
    asked.push(...own);
  };
  ask(
    [],
    [inputs['z'], ofLatent],
    [
      { metric: 'rawActionError', as: 'rawActionError', target: 'action' },
      { metric: 'rawExogenousNextError', as: 'rawExogenousNextError', target: 'future' },
      { metric: 'rawInnovationError', as: 'rawExogenousNextError', target: 'new' },
    ],
  );
  const both = [inputs['z'], ofBoth];
  const given = [inputs['o'], ofLeading];
  ask(given, both, [
    { metric: 'actionError', as: 'actionError', target: 'action' },
    { metric: 'futureLeakage', as: 'futureLeakage', target: 'future' },
  ]);
  const x = inputs['x'];
  if (x)
    ask([...given, x], both, [{ metric: 'innovationLeakage', as: 'innovationLeakage', target: 'future' }]);
  return { questions, asked };
}

/** Sums of one target; its columns are at unit variance, so that their sum of squares is their number. */
function sumsOf(answer: NestedAnswer, t: number, rows: PreparedRows, width: number): ErrorSums {
  const units = rows.units.count;
  const groups = answer.replicates.length / (answer.held.length / units);
  const part = (values: Float64Array, row: number, length: number) =>
    values.subarray(row * length, (row + 1) * length);
  const without = part(answer.replicates, 2 * t + 1, groups);
  return {
    num: part(answer.held, 2 * t, units),
    den: part(answer.held, 2 * t + 1, units),
    training: [answer.training[2 * t], answer.training[2 * t + 1]],
    replicates: part(answer.replicates, 2 * t, groups).map((v, g) =>
      without[g] > 0 ? v / without[g] : Number.NaN,
    ),
    total: rows.count * width,
    units,
  };
}
