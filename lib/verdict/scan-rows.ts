// What a scan of strides or lags consists of, and at which lag the action is taken to stand.
import { SAME_SHARE } from '../base/conventions.js';
import type { Estimate } from '../metrics/estimates.js';
import type { Answer, Difference } from '../metrics/interval.js';
import type { Analysis, AnalysisSource } from './analysis.js';
import { isMeasurable } from './figures.js';

/** What a scan follows: of the first objective at one latent dimension, and, of lags, of no LAM at all. */
export const SCANNED = [
  'innovationLeakage',
  'futureLeakage',
  'latentShare.exogenous',
  'latentShare.action',
  'actionError',
] as const;
export type ScanMetric = (typeof SCANNED)[number] | 'inverseDynamicsError';

/** One stride, or one lag. */
export interface ScanRow {
  readonly value: number;
  readonly transitions: number;
  readonly answer: Answer;
  /** Of lags also `inverseDynamicsError`: what (o, o') leave unexplained of the action, over what o leaves. No z leaves less. */
  readonly metrics: Partial<Record<ScanMetric, Estimate>>;
  /** Share of the action's variance that o alone leaves, held out; null where it is not asked for or not known. */
  readonly actionGivenObservation: number | null;
  /** Less the figures of the `reference`, jackknifed as one number. Null for the reference itself. */
  readonly differences: Partial<Record<ScanMetric, Difference>> | null;
  /** Of lags: the inverse dynamics' error less the least one of all lags, likewise. */
  readonly lessBest: Difference | null;
}

/** Analyses of one recording that differ in one thing. Plain data. */
export interface ScanAnalysis {
  /** What differs, and its values. */
  readonly scan: { readonly stride: readonly number[] } | { readonly actionLag: readonly number[] };
  readonly source: AnalysisSource;
  /** The value that the others are compared with: the least stride, or lag 0. */
  readonly reference: number;
  readonly latentDim: number;
  readonly because: string;
  readonly rows: readonly ScanRow[];
  /** Of lags: which of them the action stands at, as far as that can be told. */
  readonly alignment: Alignment | null;
  readonly sentence: string;
  readonly notes: readonly string[];
  readonly analyses: readonly Analysis[];
}

/** At which lag the action is best explained by (o, o'). */
export interface Alignment {
  /** In step: at lag 0. Shifted: at another. */
  readonly answer: 'in-step' | 'shifted' | 'cannot-tell';
  /** The lag of the least error, or null where no lag could be judged. */
  readonly best: number | null;
  /** The lags that are not told apart from it, itself included. */
  readonly among: readonly number[];
}

/** What (o, o') leave of the action at this lag. */
export const inverseOf = (row: ScanRow) => row.metrics.inverseDynamicsError;

/** (o, o') tell something of the action: what they leave is less than what o leaves, by the interval. */
export const tells = (row: ScanRow): boolean => {
  const e = inverseOf(row);
  return isMeasurable(e) && (e.high as number) < 1;
};

/** Is the difference beyond its interval? */
export const isBeyond = ({ low, high }: Difference): boolean => low > SAME_SHARE || high < -SAME_SHARE;

/** Is it none at all, as both figures are exact? */
export const isNone = ({ low, high }: Difference): boolean =>
  Math.max(Math.abs(low), Math.abs(high)) <= SAME_SHARE;

/**
 * The answer of a scan of lags: another lag than the best counts as told apart where its difference is beyond its interval. One that
 * cannot be judged, as o alone tells its action, has no difference and never does: it may be the one.
 */
export function alignmentOf(rows: readonly ScanRow[], best: number | null): Alignment {
  const apart = ({ lessBest }: ScanRow) => lessBest !== null && isBeyond(lessBest);
  const among = rows.filter((row) => row.value === best || !apart(row)).map(({ value }) => value);
  const found = rows.find(({ value }) => value === best);
  if (!found || !tells(found)) return { answer: 'cannot-tell', best, among };
  if (among.length === 1 && best === 0) return { answer: 'in-step', best, among };
  return { answer: among.includes(0) ? 'cannot-tell' : 'shifted', best, among };
}

/** Something was left to explain, and what was fitted carries over. */
export const isJudged = (e: Estimate | undefined): boolean =>
  e !== undefined &&
  (e.reason === null || e.reason === 'too uncertain' || e.reason === 'worse than without the latent');
