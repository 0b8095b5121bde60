import { join } from 'node:path';
import { requireEngines } from '../report/figure.js';
import { reproduce, resultsJson, writeReproduction } from '../reproduce/index.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';

export interface ReproduceFlags {
  readonly out: string;
  readonly quick?: boolean;
  readonly seed?: number;
  readonly threads?: number;
  readonly json?: boolean;
}

/** `exolam reproduce --out DIR`: the claims C1 to C3 as numbers, figures and one page. */
export async function reproduceCommand(flags: ReproduceFlags, shell: Shell): Promise<void> {
  await requireEngines();
  const progress = new Progress(shell);
  const { out, json, ...options } = flags;
  const reproduction = await reproduce({
    ...options,
    signal: shell.signal,
    onProgress: progress.of('measuring'),
  });
  progress.end();
  const files = await writeReproduction(out, reproduction, progress.of('drawing'));
  progress.end();
  if (json) return shell.out(`${resultsJson(reproduction)}\n`);
  for (const sentence of Object.values(reproduction.readings)) shell.out(`${sentence}\n`);
  const count = (folder: string) => files.filter((file) => file.startsWith(`${folder}/`)).length;
  shell.out(
    `\n${join(out, 'index.html')}: the page; beside it results.json, ${count('figures')} figures (.svg) and ${count('tables')} tables (.csv)\n`,
  );
}
