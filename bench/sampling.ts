import type { Backend } from '../lib/backend.js';
import { createWorld, fullMixing, parameterColumn } from '../lib/world.js';
import { type Case, call } from './case.js';

export function normals(native: Backend, reference: Backend): Case {
  const through = (backend: Backend) => (count: number) =>
    call(
      () => backend.normals(1, 2, 0, count),
      (out) => out,
    );
  return {
    name: 'normals, f64',
    unit: 'number',
    bytes: 8,
    contenders: [
      { name: 'native', threads: 1, items: 1 << 18, prepare: through(native) },
      { name: 'reference', threads: 1, items: 1 << 15, prepare: through(reference) },
    ],
  };
}

/** Whole transitions: observations, actions and both states, written to memory once. */
export function transitions(native: Backend, reference: Backend, sensorNoise: number): Case {
  const dims = { observationDim: 128, endogenousDim: 8, exogenousDim: 8, actionDim: 8 };
  const world = createWorld({ ...dims, sensorNoise });
  const request = {
    ...dims,
    first: 0,
    seed: 1,
    parameters: parameterColumn(world, 0),
    mixing: fullMixing(world).data,
    actionEffect: world.actionEffect.data,
    stateFeedback: world.stateFeedback.data,
    exogenousFeedback: world.exogenousFeedback.data,
    pair: false,
  };
  const through = (backend: Backend) => (count: number) =>
    call(
      () => backend.sample({ ...request, count }, { threads: 1 }),
      (answer) => answer.observationNext,
    );
  return {
    name: `transitions, observationDim 128${sensorNoise > 0 ? ', sensor noise' : ''}`,
    unit: 'transition',
    bytes: 8 * (2 * dims.observationDim + dims.actionDim + 2 * dims.endogenousDim + 2 * dims.exogenousDim),
    contenders: [
      { name: 'native', threads: 1, items: 4096, prepare: through(native) },
      { name: 'reference', threads: 1, items: 512, prepare: through(reference) },
    ],
  };
}
