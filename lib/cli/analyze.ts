import { ExolamError } from '../base/errors.js';
import { parseOptions } from '../base/validate.js';
import { parseExclude } from '../data/exclude.js';
import { openData } from '../data/open.js';
import type { Transitions } from '../data/transitions.js';
import { fitLinearLam } from '../lam/fit.js';
import type { DataMetrics } from '../metrics/probes.js';
import { nameOfObjective, type ObjectiveSpec } from '../solve/objectives.js';
import type { Analysis } from '../verdict/analysis.js';
import { analyze, analyzeOptionsSchema, DEFAULT_HELD_OUT } from '../verdict/analyze.js';
import { strengthOf } from '../verdict/words.js';
import { toJson } from './json.js';
import { checkOutput } from './outputs.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';
import { figure, table } from './table.js';

export interface AnalyzeFlags {
  readonly observation?: string;
  readonly observationNext?: string;
  readonly action?: string;
  readonly exogenous?: string;
  readonly exogenousNext?: string;
  readonly episode?: string;
  readonly exclude?: string;
  readonly strict?: boolean;
  readonly resize?: string;
  readonly color?: boolean;
  readonly stride?: number;
  readonly latentDim?: string;
  readonly distractor?: number;
  readonly whiten?: boolean;
  readonly ridge?: number;
  readonly heldOut?: number;
  readonly level?: number;
  readonly remedies?: boolean;
  readonly objective?: string[];
  readonly save?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

/** "8", "1,2,4" or "1:16" as a list. */
export function latentDims(text: string): number[] {
  const dims = text.split(',').flatMap((part) => {
    const range = /^(\d{1,6}):(\d{1,6})$/.exec(part.trim());
    if (range) {
      const [from, to] = [Number(range[1]), Number(range[2])];
      return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
    }
    return /^\d{1,6}$/.test(part.trim()) ? [Number(part)] : [Number.NaN];
  });
  if (dims.length > 0 && !dims.some(Number.isNaN)) return dims;
  throw new ExolamError(
    'input',
    `--latent-dim: expected a number, a list such as 1,2,4 or a range such as 1:16 but received "${text}"`,
  );
}

/** A kind alone, or an objective as JSON. */
function objective(text: string): ObjectiveSpec {
  if (!text.trim().startsWith('{')) return { kind: text } as ObjectiveSpec;
  try {
    return JSON.parse(text) as ObjectiveSpec;
  } catch (error) {
    throw new ExolamError('input', `--objective: expected a kind or JSON, but ${(error as Error).message}`);
  }
}

function frameSize(text: string): { width: number; height: number } {
  const size = /^(\d+)x(\d+)$/.exec(text);
  if (!size)
    throw new ExolamError('input', `--resize: expected WIDTHxHEIGHT such as 20x15 but received "${text}"`);
  return { width: Number(size[1]), height: Number(size[2]) };
}

/** The one model that `--save` writes, or an error where the other options ask for several. */
function modelToSave(dims: readonly number[] | undefined, objectives: readonly ObjectiveSpec[] | undefined) {
  const [latentDim, ...others] = dims ?? [];
  if (latentDim === undefined || others.length > 0)
    throw new ExolamError(
      'input',
      `--save: expected one latent dimension, such as --latent-dim 4, but received ${dims ? `${dims.length} of them` : 'none'}`,
    );
  if (objectives && objectives.length > 1)
    throw new ExolamError('input', `--save: expected one --objective but received ${objectives.length}`);
  return { latentDim, objective: objectives?.[0] ?? ({ kind: 'reconstruction' } as const) };
}

/** Rows, columns and colours of video frames; another observation is a vector. */
function frameShape(data: Transitions, resize: { width: number; height: number } | undefined) {
  if (!resize) return undefined;
  const { width, height } = resize;
  const channels = data.observationDim / (width * height);
  if (channels === 1) return [height, width];
  return channels === 3 ? [height, width, 3] : undefined;
}

/** `exolam analyze DATA`: the verdict on a user's own transitions. */
export async function analyzeCommand(path: string, flags: AnalyzeFlags, shell: Shell): Promise<void> {
  const wanted = flags.latentDim === undefined ? undefined : latentDims(flags.latentDim);
  const objectives = flags.objective?.map(objective);
  const model = flags.save === undefined ? undefined : modelToSave(wanted, objectives);
  const resize = flags.resize === undefined ? undefined : frameSize(flags.resize);
  checkOutput(flags.save, [path], shell);
  const progress = new Progress(shell);
  const { observation, action, color, stride, distractor } = flags;
  const { heldOut = DEFAULT_HELD_OUT, ridge, level, remedies, whiten, threads } = flags;
  const options = { latentDims: wanted, objectives, heldOut, ridge, level, remedies, whiten, threads };
  // Before what may take minutes to read is read.
  parseOptions(analyzeOptionsSchema, options);
  const data = await openData(
    path,
    {
      observation,
      observationNext: flags.observationNext,
      action,
      exogenous: flags.exogenous,
      exogenousNext: flags.exogenousNext,
      episode: flags.episode,
      exclude: flags.exclude === undefined ? undefined : parseExclude(flags.exclude),
      strict: flags.strict,
      resize,
      color,
      stride,
      distractor,
    },
    { signal: shell.signal, onProgress: progress.of('reading'), threads },
  );
  progress.end();
  const watched = { signal: shell.signal, onProgress: progress.of('solving') };
  const analysis = await analyze(data, { ...options, ...watched });
  progress.end();
  if (model && flags.save !== undefined) {
    // The model that the metrics are about: fitted to the transitions that are not held out.
    const lam = await fitLinearLam(
      { data, ...model, heldOut, ridge, whiten },
      {
        observationShape: frameShape(data, resize),
        threads,
        signal: shell.signal,
        onProgress: progress.of('saving'),
      },
    );
    progress.end();
    await lam.save(flags.save);
    shell.note(
      `${flags.save}: ${model.objective.kind}, latentDim ${model.latentDim}, fitted to the ${analysis.split.train} transitions that are not held out`,
    );
  }
  if (flags.json) return shell.out(`${toJson(analysis)}\n`);
  for (const note of analysis.notes) shell.note(note);
  shell.out(render(analysis));
}

const COLUMNS: readonly [keyof DataMetrics, string][] = [
  ['actionError', 'action error'],
  ['futureLeakage', 'future leakage'],
  ['endogenousError', 'endogenous error'],
  ['consistencyError', 'consistency error'],
  ['actionInformation', 'action nats'],
  ['futureInformation', 'future nats'],
];

/** The readable form: what was read, a table for each objective, the verdict. */
export function render(a: Analysis): string {
  const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;
  const lines = [
    `${count(a.transitions, 'transition')} from ${count(a.episodes, 'episode')}${a.absentEpisodes ? ` (${a.absentEpisodes} more are listed, but their files are absent)` : ''}; observation ${a.observationDim} wide, action ${a.actionDim || 'unknown'}`,
    `metrics on ${count(a.split.heldOut, 'held-out transition')}; ridge ${a.ridge}${a.whiten ? '; whitened' : ''}`,
    '',
  ];
  const kinds = [...new Set(a.latent.map((row) => JSON.stringify(row.objective)))];
  for (const kind of kinds) {
    const rows = a.latent.filter((row) => JSON.stringify(row.objective) === kind);
    const present = COLUMNS.filter(([name]) => rows.some((row) => row.metrics[name] !== undefined));
    lines.push(nameOfObjective(JSON.parse(kind)));
    lines.push(
      table(
        ['latentDim', 'loss', ...present.map(([, title]) => title)],
        rows.map((row) => [
          String(row.latentDim),
          figure(row.loss, 4),
          ...present.map(([metric]) => figure(row.metrics[metric])),
        ]),
      ),
      '',
    );
  }
  if (a.remedies.length > 0) {
    const hasAction = a.remedies.some((r) => r.before.actionError !== undefined);
    lines.push(
      `remedies: what brings the leakage at latentDim ${a.remedies[0]?.latentDim} down to ${a.level}`,
      table(
        ['remedy', 'strength', 'reached', 'future leakage', ...(hasAction ? ['action error'] : [])],
        a.remedies.map((r) => [
          r.remedy,
          strengthOf(r),
          r.reached ? 'yes' : 'no',
          `${figure(r.before.futureLeakage)} -> ${figure(r.after.futureLeakage)}`,
          ...(hasAction ? [`${figure(r.before.actionError)} -> ${figure(r.after.actionError)}`] : []),
        ]),
      ),
      ...a.remedies.flatMap((r) => (r.note ? [`${r.remedy}, ${r.parameter}: ${r.note}`] : [])),
      '',
    );
  }
  lines.push(`Verdict: ${a.recommendation}`, '');
  return lines.join('\n');
}
