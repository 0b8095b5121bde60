// The same analysis at several strides, or with the actions of several lags, on the same folds of the same episodes: what changes is
// told by differences that are jackknifed as one number, so that what all values share drops out.
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { parseOptions, quote } from '../base/validate.js';
import type { TransitionScan } from '../data/scan.js';
import { type Estimate, fittedObjective, portion, reported } from '../metrics/estimates.js';
import { foldErrors } from '../metrics/fold-errors.js';
import { type Difference, differenceOf, type ErrorSums, intervalOf } from '../metrics/interval.js';
import { nameOfObjective, type ResolvedObjective } from '../solve/objectives.js';
import type { Analysis } from './analysis.js';
import {
  type Analysed,
  type AnalyzeOptions,
  analysed,
  analyzeOptionsSchema,
  type Checked,
  type Place,
} from './analyze.js';
import { isMeasurable } from './figures.js';
import {
  alignmentOf,
  isJudged,
  SCANNED,
  type ScanAnalysis,
  type ScanMetric,
  type ScanRow,
} from './scan-rows.js';
import { lagSentence, strideSentence } from './scan-sentence.js';

/** Coordinates of the innovation that the inverse dynamics see at most, and rows that each of them takes. */
const MOST_DIRECTIONS = 64;
const ROWS_A_DIRECTION = 10;
/** Share of a value's progress that goes to its inverse dynamics. */
const INVERSE_SHARE = 0.1;

/** What is kept of one value. */
interface Measured {
  readonly value: number;
  readonly analysis: Analysis;
  readonly sums: Partial<Record<ScanMetric, ErrorSums>>;
  readonly figures: ScanRow['metrics'];
}

/**
 * The whole analysis at each stride or lag of `openScan` or `scanTransitions`, and what changes from one to the next: docs/estimates.md,
 * "Strides and lags". Throws {@link ExolamError}.
 */
export function analyzeScan(scan: TransitionScan, options: AnalyzeOptions = {}): Promise<ScanAnalysis> {
  return boundary('analyzeScan', async () => {
    const checked = parseOptions(analyzeOptionsSchema, options);
    requireScan(scan);
    const { by, values } = scan;
    const measured: Measured[] = [];
    let place: Place | undefined;
    for (const [i, value] of values.entries()) {
      const part = portion(checked, i / values.length, (i + 1) / values.length);
      const one = await measuredAt(scan, value, { ...checked, onProgress: part.onProgress }, place);
      place ??= one.analysis.verdict;
      measured.push(one);
    }
    return told(by, measured, scan.notes);
  });
}

function requireScan(scan: TransitionScan): void {
  const { by, values, at } = (scan ?? {}) as Partial<TransitionScan>;
  const known = by === 'stride' || by === 'actionLag';
  if (!known || !Array.isArray(values) || values.length === 0 || typeof at !== 'function')
    throw new ExolamError(
      'input',
      `scan: expected what openScan or scanTransitions gives but received ${quote(scan)}`,
    );
}

async function measuredAt(
  scan: TransitionScan,
  value: number,
  options: Checked,
  place: Place | undefined,
): Promise<Measured> {
  const t = scan.at(value);
  const lagged = scan.by === 'actionLag';
  const [own, rest] = lagged
    ? [portion(options, 0, 1 - INVERSE_SHARE), portion(options, 1 - INVERSE_SHARE, 1)]
    : [options, options];
  const result = await analysed(t, { ...options, onProgress: own.onProgress }, place);
  const { analysis, judged } = result;
  if (!judged) return { value, analysis, sums: {}, figures: {} };
  const sums: Partial<Record<ScanMetric, ErrorSums>> = {};
  for (const metric of SCANNED) {
    const found = judged.errors.sums(0, judged.latent, metric);
    if (found) sums[metric] = kept(found);
  }
  if (lagged) {
    const inverse = await inverseDynamics(result, t, { ...options, onProgress: rest.onProgress });
    if (inverse) sums.inverseDynamicsError = kept(inverse);
  }
  const told = (Object.entries(sums) as [ScanMetric, ErrorSums][]).map(
    ([metric, s]) => [metric, reported(intervalOf(kindOf(metric), s))] as const,
  );
  return { value, analysis, sums, figures: Object.fromEntries(told) };
}

/** A copy: the sums of every metric and latent dimension are one array. */
const kept = (s: ErrorSums): ErrorSums => ({
  ...s,
  num: Float64Array.from(s.num),
  den: Float64Array.from(s.den),
  replicates: Float64Array.from(s.replicates),
});

/**
 * The action error of z that holds all that is new in o' (its leading directions, where they are many): what the step from o to o'
 * tells of the action, whatever a LAM keeps of it.
 */
async function inverseDynamics({ judged }: Analysed, t: ReturnType<TransitionScan['at']>, options: Checked) {
  if (!judged) return null;
  const { data, errors } = judged;
  const directions = Math.min(t.observationDim, MOST_DIRECTIONS, Math.floor(t.count / ROWS_A_DIRECTION));
  const whole = await foldErrors(
    data,
    {
      objectives: [fittedObjective({ kind: 'reconstruction' }, t, data.moments)],
      latentDims: [Math.max(1, directions)],
      ridges: errors.ridges,
    },
    options.backend ?? defaultBackend(),
    options,
  );
  return whole.sums(0, 0, 'actionError');
}

/** The metric whose sign and kind another has. */
const kindOf = (metric: ScanMetric) => (metric === 'inverseDynamicsError' ? 'actionError' : metric);

/** May two figures be compared? Of errors of the inverse dynamics, one that is much too large or uncertain is still larger. */
const isComparable = (metric: ScanMetric, e: Estimate | undefined) =>
  metric === 'inverseDynamicsError' ? isJudged(e) : isMeasurable(e);

/** Were both made of the same units in the same folds? */
const comparable = (one: Measured, other: Measured) =>
  one.analysis.folds.length > 0 &&
  String(one.analysis.folds) === String(other.analysis.folds) &&
  String(one.analysis.groups) === String(other.analysis.groups);

/** One value's figures less another's, as far as both have them; null where they are not of the same folds. */
function differencesOf(one: Measured, from: Measured): ScanRow['differences'] {
  if (one === from || !comparable(one, from)) return null;
  const found: Partial<Record<ScanMetric, Difference>> = {};
  for (const metric of Object.keys(one.sums) as ScanMetric[]) {
    const [own, other] = [one.sums[metric], from.sums[metric]];
    if (!own || !other) continue;
    if (![one, from].every(({ figures }) => isComparable(metric, figures[metric]))) continue;
    const difference = differenceOf(kindOf(metric), own, other);
    if (Number.isFinite(difference.low + difference.high)) found[metric] = difference;
  }
  return found;
}

const sumOf = (values: ArrayLike<number>) => Array.from(values).reduce((sum, v) => sum + v, 0);

/** The value whose action (o, o') explain best, among those of which o leaves something to explain. */
function bestOf(measured: readonly Measured[]): Measured | undefined {
  const ratio = ({ sums: { inverseDynamicsError: s } }: Measured) =>
    s ? sumOf(s.num) / sumOf(s.den) : Number.NaN;
  return measured
    .filter(({ figures }) => isJudged(figures.inverseDynamicsError))
    .sort((a, b) => ratio(a) - ratio(b))[0];
}

function told(
  by: TransitionScan['by'],
  measured: readonly Measured[],
  left: readonly string[],
): ScanAnalysis {
  const reference = by === 'stride' ? measured[0] : (measured.find(({ value }) => value === 0) as Measured);
  const best = by === 'actionLag' ? bestOf(measured) : undefined;
  const rows = measured.map((one): ScanRow => {
    const inverse = one.sums.inverseDynamicsError;
    return {
      value: one.value,
      transitions: one.analysis.transitions,
      answer: one.analysis.verdict.answer,
      metrics: one.figures,
      actionGivenObservation: inverse?.total ? sumOf(inverse.den) / inverse.total : null,
      differences: differencesOf(one, reference),
      lessBest: (best && differencesOf(one, best)?.inverseDynamicsError) ?? null,
    };
  });
  const { source, units, unit } = reference.analysis;
  const { latentDim, because } = measured[0].analysis.verdict;
  const values = measured.map(({ value }) => value);
  const alignment = by === 'actionLag' ? alignmentOf(rows, best?.value ?? null) : null;
  const about = { latentDim, units, unit, objective: objectiveOf(reference.analysis) };
  return {
    scan: by === 'stride' ? { stride: values } : { actionLag: values },
    source,
    reference: reference.value,
    latentDim,
    because,
    rows,
    alignment,
    sentence: alignment ? lagSentence(rows, alignment, about) : strideSentence(rows, about),
    notes: [...left, ...notesOf(measured, reference)],
    analyses: measured.map(({ analysis }) => analysis),
  };
}

/** As a sentence calls the first objective; null where there are no estimates. */
function objectiveOf({ latent }: Analysis): string | null {
  const spec = latent[0]?.objective as ResolvedObjective['spec'] | undefined;
  if (!spec) return null;
  return spec.kind === 'composition' ? nameOfObjective(spec) : spec.kind;
}

/** What keeps values from being compared. */
function notesOf(measured: readonly Measured[], reference: Measured): string[] {
  const notes: string[] = [];
  const others = measured.filter((one) => one !== reference && !comparable(one, reference));
  if (others.length > 0 && reference.analysis.folds.length > 0)
    notes.push(
      `no differences at ${others.map(({ value }) => value).join(', ')}: there the one episode is cut into another number of blocks`,
    );
  const categories = measured.filter(({ analysis }) => analysis.categories !== null);
  if (categories.length > 0 && categories.length < measured.length)
    notes.push(
      `the action is read as categories at ${categories.map(({ value }) => value).join(', ')} alone: elsewhere the mean of its values is a number, and figures of the action do not compare`,
    );
  return notes;
}
