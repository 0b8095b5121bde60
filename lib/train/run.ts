import type { Backend, Control } from '../backend/requests.js';
import type { LinearLam } from '../lam/linear-lam.js';
import type { MlpLam } from '../lam/mlp-lam.js';
import type { Tensor } from '../lam/safetensors.js';
import type { SettledConfig } from './config.js';
import type { Evaluation } from './evaluate.js';
import type { Estimated, Judges } from './judges.js';

/** Why a run has ended. */
export type Ending = 'steps' | 'early' | 'converged';

/** A run between two evaluations: what train and trainBatch drive alike, whatever it descends. */
export interface Run {
  readonly config: SettledConfig;
  /** Steps done. */
  readonly step: number;
  /** The last loss that is known, of training rows or of an evaluation. */
  readonly liveLoss: number;
  /** Set once nothing is left to do. */
  readonly ending: Ending | null;
  /** All that a next step depends on, as tensors, and with it the same bits. */
  state(): ReadonlyMap<string, Tensor>;
  /** Takes the place of the state that it has. */
  restore(step: number, state: ReadonlyMap<string, Tensor>): void;
  evaluate(judges: Judges): Promise<Evaluation>;
  /** By nonlinear probes; undefined where there are exact figures, or it is not to be asked. */
  nonlinear(judges: Judges): Promise<Estimated | undefined>;
  model(backend: Backend, control: Control): Promise<LinearLam | MlpLam>;
}

/** Whether the losses so far say that no lower one is to be expected: `patience` of them without one. */
export function hasStalled(log: readonly Evaluation[], { stopping }: SettledConfig): boolean {
  if (!stopping) return false;
  const { patience, tolerance = 0 } = stopping;
  let least = Number.POSITIVE_INFINITY;
  let since = 0;
  for (const { loss } of log) {
    const isLower = loss < least * (1 - tolerance);
    since = isLower ? 0 : since + 1;
    if (isLower) least = loss;
  }
  return since >= patience;
}
