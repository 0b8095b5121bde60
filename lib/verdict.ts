import type { Analysis, LatentRow } from './analyze.js';

const percent = (share: number) => `${Math.round(100 * Math.min(1, Math.max(0, share)))} %`;

/** Above this share of the exogenous innovation in z, latent actions are called contaminated. */
const LEAKS = 0.1;

/** What the figures mean, in words: no number here that is not in the analysis. */
export function recommend(analysis: Omit<Analysis, 'recommendation'>): string {
  const rowsOf = (kind: string) => analysis.latent.filter((row) => row.objective.kind === kind);
  const plain = rowsOf('reconstruction');
  if (plain.length === 0)
    return 'No reconstruction was asked for, so there is nothing to compare a remedy with.';
  const at = (rows: readonly LatentRow[], k: number) => rows.find((r) => r.latentDim === k);
  const widest = plain[plain.length - 1] as LatentRow;
  const sentences: string[] = [];
  const first = plain.find((r) => r.metrics.futureLeakage !== undefined);
  if (first) {
    const leaking = plain.find((r) => (r.metrics.futureLeakage ?? 0) > LEAKS);
    sentences.push(
      leaking
        ? `Reconstruction leaks: from latentDim ${leaking.latentDim} on, z carries ${percent(leaking.metrics.futureLeakage ?? 0)} or more of the exogenous innovation (${percent(widest.metrics.futureLeakage ?? 0)} at latentDim ${widest.latentDim}).`
        : `Reconstruction leaks little up to latentDim ${widest.latentDim}: z carries ${percent(widest.metrics.futureLeakage ?? 0)} of the exogenous innovation.`,
    );
  }
  if (widest.metrics.endogenousError !== undefined) {
    sentences.push(
      `Of what is new in the clean observation, z misses ${percent(widest.metrics.endogenousError)} at latentDim ${widest.latentDim}.`,
    );
  }
  if (widest.metrics.actionError !== undefined) {
    sentences.push(
      `A linear probe of z leaves ${percent(widest.metrics.actionError)} of the action unexplained at latentDim ${widest.latentDim}.`,
    );
  }
  const supervised = rowsOf('action-supervised');
  // Where the latent is just wide enough for the action, a remedy shows most.
  const best = supervised[0];
  const same = best && at(plain, best.latentDim);
  if (best && same && best.objective.kind === 'action-supervised') {
    const parts: string[] = [];
    if (best.metrics.actionError !== undefined && same.metrics.actionError !== undefined)
      parts.push(
        `the action left unexplained from ${percent(same.metrics.actionError)} to ${percent(best.metrics.actionError)}`,
      );
    if (best.metrics.futureLeakage !== undefined && same.metrics.futureLeakage !== undefined)
      parts.push(
        `the leakage from ${percent(same.metrics.futureLeakage)} to ${percent(best.metrics.futureLeakage)}`,
      );
    if (parts.length > 0)
      sentences.push(
        `Action supervision (weight ${best.objective.weight}) changes ${parts.join(' and ')} at latentDim ${best.latentDim}.`,
      );
  }
  if (!first) {
    sentences.push(
      'This data holds no known exogenous state, so leakage cannot be measured: give exogenous_next, or composite a known distractor with --distractor.',
    );
  }
  return sentences.join(' ');
}
