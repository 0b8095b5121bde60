import type { Backend, Block, Control, FittedObjective, Variable } from '../backend/requests.js';
import { renumbered } from '../data/units.js';
import { type EstimatedData, unitMoments } from '../moments/of-units.js';
import { type EstimateTable, intervalsOf, portion, tableOf } from './estimates.js';
import { type FoldErrors, foldErrors } from './fold-errors.js';
import { type Answer, answerOf } from './interval.js';
import type { PreparedRows } from './judged-rows.js';

const block = (variable: Variable): Block => ({ terms: [{ variable, coefficient: null }], projected: false });

/**
 * The objective whose latents are all that o' holds beside o, in their own gauge: with z in the place of o', the metrics of
 * estimates are those of z itself. Which basis it comes in is of no matter to them.
 */
const OWN: FittedObjective = {
  rows: {
    y: [block('observationNext')],
    f: [block('observation')],
    e: [block('observationNext')],
    penalties: [],
    gauge: 'encoder',
  },
  coefficients: [],
  projection: new Float64Array(0),
  projectionDim: 0,
};
/** Share of the progress that goes to the one pass over rows. */
const ROWS_SHARE = 0.3;

/** Rows of `width` numbers, zeros after the first `own`. */
function widened(values: ArrayLike<number>, count: number, own: number, width: number): Float64Array {
  const out = new Float64Array(count * width);
  for (let r = 0; r < count; r++) for (let j = 0; j < own; j++) out[r * width + j] = values[r * own + j];
  return out;
}

/** Errors behind the metrics of theory.md section 4 of given latents, by the same folds and jackknife as those of fitted ones. */
export async function linearErrors(
  rows: PreparedRows,
  z: ArrayLike<number>,
  pair: ArrayLike<number> | undefined,
  latentDim: number,
  backend: Backend,
  control: Control,
): Promise<FoldErrors> {
  const { count, fold, group, units } = rows;
  const width = Math.max(rows.observationDim, latentDim);
  const observation = widened(rows.observation, count, rows.observationDim, width);
  const data: EstimatedData = {
    count,
    observationDim: width,
    actionDim: rows.actionDim,
    exogenousDim: rows.exogenousDim,
    observation,
    observationNext: widened(z, count, latentDim, width),
    action: rows.action,
    exogenous: rows.exogenous,
    exogenousNext: rows.exogenousNext,
    endogenousNext: undefined,
    pairObservation: pair && observation,
    pairObservationNext: pair && widened(pair, count, latentDim, width),
    episode: Int32Array.from(units.unit),
  };
  const moments = await unitMoments(
    data,
    units.unit,
    units.count,
    { scale: 'given', discreteActions: false },
    backend,
    portion(control, 0, ROWS_SHARE),
  );
  return foldErrors(
    { moments, fold, group: renumbered(group), units: units.count },
    {
      objectives: [OWN],
      latentDims: [latentDim],
      ridges: new Float64Array(Math.max(...fold) + 1).fill(Number.NaN),
    },
    backend,
    portion(control, ROWS_SHARE, 1),
  );
}

/** The metrics of given latents, and whether these leak. */
export function linearMetrics(errors: FoldErrors, level: number): { metrics: EstimateTable; answer: Answer } {
  const intervals = intervalsOf(errors, 0, 0);
  return { metrics: tableOf(intervals), answer: answerOf(intervals, level) };
}
