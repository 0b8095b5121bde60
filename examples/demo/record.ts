import loadMujoco from '@mujoco/mujoco';
import { referenceBackend, type Transitions } from 'exolam';
import { draw, expose, FRAME, type Link, type Point, project } from './camera.js';
import { BODIES, JOINTS, SCENE, SITES } from './scene.js';

export interface Settings {
  readonly episodes: number;
  /** Control steps of each episode. */
  readonly steps: number;
  readonly seed: number;
}

/** Physics steps of 2 ms in one control step. */
const SUBSTEPS = 20;
/** The policy: joint speeds, rad/s, white around a pull to the rest pose. What is white no one can foresee from o. */
const SPEED = 1.2;
const PULL = 1.5;
/** Random pushes on the pendulum's tip, newton, and the time over which one lasts, control steps. */
const PUSH = 2.5;
const PUSH_STEPS = 5;

/** What the camera saw of one recording, frame by frame: the arm alone, and with the pendulum behind it. */
export interface Recording {
  readonly width: number;
  readonly height: number;
  readonly settings: Settings;
  /** (frames, width * height) each. */
  readonly arm: Float64Array;
  readonly both: Float64Array;
  /** (frames, 4): image coordinates of the pendulum's two ends, pixels. */
  readonly pendulum: Float64Array;
  /** (frames, 2): speeds asked for between this frame and the next, rad/s. */
  readonly action: Float64Array;
}

/** Runs the physics. Deterministic in the seed. */
export async function record(settings: Settings, onProgress?: (done: number, total: number) => void): Promise<Recording> {
  const mujoco = await loadMujoco();
  const model = mujoco.MjModel.from_xml_string(SCENE);
  if (!model) throw new Error('the scene does not compile');
  const data = new mujoco.MjData(model);
  const { episodes, steps, seed } = settings;
  const size = FRAME.width * FRAME.height;
  const frames = episodes * steps;
  const arm = new Float64Array(frames * size);
  const both = new Float64Array(frames * size);
  const pendulum = new Float64Array(frames * 4);
  const action = new Float64Array(frames * JOINTS);
  const white = (stream: number, episode: number, width: number) =>
    referenceBackend.normals(seed, stream, episode * steps * width, steps * width);
  try {
    for (let episode = 0; episode < episodes; episode++) {
      mujoco.mj_resetData(model, data);
      const start = referenceBackend.normals(seed, 3, episode * 4, 4);
      data.qpos.set([0.2 * start[0]!, 0.2 * start[1]!, 0.6 * start[2]!, 0.6 * start[3]!]);
      const speeds = white(1, episode, JOINTS);
      const pushes = white(2, episode, 1);
      for (let step = 0; step < steps; step++) {
        const frame = episode * steps + step;
        mujoco.mj_forward(model, data);
        const links = linksOf(data.xpos, data.site_xpos);
        const ink = new Float64Array(size);
        draw(links.arm, ink);
        arm.set(expose(ink), frame * size);
        draw(links.pendulum, ink);
        both.set(expose(ink), frame * size);
        pendulum.set([...project(links.pendulum[0]![1]), ...project(links.pendulum[1]![1])], frame * 4);
        for (let j = 0; j < JOINTS; j++)
          action[frame * JOINTS + j] = SPEED * speeds[step * JOINTS + j]! - PULL * data.qpos[j]!;
        data.ctrl.set(action.subarray(frame * JOINTS, (frame + 1) * JOINTS));
        data.xfrc_applied[6 * BODIES.second] = PUSH * pushes[step - (step % PUSH_STEPS)]!;
        for (let i = 0; i < SUBSTEPS; i++) mujoco.mj_step(model, data);
      }
      onProgress?.(episode + 1, episodes);
      // The physics holds the only thread: let the progress bar and ctrl-C have it now and then.
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    data.delete();
    model.delete();
  }
  return { width: FRAME.width, height: FRAME.height, settings, arm, both, pendulum, action };
}

function linksOf(bodies: Float64Array, sites: Float64Array): { arm: Link[]; pendulum: Link[] } {
  const at = (from: Float64Array, i: number): Point => [from[3 * i]!, from[3 * i + 1]!, from[3 * i + 2]!];
  return {
    arm: [
      [at(bodies, BODIES.upper), at(bodies, BODIES.fore)],
      [at(bodies, BODIES.fore), at(sites, SITES.hand)],
    ],
    pendulum: [
      [at(bodies, BODIES.first), at(bodies, BODIES.second)],
      [at(bodies, BODIES.second), at(sites, SITES.tip)],
    ],
  };
}

/** The transitions that a learner gets: frames with or without the pendulum; the truth beside them. */
export function transitionsOf(r: Recording, view: 'arm' | 'both'): Transitions {
  const { episodes, steps } = r.settings;
  const size = r.width * r.height;
  const count = episodes * (steps - 1);
  /** Rows of every frame but each episode's last, `ahead` frames on. */
  const rows = (values: Float64Array, width: number, ahead: number) => {
    const out = new Float64Array(count * width);
    for (let e = 0; e < episodes; e++) {
      const from = (e * steps + ahead) * width;
      out.set(values.subarray(from, from + (steps - 1) * width), e * (steps - 1) * width);
    }
    return out;
  };
  return {
    count,
    observationDim: size,
    actionDim: JOINTS,
    exogenousDim: 4,
    observation: rows(r[view], size, 0),
    observationNext: rows(r[view], size, 1),
    action: rows(r.action, JOINTS, 0),
    exogenousNext: rows(r.pendulum, 4, 1),
    endogenousNext: rows(r.arm, size, 1),
    episode: Int32Array.from({ length: count }, (_, i) => Math.floor(i / (steps - 1))),
    episodes: { used: episodes, listed: episodes, absent: [] },
    stride: 1,
    notes: [],
  };
}
