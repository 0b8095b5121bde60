// biome-ignore-all lint/style/noNonNullAssertion: every index is inside by construction
import type { Backend, Control, MomentsAnswer, WishartRequest } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../base/conventions.js';
import { type Matrix, matrix, vstack } from '../linalg/matrix.js';
import { resolveObjective } from '../solve/objectives.js';
import type { Equations } from '../world/equations.js';
import { fullMixing, parameterColumn, type World } from '../world/world.js';

/** How second moments are drawn: exchangeable, so that a test can show a wrong one to fail. */
export type Draw = (request: WishartRequest, backend: Backend, control: Control) => Promise<Float64Array>;
export const wishart: Draw = (request, backend, control) => backend.wishart(request, control);

/** Uncentred second moments of (o, o') over `samples` transitions, (count, 2 d, 2 d), drawn without the transitions: a Wishart matrix. */
export function drawnMoments(
  world: Equations,
  samples: number,
  count: number,
  seed: number,
  backend: Backend,
  control: Control = {},
  draw: Draw = wishart,
): Promise<Float64Array> {
  const { rows, data } = vstack([world.observation, world.observationNext]);
  return draw(
    { first: 0, count, seed, degrees: samples, width: rows, sources: world.sources, loadings: data },
    backend,
    { signal: control.signal, threads: control.threads },
  );
}

/** What {@link drawnMoments} returns, from transitions that are really sampled. */
export async function sampledMoments(
  world: World,
  samples: number,
  count: number,
  seed: number,
  backend: Backend,
  control: Control = {},
): Promise<Float64Array> {
  const { observationDim: d, endogenousDim, exogenousDim, actionDim } = world.spec;
  const answer = await backend.sample(
    {
      first: 0,
      count: samples * count,
      seed,
      observationDim: d,
      endogenousDim,
      exogenousDim,
      actionDim,
      parameters: parameterColumn(world),
      mixing: fullMixing(world).data,
      actionEffect: world.actionEffect.data,
      stateFeedback: world.stateFeedback.data,
      exogenousFeedback: world.exogenousFeedback.data,
      pair: false,
    },
    { signal: control.signal, threads: control.threads },
  );
  const side = 2 * d;
  const all = new Float64Array(count * side * side);
  const row = new Float64Array(side);
  for (let t = 0; t < samples * count; t++) {
    const base = Math.floor(t / samples) * side * side;
    row.set(answer.observation.subarray(t * d, (t + 1) * d));
    row.set(answer.observationNext.subarray(t * d, (t + 1) * d), d);
    for (let i = 0; i < side; i++)
      for (let j = 0; j < side; j++) all[base + i * side + j]! += row[i]! * row[j]!;
  }
  return all.map((v) => v / samples);
}

/** The encoders and spectra of reconstruction fitted, without ridge, to each of `count` moment matrices of (o, o'). */
export function fitted(
  moments: Float64Array,
  count: number,
  observationDim: number,
  latentDim: number,
  backend: Backend,
  control: Control = {},
): Promise<MomentsAnswer> {
  const objective = resolveObjective({ kind: 'reconstruction' });
  return backend.solveMoments(
    {
      count,
      width: 2 * observationDim,
      moments,
      layout: {
        observationDim,
        actionDim: 0,
        observation: 0,
        observationNext: observationDim,
        pairObservation: -1,
        pairObservationNext: -1,
        action: -1,
      },
      objective: objective.rows,
      coefficients: new Float64Array(0),
      projection: new Float64Array(0),
      projectionDim: 0,
      latentDim,
      ridge: 0,
      relativeTolerance: RELATIVE_TOLERANCE,
    },
    { signal: control.signal, threads: control.threads },
  );
}

/** C and D of the n-th fit, (latentDim, observationDim). */
export function encoderOf(answer: MomentsAnswer, n: number, latentDim: number, observationDim: number) {
  const size = latentDim * observationDim;
  const part = (all: Float64Array): Matrix =>
    matrix(latentDim, observationDim, all.slice(n * size, (n + 1) * size));
  return { C: part(answer.encoderC), D: part(answer.encoderD) };
}
