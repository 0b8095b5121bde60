/** What can be said of a claim, and what decides it by one interval. */
export type Verdict = 'holds' | 'does not hold' | 'cannot tell';

/** A share of variance below which z is not said to carry something. */
export const MATERIAL = 0.1;

/** Holds where the whole interval lies above `least`, does not where the whole of it lies at or below. */
export function judge(
  { low, high }: { readonly low: number; readonly high: number },
  least: number,
): Verdict {
  if (low > least) return 'holds';
  return high <= least ? 'does not hold' : 'cannot tell';
}

/** As a sentence says it. */
export const spoken = (verdict: Verdict) => (verdict === 'cannot tell' ? 'cannot be told' : verdict);
