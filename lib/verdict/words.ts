import type { Analysis, LatentRow } from './analysis.js';
import type { Remedy } from './remedies.js';

const percent = (share: number) => `${Math.round(100 * Math.min(1, Math.max(0, share)))} %`;

/** Above this share of the action unexplained, z tells little of it. */
const EMPTY = 0.5;

/** What the figures mean, in words: no number here that is not in the analysis. */
export function recommend(analysis: Omit<Analysis, 'recommendation'>): string {
  const rowsOf = (kind: string) => analysis.latent.filter((row) => row.objective.kind === kind);
  const plain = rowsOf('reconstruction');
  if (plain.length === 0)
    return 'No reconstruction was asked for, so there is nothing to compare a remedy with.';
  const at = (rows: readonly LatentRow[], k: number) => rows.find((r) => r.latentDim === k);
  const widest = plain[plain.length - 1];
  const sentences: string[] = [];
  const first = plain.find((r) => r.metrics.futureLeakage !== undefined);
  if (first) {
    const leaking = plain.find((r) => (r.metrics.futureLeakage ?? 0) > analysis.level);
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
  const cost = costOf(analysis.remedies, analysis.level);
  if (cost) sentences.push(cost);
  return sentences.join(' ');
}

/** What each remedy would cost, in one sentence; null where none was measured. */
function costOf(remedies: Analysis['remedies'], level: number): string | null {
  const [first] = remedies;
  if (!first) return null;
  const { latentDim, before } = first;
  const at = `${percent(before.futureLeakage)} of the exogenous innovation at latentDim ${latentDim}`;
  if (before.futureLeakage <= level) {
    return `No remedy is needed for a leakage of at most ${percent(level)}: reconstruction leaks ${at}.`;
  }
  const reached = remedies.filter((r) => r.reached).map(nameOfRemedy);
  const failed = remedies
    .filter((r) => !r.reached)
    .map((r) => `${nameOfRemedy(r)} (${percent(r.after.futureLeakage)} at least)`);
  return [
    `To leak at most ${percent(level)}, where reconstruction leaks ${at},`,
    reached.length > 0 ? `it takes ${listed(reached, 'or')}` : 'no remedy is enough',
    failed.length > 0 ? `; out of reach: ${listed(failed, 'and')}.` : '.',
    empty(remedies),
  ]
    .join(' ')
    .replace(/ ([;.])/g, '$1')
    .trimEnd();
}

/** Clean latents may be empty ones. */
function empty(remedies: Analysis['remedies']): string {
  const errors = remedies.filter((r) => r.reached && r.after.actionError !== undefined);
  const least = Math.min(...errors.map((r) => r.after.actionError as number));
  return errors.length > 0 && least > EMPTY
    ? `Clean latents are not yet actions here: at least ${percent(least)} of the action stays unexplained.`
    : '';
}

/** A remedy and its strength as a reader would say it. */
function nameOfRemedy({ remedy, parameter, strength, reached, weight }: Remedy): string {
  const figure = Number((strength ?? 0).toPrecision(2));
  if (parameter === null) return 'cross-exogenous reconstruction';
  if (parameter === 'labels') {
    return reached
      ? `${strength} labelled transitions for supervision of weight ${Number((weight ?? 0).toPrecision(2))}`
      : 'any number of labels';
  }
  const name = {
    'action-supervised': 'action supervision',
    'exogenous-robust': 'a consistency penalty',
    representation: 'a representation',
    'cross-exogenous': 'cross-exogenous reconstruction',
  }[remedy];
  if (!reached) return name;
  return parameter === 'gain'
    ? `${name} that leaves the exogenous part a gain of ${figure}`
    : `${name} of weight ${figure}`;
}

/** "weight 12" or "320 labels (weight 58)"; a remedy without strength has none to tell. */
export function strengthOf({ parameter, strength, weight }: Remedy): string {
  if (parameter === null || strength === null) return '';
  const number = Number(strength.toPrecision(3));
  return parameter === 'labels'
    ? `${strength} labels${weight ? ` (weight ${Number(weight.toPrecision(3))})` : ''}`
    : `${parameter} ${number}`;
}

function listed(items: readonly string[], word: string): string {
  return items.length < 2
    ? items.join('')
    : `${items.slice(0, -1).join(', ')} ${word} ${items[items.length - 1]}`;
}
