import { join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import type { Estimated, TrainConfig, TrainResult } from '../train/index.js';
import { train } from '../train/index.js';
import { shareOf, type Told } from '../verdict/figures.js';
import { trainedSentence } from '../verdict/trained.js';
import { readJson, toJson } from './json.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';
import { figure, table } from './table.js';

export interface TrainFlags {
  readonly out: string;
  readonly resume?: boolean;
  readonly threads?: number;
  readonly json?: boolean;
}

/** `exolam train CONFIG --out DIR`: gradient training of a latent action model; the folder can be resumed and reported. */
export async function trainCommand(file: string, flags: TrainFlags, shell: Shell): Promise<void> {
  const config = (await readJson(file)) as TrainConfig;
  const progress = new Progress(shell);
  const bar = progress.of('training');
  try {
    const { result } = await train(config, {
      directory: flags.out,
      resume: flags.resume,
      threads: flags.threads,
      signal: shell.signal,
      onReading: progress.of('reading'),
      onProgress: bar,
      onLoss: (loss) => progress.tell(`loss ${figure(loss, 4)}`),
      onEvaluation: ({ step, loss, metrics }) => {
        if (shell.interactive) return;
        const shown = ['actionError', 'futureLeakage', 'innovationLeakage']
          .filter((name) => metrics[name] !== undefined)
          .map((name) => `, ${name} ${figure(metrics[name], 4)}`);
        shell.note(`step ${step}: loss ${figure(loss, 5)}${shown.join('')}`);
      },
    });
    progress.end();
    for (const note of result.notes) shell.note(note);
    shell.out(flags.json ? `${toJson(result)}\n` : summary(result, flags.out, config.data !== undefined));
  } catch (error) {
    progress.end();
    if (error instanceof ExolamError && error.kind === 'cancelled')
      shell.note(`exolam train ${file} --out ${flags.out} --resume goes on from the last checkpoint`);
    throw error;
  }
}

const ENDINGS: Readonly<Record<TrainResult['stopped'], string>> = {
  steps: 'all steps are done',
  early: 'stopped early: the loss no longer falls',
  converged: 'converged',
};

function summary(result: TrainResult, out: string, onData: boolean): string {
  const { steps, exact, stopped, seconds } = result;
  const optimum = onData && exact ? `${optimumOf(exact)}\n` : '';
  const answer = trainedSentence(result);
  const which = onData ? 'those of one' : 'the least favourable';
  const tie =
    exact?.unique === false
      ? `\nSeveral minimisers tie: the exact figures are ${which} of them, and training may end at another.`
      : '';
  return (
    `${answer ? `${answer}\n\n` : ''}${result.estimates ? estimatesOf(result, result.estimates) : figuresOf(result)}\n\n` +
    `${steps} steps in ${seconds.toFixed(1)} s; ${ENDINGS[stopped]}.${tie}\n${optimum}` +
    `${join(out, 'model.safetensors')}: the model; exolam report ${out} draws the run\n`
  );
}

/** Of data: what the best model of the training rows comes to on the held-out ones, where a run may do better. */
function optimumOf({ loss, metrics }: NonNullable<TrainResult['exact']>): string {
  const shown = ['actionError', 'innovationLeakage', 'futureLeakage']
    .filter((name) => metrics[name] !== undefined)
    .map((name) => `, ${name} ${figure(metrics[name], 3)}`);
  return `the exact optimum of the training rows, on the same held-out rows: loss ${figure(loss, 6)}${shown.join('')}`;
}

function figuresOf({ loss, metrics, exact }: TrainResult): string {
  const rows = [
    ['loss', figure(loss, 6), ...(exact ? [figure(exact.loss, 6)] : [])],
    ...Object.entries(metrics).map(([name, value]) => [
      name,
      figure(value, 4),
      ...(exact ? [figure(exact.metrics[name], 4)] : []),
    ]),
  ];
  return table(['', 'trained', ...(exact ? ['exact'] : [])], rows);
}

/** The loss, and what linear and nonlinear probes of rows that training did not see estimate. */
function estimatesOf({ loss, codebook }: TrainResult, estimates: Estimated): string {
  const { linear, nonlinear, reason } = estimates;
  const used = codebook
    ? `\n${codebook.used.join(', ')} codes in use, perplexity ${codebook.perplexity.map((v) => v.toFixed(1)).join(', ')}`
    : '';
  const lead = `loss ${figure(loss, 6)} on rows that training did not see${used}`;
  if (reason !== null) return `${lead}\nwhat the latents hold is not estimated: ${reason}`;
  const cell = (e: Told | undefined) => e?.reason ?? shareOf(e);
  const names = [...new Set([...Object.keys(linear), ...Object.keys(nonlinear ?? {})])];
  const rows = names.map((name) => [
    name,
    cell(linear[name as keyof typeof linear]),
    ...(nonlinear ? [cell(nonlinear[name as keyof typeof nonlinear])] : []),
  ]);
  return `${lead}\n\n${table(['', 'linear probe, 95 %', ...(nonlinear ? ['nonlinear probe, 95 %'] : [])], rows)}`;
}
