import { ExolamError } from '../base/errors.js';
import { allocate } from '../base/memory.js';
import {
  accountOf,
  actionRows,
  copyRow,
  countTransitions,
  type Episodes,
  forEachTransition,
  type Step,
  type Transitions,
} from './transitions.js';

/**
 * Transitions with a known exogenous state: o = clean + weight * x, where x are the mirrored frames of the next episode
 * of the list (cyclically). The sum is not clipped, so that x enters linearly as theory.md section 1 has it.
 *
 * - `exogenous` and `exogenousNext` are x and x' unweighted: metrics of it do not depend on its scale, and it exists at weight 0.
 * - `endogenousNext` is the clean o'.
 * - The paired view has the same clean frames and the episode after the next as its x; it needs three episodes.
 * - A shorter episode is played forwards and backwards in turn, so that it never jumps and never stands still.
 * - Frames are flipped left to right, because episodes of one camera share their background; vectors have no left and
 *   right, and are added as they are.
 */
export function withDistractor(episodes: Episodes, step: Step, weight: number): Transitions {
  const { observationDim: d, scale, list } = episodes;
  if (list.length < 2)
    throw new ExolamError(
      'data',
      `a distractor is made of the frames of another episode, and there is only ${list.length} episode here; ` +
        `at least 2 are needed, and 3 for the paired views`,
    );
  const count = countTransitions(episodes, step);
  const pair = list.length >= 3;
  const columns = mirroredColumns(episodes);
  const observation = allocate(count, d, 'observation');
  const observationNext = allocate(count, d, 'observation_next');
  const exogenous = allocate(count, d, 'exogenous');
  const exogenousNext = allocate(count, d, 'exogenous_next');
  const endogenousNext = allocate(count, d, 'endogenous_next');
  const pairObservation = pair ? allocate(count, d, 'observation_pair') : undefined;
  const pairObservationNext = pair ? allocate(count, d, 'observation_pair_next') : undefined;

  const distractor = new Float64Array(d);
  /** x: frame t of the episode `ahead` of e, mirrored. */
  const frame = (e: number, ahead: number, t: number): Float64Array => {
    const other = list[(e + ahead) % list.length];
    const begin = pingPong(t, other.length) * d;
    for (let j = 0; j < d; j++) distractor[j] = other.observation[begin + columns[j]] * scale;
    return distractor;
  };
  /** into[row] = clean[row] + weight * x */
  const composite = (into: Float64Array, clean: Float64Array, row: number, x: Float64Array): void => {
    for (let i = row * d, j = 0; j < d; i++, j++) into[i] = clean[i] + weight * x[j];
  };

  forEachTransition(episodes, step, (row, episode, e, t) => {
    const next = t + step.stride;
    copyRow(episode.observation, t, d, scale, observation, row); // clean until the last line
    copyRow(episode.observation, next, d, scale, endogenousNext, row);
    if (pairObservation && pairObservationNext) {
      composite(pairObservation, observation, row, frame(e, 2, t));
      composite(pairObservationNext, endogenousNext, row, frame(e, 2, next));
    }
    exogenousNext.set(frame(e, 1, next), row * d);
    composite(observationNext, endogenousNext, row, distractor);
    exogenous.set(frame(e, 1, t), row * d);
    composite(observation, observation, row, distractor);
  });

  const account = accountOf(episodes, step, count);
  const notes = [...account.notes];
  notes.push(
    `distractor: the ${episodes.image ? 'mirrored frames' : 'observations'} of the next episode, times ${weight}, are added to each one`,
  );
  if (!pair) notes.push('there are 2 episodes, so there are no paired views: they need 3');
  return {
    count,
    observationDim: d,
    sharedUnit: episodes.image !== undefined,
    actionDim: episodes.actionDim,
    exogenousDim: d,
    observation,
    observationNext,
    action: actionRows(episodes, step, count),
    exogenous,
    exogenousNext,
    pairObservation,
    pairObservationNext,
    endogenousNext,
    ...account,
    notes,
  };
}

/** Frame of an episode of `length` frames at time t, forwards and backwards in turn: 0 1 2 1 0 1 2 for three frames. */
export function pingPong(t: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const phase = t % period;
  return phase < length ? phase : period - phase;
}

/** Column of the other episode's row that lands on each coordinate. */
function mirroredColumns({ image, observationDim }: Episodes): Int32Array {
  const columns = Int32Array.from({ length: observationDim }, (_, j) => j);
  if (!image) return columns;
  const { width, height, channels } = image;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++)
        columns[(y * width + x) * channels + c] = (y * width + (width - 1 - x)) * channels + c;
  return columns;
}
