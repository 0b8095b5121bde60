/** The optimum beside a trained model: the same question answered without steps, and judged alike. */
import { ExolamError } from '../base/errors.js';
import { type Case, solve } from '../solve/population.js';
import type { World } from '../world/world.js';
import { countedLabels, defaultSteps, type SettledConfig } from './config.js';
import { DataRun } from './data-run.js';
import { hasExactFigures } from './evaluate.js';
import { type Estimated, type Judges, withNonlinear } from './judges.js';
import type { Setting } from './setting.js';

/** The loss and the metrics of the optimum of a linear model. */
export interface ExactFigures {
  /** In a world the least that there is. On data that of the optimum over the training rows, on the held-out ones: a run may be below. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /**
   * False where several minimisers tie; in a world, metrics are then the least favourable. Null of data with labels, where it is not
   * known.
   */
  readonly unique: boolean | null;
  /** Of data: by the probes of the run, on the same held-out rows. */
  readonly estimates?: Estimated | undefined;
}

/** What says that there is no optimum to be had: no closed form, one that rounding spoils, moments that do not fit, no label at all. */
const NONE: readonly string[] = ['unsupported', 'numerical', 'data'];

/** Null where no optimum is known. */
export async function exactOf(setting: Setting, judges: Judges): Promise<ExactFigures | null> {
  if (setting.config.model.kind !== 'linear') return null;
  try {
    return await (setting.data ? onData(setting, judges) : inWorld(setting, judges));
  } catch (error) {
    if (error instanceof ExolamError && NONE.includes(error.kind)) return null;
    throw error;
  }
}

/** Of the training rows, judged on the held-out ones. */
async function onData(setting: Setting, judges: Judges): Promise<ExactFigures | null> {
  const steps = defaultSteps(true);
  const config: SettledConfig = {
    ...setting.config,
    ...{ isExact: true, steps, evaluateEvery: steps },
    optimizer: { ...setting.config.optimizer, kind: 'lbfgs', starts: 3 },
  };
  const run = new DataRun({ ...setting, config }, '');
  const optimum = await run.toOptimum(judges);
  if (!optimum) return null;
  const { step: _, ...figures } = await run.evaluate(judges);
  return { ...(await withNonlinear(figures, run, judges)), ...optimum };
}

/** Runs of a batch that share a world share what was solved in it. */
const SOLVED = new WeakMap<World, Map<string, ExactFigures>>();

async function inWorld(setting: Setting, { backend, control }: Judges): Promise<ExactFigures | null> {
  const { world, config } = setting;
  if (!world || !(config.isExact || hasExactFigures(setting))) return null;
  const { latentDim } = config.model;
  const objective = countedLabels(config);
  const known = SOLVED.get(world) ?? new Map<string, ExactFigures>();
  SOLVED.set(world, known);
  const question = JSON.stringify([objective, latentDim]);
  const found = known.get(question);
  if (found) return found;
  const solved = await solve({ world: world.spec, objective, latentDim } as Case, { backend, ...control });
  const { loss, metrics, unique } = solved;
  const figures = { loss, metrics: { ...metrics }, unique };
  known.set(question, figures);
  return figures;
}
