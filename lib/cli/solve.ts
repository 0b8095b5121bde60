import { basename, dirname } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { writeWhole } from '../base/files.js';
import { version } from '../base/version.js';
import { fitLinearLam } from '../lam/fit.js';
import { toRows } from '../linalg/matrix.js';
import {
  type Case,
  type Failure,
  isLowerBound,
  type MultiCase,
  type Solution,
  solveBatch,
} from '../solve/population.js';
import { withCommand } from './by-training.js';
import { type NamedCase, readCases } from './cases.js';
import { flatten, toCsv, toParquet } from './flat.js';
import { toJson } from './json.js';
import { withOutput } from './outputs.js';
import { Progress } from './progress.js';
import { EXIT, type Shell } from './run.js';

export type SolveFormat = 'jsonl' | 'csv' | 'parquet';

export interface SolveFlags {
  readonly encoder?: boolean;
  readonly format?: SolveFormat;
  readonly out?: string | undefined;
  readonly save?: string | undefined;
  readonly force?: boolean;
  readonly threads?: number;
}

const isFailure = (answer: Solution | Failure): answer is Failure => 'error' in answer;

/** One line of the answer: what was asked, with every default, and what came out. */
function lineOf(answer: Solution | Failure): object {
  if (isFailure(answer)) return { case: answer.case, error: answer.error.message, version };
  const { encoder, gauge, ...rest } = answer;
  return {
    ...rest,
    gauge,
    ...(encoder ? { C: toRows(encoder.C), D: toRows(encoder.D) } : {}),
    version,
  };
}

async function formatted(
  answers: readonly (Solution | Failure)[],
  format: SolveFormat,
): Promise<string | Uint8Array> {
  const lines = answers.map(lineOf);
  if (format === 'jsonl') return lines.map((line) => `${toJson(line)}\n`).join('');
  const rows = lines.map((line) => flatten(line));
  return format === 'csv' ? toCsv(rows) : toParquet(rows);
}

/** Why a case has no answer, with the command that gives one where there is such. */
function pointed({ case: name, error }: Failure, cases: readonly NamedCase[]): ExolamError {
  return withCommand(error, () => {
    const asked = cases.find((named) => named.name === name)?.value as Case & MultiCase;
    const { world = {}, objective, latentDim, latentDims } = asked;
    return { world, objective, latentDim: latentDim ?? Math.min(...latentDims) };
  });
}

function checkFlags(cases: readonly NamedCase[], flags: SolveFlags): void {
  if (flags.save !== undefined && cases.length !== 1)
    throw new ExolamError('input', `--save: expected one case but received ${cases.length}`);
  if (flags.format === 'parquet' && flags.out === undefined)
    throw new ExolamError('input', '--format parquet: expected --out FILE, since Parquet is no text');
}

/** What the answers leave to say: bounds, latents that carry nothing, and cases without an answer. */
function notes(answers: readonly (Solution | Failure)[], cases: readonly NamedCase[], shell: Shell): void {
  for (const answer of answers) {
    if (!isFailure(answer) && isLowerBound(answer))
      shell.note(
        `${answer.case}: with sensor noise, action supervision and exogenous-robust together have a lower bound of the loss, not the least that a model reaches (docs/theory.md); exolam train CONFIG --out DIR trains one`,
      );
    if (isFailure(answer)) shell.note(`exolam: ${pointed(answer, cases).message}`);
    else if (answer.rank < answer.latentDim)
      shell.note(
        `${answer.case}: the problem has rank ${answer.rank}; the latents beyond it, up to ${answer.latentDim}, carry nothing`,
      );
  }
}

/**
 * `exolam solve CASE...`: one JSON document a line for each case and latent dimension, in the order of the cases; of one case also
 * the model. Of several cases, those without an answer are told beside the others. Returns the exit code.
 */
export async function solveCommand(
  files: readonly string[],
  flags: SolveFlags,
  shell: Shell,
): Promise<number> {
  const cases = await readCases(files);
  checkFlags(cases, flags);
  const place = { inputs: files, force: flags.force };
  return withOutput({ out: flags.save, ...place }, shell, (model) =>
    withOutput({ out: flags.out, ...place }, shell, (out) =>
      answered(cases, { ...flags, save: model, out }, shell),
    ),
  );
}

/** Solves the cases and writes what the flags ask for. */
async function answered(cases: readonly NamedCase[], flags: SolveFlags, shell: Shell): Promise<number> {
  const progress = new Progress(shell);
  const options = {
    encoder: flags.encoder,
    threads: flags.threads,
    signal: shell.signal,
    onProgress: progress.of('solving'),
    names: cases.map(({ name }) => name),
  };
  const questions = cases.map(({ value }) => value as Case | MultiCase);
  const answers = await solveBatch(questions, { ...options, throwOnFailure: false });
  const [alone] = answers;
  if (cases.length === 1 && isFailure(alone)) throw pointed(alone, cases);
  if (flags.save !== undefined) {
    const lam = await fitLinearLam(questions[0] as Case, { threads: flags.threads, signal: shell.signal });
    await lam.save(flags.save);
  }
  progress.end();
  notes(answers, cases, shell);
  const output = await formatted(answers, flags.format ?? 'jsonl');
  if (flags.out !== undefined) await writeWhole(dirname(flags.out), { [basename(flags.out)]: output });
  else shell.out(output as string);
  return answers.some(isFailure) ? EXIT.badInput : EXIT.done;
}
