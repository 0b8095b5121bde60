import { ExolamError } from '../base/errors.js';
import { parseOptions } from '../base/validate.js';
import { type DataOptions, openData, openScan, type ScanDataOptions } from '../data/open.js';
import type { Transitions } from '../data/transitions.js';
import { fitLinearLam } from '../lam/fit.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import type { AnalysisSource } from '../verdict/analysis.js';
import { type AnalyzeOptions, analyze, analyzeOptionsSchema } from '../verdict/analyze.js';
import { analyzeScan } from '../verdict/scan.js';
import type { ScanAnalysis } from '../verdict/scan-rows.js';
import { render } from './analysis-table.js';
import { withCommand } from './by-training.js';
import { type DataFlags, readingOf } from './data-flags.js';
import { readJson, toJson } from './json.js';
import { wholeNumbers } from './numbers.js';
import { withOutput } from './outputs.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';
import { renderScan } from './scan-table.js';

export interface AnalyzeFlags extends DataFlags {
  readonly latentDim?: string;
  readonly whiten?: boolean;
  readonly ridge?: number;
  readonly folds?: string;
  readonly seed?: number;
  readonly continuousActions?: boolean;
  readonly level?: number;
  readonly remedies?: boolean;
  readonly objective?: string[];
  readonly save?: string;
  readonly force?: boolean;
  readonly threads?: number;
  readonly json?: boolean;
}

/** "8", "1,2,4" or "1:16" as a list. */
export function latentDims(text: string): number[] {
  const dims = wholeNumbers(text);
  if (dims?.every((k) => k >= 0)) return dims;
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

/** A JSON array: the fold of each episode. */
async function readFolds(path: string): Promise<number[]> {
  const folds = await readJson(path);
  if (Array.isArray(folds) && folds.every((f) => typeof f === 'number')) return folds;
  throw new ExolamError(
    'input',
    `--folds ${path}: expected a JSON array of whole numbers, the fold of each episode`,
  );
}

/** `exolam analyze DATA`: the verdict on a user's own transitions. */
export async function analyzeCommand(path: string, flags: AnalyzeFlags, shell: Shell): Promise<void> {
  const wanted = flags.latentDim === undefined ? undefined : latentDims(flags.latentDim);
  const objectives = flags.objective?.map(objective);
  const model = flags.save === undefined ? undefined : modelToSave(wanted, objectives);
  return withOutput({ out: flags.save, inputs: [path], force: flags.force }, shell, (save) =>
    analysed(path, flags, { wanted, objectives, model, save }, shell),
  );
}

/** What the flags ask for, checked. */
interface Asked {
  readonly wanted: number[] | undefined;
  readonly objectives: ObjectiveSpec[] | undefined;
  readonly model: ReturnType<typeof modelToSave> | undefined;
  readonly save: string | undefined;
}

/** The analysis or the scan. */
async function analysed(path: string, flags: AnalyzeFlags, asked: Asked, shell: Shell): Promise<void> {
  const { scale, seed, ridge, level, remedies, whiten, threads } = flags;
  const folds = flags.folds === undefined ? undefined : await readFolds(flags.folds);
  const discreteActions = !flags.continuousActions;
  const about = { scale, folds, seed, ridge, level, remedies, whiten, discreteActions, threads };
  const options = { latentDims: asked.wanted, objectives: asked.objectives, ...about };
  // Before what may take minutes to read is read.
  parseOptions(analyzeOptionsSchema, options);
  const { stride, actionLag } = flags;
  const reading = readingOf(flags);
  if (Array.isArray(stride) || Array.isArray(actionLag))
    return scanned(path, flags, { ...reading, stride, actionLag }, options, shell);
  return alone(path, flags, { ...reading, stride, actionLag }, options, asked, shell);
}

/** The analyses at several strides or lags. */
async function scanned(
  path: string,
  flags: AnalyzeFlags,
  reading: ScanDataOptions,
  options: AnalyzeOptions,
  shell: Shell,
): Promise<void> {
  if (flags.save !== undefined)
    throw new ExolamError('input', '--save: expected one --stride and one --action-lag but received several');
  const progress = new Progress(shell);
  const { signal } = shell;
  const scan = await openScan(path, reading, {
    signal,
    onProgress: progress.of('reading'),
    threads: flags.threads,
  });
  progress.end();
  const found = await analyzeScan(scan, { ...options, signal, onProgress: progress.of('solving') });
  progress.end();
  if (flags.json) {
    const sourced = (source: AnalysisSource, own: object) => ({
      ...source,
      path,
      options: { ...reading, ...own, ...source.options },
    });
    const analyses = found.analyses.map((analysis, i) => ({
      ...analysis,
      source: sourced(analysis.source, { [scan.by]: found.rows[i].value }),
    }));
    shell.out(`${toJson({ ...found, source: sourced(found.source, {}), analyses })}\n`);
    return;
  }
  for (const note of notesOf(found)) shell.note(note);
  shell.out(renderScan(found));
}

/** Notes of a scan: each once, with the values that it is about where it is not about all. */
function notesOf({ scan, rows, notes, analyses }: ScanAnalysis): string[] {
  const all = [...new Set(analyses.flatMap((analysis) => analysis.notes))];
  return [
    ...notes,
    ...all.map((note) => {
      const at = rows.filter((_, i) => analyses[i].notes.includes(note)).map(({ value }) => value);
      const which = 'stride' in scan ? 'stride' : 'action lag';
      return at.length === rows.length ? note : `${which} ${at.join(', ')}: ${note}`;
    }),
  ];
}

/** The one analysis, and the model in the file `save`. */
async function alone(
  path: string,
  flags: AnalyzeFlags,
  reading: DataOptions,
  options: AnalyzeOptions,
  { wanted, objectives, model, save }: Asked,
  shell: Shell,
): Promise<void> {
  const progress = new Progress(shell);
  const { threads } = options;
  const data = await openData(path, reading, {
    signal: shell.signal,
    onProgress: progress.of('reading'),
    threads,
  });
  progress.end();
  const watched = { signal: shell.signal, onProgress: progress.of('solving') };
  const analysis = await analyze(data, { ...options, ...watched }).catch((error: unknown) => {
    const objective = objectives?.[0];
    if (!(error instanceof ExolamError) || !objective || !wanted) throw error;
    const latentDim = Math.min(...wanted);
    throw withCommand(error, () => ({ data: { path, ...reading }, objective, latentDim }));
  });
  progress.end();
  if (model && save !== undefined) {
    const lam = await fitLinearLam(
      {
        data,
        ...model,
        ridge: options.ridge,
        whiten: options.whiten,
        scale: analysis.scale,
        discreteActions: analysis.categories !== null,
      },
      {
        observationShape: frameShape(data, reading.resize),
        threads,
        signal: shell.signal,
        onProgress: progress.of('saving'),
      },
    );
    progress.end();
    await lam.save(save);
    // Nothing is held out of a model that is to be used.
    shell.note(
      `${flags.save}: ${model.objective.kind}, latentDim ${model.latentDim}, fitted to all ${analysis.transitions} transitions${analysis.scale === 'standard' ? ', every column at unit standard deviation; it takes observations as they are given' : ''}`,
    );
  }
  const { source } = analysis;
  const whole = { ...analysis, source: { ...source, path, options: { ...reading, ...source.options } } };
  if (flags.json) return shell.out(`${toJson(whole)}\n`);
  for (const note of analysis.notes) shell.note(note);
  shell.out(render(analysis));
}
