/** What the table of models on the user's data says: figures with two intervals, and each remedy beside reconstruction. */
import type { EstimatedMetric } from '../backend/requests.js';
import {
  type Difference,
  differenceOf,
  type ErrorSums,
  type Interval,
  intervalOf,
  isLeakage,
} from '../metrics/interval.js';
import { type MeanInterval, meanInterval } from './intervals.js';
import { NONLINEAR_REMEDIES } from './nonlinear-runs.js';
import { MEASURES, REAL_MEASURES, type RealMeasure, trainedOf, wholeOf } from './real-runs.js';
import type { RealSpec } from './real-spec.js';
import { need, type Tables } from './study.js';
import { type Row, rowsOf } from './table.js';
import type { Verdict } from './verdict.js';

/** One figure of one objective on held-out episodes. */
export interface RealFigure {
  /** Mean over models, each with a start, an order of rows and held-out episodes of its own. */
  readonly models: MeanInterval;
  /** The same for other episodes than these: a jackknife of models that were trained without each group. */
  readonly episodes: Interval;
}

export interface RealComparison {
  readonly remedy: (typeof NONLINEAR_REMEDIES)[number]['id'];
  readonly name: string;
  readonly claim: 'C1' | 'C2' | 'C3';
  readonly figures: Readonly<Record<RealMeasure, RealFigure>>;
  /** Whether a measure is lower than under reconstruction, for the models and for other episodes as well. */
  readonly lower: Readonly<Record<RealMeasure, { readonly verdict: Verdict; readonly by: Difference }>>;
}

const numbers = (rows: readonly Row[], column: string) => rows.map((row) => Number(row[column]));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Errors and what they are a share of, over some rows of the table. */
function errorsOf(
  rows: readonly Row[],
  measure: RealMeasure,
): { readonly num: number; readonly den: number } {
  const [ratios, wholes] = [numbers(rows, measure), numbers(rows, wholeOf(measure))];
  const isLeak = isLeakage(REAL_MEASURES[measure].metric as EstimatedMetric);
  return { num: sum(wholes.map((den, i) => den * (isLeak ? 1 - ratios[i] : ratios[i]))), den: sum(wholes) };
}

/**
 * Sums as {@link intervalOf} reads them. A replicate without a group is of the models that had it held out, on what else was held
 * out of them: they were trained without it, and it is not judged.
 */
function sumsOf(rows: readonly Row[], measure: RealMeasure, spec: RealSpec): ErrorSums {
  const { groups } = spec;
  const own = groups.map((_, g) =>
    errorsOf(
      rows.filter((row) => row['heldOut'] === g),
      measure,
    ),
  );
  const trained = sum(numbers(rows, trainedOf(measure))) / rows.length;
  const { of: target, metric } = REAL_MEASURES[measure];
  const isLeak = isLeakage(metric as EstimatedMetric);
  return {
    num: own.map(({ num }) => num),
    den: own.map(({ den }) => den),
    training: [isLeak ? 1 - trained : trained, 1],
    replicates: groups.map((_, g) => {
      const { num, den } = errorsOf(
        rows.filter((row) => row['beside'] === g),
        measure,
      );
      return num / den;
    }),
    total: target && sum(numbers(rows, 'rows')) * (target === 'action' ? spec.actionDim : spec.exogenousDim),
    units: groups.length,
  };
}

/** A figure of each model: both groups that were held out of it together. */
function modelsOf(rows: readonly Row[], measure: RealMeasure): MeanInterval {
  const isLeak = isLeakage(REAL_MEASURES[measure].metric as EstimatedMetric);
  return meanInterval(
    [...new Set(rows.map((row) => row['seed']))].map((seed) => {
      const { num, den } = errorsOf(
        rows.filter((row) => row['seed'] === seed),
        measure,
      );
      return isLeak ? 1 - num / den : num / den;
    }),
  );
}

const record = <T>(of: (measure: RealMeasure) => T) =>
  Object.fromEntries(MEASURES.map((measure) => [measure, of(measure)])) as Record<RealMeasure, T>;

/** Every objective on the user's data, in the order of {@link NONLINEAR_REMEDIES}: reconstruction first. */
export function realComparisons(tables: Tables, spec: RealSpec): RealComparison[] {
  const all = rowsOf(need(tables, 'real'));
  const of = (id: string) => {
    const rows = all.filter((row) => row['remedy'] === id);
    const sums = record((measure) => sumsOf(rows, measure, spec));
    const figures = record((measure): RealFigure => {
      const metric = REAL_MEASURES[measure].metric as EstimatedMetric;
      return { models: modelsOf(rows, measure), episodes: intervalOf(metric, sums[measure]) };
    });
    return { sums, figures };
  };
  const plain = of('reconstruction');
  return NONLINEAR_REMEDIES.map(({ id, name, claim }) => {
    const { sums, figures } = of(id);
    const lower = record((measure) => {
      const metric = REAL_MEASURES[measure].metric as EstimatedMetric;
      const by = differenceOf(metric, plain.sums[measure], sums[measure]);
      return { by, verdict: lowerThan(figures[measure], plain.figures[measure], by) };
    });
    return { remedy: id, name, claim, figures, lower };
  });
}

/** By intervals over models that do not overlap, and by a difference for other episodes that is all on one side. */
function lowerThan(own: RealFigure, plain: RealFigure, by: Difference): Verdict {
  if (own.models.high < plain.models.low && by.low > 0) return 'holds';
  return own.models.low > plain.models.high && by.high < 0 ? 'does not hold' : 'cannot tell';
}
