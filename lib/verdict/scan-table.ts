// A scan as cells of text, for the command line and for pages.
import type { Difference } from '../metrics/interval.js';
import { decimals, shareOf } from './figures.js';
import { NAME_OF } from './readings.js';
import { SCANNED, type ScanAnalysis, type ScanMetric, type ScanRow } from './scan-rows.js';

export interface Cells {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** "stride" or "action lag". */
export const axisOf = ({ scan }: ScanAnalysis): string => ('stride' in scan ? 'stride' : 'action lag');

const ANSWERS: Readonly<Record<ScanRow['answer'], string>> = {
  leaks: 'leaks',
  'does-not-leak': 'does not leak',
  'cannot-tell': 'cannot tell',
  unknown: 'unknown',
};

export const nameOf = (metric: ScanMetric): string =>
  metric === 'inverseDynamicsError' ? 'inverse dynamics' : (NAME_OF.get(metric) ?? metric);

/** The metrics that a scan has, those of no LAM first; future leakage is left out where what is new in x' is known. */
export function metricsOf({ rows }: ScanAnalysis): ScanMetric[] {
  const has = (metric: ScanMetric) => rows.some((row) => row.metrics[metric] !== undefined);
  return (['inverseDynamicsError', ...SCANNED] as const).filter(
    (metric) => has(metric) && !(metric === 'futureLeakage' && has('innovationLeakage')),
  );
}

/** "+0.12 (0.05 to 0.19)" */
export function differenceText(d: Difference | null | undefined): string {
  if (!d) return '';
  const places = decimals({ ...d, training: null, reason: null });
  const text = (v: number) => v.toFixed(places).replace(/^-(?=0(\.0+)?$)/, '');
  return `${d.value > 0 ? '+' : ''}${text(d.value)} (${text(d.low)} to ${text(d.high)})`;
}

/** One row a value: what was measured there, with its 95 % interval, and the answer. */
export function scanCells(a: ScanAnalysis): Cells {
  const metrics = metricsOf(a);
  const alone = a.rows.some((row) => row.actionGivenObservation !== null);
  return {
    header: [
      axisOf(a),
      'answer',
      ...metrics.map(nameOf),
      ...(alone ? ['o alone leaves'] : []),
      'transitions',
    ],
    rows: a.rows.map((row) => [
      String(row.value),
      ANSWERS[row.answer],
      ...metrics.map((metric) => shareOf(row.metrics[metric])),
      ...(alone ? [row.actionGivenObservation?.toFixed(3) ?? ''] : []),
      String(row.transitions),
    ]),
  };
}

/** What each value's figures are less those of the reference; of lags also less those of the best. Empty where nothing compares. */
export function differenceCells(a: ScanAnalysis): Cells | null {
  const metrics = metricsOf(a).filter((metric) => a.rows.some((row) => row.differences?.[metric]));
  if (metrics.length === 0) return null;
  const best = a.alignment?.best ?? a.reference;
  const toBest = best !== a.reference;
  return {
    header: [axisOf(a), ...metrics.map(nameOf), ...(toBest ? [`inverse dynamics less lag ${best}`] : [])],
    rows: a.rows.map((row) => [
      String(row.value),
      ...metrics.map((metric) =>
        row.differences && !row.differences[metric]
          ? 'not measurable'
          : differenceText(row.differences?.[metric]),
      ),
      ...(toBest ? [differenceText(row.lessBest)] : []),
    ]),
  };
}

/** What the differences are of, in words. */
export function differenceTitle(a: ScanAnalysis): string {
  return `less the figures at ${axisOf(a)} ${a.reference}, on the same folds, jackknifed as one number (95 %)`;
}
