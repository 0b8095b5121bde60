import type { Backend, Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { settledConfig, type TrainConfig } from './config.js';
import { DataRun } from './data-run.js';
import { Diverged, type Evaluation } from './evaluate.js';
import { ExactRun } from './exact-run.js';
import { descendWorlds } from './exact-worlds.js';
import { Judges } from './judges.js';
import { MinibatchRun } from './minibatch-run.js';
import { type Ending, hasStalled } from './run.js';
import { type KnownWorlds, type Setting, settingOf } from './setting.js';

export type AnyRun = MinibatchRun | ExactRun | DataRun;

/** Throws {@link ExolamError} `unsupported` where there are no exact gradients. */
export function runOf(setting: Setting, what: string): AnyRun {
  const { config, world, data } = setting;
  if (!config.isExact) return new MinibatchRun(setting);
  if (world) return new ExactRun(setting, what);
  if (data) return new DataRun(setting, what);
  throw new ExolamError(
    'unsupported',
    `${what ? `${what}: ` : ''}optimizer.kind: expected one of "adam", "adamw", "sgd" here but received "${config.optimizer.kind}": exact gradients are taken in a linear world or on data`,
  );
}

export function nextEvaluation({ step, config }: AnyRun): number {
  const { evaluateEvery, steps } = config;
  return Math.min(steps, (Math.floor(step / evaluateEvery) + 1) * evaluateEvery);
}

/** Told of a run whose loss is not finite any more; it stays where it was. */
type Failed<Which> = (run: Which, error: ExolamError) => void;

/** So many steps of each run: minibatches in one call and exact gradients in one, over all cores. */
export async function advance(
  runs: readonly AnyRun[],
  steps: readonly number[],
  backend: Backend,
  control: Control,
  failed: Failed<AnyRun>,
): Promise<void> {
  const exact = runs.filter((run): run is ExactRun => run instanceof ExactRun);
  const batched = runs.filter((run): run is MinibatchRun => run instanceof MinibatchRun);
  const stepsOf = (run: AnyRun) => steps[runs.indexOf(run)];
  if (exact.length > 0) {
    const found = await descendWorlds(
      exact.map((run) => run.problem),
      exact.map((run) => run.request(stepsOf(run))),
      backend,
      control,
    );
    taken(exact, found, failed);
  }
  for (const run of runs)
    if (run instanceof DataRun) taken([run], [await run.descended(stepsOf(run), backend, control)], failed);
  if (batched.length === 0) return;
  const requests = batched.map((run) => run.request(stepsOf(run)));
  const answers =
    requests.length === 1
      ? [await backend.trainSteps(requests[0], control)]
      : await backend.trainBatch(requests, control);
  taken(batched, answers, failed);
}

function taken<Answer, Which extends { take(answer: Answer): void }>(
  runs: readonly Which[],
  answers: readonly Answer[],
  failed: Failed<Which>,
): void {
  runs.forEach((run, i) => {
    try {
      run.take(answers[i]);
    } catch (error) {
      if (!(error instanceof ExolamError) || error.kind !== 'numerical') throw error;
      failed(run, error);
    }
  });
}

/** How a run does, or null where its loss is not finite any more: that is told. */
export async function evaluated<Which extends AnyRun>(
  run: Which,
  judges: Judges,
  failed: Failed<Which>,
): Promise<Evaluation | null> {
  try {
    return await run.evaluate(judges);
  } catch (error) {
    if (!(error instanceof Diverged)) throw error;
    failed(run, error);
    return null;
  }
}

/** The error with words before and after its sentence. */
export function told(error: ExolamError, before: string, after = ''): ExolamError {
  return new ExolamError('numerical', `${before}${error.message}${after}`, { cause: error });
}

/** Runs to their ends, side by side; one that fails is `null` among the endings, where `failed` does not throw. */
export async function driven(
  runs: readonly AnyRun[],
  judges: Judges,
  onProgress: Control['onProgress'],
  failed: Failed<AnyRun>,
): Promise<{ logs: Evaluation[][]; endings: (Ending | null)[] }> {
  const logs: Evaluation[][] = runs.map(() => []);
  const endings: (Ending | null)[] = runs.map(() => null);
  const lost = new Set<AnyRun>();
  const total = runs.reduce((sum, run) => sum + run.config.steps, 0);
  const lose: Failed<AnyRun> = (run, error) => {
    failed(run, error);
    lost.add(run);
  };
  const look = async (i: number) => {
    const found = await evaluated(runs[i], judges, lose);
    if (found) logs[i].push(found);
  };
  for (const i of runs.keys()) await look(i);
  for (;;) {
    const going = [...runs.entries()].filter(([i, run]) => endings[i] === null && !lost.has(run));
    if (going.length === 0) return { logs, endings };
    await advance(
      going.map(([, run]) => run),
      going.map(([, run]) => nextEvaluation(run) - run.step),
      judges.backend,
      judges.control,
      lose,
    );
    for (const [i, run] of going) {
      if (!lost.has(run)) await look(i);
      if (lost.has(run)) continue;
      endings[i] = run.ending ?? (hasStalled(logs[i], run.config) ? 'early' : null);
    }
    onProgress?.(
      runs.reduce((sum, run, i) => sum + (endings[i] || lost.has(run) ? run.config.steps : run.step), 0),
      total,
    );
  }
}

/** What a run of many came to: its last evaluation, that its loss was not finite any more, or why it was refused. */
export type Outcome = Evaluation | 'diverged' | ExolamError;

/** Trains many models at once as {@link trainBatch} does, and tells of each alone how it ended. */
export async function trainEach(
  configs: readonly TrainConfig[],
  backend: Backend,
  { onProgress, ...control }: Control,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const places = new Map<AnyRun, number>();
  const known: KnownWorlds = new Map();
  for (const [i, config] of configs.entries()) {
    try {
      places.set(runOf(await settingOf(settledConfig(config), control, '', known), ''), i);
      outcomes.push('diverged');
    } catch (error) {
      if (!(error instanceof ExolamError) || (error.kind !== 'unsupported' && error.kind !== 'numerical'))
        throw error;
      outcomes.push(error);
    }
  }
  const { logs, endings } = await driven(
    [...places.keys()],
    new Judges(backend, control),
    onProgress,
    () => {},
  );
  [...places.values()].forEach((place, i) => {
    if (endings[i] !== null) outcomes[place] = logs[i].at(-1) as Evaluation;
  });
  return outcomes;
}
