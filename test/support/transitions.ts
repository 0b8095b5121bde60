import type { Transitions } from '../../lib/data/transitions.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import { createWorld, type WorldSpec } from '../../lib/world/world.js';
import { native } from './backends.js';

/** Independent transitions of a world, as `generate` would write and `analyze` read them. */
export async function transitionsOf(spec: WorldSpec, samples: number): Promise<Transitions> {
  const { observationDim, actionDim, exogenousDim } = createWorld(spec).spec;
  for await (const b of sampleTransitions(spec, { samples, pairs: true, batch: samples, backend: native }))
    return {
      count: samples,
      observationDim,
      actionDim,
      exogenousDim,
      observation: b.observation,
      observationNext: b.observationNext,
      action: b.action,
      exogenous: b.exogenous,
      exogenousNext: b.exogenousNext,
      pairObservation: b.pairObservation,
      pairObservationNext: b.pairObservationNext,
      episode: Int32Array.from({ length: samples }, (_, i) => i),
      episodes: { used: samples, listed: samples, absent: [] },
      notes: [],
    };
  throw new Error('no samples');
}
