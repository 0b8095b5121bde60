import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { requireFolder } from '../base/files.js';
import { parseOptions } from '../base/validate.js';
import { requireEngines } from '../report/figure.js';
import {
  allHold,
  reproduce,
  reproduceOptionsSchema,
  resultsJson,
  writeReproduction,
} from '../reproduce/index.js';
import { Progress } from './progress.js';
import { EXIT, type Shell } from './run.js';

export interface ReproduceFlags {
  readonly out: string;
  readonly quick?: boolean;
  readonly seed?: number;
  readonly threads?: number;
  readonly json?: boolean;
  readonly force?: boolean;
}

/** `exolam reproduce --out DIR`: the claims C1 to C4 as numbers, figures and one page; returns the exit code. */
export async function reproduceCommand(flags: ReproduceFlags, shell: Shell): Promise<number> {
  const { out, json, force, ...options } = flags;
  parseOptions(reproduceOptionsSchema, options);
  await requireEngines();
  await requireFolder(out);
  if (!force && existsSync(join(out, 'results.json')))
    shell.note(`${join(out, 'results.json')} and what is beside it are there already and are replaced`);
  const progress = new Progress(shell);
  const reproduction = await reproduce({
    ...options,
    signal: shell.signal,
    onProgress: progress.of('measuring'),
  });
  progress.end();
  const files = await writeReproduction(out, reproduction, progress.of('drawing'));
  progress.end();
  const code = allHold(reproduction) ? EXIT.done : EXIT.failed;
  if (json) {
    shell.out(`${resultsJson(reproduction)}\n`);
    return code;
  }
  for (const { claim, verdict, sentence } of reproduction.claims)
    shell.out(`${claim} ${verdict === 'cannot tell' ? 'is open (cannot tell)' : verdict}. ${sentence}\n`);
  shell.out('\n');
  for (const sentence of Object.values(reproduction.readings)) shell.out(`${sentence}\n`);
  const count = (folder: string) => files.filter((file) => file.startsWith(`${folder}/`)).length;
  shell.out(
    `\n${join(out, 'index.html')}: the page; beside it results.json, ${count('figures')} figures (.svg) and ${count('tables')} tables (.csv)\n`,
  );
  return code;
}
