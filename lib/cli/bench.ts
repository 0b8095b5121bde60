import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ExolamError } from '../base/errors.js';
import { packageRoot } from '../base/package-root.js';
import type { Shell } from './run.js';

export interface BenchFlags {
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly only?: string;
  readonly peers?: boolean;
}

/** What bench/ needs beside the product: development packages, which an installed exolam does not bring. */
const NEEDS = ['tsx', 'benny', 'ml-matrix'];

/** `exolam bench`: runs bench/main.ts of a clone in a process of its own; returns its exit code. */
export async function benchCommand(flags: BenchFlags, shell: Shell): Promise<number> {
  const root = packageRoot();
  const script = join(root, 'bench', 'main.ts');
  if (!existsSync(script)) {
    throw new ExolamError(
      'unsupported',
      `bench: expected a clone of exolam's repository, but there is no bench/main.ts in ${root}`,
    );
  }
  const require = createRequire(script);
  for (const name of NEEDS) {
    try {
      require.resolve(name);
    } catch (cause) {
      throw new ExolamError(
        'unsupported',
        `bench: expected the development package ${name}, which is not there; in ${root}, run: npm ci`,
        { cause },
      );
    }
  }
  const args = ['--import', pathToFileURL(require.resolve('tsx')).href, script];
  if (flags.quick) args.push('--quick');
  if (flags.json) args.push('--json');
  if (flags.peers) args.push('--peers');
  if (flags.only !== undefined) args.push(`--only=${flags.only}`);
  const child = spawn(process.execPath, args, { stdio: 'inherit' });
  const stop = () => void child.kill();
  shell.signal.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        signal ? reject(new ExolamError('cancelled', `bench: ended by ${signal}`)) : resolve(code ?? 0),
      );
    });
  } finally {
    shell.signal.removeEventListener('abort', stop);
  }
}
