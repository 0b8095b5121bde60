// Transitions of one recording at several strides, or with actions at several lags, so that the answers compare: of the same
// episodes at every stride, of the same rows at every lag.
import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { integer, quote } from '../base/validate.js';
import { checked, MINIMUM_TRANSITIONS } from './checks.js';
import { laggedRows, noAction } from './lagged.js';
import { ranges } from './names.js';
import {
  type Episodes,
  forEachTransition,
  noTransition,
  type Step,
  type Transitions,
} from './transitions.js';

/** Transitions of one recording, one set for each of the values that are compared. */
export interface TransitionScan {
  /** What differs: frames between o and o', or the rows after a transition's own that its action is taken from. */
  readonly by: 'stride' | 'actionLag';
  /** Ascending; of lags, 0 among them. */
  readonly values: readonly number[];
  /** What was left out so that the values compare, a sentence each. */
  readonly notes: readonly string[];
  /** The transitions at one of the values. */
  readonly at: (value: number) => Transitions;
}

/** One stride and one lag, or a list of one of the two. */
export interface ScanAxes {
  /** Frames between o and o', from 1: one, or several that are compared. Default 1. */
  readonly stride?: number | readonly number[] | undefined;
  /** Rows after a transition's own that its action is taken from: one, or several that are compared, 0 among them. Default 0. */
  readonly actionLag?: number | readonly number[] | undefined;
}

/** Each value is an analysis of its own. */
const MOST_VALUES = 100;
/** Rows that an action may stand from its transition. */
export const LARGEST_LAG = 1000;

const several = (what: string, one: z.ZodType<number>) =>
  z.custom<number | readonly number[]>(
    (value) =>
      Array.isArray(value)
        ? value.length > 0 && value.length <= MOST_VALUES && value.every((v) => one.safeParse(v).success)
        : one.safeParse(value).success,
    `expected ${what}, or a list of 1 to ${MOST_VALUES} of them`,
  );

const stride = integer(1);
const lag = integer(-LARGEST_LAG, LARGEST_LAG);

/** A field that takes one number, and says where several are taken. */
const alone = (what: string, one: z.ZodType<number>) =>
  z.custom<number>((value) => one.safeParse(value).success, {
    error: ({ input }) =>
      Array.isArray(input) ? `expected one ${what} (analyze compares several)` : `expected an ${what}`,
  });

/** {@link ScanAxes}, and one of each, checked. */
export const scanFields = {
  stride: several('an integer from 1', stride).optional(),
  actionLag: several(`an integer from -${LARGEST_LAG} to ${LARGEST_LAG}`, lag).optional(),
};
export const stepFields = {
  stride: alone('integer from 1', stride).optional(),
  actionLag: alone(`integer from -${LARGEST_LAG} to ${LARGEST_LAG}`, lag).optional(),
};

const ascending = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b);

/** What is compared, and the step of each value. */
export interface ScanPlan extends Pick<TransitionScan, 'by' | 'values'> {
  readonly stepOf: (value: number) => Step;
}

/** Which of the two is a list, and the step of each of its values. */
export function planOf({ stride: strides = 1, actionLag }: ScanAxes): ScanPlan {
  const fail = (sentence: string) => new ExolamError('input', sentence);
  if (typeof strides === 'number') {
    if (actionLag === undefined || typeof actionLag === 'number')
      throw fail(`stride: expected several strides, or several of actionLag, but received ${quote(strides)}`);
    const values = ascending(actionLag);
    if (!values.includes(0))
      throw fail(
        `actionLag: expected 0 among the lags, which the others are compared with, but received ${quote(actionLag)}`,
      );
    return {
      by: 'actionLag',
      values,
      stepOf: (value) => ({ stride: strides, actionLag: value, lags: values }),
    };
  }
  if (actionLag !== undefined && typeof actionLag !== 'number')
    throw fail(`actionLag: expected one lag beside several strides but received ${quote(actionLag)}`);
  return {
    by: 'stride',
    values: ascending(strides),
    stepOf: (value) => ({ stride: value, ...(actionLag === undefined ? {} : { actionLag }) }),
  };
}

/** Of frames: `make` makes transitions of them, with whatever is composited. */
export function scanOfFrames(
  path: string,
  episodes: Episodes,
  plan: ScanPlan,
  make: (episodes: Episodes, step: Step) => Transitions,
): TransitionScan {
  if (plan.by === 'actionLag' && episodes.actionDim === 0) throw noAction(path);
  const kept =
    plan.by === 'stride' ? sameEpisodes(episodes, plan) : { episodes, values: plan.values, notes: [] };
  return {
    by: plan.by,
    values: kept.values,
    notes: kept.notes,
    at: (value) => checked(make(kept.episodes, plan.stepOf(value))),
  };
}

/** Of rows that are transitions already: their stride is what it is. */
export function scanOfRows(path: string, t: Transitions, { by, values, stepOf }: ScanPlan): TransitionScan {
  if (by === 'stride')
    throw new ExolamError(
      'input',
      `--stride ${values.join(',')} needs episodes of frames, and the rows of ${path} are transitions already`,
    );
  return { by, values, notes: [], at: (value) => checked(laggedRows(path, t, stepOf(value))) };
}

/** Blocks that one long episode is cut into are not to be shorter than a transition. */
const SHORTEST_PART = 10;
/** Folds take so many episodes. */
const FEWEST_EPISODES = 4;

/** Transitions of one episode. */
function rowsIn(episodes: Episodes, e: number, step: Step): number {
  let rows = 0;
  forEachTransition({ ...episodes, list: [episodes.list[e]] }, step, () => rows++);
  return rows;
}

/**
 * The strides at which there is enough to compare, and the episodes that have a transition at each of them: a stride longer than
 * half of the episodes is left out, and so is an episode that is shorter than the longest stride left.
 */
function sameEpisodes(episodes: Episodes, { values, stepOf }: ScanPlan) {
  const { list } = episodes;
  const rows = values.map((value) => list.map((_, e) => rowsIn(episodes, e, stepOf(value))));
  const reach = rows.map((counts) => counts.filter((n) => n > 0).length);
  if (reach[0] === 0) throw noTransition(list, stepOf(values[0]));
  const enough = (i: number) => {
    const total = rows[i].reduce((sum, n) => sum + n, 0);
    if (reach[0] === 1) return total >= MINIMUM_TRANSITIONS && values[i] * SHORTEST_PART <= total + values[i];
    return reach[i] >= reach[0] / 2 && (reach[i] >= FEWEST_EPISODES || reach[0] < FEWEST_EPISODES);
  };
  const places = values.map((_, i) => i).filter((i) => i === 0 || enough(i));
  const notes: string[] = [];
  const long = values.filter((_, i) => !places.includes(i));
  if (long.length > 0)
    notes.push(
      `${long.length === 1 ? 'a stride' : 'strides'} of ${ranges(long)} ${long.length === 1 ? 'is' : 'are'} left out: ${
        reach[0] === 1
          ? 'longer than a tenth of the only episode, so that its blocks would not be apart'
          : `too few of the ${list.length} episodes are that long`
      }`,
    );
  const short = list.filter((_, e) => places.some((i) => rows[i][e] === 0));
  if (short.length > 0)
    notes.push(
      `${short.length === 1 ? 'episode' : 'episodes'} ${ranges(short.map(({ number }) => number).sort((a, b) => a - b))} ${
        short.length === 1 ? 'is' : 'are'
      } left out at every stride: too short for a stride of ${values[places[places.length - 1]]}`,
    );
  return {
    episodes: { ...episodes, list: list.filter((episode) => !short.includes(episode)) },
    values: places.map((i) => values[i]),
    notes,
  };
}
