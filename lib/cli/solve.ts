import { ExolamError } from '../base/errors.js';
import { fitLinearLam } from '../lam/fit.js';
import { type Case, solveBatch } from '../solve/population.js';
import { readJson, toJson } from './json.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';

export interface SolveFlags {
  readonly encoder?: boolean;
  readonly save?: string;
  readonly threads?: number;
}

/** Rows of a matrix as the contract prints them. */
function rowsOf(m: { rows: number; cols: number; data: Float64Array }): number[][] {
  return Array.from({ length: m.rows }, (_, i) => Array.from(m.data.subarray(i * m.cols, (i + 1) * m.cols)));
}

/** `exolam solve CASE.json...`: one JSON document a line, in the order of the files; of one case also the model. */
export async function solveCommand(files: readonly string[], flags: SolveFlags, shell: Shell): Promise<void> {
  if (flags.save !== undefined && files.length !== 1)
    throw new ExolamError('input', `--save: expected one case file but received ${files.length}`);
  const cases = await Promise.all(files.map(readJson));
  const progress = new Progress(shell);
  const solutions = await solveBatch(cases as Case[], {
    encoder: flags.encoder ?? false,
    threads: flags.threads,
    signal: shell.signal,
    onProgress: progress.of('solving'),
    names: files,
  });
  if (flags.save !== undefined) {
    const lam = await fitLinearLam(cases[0] as Case, { threads: flags.threads, signal: shell.signal });
    await lam.save(flags.save);
  }
  progress.end();
  solutions.forEach((s, i) => {
    const { encoder, ...rest } = s;
    const latentDim = (cases[i] as Case).latentDim;
    if (s.rank < latentDim) {
      shell.note(
        `${files[i]}: the problem has rank ${s.rank}; the latents beyond it, up to ${latentDim}, carry nothing`,
      );
    }
    shell.out(`${toJson(encoder ? { ...rest, C: rowsOf(encoder.C), D: rowsOf(encoder.D) } : rest)}\n`);
  });
  if (solutions.length === 0) throw new ExolamError('input', 'solve: expected at least one case file');
}
