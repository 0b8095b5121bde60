import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { describes } from '../base/validate.js';
import {
  defaultSteps,
  isExactKind,
  settledConfig,
  type TrainConfig,
  type TrainModel,
  type TrainOptimizer,
  type TrainStopping,
  trainConfigSchema,
} from '../train/config.js';
import { type Axis, readAxis, valuesOf } from './axis.js';

/** Points that are trained by gradient steps: what of a configuration of `exolam train` the point does not say itself. */
export interface SweepTrain {
  /** The model, as of `exolam train`, but for its latentDim. Default linear. */
  readonly model?: Omit<TrainModel, 'latentDim'> | undefined;
  /** Steps of each run: one number, a list or a range. Default 40000, of exact gradients 2000. */
  readonly steps?: Axis | undefined;
  /** Sizes of a step, in place of the optimizer's. Default: that one. */
  readonly learningRate?: Axis | undefined;
  /** Rows of a step: one number, a list or a range. Default 128. */
  readonly batchSize?: Axis | undefined;
  /** How the loss is brought down. Default `adam` with its defaults. */
  readonly optimizer?: TrainOptimizer | undefined;
  /** `rows` or `labelled`: what the action's error is a mean over. Default `rows`. */
  readonly labelMean?: 'rows' | 'labelled' | undefined;
  /** Steps between evaluations, from 1: what `stopping` looks at. Default: with `stopping` that of `exolam train`, else all steps. */
  readonly evaluateEvery?: number | undefined;
  /** Rows that latents are judged on where there are no exact figures, 256 to 1048576. Default 4096. */
  readonly evaluationRows?: number | undefined;
  /** When to end before all steps are done. Default: never. */
  readonly stopping?: TrainStopping | undefined;
}

// What each key accepts, and its default, are those of `exolam train`; a default that stood in spec.json would tell specs apart.
const { model, optimizer, labelMean, evaluateEvery, evaluationRows, stopping, ...numbers } =
  trainConfigSchema.shape;
const each = {
  steps: numbers.steps.unwrap(),
  learningRate: optimizer.unwrap().shape.learningRate.unwrap(),
  batchSize: numbers.batchSize.unwrap(),
} as const;
export type TrainKey = keyof typeof each;
const KEYS = Object.keys(each) as TrainKey[];

const axis = (what: string) =>
  z
    .custom<Axis>(
      (value) => typeof value === 'number' || (typeof value === 'object' && value !== null),
      `expected ${what}, a list of them or {"logRange": [from, to, count]}`,
    )
    .optional();

export const trainSchema = describes<SweepTrain>()(
  z.strictObject({
    steps: axis('an integer from 1'),
    learningRate: axis('a number above 0'),
    batchSize: axis('an integer from 1'),
    model: model.omit({ latentDim: true }).optional(),
    ...{ optimizer, labelMean, evaluateEvery, stopping },
    evaluationRows: evaluationRows.unwrap().optional(),
  }),
);

/** How points are trained: the recipe that all share, and each combination of the numbers that were given. */
export interface TrainPlan {
  readonly recipe: Omit<z.output<typeof trainSchema>, TrainKey>;
  /** What rows show: `steps` always, the others where the spec has them. */
  readonly keys: readonly TrainKey[];
  /** A combination each, the values in the order of the keys. */
  readonly points: readonly (readonly number[])[];
}

/** Reads the recipe of a spec that `trainSchema` has accepted. */
export function readTrain({ ...given }: z.output<typeof trainSchema>, what: string): TrainPlan {
  const { steps, learningRate, batchSize, ...recipe } = given;
  const { kind } = recipe.optimizer;
  const isExact = isExactKind(kind);
  if (learningRate !== undefined && recipe.optimizer.learningRate !== undefined)
    throw new ExolamError(
      'input',
      `${what}.learningRate: expected none beside optimizer.learningRate (${recipe.optimizer.learningRate}); one of the two`,
    );
  for (const [key, value] of Object.entries({ learningRate, batchSize }))
    if (value !== undefined && (key === 'batchSize' ? isExact : kind === 'lbfgs'))
      throw new ExolamError('input', `${what}.${key}: expected none with the optimizer "${kind}"`);
  const axes: Record<TrainKey, Axis | undefined> = {
    steps: steps ?? defaultSteps(isExact),
    learningRate,
    batchSize,
  };
  const keys = KEYS.filter((key) => axes[key] !== undefined);
  let points: readonly number[][] = [[]];
  for (const key of keys) {
    const values = readAxis(
      axes[key],
      each[key] as z.ZodType<number>,
      `${what}.${key}`,
      key !== 'learningRate',
    );
    const list = 'list' in values ? values.list : valuesOf(values.interval, `${what}.${key}`);
    points = points.flatMap((point) => list.map((value) => [...point, value]));
  }
  return { recipe, keys, points };
}

/** A configuration of `exolam train`: that of one point of a plan. */
export function configOf(
  { recipe, keys }: TrainPlan,
  point: readonly number[],
  own: Pick<TrainConfig, 'world' | 'objective' | 'seed'>,
  latentDim: number,
): TrainConfig {
  const { model: shape, ...rest } = recipe;
  const { steps, learningRate, batchSize } = Object.fromEntries(keys.map((key, i) => [key, point[i]])) as {
    steps: number;
    learningRate?: number;
    batchSize?: number;
  };
  return {
    ...own,
    ...rest,
    model: { ...(shape ?? { kind: 'linear' }), latentDim },
    optimizer: { ...recipe.optimizer, learningRate: learningRate ?? recipe.optimizer.learningRate },
    evaluateEvery: recipe.evaluateEvery ?? (recipe.stopping ? undefined : steps),
    ...{ steps, batchSize },
  };
}

/** Throws where a plan is nothing that can be trained. */
export function requireTrainable(
  plan: TrainPlan,
  world: TrainConfig['world'],
  latentDims: readonly number[],
  what: string,
): void {
  for (const latentDim of latentDims)
    settledConfig(configOf(plan, plan.points[0], { world }, latentDim), what);
}
