import { ExolamError } from '../base/errors.js';
import { allocate } from '../base/memory.js';

/** Numbers as a file holds them; `Episodes.scale` turns a stored number into an observation's. */
export type Values = Float64Array | Float32Array | Uint16Array | Uint8Array;

/**
 * What every reader ends in and everything after it starts from: N pairs (o, o') as rows, and beside them whatever else
 * the data knows. All arrays are row-major, finite, and hold the rows in one order.
 */
export interface Transitions {
  /** N */
  readonly count: number;
  /** d, and da (0 without actions), and dx (0 without exogenous state). */
  readonly observationDim: number;
  readonly actionDim: number;
  readonly exogenousDim: number;
  /** (N, d) each. */
  readonly observation: Float64Array;
  readonly observationNext: Float64Array;
  /** (N, da): the action of the transition; over several frames the mean of their actions, see toTransitions. */
  readonly action?: Float64Array | undefined;
  /** (N, dx): x, the exogenous state at o, where it is known: from the file, or the composited distractor. */
  readonly exogenous?: Float64Array | undefined;
  /** (N, dx): x', that at o', likewise. */
  readonly exogenousNext?: Float64Array | undefined;
  /** (N, d) each: the same s, a, s' seen with another exogenous state. */
  readonly pairObservation?: Float64Array | undefined;
  readonly pairObservationNext?: Float64Array | undefined;
  /** (N, d): o' as it was before a distractor was composited onto it. */
  readonly endogenousNext?: Float64Array | undefined;
  /** (N): number of the row's episode. Rows that are independent of each other each have a number of their own. */
  readonly episode: Int32Array;
  readonly episodes: EpisodeCount;
  /** The coordinates of o share one unit, as pixels do: they are then analysed as they are. Default false. */
  readonly sharedUnit?: boolean | undefined;
  /** Frames between o and o', where the rows come from recorded episodes. */
  readonly stride?: number | undefined;
  /** What the reader decided or noticed, a sentence each. */
  readonly notes: readonly string[];
}

export interface EpisodeCount {
  /** Episodes that contribute rows; independent rows count as one each. */
  readonly used: number;
  /** Episodes that the metadata lists. */
  readonly listed: number;
  /** Numbers of those listed whose files are not there. */
  readonly absent: readonly number[];
}

/** One recorded sequence of T frames. */
export interface Episode {
  readonly number: number;
  /** T */
  readonly length: number;
  /** (T, d) */
  readonly observation: Values;
  /** Frames, ascending, that do not follow the one before them: no transition leads across. Default none. */
  readonly breaks?: readonly number[] | undefined;
  /** (T, da) or (T - 1, da): row t is the action between frames t and t + 1; a last row is not looked at. */
  readonly action?: Values | undefined;
  /** (T, dx): row t is x of frame t. */
  readonly exogenous?: Values | undefined;
  /** (T, dx) or (T - 1, dx): row t is x' of frame t, that is the exogenous state at t + 1. Default: that of `exogenous`. */
  readonly exogenousNext?: Values | undefined;
  /** Likewise with d: the paired view of frames t and t + 1. */
  readonly pairObservation?: Values | undefined;
  readonly pairObservationNext?: Values | undefined;
}

/** A data set as recorded, before a stride and a distractor make transitions of it. */
export interface Episodes {
  readonly observationDim: number;
  readonly actionDim: number;
  readonly exogenousDim: number;
  /** Stored observations times this are observations: 1/255 for bytes of an image. */
  readonly scale: number;
  /** Set where an observation is a frame, so that it can be mirrored. */
  readonly image?: { readonly width: number; readonly height: number; readonly channels: number } | undefined;
  readonly list: readonly Episode[];
  readonly listed: number;
  readonly absent: readonly number[];
  readonly notes: readonly string[];
  /** The reader has read the episodes that the user wants, and no others. */
  readonly chosen?: boolean | undefined;
}

/** Which frames a transition is made of. */
export interface Step {
  /** Frames between o and o'. */
  readonly stride: number;
  /** The action is that of so many rows after o's own; default 0. */
  readonly actionLag?: number | undefined;
  /** Every transition has an action at each of these lags, 0 and `actionLag` among them; default: at `actionLag` alone. */
  readonly lags?: readonly number[] | undefined;
}

/** Frames that a transition needs before o, and after o'. */
export function reachOf({ actionLag = 0, lags = [] }: Step): {
  readonly before: number;
  readonly after: number;
} {
  return { before: -Math.min(0, actionLag, ...lags), after: Math.max(0, actionLag, ...lags) };
}

/**
 * Calls `visit(row, e, t)` for each transition, frame t to t + stride of episode e, in order: neither it nor its action reaches
 * across an episode, or a gap in one.
 */
export function forEachTransition(
  episodes: Episodes,
  step: Step,
  visit: (row: number, episode: Episode, e: number, t: number) => void,
): void {
  const { before, after } = reachOf(step);
  let row = 0;
  episodes.list.forEach((episode, e) => {
    const breaks = episode.breaks ?? [];
    let b = 0;
    for (let t = before; t + step.stride + after < episode.length; t++) {
      while (b < breaks.length && breaks[b] <= t - before) b++;
      if (b < breaks.length && breaks[b] <= t + step.stride + after) continue;
      visit(row++, episode, e, t);
    }
  });
}

/** How many transitions there are; none is an error. */
export function countTransitions(episodes: Episodes, step: Step): number {
  let count = 0;
  forEachTransition(episodes, step, () => count++);
  if (count === 0) throw noTransition(episodes.list, step);
  return count;
}

/**
 * The transitions (o_t, o_{t+stride}) of the episodes.
 *
 * The action of a transition over n frames is the mean of its n actions. Where actions add up (velocities, forces, the
 * linear world with endogenousDecay 1) their sum is all that o' can tell of them, and the mean is the sum on a scale
 * that does not depend on n; where actions are targets the mean is where the arm was sent during the transition. The
 * first action alone would leave n - 1 of the causes out, and all n side by side would ask for n * da latent dimensions.
 * With an action lag of l it is the mean of the n actions from row t + l on: the same window, moved.
 */
export function toTransitions(episodes: Episodes, step: Step): Transitions {
  const { observationDim: d, actionDim, exogenousDim, scale, list } = episodes;
  const { stride } = step;
  const count = countTransitions(episodes, step);
  const pair = list.every((e) => e.pairObservation && e.pairObservationNext);
  const observation = allocate(count, d, 'observation');
  const observationNext = allocate(count, d, 'observation_next');
  const exogenous = list.every((e) => e.exogenous) ? allocate(count, exogenousDim, 'exogenous') : undefined;
  const exogenousNext = exogenousDim > 0 ? allocate(count, exogenousDim, 'exogenous_next') : undefined;
  const pairObservation = pair ? allocate(count, d, 'observation_pair') : undefined;
  const pairObservationNext = pair ? allocate(count, d, 'observation_pair_next') : undefined;
  forEachTransition(episodes, step, (row, episode, _, t) => {
    copyRow(episode.observation, t, d, scale, observation, row);
    copyRow(episode.observation, t + stride, d, scale, observationNext, row);
    if (exogenous && episode.exogenous) copyRow(episode.exogenous, t, exogenousDim, 1, exogenous, row);
    // What a file calls "next" belongs to the step after its row, so the last of the stride's steps holds it.
    if (exogenousNext && episode.exogenousNext)
      copyRow(episode.exogenousNext, t + stride - 1, exogenousDim, 1, exogenousNext, row);
    else if (exogenousNext && episode.exogenous)
      copyRow(episode.exogenous, t + stride, exogenousDim, 1, exogenousNext, row);
    if (pairObservation && episode.pairObservation)
      copyRow(episode.pairObservation, t, d, scale, pairObservation, row);
    if (pairObservationNext && episode.pairObservationNext)
      copyRow(episode.pairObservationNext, t + stride - 1, d, scale, pairObservationNext, row);
  });
  return {
    count,
    observationDim: d,
    sharedUnit: episodes.image !== undefined,
    actionDim,
    exogenousDim,
    observation,
    observationNext,
    action: actionRows(episodes, step, count),
    exogenous,
    exogenousNext,
    pairObservation,
    pairObservationNext,
    ...accountOf(episodes, step, count),
  };
}

/** (N, da): mean of the actions of each transition's frames. */
export function actionRows(episodes: Episodes, step: Step, count: number): Float64Array | undefined {
  const da = episodes.actionDim;
  if (da === 0) return undefined;
  const { stride, actionLag = 0 } = step;
  const action = allocate(count, da, 'actions');
  forEachTransition(episodes, step, (row, episode, _, t) => {
    const source = episode.action as Values;
    const first = t + actionLag;
    for (let j = 0; j < da; j++) {
      let sum = 0;
      for (let i = 0; i < stride; i++) sum += source[(first + i) * da + j];
      action[row * da + j] = sum / stride;
    }
  });
  return action;
}

/** Which episode each row is of, and what is to be said about the episodes. */
export function accountOf(
  episodes: Episodes,
  step: Step,
  count: number,
): Pick<Transitions, 'episode' | 'episodes' | 'stride' | 'notes'> {
  const { stride } = step;
  const episode = new Int32Array(count);
  forEachTransition(episodes, step, (row, { number }) => {
    episode[row] = number;
  });
  const most = framesOf(step) - 1;
  const short = episodes.list.filter(({ length }) => length <= most);
  const notes = [...episodes.notes];
  if (short.length > 0)
    notes.push(
      `${short.length} of ${episodes.list.length} episodes have no more than ${most} frames, too few for a stride of ${stride}${most > stride ? ' and such a lag' : ''}`,
    );
  if (stride > 1 && episodes.actionDim > 0)
    notes.push(`the action of a transition is the mean of the actions of its ${stride} frames`);
  if (step.actionLag && !step.lags) notes.push(lagNote(step.actionLag));
  return {
    episode,
    episodes: {
      used: episodes.list.length - short.length,
      listed: episodes.listed,
      absent: episodes.absent,
    },
    stride,
    notes,
  };
}

/** Frames of an episode that one transition takes. */
export function framesOf(step: Step): number {
  const { before, after } = reachOf(step);
  return before + step.stride + after + 1;
}

/** What is said of actions that stand elsewhere than their observations. */
export function lagNote(lag: number): string {
  const rows = Math.abs(lag) === 1 ? 'row' : 'rows';
  return `the action of a transition is that of ${Math.abs(lag)} ${rows} ${lag > 0 ? 'later' : 'earlier'}`;
}

/** into[row] = scale * from[index], rows of width `dim`. */
export function copyRow(
  from: Values,
  index: number,
  dim: number,
  scale: number,
  into: Float64Array,
  row: number,
): void {
  const source = index * dim;
  const target = row * dim;
  for (let j = 0; j < dim; j++) into[target + j] = from[source + j] * scale;
}

export function noTransition(episodes: readonly { readonly length: number }[], step: Step): ExolamError {
  const longest = episodes.reduce((most, { length }) => Math.max(most, length), 0);
  const which = episodes.length === 1 ? 'the only episode' : `the longest of ${episodes.length} episodes`;
  const needed = framesOf(step);
  const lag = needed > step.stride + 1 ? ' with such a lag' : '';
  return new ExolamError(
    'data',
    `there is no transition: ${which} has ${longest} frame${longest === 1 ? '' : 's'}, and a stride of ${step.stride}${lag} needs ` +
      `at least ${needed} in one episode`,
  );
}
