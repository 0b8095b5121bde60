import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { requireFolder } from '../base/files.js';
import { parseOptions } from '../base/validate.js';
import { requireEngines } from '../report/figure.js';
import {
  allHold,
  type ReproduceData,
  reproduce,
  reproduceOptionsSchema,
  resultsJson,
  spoken,
  writeReproduction,
} from '../reproduce/index.js';
import { type DataFlags, readingOf } from './data-flags.js';
import { Progress } from './progress.js';
import { EXIT, type Shell } from './run.js';

export interface ReproduceFlags extends DataFlags {
  readonly out: string;
  readonly quick?: boolean;
  readonly seed?: number;
  readonly data?: string;
  readonly latentDim?: number;
  readonly threads?: number;
  readonly json?: boolean;
  readonly force?: boolean;
}

/** What is asked of the user's data; undefined where there is none. */
function dataOf(flags: ReproduceFlags): ReproduceData | undefined {
  const { data: path, stride, actionLag, scale, latentDim } = flags;
  const asked = { ...readingOf(flags), stride, actionLag, scale, latentDim };
  // Of several strides or lags the schema says that one is expected.
  if (path !== undefined) return { ...asked, path } as ReproduceData;
  const [given] = Object.entries(asked).find(([, value]) => value !== undefined) ?? [];
  if (given === undefined) return undefined;
  const flag = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new ExolamError('input', `--${flag}: expected with --data, which it is about`);
}

/** `exolam reproduce --out DIR`: the claims C1 to C4 as numbers, figures and one page; returns the exit code. */
export async function reproduceCommand(flags: ReproduceFlags, shell: Shell): Promise<number> {
  const { out, json, force, quick, seed, threads } = flags;
  const options = { quick, seed, threads, data: dataOf(flags) };
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
  const { real } = reproduction.spec;
  for (const { claim, verdict, sentence } of reproduction.realClaims ?? [])
    shell.out(`on ${real?.data.path}: ${claim} ${spoken(verdict)}. ${sentence}\n`);
  shell.out('\n');
  for (const sentence of Object.values(reproduction.readings)) shell.out(`${sentence}\n`);
  const count = (folder: string) => files.filter((file) => file.startsWith(`${folder}/`)).length;
  shell.out(
    `\n${join(out, 'index.html')}: the page; beside it results.json, ${count('figures')} figures (.svg) and ${count('tables')} tables (.csv)\n`,
  );
  return code;
}
