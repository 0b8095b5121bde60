// What a scan says: one sentence on what changes with the stride, or at which lag the action stands; and what cannot be told.
import type { Difference } from '../metrics/interval.js';
import { percentOf } from './figures.js';
import { NAME_OF } from './readings.js';
import {
  type Alignment,
  inverseOf,
  isBeyond,
  isJudged,
  isNone,
  type ScanMetric,
  type ScanRow,
  tells,
} from './scan-rows.js';

/** What is known beside the rows. */
export interface ScanCircumstances {
  readonly latentDim: number;
  readonly units: number;
  readonly unit: 'episode' | 'block';
  /** As a sentence calls it; null where there are no estimates. */
  readonly objective: string | null;
}

/** "1, 2 and 5" */
const listed = (values: readonly (number | string)[]) =>
  values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} and ${values[values.length - 1]}`;

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** "18 points (95 %: 5 to 31)": a difference of shares, without its sign. */
function pointsOf({ value, low, high }: Difference): string {
  const [from, to] = value < 0 ? [-high, -low] : [low, high];
  const width = to - from;
  const places = width > 0 ? Math.min(4, Math.max(0, -1 - Math.floor(Math.log10(width)))) : 1;
  const text = (v: number) => (100 * v).toFixed(places).replace(/^-(?=0(\.0+)?$)/, '');
  return `${text(Math.abs(value))} points (95 %: ${text(from)} to ${text(to)})`;
}

/** "Reconstruction leaks at strides 1 and 2, whether it does at 5 and 10 cannot be told". */
function answersOf(objective: string, rows: readonly ScanRow[]): string {
  const at = (answer: ScanRow['answer']) => {
    const values = rows.filter((row) => row.answer === answer).map(({ value }) => value);
    return values.length === 0 ? null : `${values.length > 1 ? 'strides' : 'stride'} ${listed(values)}`;
  };
  const [leaks, none, untold] = [at('leaks'), at('does-not-leak'), at('cannot-tell')];
  if (at('unknown')) return `Whether ${objective} leaks is unknown, as no exogenous state is known`;
  if (!leaks && !none) return `Whether ${objective} leaks at ${untold} cannot be told`;
  const told = [...(leaks ? [`leaks at ${leaks}`] : []), ...(none ? [`does not leak at ${none}`] : [])];
  return `${capital(objective)} ${told.join(' and ')}${untold ? `, whether it leaks at ${untold} cannot be told` : ''}`;
}

/** What a stride does to one metric; null where that cannot be told. */
function changeOf(metric: ScanMetric, name: string, rows: readonly ScanRow[]): string | null {
  const [reference] = rows;
  const found = rows.flatMap((row) => {
    const d = row.differences?.[metric];
    return d && isBeyond(d) ? [{ stride: row.value, d }] : [];
  });
  const all = rows.slice(1).map((row) => row.differences?.[metric]);
  if (all.length > 0 && all.every((d) => d !== undefined && isNone(d))) return `${name} does not change`;
  const parts = (['higher', 'lower'] as const).flatMap((way) => {
    const own = found.filter(({ d }) => d.value > 0 === (way === 'higher'));
    const most = own.sort((a, b) => Math.abs(b.d.value) - Math.abs(a.d.value))[0];
    return most ? [`${pointsOf(most.d)} ${way} at stride ${most.stride} than at ${reference.value}`] : [];
  });
  return parts.length > 0 ? `${name} is ${listed(parts)}` : null;
}

/** One sentence: the answer by stride, what changes with it, and of what that cannot be told. */
export function strideSentence(rows: readonly ScanRow[], about: ScanCircumstances): string {
  if (!about.objective) return `What changes with the stride cannot be told: fewer than 4 ${about.unit}s.`;
  const first = rows[0].metrics;
  const metrics = (
    [
      first.innovationLeakage ? 'innovationLeakage' : 'futureLeakage',
      'latentShare.exogenous',
      'actionError',
    ] as const
  ).filter((metric) => first[metric] !== undefined);
  const named = metrics.map((metric) => [metric, nameOf(metric)] as const);
  const changes = named.flatMap(([metric, name]) => changeOf(metric, name, rows) ?? []);
  const open = named
    .filter(([metric, name]) => changeOf(metric, name, rows) === null)
    .map(([, name]) => name);
  const untold =
    open.length > 0 && rows.length > 1
      ? [
          `whether ${listed(open)} ${open.length > 1 ? 'change' : 'changes'} with the stride cannot be told from ${about.units} ${about.unit}s`,
        ]
      : [];
  const lead = `${answersOf(about.objective, rows)} (latentDim ${about.latentDim})`;
  return `${[lead, ...changes, ...untold].join('; ')}.`;
}

/** As a sentence calls a metric. */
const nameOf = (metric: ScanMetric): string =>
  metric === 'latentShare.exogenous' ? 'the exogenous share of z' : (NAME_OF.get(metric) ?? metric);

/** "lag 1", "lags 1 and 2" */
const lagsOf = (lags: readonly number[]) => `${lags.length > 1 ? 'lags' : 'lag'} ${listed(lags)}`;

const rowsOf = (lag: number) => `${Math.abs(lag)} row${Math.abs(lag) === 1 ? '' : 's'}`;

/** What else than a logger would look like it. */
function looksLike(best: number, zero: ScanRow): string {
  const logger = `a logger that writes each action ${rowsOf(best)} ${best > 0 ? 'late' : 'early'}`;
  if (best > 0) return tells(zero) ? `${logger}, or a policy that answers what it sees at once` : logger;
  return `${logger}, or an action that takes ${rowsOf(best)} to show`;
}

/** One sentence: the lag at which (o, o') explain the action best, and whether that is told apart from lag 0. */
export function lagSentence(
  rows: readonly ScanRow[],
  { answer, best, among }: Alignment,
  about: ScanCircumstances,
): string {
  const from = `${about.units} ${about.unit}s`;
  const where = "At which lag the action is best explained by the step from o to o'";
  if (!about.objective) return `${where} cannot be told: fewer than 4 ${about.unit}s.`;
  const blind = rows.filter((row) => !isJudged(inverseOf(row)));
  const unjudged =
    blind.length > 0
      ? `; ${lagsOf(blind.map(({ value }) => value))} cannot be judged: ${[...new Set(blind.map((row) => inverseOf(row)?.reason ?? 'no figure'))].join(', ')} beyond what o alone tells`
      : '';
  const found = rows.find(({ value }) => value === best);
  const zero = rows.find(({ value }) => value === 0) as ScanRow;
  if (!found || !tells(found))
    return `${where} cannot be told from ${from}: at no lag is it seen to tell more of the action than o alone${unjudged}.`;
  const leaves = `it leaves ${percentOf(inverseOf(found) as never)} of the action unexplained`;
  const others = rows.filter((row) => row !== found);
  if (answer === 'in-step') {
    const nearest = others
      .flatMap(({ lessBest, value }) => (lessBest ? [{ lessBest, value }] : []))
      .sort((a, b) => a.lessBest.value - b.lessBest.value)[0];
    return `The action is best explained by the step from o to o' at lag 0, where it stands: ${leaves}${nearest ? `, ${pointsOf(nearest.lessBest)} less than at the next best lag, ${nearest.value}` : ''}.`;
  }
  const toZero = zero.lessBest ? `${pointsOf(zero.lessBest)} less than at lag 0` : '';
  if (answer === 'shifted') {
    const rest = among.filter((lag) => lag !== best);
    const not = rest.length > 0 ? `; from ${lagsOf(rest)} it is not told apart` : '';
    return `The action is best explained by the step from o to o' at lag ${best}, not at lag 0: ${leaves}, ${toZero}${not}${unjudged}. That is what ${looksLike(best as number, zero)} looks like.`;
  }
  const rest = among.filter((lag) => lag !== best);
  const told = best === 0 ? '' : toZero && `, ${toZero}`;
  return `${where} cannot be told from ${from}: at lag ${best} ${leaves}${told}, but ${lagsOf(rest)} ${rest.length > 1 ? 'are' : 'is'} not told apart from it${unjudged}.`;
}
