import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat } from '../base/validate.js';
import { type TrainOptimizer, type TrainStopping, trainConfigSchema } from '../train/config.js';
import { type Axis, readAxis, valuesOf } from './axis.js';

/** Points that are trained by gradient steps: what of a configuration of `exolam train` the point does not say itself. */
export interface SweepTrain {
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
  /** When to end before all steps are done. Default: never. */
  readonly stopping?: TrainStopping | undefined;
}

const each = {
  steps: integer(1, 1e9),
  learningRate: numberThat('a number above 0', (v) => v > 0),
  batchSize: integer(1, 1_048_576),
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

const { optimizer, labelMean, evaluateEvery, stopping } = trainConfigSchema.shape;

export const trainSchema = describes<SweepTrain>()(
  z.strictObject({
    steps: axis('an integer from 1'),
    learningRate: axis('a number above 0'),
    batchSize: axis('an integer from 1'),
    ...{ optimizer, labelMean, evaluateEvery, stopping },
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
  const isExact = kind === 'lbfgs' || kind.startsWith('gradient-');
  if (learningRate !== undefined && recipe.optimizer.learningRate !== undefined)
    throw new ExolamError(
      'input',
      `${what}.learningRate: expected none beside optimizer.learningRate (${recipe.optimizer.learningRate}); one of the two`,
    );
  for (const [key, value] of Object.entries({ learningRate, batchSize }))
    if (value !== undefined && (key === 'batchSize' ? isExact : kind === 'lbfgs'))
      throw new ExolamError('input', `${what}.${key}: expected none with the optimizer "${kind}"`);
  const axes: Record<TrainKey, Axis | undefined> = {
    steps: steps ?? (isExact ? 2000 : 40_000),
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
