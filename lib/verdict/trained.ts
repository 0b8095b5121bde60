/** The first sentence of a training run: whether its z leaks, and what it leaves of the action. */
import type { Answer } from '../metrics/interval.js';
import { LEVEL } from '../train/judges.js';
import { exactPercent, isMeasurable, percentOf, type Told } from './figures.js';

type Table = Readonly<Record<string, Told | undefined>>;

/** What is told of a run: exact figures, or estimates by a linear and, at its end, a nonlinear probe. */
export interface TrainedFigures {
  readonly metrics: Readonly<Record<string, number | undefined>>;
  readonly estimates?:
    | {
        /** How many independent units the estimates rest on. */
        readonly units?: number | undefined;
        readonly linear: Table;
        readonly nonlinear?: Table | undefined;
        readonly answer: Answer;
        readonly reason: string | null;
      }
    | undefined;
}

const exactly = (value: number): Told => ({ value, low: value, high: value, training: null, reason: null });

/** A figure and, where it has one, its interval: exact ones have none. */
const inWords = (e: Told) => (e.low === e.high ? exactPercent(e.value ?? Number.NaN) : percentOf(e));

const LEVEL_IN_WORDS = exactPercent(LEVEL);

/** The answer of the run in words, with the figure that shows it. Empty where the run was not judged. */
export function trainedSentence({ metrics, estimates }: TrainedFigures): string {
  if (estimates && estimates.reason !== null) return `Whether z leaks cannot be told: ${estimates.reason}.`;
  const exact: Table = Object.fromEntries(
    Object.entries(metrics).flatMap(([name, v]) => (v === undefined ? [] : [[name, exactly(v)]])),
  );
  const tables: readonly (readonly [by: string, table: Table])[] = estimates
    ? [
        [' by a linear probe', estimates.linear],
        [' by a nonlinear probe', estimates.nonlinear ?? {}],
      ]
    : [['', exact]];
  const action = tables.flatMap(([by, t]) =>
    isMeasurable(t['actionError']) ? [[by, t['actionError']] as const] : [],
  );
  const best = action.sort(([, a], [, b]) => (a.value ?? 0) - (b.value ?? 0))[0];
  const ofAction = best ? ` It leaves ${inWords(best[1])} of the action unexplained${best[0]}.` : '';

  const found = tables.flatMap(([by, t]) =>
    (
      [
        [
          t['innovationLeakage'] ?? t['futureLeakage'],
          `it carries %s of what is new in the exogenous state${by}`,
        ],
        [t['latentShare.exogenous'], `%s of it is exogenous${by}`],
      ] as const
    ).flatMap(([e, words]) => (e ? [[e, words] as const] : [])),
  );
  if (found.length === 0)
    return estimates || ofAction ? `${unknown(estimates !== undefined)}${ofAction}` : '';
  const measured = found.filter(([e]) => isMeasurable(e));
  const say = (figures: typeof found) =>
    figures.map(([e, words]) => words.replace('%s', inWords(e))).join(', ');
  const above = measured
    .filter(([e]) => (e.low ?? 0) > LEVEL)
    .sort(([a], [b]) => (b.value ?? 0) - (a.value ?? 0));
  const answer = estimates?.answer ?? (above.length > 0 ? 'leaks' : 'does-not-leak');
  if (answer === 'leaks') return `z leaks: ${say(above.slice(0, 1))}.${ofAction}`;
  if (answer === 'does-not-leak')
    return `z does not leak: ${say(measured)}, all below the level of ${LEVEL_IN_WORDS}.${ofAction}`;
  const reasons = [...new Set(found.flatMap(([e]) => (e.reason === null ? [] : [e.reason])))].join('; ');
  const why =
    measured.length > 0 ? `${say(measured)}; the level is ${LEVEL_IN_WORDS}` : `not measurable (${reasons})`;
  const from = estimates?.units ? ` from ${estimates.units} units (episodes or blocks of rows)` : '';
  return `Whether z leaks cannot be told${from}: ${why}.${ofAction}`;
}

/** Exact figures lack what a world has none of; estimates lack what nobody has told. */
const unknown = (isEstimated: boolean) =>
  isEstimated
    ? 'Whether z leaks is unknown: no exogenous state is known.'
    : 'Whether z leaks is no question here: nothing is new in the exogenous state.';
