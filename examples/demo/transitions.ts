import type { Transitions } from '../../lib/index.js';
import { CAMERA, type Figure, render } from './camera.js';
import { ARM_POINTS, PENDULUM_POINTS, type RecordedEpisode } from './record.js';

const ARM = { radius: 0.05, ball: 0, grey: 1 } as const;
const PENDULUM = { radius: 0.02, ball: 0.11, grey: 0.7 } as const;

const rowOf = (values: Float64Array, row: number, width: number) =>
  values.subarray(row * width, (row + 1) * width);

export function armOf(episode: RecordedEpisode, frame: number): Figure {
  return { ...ARM, points: rowOf(episode.arm, frame, ARM_POINTS * 3) };
}

export function pendulumOf(episode: RecordedEpisode, frame: number): Figure {
  return { ...PENDULUM, points: rowOf(episode.pendulum, frame, PENDULUM_POINTS * 3) };
}

/** The same recording through the same camera, once without the pendulum in view and once with it. */
export interface Views {
  readonly arm: Transitions;
  readonly both: Transitions;
  /** Squared change of grey level from one frame to the next, summed over the pixels, mean over all transitions. */
  readonly motion: { readonly arm: number; readonly pendulum: number };
}

function squaredChange(from: Float64Array, to: Float64Array): number {
  return from.reduce((sum, v, i) => sum + (to[i] - v) ** 2, 0);
}

/**
 * Frames t and t + 1 of each episode with the action between them. Beside the image that the model sees stands what only
 * we know: x and x', where the points of the pendulum are (metres), and s', the next image of the arm alone.
 */
export function views(episodes: readonly RecordedEpisode[]): Views {
  const d = CAMERA.width * CAMERA.height;
  const da = episodes[0].action.length / episodes[0].frames;
  const count = episodes.reduce((sum, e) => sum + e.frames - 1, 0);
  const images = () => new Float64Array(count * d);
  const arm = { now: images(), next: images() };
  const both = { now: images(), next: images() };
  const dx = PENDULUM_POINTS * 3;
  const pendulum = { now: new Float64Array(count * dx), next: new Float64Array(count * dx) };
  const action = new Float64Array(count * da);
  const number = new Int32Array(count);
  const motion = { arm: 0, pendulum: 0 };
  let row = 0;
  episodes.forEach((episode, e) => {
    let last: readonly [Float64Array, Float64Array, Float64Array] | undefined;
    for (let frame = 0; frame < episode.frames; frame++) {
      const [a, p] = [armOf(episode, frame), pendulumOf(episode, frame)];
      // The pendulum hangs behind the arm.
      const seen = [render([a]), render([p, a]), render([p])] as const;
      if (last) {
        motion.arm += squaredChange(last[0], seen[0]) / count;
        motion.pendulum += squaredChange(last[2], seen[2]) / count;
        arm.next.set(seen[0], (row - 1) * d);
        both.next.set(seen[1], (row - 1) * d);
        pendulum.next.set(p.points, (row - 1) * dx);
      }
      last = seen;
      if (frame === episode.frames - 1) continue;
      arm.now.set(seen[0], row * d);
      both.now.set(seen[1], row * d);
      pendulum.now.set(p.points, row * dx);
      action.set(rowOf(episode.action, frame, da), row * da);
      number[row] = e;
      row++;
    }
  });
  const shared = {
    count,
    observationDim: d,
    actionDim: da,
    exogenousDim: dx,
    action,
    exogenous: pendulum.now,
    exogenousNext: pendulum.next,
    endogenousNext: arm.next,
    episode: number,
    episodes: { used: episodes.length, listed: episodes.length, absent: [] },
    stride: 1,
    sharedUnit: true,
    notes: [],
  };
  return {
    arm: { ...shared, observation: arm.now, observationNext: arm.next },
    both: { ...shared, observation: both.now, observationNext: both.next },
    motion,
  };
}
