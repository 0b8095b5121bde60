import { z } from 'zod';
import { backendField, controlFields, listenerField } from '../backend/control.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { describes, parseOptions } from '../base/validate.js';
import { type CheckContext, type CheckResult, seedField, type Theorem, trialsField } from './check.js';
import { theorems } from './index.js';

export interface VerifyOptions extends CheckContext {
  /** Random worlds per check, 1 to 1000000. Default 50. */
  readonly trials?: number | undefined;
  /** Decides the worlds: an integer from 0. Default 0. */
  readonly seed?: number | undefined;
  /** Ids of the checks, one at least, e.g. ['T4', 'T6']; case does not matter. Default: all. */
  readonly only?: readonly string[] | undefined;
  /** Called before each check. Default: nobody is told. */
  readonly onCheck?: ((theorem: Theorem) => void) | undefined;
}

/** {@link VerifyOptions}, checked and with defaults. */
const optionsSchema = describes<VerifyOptions>()(
  z.strictObject({
    ...controlFields,
    trials: trialsField.default(50),
    seed: seedField.default(0),
    only: z.array(z.string()).optional(),
    onCheck: listenerField<[Theorem]>('onCheck', 'a theorem'),
    backend: backendField,
  }),
);

export interface Verification {
  readonly trials: number;
  readonly seed: number;
  readonly passed: boolean;
  readonly checks: readonly CheckResult[];
}

/** Checks the statements on random worlds: predicted against measured. `onProgress` counts checks. */
export function verify(options: VerifyOptions = {}): Promise<Verification> {
  return boundary('verify', () => verifyChecked(parseOptions(optionsSchema, options)));
}

async function verifyChecked(options: z.output<typeof optionsSchema>): Promise<Verification> {
  const { trials, seed, only, onCheck, onProgress, ...context } = options;
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
