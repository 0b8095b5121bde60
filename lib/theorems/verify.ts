import { ExolamError } from '../base/errors.js';
import type { CheckContext, CheckResult, Theorem } from './check.js';
import { theorems } from './index.js';

export interface VerifyOptions extends CheckContext {
  /** Random worlds per check. Default 50. */
  readonly trials?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Ids, e.g. ['T4', 'T6']; case does not matter. Default: all. */
  readonly only?: readonly string[];
  /** Called before each check. */
  readonly onCheck?: (theorem: Theorem) => void;
}

export interface Verification {
  readonly trials: number;
  readonly seed: number;
  readonly passed: boolean;
  readonly checks: readonly CheckResult[];
}

/** Checks the statements on random worlds: predicted against measured. `onProgress` counts checks. */
export async function verify(options: VerifyOptions = {}): Promise<Verification> {
  const { trials = 50, seed = 0, only, onCheck, onProgress, ...context } = options;
  const chosen = only ? choose(only) : theorems;
  const checks: CheckResult[] = [];
  for (const theorem of chosen) {
    if (context.signal?.aborted) throw new ExolamError('cancelled', 'cancelled by the caller');
    onProgress?.(checks.length, chosen.length);
    onCheck?.(theorem);
    checks.push(await theorem.check(trials, seed, context));
  }
  onProgress?.(chosen.length, chosen.length);
  return { trials, seed, passed: checks.every((check) => check.passed), checks };
}

function choose(only: readonly string[]): Theorem[] {
  const accepted = theorems.map(({ id }) => id);
  const wanted = only.map((name) => name.trim().toUpperCase());
  const unknown = wanted.findIndex((id) => !accepted.includes(id));
  if (unknown >= 0 || wanted.length === 0) {
    const received = wanted.length === 0 ? 'nothing' : `"${only[unknown]?.trim()}"`;
    throw new ExolamError('input', `only: expected some of ${accepted.join(', ')} but received ${received}`);
  }
  return theorems.filter(({ id }) => wanted.includes(id));
}
