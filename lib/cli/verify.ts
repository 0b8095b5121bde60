import { theorems } from '../theorems/index.js';
import { verify } from '../theorems/verify.js';
import { toJson } from './json.js';
import { Progress } from './progress.js';
import { EXIT, type Shell } from './run.js';
import { table } from './table.js';

export interface VerifyFlags {
  readonly trials?: number;
  readonly seed?: number;
  readonly only?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** A number in a few characters, at the precision that tells predicted from measured. */
function short(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(1) : String(Number(value.toPrecision(6)));
}

/** `exolam verify`: the table of theorem checks; returns the exit code. */
export async function verifyCommand(flags: VerifyFlags, shell: Shell): Promise<number> {
  const progress = new Progress(shell);
  const { json, only, ...options } = flags;
  const result = await verify({
    ...options,
    ...(only === undefined ? {} : { only: only.split(',').filter((id) => id.trim() !== '') }),
    signal: shell.signal,
    onProgress: progress.of('checking'),
  });
  progress.end();
  if (json) {
    shell.out(`${toJson(result)}\n`);
    return result.passed ? EXIT.done : EXIT.failed;
  }
  const failed = result.checks.filter(({ passed }) => !passed).length;
  const count = result.checks.length;
  shell.out(
    `${failed === 0 ? `all ${count}` : `${count - failed} of ${count}`} hold; ${result.trials} worlds each, seed ${result.seed}; figures: those nearest to their tolerance\n\n`,
  );
  const titleOf = (id: string) => theorems.find((t) => t.id === id)?.title ?? '';
  const rows = result.checks.map((c) => [
    `${c.id.padEnd(4)}${c.claim}  ${titleOf(c.id)}`,
    ...[c.predicted, c.measured, c.worst, c.tolerance].map(short),
    c.passed ? 'holds' : 'FAILS',
  ]);
  shell.out(
    `${table(['statement', 'predicted', 'measured', 'worst error', 'tolerance', 'verdict'], rows)}\n`,
  );
  for (const check of result.checks)
    for (const row of check.rows.filter(({ passed }) => !passed))
      shell.out(
        `${check.id}: ${row.what}: predicted ${short(row.predicted)} but measured ${short(row.measured)} (error ${short(row.worst)}, tolerance ${short(row.tolerance)})\n`,
      );
  return failed === 0 ? EXIT.done : EXIT.failed;
}
