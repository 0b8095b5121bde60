import type { Analysis, DataMetrics, LatentRow } from '../../lib/index.js';
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

export function percent(share: number): string {
  const clipped = 100 * Math.min(1, Math.max(0, share));
  return `${clipped < 10 ? clipped.toFixed(1) : clipped.toFixed(0)}\u00a0%`;
}

/** Rows of one objective: reconstruction, or action supervision of the given weight. */
export function rowsOf(analysis: Analysis, weight?: number): LatentRow[] {
  return analysis.latent.filter(({ objective }) =>
    weight === undefined
      ? objective.kind === 'reconstruction'
      : objective.kind === 'action-supervised' && objective.weight === weight,
  );
}

export function metric(rows: readonly LatentRow[], latentDim: number, name: keyof DataMetrics): number {
  const value = rows.find((row) => row.latentDim === latentDim)?.metrics[name];
  if (value === undefined) throw new Error(`${name} at latentDim ${latentDim} is not in the analysis`);
  return value;
}

/** The smallest latent dimension at which the arm alone is understood: where the comparison is made. */
export function comparedAt({ arm }: Demo): number {
  const enough = rowsOf(arm).find((row) => (row.metrics.actionError ?? 1) <= HOLDS);
  return enough?.latentDim ?? LATENT_DIMS[LATENT_DIMS.length - 1];
}

/** What was seen, what came out, what helped: a sentence each, with the figures of this run. */
export function verdict(demo: Demo): string[] {
  const { arm, both } = demo;
  const k = comparedAt(demo);
  const da = both.actionDim;
  const error = (a: Analysis, dim: number, weight?: number) =>
    percent(metric(rowsOf(a, weight), dim, 'actionError'));
  const leak = (dim: number, weight?: number) => percent(metric(rowsOf(both, weight), dim, 'futureLeakage'));
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
    ridge: both.ridge,
    transitions: both.transitions,
    training: both.split.train,
    heldOut: `${both.split.heldOut} transitions of ${both.split.heldOutEpisodes} episodes`,
    ...made,
  };
}
