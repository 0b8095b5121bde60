import { z } from 'zod';
import { backendField, controlFields, listenerField } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { describes, parseOptions, pathField, quote } from '../base/validate.js';
import { version } from '../base/version.js';
import type { LinearLam } from '../lam/linear-lam.js';
import type { MlpLam } from '../lam/mlp-lam.js';
import { settledConfig, type TrainConfig } from './config.js';
import { type AnyRun, advance, driven, evaluated, nextEvaluation, runOf, told } from './drive.js';
import type { Evaluation } from './evaluate.js';
import { type ExactFigures, exactOf } from './exact-figures.js';
import { type Resumed, RunFolder } from './folder.js';
import { type CodebookUse, type Estimated, Judges, withNonlinear } from './judges.js';
import { type Ending, hasStalled } from './run.js';
import { type KnownWorlds, settingOf } from './setting.js';

export interface TrainOptions extends Control {
  /** A folder for config.json, log.jsonl, checkpoint/, model.safetensors and result.json. Default: nothing is written. */
  readonly directory?: string | undefined;
  /** Go on with the run that the folder holds, to the same bits as if it had not been cut. Default false. */
  readonly resume?: boolean | undefined;
  /** Called with every evaluation, as soon as it is there. Default: nobody is told. */
  readonly onEvaluation?: ((evaluation: Evaluation) => void) | undefined;
  /** Called while it runs with the loss of the last stretch of steps, of its own rows. Default: nobody is told. */
  readonly onLoss?: ((loss: number, step: number) => void) | undefined;
  /** Called while the rows of data are read, with how much of all is. Default: nobody is told. */
  readonly onReading?: Control['onProgress'] | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<TrainOptions>()(
  z.strictObject({
    ...controlFields,
    directory: pathField.optional(),
    resume: z.boolean().default(false),
    onEvaluation: listenerField<[Evaluation]>('onEvaluation', 'an evaluation'),
    onLoss: listenerField<[number, number]>('onLoss', 'loss and step'),
    onReading: listenerField<[number, number]>('onReading', 'done and total'),
    backend: backendField,
  }),
);
type Checked = z.output<typeof optionsSchema>;

export interface TrainBatchOptions extends Control {
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const batchOptionsSchema = describes<TrainBatchOptions>()(
  z.strictObject({ ...controlFields, backend: backendField }),
);

/** How a run ended. Plain data. */
export interface TrainResult {
  readonly steps: number;
  /** Expected loss, squared errors summed over coordinates. */
  readonly loss: number;
  /** docs/theory.md section 4: exact, or the values of `estimates`. */
  readonly metrics: Readonly<Record<string, number>>;
  /** By linear and nonlinear probes on rows that training did not see, with 95 % intervals. Absent where metrics are exact. */
  readonly estimates?: Estimated | undefined;
  /** Of a model with a codebook, on the same rows. */
  readonly codebook?: CodebookUse | undefined;
  /** Null where no optimum is known: of an mlp, in a nonlinear world, or for an objective without one. */
  readonly exact: ExactFigures | null;
  readonly stopped: Ending;
  readonly seconds: number;
  readonly stepsPerSecond: number;
  /** Of data: what reading decided and which rows were left out, a sentence each. */
  readonly notes: readonly string[];
  readonly version: string;
}

export interface Trained {
  readonly result: TrainResult;
  readonly log: readonly Evaluation[];
  /** The trained model. */
  readonly model: LinearLam | MlpLam;
}

/** Steps of one call on minibatches: so often is the caller told how far it is. */
const STRETCH = 200;

/**
 * Trains a latent action model by gradient steps (docs/train.md). With `directory` the run can be resumed. Throws
 * {@link ExolamError}: `input` for a configuration or option that is not accepted, `numerical` where it diverges.
 */
export function train(config: TrainConfig, options: TrainOptions = {}): Promise<Trained> {
  return boundary('train', async () => {
    const checked = parseOptions(optionsSchema, options);
    if (checked.resume && checked.directory === undefined)
      throw new ExolamError('input', 'resume: expected with a directory, which holds the run to go on with');
    const settled = settledConfig(config);
    const setting = await settingOf(settled, { ...checked, onProgress: checked.onReading });
    const run = runOf(setting, '');
    const opened = checked.directory
      ? await RunFolder.open(checked.directory, config, checked.resume, settled.steps)
      : { folder: null, resumed: null };
    return trainOne(run, opened.folder, opened.resumed, checked);
  });
}

async function trainOne(
  run: AnyRun,
  folder: RunFolder | null,
  resumed: Resumed | null,
  options: Checked,
): Promise<Trained> {
  const { backend = defaultBackend(), onEvaluation, onLoss, signal, threads, directory } = options;
  const control = { signal, threads };
  const judges = new Judges(backend, control);
  const log: Evaluation[] = [...(resumed?.log ?? [])];
  if (resumed) run.restore(resumed.step, resumed.state);
  const before = resumed?.seconds ?? 0;
  const since = performance.now();
  const seconds = () => before + (performance.now() - since) / 1000;
  const failed = (_: AnyRun, error: ExolamError) => {
    // Before the first evaluation there is no checkpoint to keep.
    throw told(
      error,
      '',
      directory && log.length > 0 ? `; the last good checkpoint is kept in ${directory}` : '',
    );
  };
  const look = async () => {
    const row = await evaluated(run, judges, failed);
    if (!row) return;
    log.push(row);
    onEvaluation?.(row);
    await folder?.evaluated(row, run.state(), seconds());
  };
  if (log.length === 0) await look();
  let ending = run.ending ?? (hasStalled(log, run.config) ? 'early' : null);
  while (!ending) {
    if (signal?.aborted)
      throw new ExolamError('cancelled', 'cancelled by the caller', { cause: signal.reason as unknown });
    const due = nextEvaluation(run);
    await advance([run], [Math.min(due - run.step, STRETCH)], backend, control, failed);
    onLoss?.(run.liveLoss, run.step);
    options.onProgress?.(run.step, run.config.steps);
    ending = run.ending;
    if (run.step < due && !ending) continue;
    await look();
    ending ??= hasStalled(log, run.config) ? 'early' : null;
  }
  const model = await run.model(backend, control);
  const result = await resultOf(run, log, ending, seconds(), judges);
  await folder?.finished(result);
  if (folder) await model.save(folder.modelPath);
  return { result, log, model };
}

async function resultOf(
  run: AnyRun,
  log: readonly Evaluation[],
  stopped: Ending,
  seconds: number,
  judges: Judges,
): Promise<TrainResult> {
  const { step: _, ...last } = log[log.length - 1];
  return {
    steps: run.step,
    ...(await withNonlinear(last, run, judges)),
    exact: await exactOf(run.setting, judges),
    stopped,
    seconds,
    stepsPerSecond: run.step / Math.max(seconds, Number.MIN_VALUE),
    notes: run.setting.data?.notes ?? [],
    version,
  };
}

/**
 * Trains many models at once, each on a core of its own: settings x seeds. Results are in the order of the configurations and have
 * the bits that each would have alone. Throws as {@link train} does, with the place of the configuration.
 */
export function trainBatch(
  configs: readonly TrainConfig[],
  options: TrainBatchOptions = {},
): Promise<Trained[]> {
  return boundary('trainBatch', async () => {
    const { backend = defaultBackend(), onProgress, ...control } = parseOptions(batchOptionsSchema, options);
    if (!Array.isArray(configs))
      throw new ExolamError(
        'input',
        `configs: expected a list of configurations but received ${quote(configs)}`,
      );
    const runs: AnyRun[] = [];
    const known: KnownWorlds = new Map();
    for (const [i, config] of configs.entries()) {
      const what = `config ${i}`;
      runs.push(runOf(await settingOf(settledConfig(config, what), control, what, known), what));
    }
    const since = performance.now();
    const judges = new Judges(backend, control);
    const { logs, endings } = await driven(runs, judges, onProgress, (run, error) => {
      throw told(error, `config ${runs.indexOf(run)}: `);
    });
    const seconds = (performance.now() - since) / 1000;
    const trained: Trained[] = [];
    // One after the other: runs of one world share the rows that they are judged on.
    for (const [i, run] of runs.entries()) {
      const result = await resultOf(run, logs[i], endings[i] as Ending, seconds, judges);
      trained.push({ result, log: logs[i], model: await run.model(backend, control) });
    }
    return trained;
  });
}
