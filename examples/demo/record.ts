import { readFile } from 'node:fs/promises';
import loadMujoco, { type MainModule, type MjData, type MjModel } from '@mujoco/mujoco';
import { normals } from '../../lib/random/philox.js';

/** Everything that decides the recording; the page prints it. */
export interface RecordSettings {
  readonly seed: number;
  readonly episodes: number;
  /** Frames of an episode; one more frame than control steps. */
  readonly frames: number;
  /** Physics steps (of 10 ms, scene.xml) from one frame to the next. */
  readonly stepsPerFrame: number;
  /** Standard deviation of the random part of the commanded joint speeds, rad/s. */
  readonly policyNoise: number;
  /** 1/s: the policy also leads each joint back to `home`. */
  readonly feedback: number;
  /** Joint angles in rad around which the arm moves. */
  readonly home: readonly number[];
  /** Standard deviation of the horizontal gust on each pendulum body, N, drawn anew for every frame. */
  readonly gust: number;
  /** Frames that each episode runs before it is recorded, so that the pendulum is swinging. */
  readonly warmUp: number;
}

export const SETTINGS: RecordSettings = {
  seed: 1,
  episodes: 24,
  frames: 301,
  stepsPerFrame: 10,
  policyNoise: 0.6,
  feedback: 2,
  home: [0.3, 1.2],
  gust: 2,
  warmUp: 40,
};

export const ARM_POINTS = 3;
export const PENDULUM_POINTS = 3;
const JOINTS = 2;
const BODIES = ['inner', 'outer'];

export interface RecordedEpisode {
  readonly frames: number;
  /** (frames, 2): joint speeds in rad/s, commanded from this frame to the next; the last row is not used. */
  readonly action: Float64Array;
  /** (frames, 3, 3) each: points of the arm and of the pendulum, metres. */
  readonly arm: Float64Array;
  readonly pendulum: Float64Array;
  /** (frames, 2): angles of the pendulum's joints from hanging straight, rad. */
  readonly swing: Float64Array;
}

/**
 * Runs the physics. Action and gust come from two streams of a counter-based generator: the gust knows nothing of the
 * action, and the action nothing of the pendulum. The same settings give the same bits.
 */
export async function record(
  settings: RecordSettings = SETTINGS,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<RecordedEpisode[]> {
  const xml = await readFile(new URL('./scene.xml', import.meta.url), 'utf8');
  const mujoco = await loadMujoco();
  const model = mujoco.MjModel.from_xml_string(xml);
  const data = new mujoco.MjData(model);
  try {
    const episodes: RecordedEpisode[] = [];
    for (let e = 0; e < settings.episodes; e++) {
      episodes.push(recordEpisode(mujoco, model, data, settings, e));
      onProgress(e + 1, settings.episodes);
      // The engine runs on this thread: let a progress bar and ctrl-C have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return episodes;
  } finally {
    data.delete();
    model.delete();
  }
}

function recordEpisode(
  mujoco: MainModule,
  model: MjModel,
  data: MjData,
  settings: RecordSettings,
  number: number,
): RecordedEpisode {
  const { frames, warmUp, home, seed, stepsPerFrame } = settings;
  const steps = warmUp + frames;
  const noise = normals(seed, 2 * number, 0, steps * JOINTS);
  const gusts = normals(seed, 2 * number + 1, 0, steps * BODIES.length);
  const bodies = BODIES.map((name) => mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY.value, name));
  const episode = {
    frames,
    action: new Float64Array(frames * JOINTS),
    arm: new Float64Array(frames * ARM_POINTS * 3),
    pendulum: new Float64Array(frames * PENDULUM_POINTS * 3),
    swing: new Float64Array(frames * BODIES.length),
  };
  mujoco.mj_resetData(model, data);
  data.qpos.set(home);
  for (let step = 0; step < steps; step++) {
    // Positions of sites follow from qpos before the step, so that frame and action belong together.
    mujoco.mj_forward(model, data);
    const row = step - warmUp;
    // Views of the engine's memory: read anew for every frame, because the memory may move when it grows.
    const { qpos, ctrl, xfrc_applied: force } = data;
    home.forEach((angle, j) => {
      const pull = settings.feedback * (angle - qpos[j]);
      ctrl[j] = pull + settings.policyNoise * noise[step * JOINTS + j];
    });
    bodies.forEach((body, j) => {
      force[6 * body] = settings.gust * gusts[step * BODIES.length + j];
    });
    if (row >= 0) {
      const points: Float64Array = data.site_xpos;
      episode.action.set(ctrl, row * JOINTS);
      episode.arm.set(points.subarray(0, ARM_POINTS * 3), row * ARM_POINTS * 3);
      episode.pendulum.set(points.subarray(ARM_POINTS * 3), row * PENDULUM_POINTS * 3);
      episode.swing.set(qpos.subarray(JOINTS), row * BODIES.length);
    }
    for (let i = 0; i < stepsPerFrame; i++) mujoco.mj_step(model, data);
  }
  return episode;
}
