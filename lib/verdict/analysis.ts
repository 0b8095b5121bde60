import type { DataMetrics } from '../metrics/probes.js';
import type { ResolvedObjective } from '../solve/objectives.js';
import type { Remedy } from './remedies.js';

export interface LatentRow {
  readonly latentDim: number;
  readonly objective: ResolvedObjective['spec'];
  /** Minimum of the objective on the training split, per transition. */
  readonly loss: number;
  /** Numerical rank of the problem; latents beyond it carry nothing. */
  readonly rank: number;
  /** On held-out episodes. */
  readonly metrics: DataMetrics;
}

export interface Analysis {
  readonly transitions: number;
  readonly observationDim: number;
  readonly actionDim: number;
  readonly episodes: number;
  readonly absentEpisodes: number;
  readonly split: { readonly train: number; readonly heldOut: number; readonly heldOutEpisodes: number };
  readonly ridge: number;
  readonly whiten: boolean;
  /** Eigenvalues of M for the first objective, descending. */
  readonly spectrum: readonly number[];
  readonly latent: readonly LatentRow[];
  /** futureLeakage that `remedies` bring down to, and what each would cost; empty where leakage cannot be measured. */
  readonly level: number;
  readonly remedies: readonly Remedy[];
  readonly notes: readonly string[];
  readonly recommendation: string;
}
