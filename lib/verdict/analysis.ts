import type { DifferenceEstimates, Estimate, EstimateTable } from '../metrics/estimates.js';
import type { MadeOf } from '../metrics/made-of.js';
import type { Scale } from '../moments/of-units.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import type { LabelCurve } from './label-curve.js';
import type { Remedy } from './remedies.js';
import type { Verdict } from './sentence.js';

/** One latent dimension of one objective. */
export interface LatentRow {
  readonly latentDim: number;
  readonly objective: ObjectiveSpec;
  /** Minimum of the objective over all rows, a transition, in the scale that was analysed. */
  readonly loss: number;
  /** Numerical rank of the problem; latents beyond it carry nothing. */
  readonly rank: number;
  /** Cross-fitted over episodes, each with its interval (docs/estimates.md); a metric whose variables the data lacks is absent. */
  readonly metrics: EstimateTable;
  /** What z is made of; null where the action or the exogenous state is not known. */
  readonly madeOf: Readonly<Record<keyof MadeOf, Estimate>> | null;
}

/** What an analysis was made from: enough to make it again. */
export interface AnalysisSource {
  /** The file or folder, or null for arrays. */
  readonly path: string | null;
  /** Every option, with its default where none was given. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly version: string;
  readonly backend: string;
}

export interface Analysis {
  readonly source: AnalysisSource;
  readonly transitions: number;
  readonly observationDim: number;
  readonly actionDim: number;
  readonly episodes: number;
  /** Episodes that are listed, but whose files are not there. */
  readonly absentEpisodes: number;
  /** What the folds are made of: so many episodes, or blocks of one long one. */
  readonly units: number;
  readonly unit: 'episode' | 'block';
  /** Values of a discrete action that were read as categories, or null. */
  readonly categories: readonly number[] | null;
  readonly scale: Scale;
  readonly folds: readonly number[];
  readonly groups: readonly number[];
  readonly ridges: readonly number[];
  /** Eigenvalues of M for the first objective over all rows, descending. */
  readonly spectrum: readonly number[];
  readonly latent: readonly LatentRow[];
  /** Of the other objectives less the first, on the same folds. */
  readonly differences: readonly DifferenceEstimates[];
  /** Leakage below it counts as none. */
  readonly level: number;
  /** What each remedy would do; empty where leakage is not known. */
  readonly remedies: readonly Remedy[];
  /** Leakage and action error against the number of labels, at the verdict's latentDim; null where it was not measured. */
  readonly labels: LabelCurve | null;
  readonly notes: readonly string[];
  readonly verdict: Verdict;
}
