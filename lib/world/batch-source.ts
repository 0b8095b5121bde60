import type { BatchSource, LinearWorldSource } from '../backend/batch-sources.js';
import { ORTHONORMAL_GAP } from '../base/conventions.js';
import { type AnyWorldSpec, createAnyWorld } from './any-world.js';
import { createWorld, fullMixing, parameterColumn, type World, type WorldSpec } from './world.js';

/** Fresh transitions of a linear world, as training's batches draw them. */
export function linearWorldSource(world: World): LinearWorldSource {
  const { observationDim, endogenousDim, exogenousDim, actionDim } = world.spec;
  const mixing = fullMixing(world);
  return {
    kind: 'linear-world',
    observationDim,
    endogenousDim,
    exogenousDim,
    actionDim,
    parameters: parameterColumn(world),
    mixing: mixing.data,
    actionEffect: world.actionEffect.data,
    stateFeedback: world.stateFeedback.data,
    exogenousFeedback: world.exogenousFeedback.data,
    squareMixing: observationDim === endogenousDim && orthonormal(mixing.data, endogenousDim, mixing.cols),
  };
}

/** Whether the first n columns of n rows of `step` numbers are orthonormal. */
function orthonormal(data: Float64Array, n: number, step: number): boolean {
  for (let a = 0; a < n; a++)
    for (let b = a; b < n; b++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += data[i * step + a] * data[i * step + b];
      if (Math.abs(sum - (a === b ? 1 : 0)) > ORTHONORMAL_GAP) return false;
    }
  return true;
}

/** Fresh transitions of a world of any kind. */
export function worldSource(spec: AnyWorldSpec, what = 'world'): BatchSource {
  const world = createAnyWorld(spec, what);
  if (world.kind === 'linear') return linearWorldSource(createWorld(spec as WorldSpec, what));
  const { seed: _, mixing: __, view, ...request } = world.request();
  if (!view) throw new Error('a nonlinear world has a view');
  return { kind: 'view-world', ...request, view };
}
