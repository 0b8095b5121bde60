import type { Analysis, Estimate, LatentRow } from '../../lib/index.js';
import { percentOf } from '../../lib/verdict/figures.js';
import { CAMERA } from './camera.js';
import type { RecordedEpisode, RecordSettings } from './record.js';
import type { Views } from './transitions.js';

export const LATENT_DIMS = Array.from({ length: 12 }, (_, i) => i + 1);
/** How strongly the action labels count, in squared grey levels per (rad/s)^2: from hardly to fully. */
export const WEIGHTS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/** The weight of the remedy in the tables and in the verdict. */
export const WEIGHT = 10;
/** Up to this share of the action unexplained we say that z holds the action. */
const HOLDS = 0.1;

export interface Demo {
  readonly settings: RecordSettings;
  readonly episodes: readonly RecordedEpisode[];
  readonly views: Views;
  /** Of the arm alone, and of the arm with the pendulum in view. */
  readonly arm: Analysis;
  readonly both: Analysis;
  /** Versions and the like, for the record. */
  readonly made: Readonly<Record<string, string>>;
}

/** Rows of one objective: reconstruction, or action supervision of the given weight. */
export function rowsOf(analysis: Analysis, weight?: number): LatentRow[] {
  return analysis.latent.filter(({ objective }) =>
    weight === undefined
      ? objective.kind === 'reconstruction'
      : objective.kind === 'action-supervised' && objective.weight === weight,
  );
}

/** What the page speaks of. */
export type Shown = 'actionError' | 'innovationLeakage' | 'latentShare.exogenous' | 'endogenousError';

export function estimateOf(rows: readonly LatentRow[], latentDim: number, name: Shown): Estimate {
  const found = rows.find((row) => row.latentDim === latentDim)?.metrics[name];
  if (found === undefined) throw new Error(`${name} at latentDim ${latentDim} is not in the analysis`);
  return found;
}

/** NaN where it is not measurable: nothing is drawn there. */
export function metric(rows: readonly LatentRow[], latentDim: number, name: Shown): number {
  return estimateOf(rows, latentDim, name).value ?? Number.NaN;
}

/** The smallest latent dimension at which the arm alone is understood: where the comparison is made. */
export function comparedAt({ arm }: Demo): number {
  const enough = rowsOf(arm).find((row) => (row.metrics.actionError?.high ?? 1) <= HOLDS);
  return enough?.latentDim ?? LATENT_DIMS[LATENT_DIMS.length - 1];
}

/** What was seen, what came out, what helped: a sentence each, with the figures of this run. */
export function verdict(demo: Demo): string[] {
  const { arm, both } = demo;
  const k = comparedAt(demo);
  const da = both.actionDim;
  const error = (a: Analysis, dim: number, weight?: number) =>
    percentOf(estimateOf(rowsOf(a, weight), dim, 'actionError'));
  const leak = (dim: number, weight?: number) =>
    percentOf(estimateOf(rowsOf(both, weight), dim, 'innovationLeakage'));
  return [
    `Arm alone: ${k} latent dimensions leave ${error(arm, k)} of the action unexplained.`,
    `Pendulum in view: the same ${k} dimensions leave ${error(both, k)} of the action unexplained, and carry ${leak(k)} of what is new in the pendulum.`,
    `With action labels (weight ${WEIGHT}): ${da} dimensions leave ${error(both, da, WEIGHT)} of the action unexplained, and carry ${leak(da, WEIGHT)} of the pendulum. Room beyond the ${da} of the action leaks again: ${leak(k, WEIGHT)} at ${k}.`,
  ];
}

/** Everything that decides the figures. */
export function settingsOf({ settings, both, made }: Demo): Record<string, unknown> {
  return {
    ...settings,
    home: settings.home.join(', '),
    camera: `${CAMERA.width} x ${CAMERA.height} pixels, ${CAMERA.blur} pixel blur, eye at ${CAMERA.eye.join(', ')} m`,
    latentDims: LATENT_DIMS.join(', '),
    supervisionWeights: WEIGHTS.join(', '),
    ridges: [...new Set(both.ridges)].join(', '),
    transitions: both.transitions,
    folds: `${new Set(both.folds).size}, of whole episodes`,
    ...made,
  };
}
