import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import type { Backend } from '../lib/backend/requests.js';
import { packageRoot } from '../lib/base/package-root.js';
import { version } from '../lib/base/version.js';

/** Where and on what figures were measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly isa: string;
  readonly isas: readonly string[];
  readonly node: string;
  readonly platform: string;
  readonly version: string;
  /** With a + where the tree holds changes; null outside of a git checkout. */
  readonly commit: string | null;
  /** Processes that wanted a core, over the last minute: above `cores`, wall times say little. */
  readonly load: number;
  readonly date: string;
}

function commit(): string | null {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: packageRoot(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : '+');
  } catch {
    return null;
  }
}

export function machine(native: Backend): Machine {
  const { isa, isas } = native.info();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    isa,
    isas,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    version,
    commit: commit(),
    load: Number((loadavg()[0] ?? 0).toFixed(2)),
    date: new Date().toISOString(),
  };
}
