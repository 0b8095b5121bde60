import type { Remedy } from './remedies.js';

/** "weight 12", the median of the folds, and how far they differ; a remedy without strength has none to tell. */
export function strengthOf({ parameter, strength, strengths }: Remedy): string {
  if (parameter === null || strength === null) return '';
  const text = (v: number) => String(Number(v.toPrecision(3)));
  const [least, most] = [Math.min(...strengths), Math.max(...strengths)];
  return least === most
    ? `${parameter} ${text(strength)}`
    : `${parameter} ${text(strength)} (${text(least)} to ${text(most)})`;
}
