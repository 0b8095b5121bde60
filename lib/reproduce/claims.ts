import { type MeanInterval, meanInterval } from './intervals.js';
import { comparisonsOf, type NonlinearComparison, WORLD_NAMES } from './nonlinear.js';
import { REMEDIES } from './remedies.js';
import type { ReproduceSpec } from './spec.js';
import { need, percent, type Tables } from './study.js';
import { type Row, rowsOf } from './table.js';
import { judge, MATERIAL, type Verdict } from './verdict.js';

export const CLAIM_IDS = ['C1', 'C2', 'C3', 'C4'] as const;
export type ClaimId = (typeof CLAIM_IDS)[number];
/** Whether a claim holds in the worlds measured, by one number with its interval. */
export interface ClaimVerdict {
  readonly claim: ClaimId;
  readonly verdict: Verdict;
  /** The number in words, with the worlds that it is from. */
  readonly sentence: string;
  /** C1: a share of variance. C2, C3: how much of a share the remedy takes away. Means over worlds. */
  readonly value: number;
  /** Ends of the 95 % interval of the mean; NaN where one world has none. */
  readonly low: number;
  readonly high: number;
}

/** The exogenous scale (the nearest of the grid) at which verdicts and sentences compare. */
const TOLD = 2;
export function toldScale({ exogenousScales }: ReproduceSpec): number {
  return exogenousScales.reduce((a, b) => (Math.abs(b - TOLD) < Math.abs(a - TOLD) ? b : a));
}

type Interval = MeanInterval;

export const points = (share: number) => percent(share).replace('\u00a0%', '').replace('-', '−');
const between = ({ low, high }: Interval, unit: string) =>
  Number.isNaN(low)
    ? 'one world, no interval'
    : `95\u00a0% interval ${points(low)} to ${points(high)}${unit}`;

/** What the table of remedies says at one exogenous scale, in overlapping worlds. */
function measuredIn(tables: Tables, spec: ReproduceSpec) {
  const told = toldScale(spec);
  const rows = rowsOf(need(tables, 'scale')).filter(
    (row) => row['mixing'] === 'gaussian' && row['exogenousScale'] === told,
  );
  // World by world, in the order of the seeds: what two remedies do in one world is compared there.
  const of = (remedy: string, metric: string) =>
    rows.filter((row: Row) => row['remedy'] === remedy).map((row) => row[metric] as number);
  const lowered = (remedy: string, metric: string) => {
    const plain = of('reconstruction', metric);
    return meanInterval(of(remedy, metric).map((v, i) => plain[i] - v));
  };
  return { of, lowered, told };
}

type Measured = ReturnType<typeof measuredIn>;

const change = (value: number) => (value >= 0 ? 'lowers' : 'raises');
/** A change as a sentence names it: without its sign, which the verb has. */
const sized = (i: Interval): Interval => (i.value >= 0 ? i : { value: -i.value, low: -i.high, high: -i.low });

function reconstructionLeaks({ of, told }: Measured, { worlds }: ReproduceSpec): ClaimVerdict {
  const leak = meanInterval(of('reconstruction', 'futureLeakage'));
  const sentence = `Where reconstruction is minimised, z carries ${percent(leak.value)} of what is new in the exogenous state (${between(leak, '\u00a0%')}; mean of ${worlds} overlapping worlds in which the exogenous state moves ${told.toPrecision(2)} times as far as the action).`;
  return { claim: 'C1', verdict: judge(leak, MATERIAL), sentence, ...leak };
}

function representationMitigates({ of, lowered }: Measured, spec: ReproduceSpec): ClaimVerdict {
  const less = lowered('representation', 'futureLeakage');
  const told = sized(less);
  const left = meanInterval(of('representation', 'futureLeakage')).value;
  const sentence = `A representation that shows the exogenous part at a gain of ${spec.strengths.gain} ${change(less.value)} that share by ${points(told.value)} points, to ${percent(left)} (${between(told, ' points')}; the same ${spec.worlds} worlds).`;
  return { claim: 'C2', verdict: judge(less, 0), sentence, ...less };
}

function auxiliariesMakeConsistent({ of, lowered }: Measured, { worlds }: ReproduceSpec): ClaimVerdict {
  const each = REMEDIES.filter(({ claim }) => claim === 'C3').map(({ id, name }) => {
    const less = lowered(id, 'consistencyError');
    return { name, less, judged: judge(less, 0) };
  });
  const some = (wanted: Verdict) => each.some(({ judged }) => judged === wanted);
  const verdict = some('does not hold') ? 'does not hold' : some('cannot tell') ? 'cannot tell' : 'holds';
  // The one that does least, of those that decided, answers for all.
  const weakest = each
    .filter(({ judged }) => judged === verdict)
    .reduce((a, b) => (b.less.value < a.less.value ? b : a));
  const { less, name } = weakest;
  const told = sized(less);
  const plain = meanInterval(of('reconstruction', 'consistencyError')).value;
  const sentence = `How far z moves when the exogenous state is drawn again, ${percent(plain)} of its variance under reconstruction: the auxiliary objective (of ${each.length}) that does least, ${name}, ${change(less.value)} it by ${points(told.value)} points (${between(told, ' points')}; the same ${worlds} worlds).`;
  return { claim: 'C3', verdict, sentence, ...less };
}

/** What of C1 to C3 a nonlinear world shows of one objective: whether it holds there. */
function holdsFor(c: NonlinearComparison): boolean {
  if (c.claim === 'C1') return judge(c.leakage, MATERIAL) === 'holds';
  return c.claim === 'C2' ? c.leaksLess : c.steadier;
}

/** C4: that C1 to C3 hold for nonlinear models too, each in every nonlinear world. */
function nonlinearToo(tables: Tables, { nonlinear: { seeds } }: ReproduceSpec): ClaimVerdict {
  const all = comparisonsOf(tables);
  const plain = all
    .filter(({ claim }) => claim === 'C1')
    .reduce((a, b) => (b.leakage.value < a.leakage.value ? b : a));
  const failed = all.filter((c) => !holdsFor(c));
  const leaksNot = judge(plain.leakage, MATERIAL) === 'does not hold';
  const verdict = leaksNot ? 'does not hold' : failed.length > 0 ? 'cannot tell' : 'holds';
  const worst = `Trained nonlinear models that reconstruct carry at least ${percent(plain.leakage.value)} of what is new in the exogenous state (${between(plain.leakage, '\u00a0%')}; ${seeds} worlds in which ${WORLD_NAMES[plain.world] ?? plain.world}).`;
  const others =
    failed.length === 0
      ? 'In every nonlinear world the representation leaks less, and each auxiliary objective makes z steadier when the exogenous state is drawn again: 95\u00a0% intervals that do not overlap.'
      : `Not so by intervals that do not overlap: ${failed.map((c) => `${c.name} where ${WORLD_NAMES[c.world] ?? c.world}`).join('; ')}.`;
  return { claim: 'C4', verdict, sentence: `${worst} ${others}`, ...plain.leakage };
}

/** One verdict a claim, computed from the tables of remedies alone; C4 where nonlinear models were measured. */
export function claimsOf(tables: Tables, spec: ReproduceSpec): ClaimVerdict[] {
  const measured = measuredIn(tables, spec);
  return [
    reconstructionLeaks(measured, spec),
    representationMitigates(measured, spec),
    auxiliariesMakeConsistent(measured, spec),
    ...(tables['nonlinear'] ? [nonlinearToo(tables, spec)] : []),
  ];
}

/** What decides between the verdicts, for the reader of a page. */
export const CRITERION = `A claim holds here where the whole 95\u00a0% interval over worlds is on its side (C1: above ${percent(MATERIAL)}; C2 and C3: above no change), does not hold where the whole of it is on the other side, and else this page cannot tell. C3 holds where each of its objectives does, C4 where C1 to C3 do in each nonlinear world, by intervals over its worlds that do not overlap. Latent dimension, strengths and everything else are those at the end of the page: the verdicts are about these worlds.`;
