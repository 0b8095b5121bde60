import { z } from 'zod';
import { POPULATION_METRICS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, parse, quote, unknownName } from '../base/validate.js';
import { ridgeField } from '../solve/of-moments.js';
import type { PopulationMetric } from '../solve/population.js';
import { type AnyWorldSpec, WORLD_SCHEMAS, worldKind } from '../world/any-world.js';
import type { MlpWorldSpec } from '../world/nonlinear.js';
import type { SpriteWorldSpec } from '../world/sprites.js';
import type { WorldSpec } from '../world/world.js';
import { type Axis, readAxis, type Values, valuesOf } from './axis.js';
import { type ObjectiveTemplate, readObjectives, type SweepObjective } from './objectives.js';
import { readTrain, requireTrainable, type SweepTrain, type TrainPlan, trainSchema } from './train-spec.js';

type Own<Spec> = Omit<Spec, 'kind' | 'matrices' | 'seed'>;
type Keys = Own<WorldSpec> & Own<MlpWorldSpec> & Own<SpriteWorldSpec>;
/** Keys of a world that a grid may vary: all but its kind, its matrices, and its seed, which is an axis of its own. */
export type GridKey = keyof Keys;
const NO_AXES = ['kind', 'matrices', 'seed'];

/** The values of each key of the world that varies, outermost first; the keys are those of the kind of `base`. */
export type SweepGrid = { readonly [K in GridKey]?: Axis<NonNullable<Keys[K]>> | undefined };

/** Keys that are counts. */
const COUNTS: readonly string[] = ['width', 'depth', 'size', 'distractors'];
export const isCount = (key: string) => key.endsWith('Dim') || COUNTS.includes(key);

/** Where a sweep spends further points: along a boundary of a metric. */
export interface SweepRefine {
  /** The metric whose level is looked for. */
  readonly metric: PopulationMetric;
  /** The level that the boundary is at, any number. */
  readonly level: number;
  /** How often a cell that the level crosses is halved, 1 to 12. Default 4: a sixteenth of the grid's steps. */
  readonly depth?: number | undefined;
}

/** A parameter sweep: what varies, and what every point of it shares. Points are all combinations, in a fixed order. */
export interface SweepSpec {
  /** The world that every point starts from; one of kind `mlp` or `sprites` has no exact answer, and its points are trained. Default `{}`. */
  readonly base?: AnyWorldSpec | undefined;
  /** Keys of the world that vary, each a list, `{"range": [from, to, count]}` or `{"logRange": [from, to, count]}`. Default `{}`. */
  readonly grid?: SweepGrid | undefined;
  /** Objectives; each number of one may be a list or a range as well. Default: reconstruction. */
  readonly objectives?: readonly SweepObjective[] | undefined;
  /** Widths of z: one, a list or a range. */
  readonly latentDim: Axis;
  /** How many seeds, counted from that of `base`, or a list of them. Default 1. */
  readonly seeds?: number | readonly number[] | undefined;
  /**
   * Transitions that each model is fitted to, before it is judged on the population: one number, a list or a range; null among them,
   * or alone, is the population itself; with `train`, `[]` is neither. Default null, of a world that is not linear `[]`.
   */
  readonly samples?: Axis<number | null> | null | undefined;
  /** Further points that are trained by gradient steps and then judged on the population. Default: none. */
  readonly train?: SweepTrain | undefined;
  /** Ridge of the fits to samples, relative to the regressors' mean variance, at least 0. Default 1e-3. */
  readonly ridge?: number | undefined;
  /** Draw this many points from the ranges in place of crossing them; lists are crossed all the same. Default: cross them. */
  readonly random?: number | undefined;
  /** Spend further points where a metric crosses a level; needs one or two ranges. Default: none. */
  readonly refine?: SweepRefine | undefined;
}

const refineSchema = describes<SweepRefine>()(
  z.strictObject({
    metric: z.enum(POPULATION_METRICS),
    level: z.number(),
    depth: integer(1, 12).default(4),
  }),
);

const isNumberOrObject = (value: unknown) => typeof value === 'number' || typeof value === 'object';
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

export const sweepSchema = describes<SweepSpec>()(
  z.strictObject({
    base: z.custom<AnyWorldSpec>(isObject, 'expected a world').prefault({}),
    grid: z.custom<SweepGrid>(isObject, 'expected an object of keys of the world').prefault({}),
    objectives: z
      .custom<readonly SweepObjective[]>(
        (value) => Array.isArray(value) && value.length > 0,
        'expected a list of at least one objective',
      )
      .prefault([{ kind: 'reconstruction' }]),
    latentDim: z.custom<Axis>(
      (value) => isNumberOrObject(value) && value !== null,
      'expected an integer from 1, a list of them or {"range": [from, to, count]}',
    ),
    seeds: z
      .custom<number | readonly number[]>(
        (value) => typeof value === 'number' || Array.isArray(value),
        'expected how many seeds, or a list of them',
      )
      .prefault(1),
    samples: z
      .custom<Axis<number | null> | null>(
        (value) => value === undefined || isNumberOrObject(value),
        'expected an integer from 2, null, a list of them or {"logRange": [from, to, count]}',
      )
      .nullish(),
    train: trainSchema.optional(),
    ridge: ridgeField,
    random: integer(1, 1e9).optional(),
    refine: refineSchema.optional(),
  }),
);

/** A spec, checked, its axes read. */
export interface Checked {
  readonly base: AnyWorldSpec;
  readonly grid: readonly { readonly key: GridKey; readonly values: Values<number | string> }[];
  readonly objectives: readonly ObjectiveTemplate[];
  readonly latentDims: readonly number[];
  readonly seeds: readonly number[];
  /** Infinity is the population. */
  readonly samples: readonly number[];
  readonly train: TrainPlan | undefined;
  readonly ridge: number;
  readonly random: number | undefined;
  readonly refine: z.output<typeof refineSchema> | undefined;
  /** The spec with every default, as spec.json keeps it and two are compared. */
  readonly whole: Readonly<Record<string, unknown>>;
}

/** Checks a spec; throws one sentence: field, value, what is accepted. */
export function readSpec(value: unknown, what = ''): Checked {
  const given = parse(sweepSchema, value, what, what || 'spec');
  const named = (field: string) => (what ? `${what}: ${field}` : field);
  const kind = worldKind(given.base, named('base'));
  const base = parse(WORLD_SCHEMAS[kind] as z.ZodType<AnyWorldSpec>, given.base, named('base'));
  const spec = { ...given, base };
  const refine = spec.refine;
  if (refine && spec.random !== undefined)
    throw new ExolamError(
      'input',
      `${named('refine')}: expected a grid to refine, but "random" draws its points`,
    );
  const grid = readGrid(spec.grid as object, base, named('grid'));
  const objectives = readObjectives(spec.objectives, named('objectives'));
  const latentDims = listOf(
    readAxis(spec.latentDim, integer(1), named('latentDim'), true),
    named('latentDim'),
  );
  const train = spec.train && readTrain(spec.train, named('train'));
  if (train) requireTrainable(train, base, latentDims, named('train'));
  if (kind !== 'linear') requireTrainedOnly(spec, objectives, named);
  return {
    ...{ base, grid, objectives, latentDims, train },
    seeds: readSeeds(spec.seeds, base.seed ?? 0, named('seeds')),
    samples: kind === 'linear' ? readSamples(spec, named('samples')) : [],
    ridge: spec.ridge,
    random: spec.random,
    refine,
    whole: wholeOf(spec),
  };
}

/** Throws where points of a world that is not linear are to be anything but trained. */
function requireTrainedOnly(
  { samples, train, base }: z.output<typeof sweepSchema>,
  objectives: readonly ObjectiveTemplate[],
  named: (field: string) => string,
): void {
  const world = `a world of kind ${quote(base.kind)}, which has no exact answer`;
  if (!train)
    throw new ExolamError('input', `${named('train')}: expected how points are trained, in ${world}`);
  if (samples !== undefined && samples !== null && !(Array.isArray(samples) && samples.length === 0))
    throw new ExolamError('input', `${named('samples')}: expected [] or nothing, in ${world}`);
  for (const [i, { strengths }] of objectives.entries())
    if (strengths.some(({ strength }) => strength === 'representation.gain'))
      throw new ExolamError(
        'input',
        `${named(`objectives[${i}].gain`)}: expected a projection in its place, in ${world}`,
      );
}

/** The spec with its defaults, in the order of the schema, as JSON keeps it: what was read from a file is then the same again. */
function wholeOf(spec: z.output<typeof sweepSchema>): Checked['whole'] {
  const given = { ...spec, samples: spec.samples ?? null } as Record<string, unknown>;
  const ordered = Object.keys(sweepSchema.shape).map((key) => [key, given[key]]);
  return JSON.parse(JSON.stringify(Object.fromEntries(ordered))) as Checked['whole'];
}

function readGrid(grid: object, base: AnyWorldSpec, what: string): Checked['grid'] {
  const shape: Readonly<Record<string, z.ZodType>> = WORLD_SCHEMAS[base.kind ?? 'linear'].shape;
  const keys = Object.keys(shape).filter((key) => !NO_AXES.includes(key)) as GridKey[];
  return Object.entries(grid).map(([name, values]) => {
    const field = `${what}.${name}`;
    if (name === 'seed')
      throw new ExolamError(
        'input',
        `${field}: expected "seeds" beside the grid, a count or a list of seeds`,
      );
    const key = keys.find((known) => known === name);
    if (!key) throw unknownName(what, name, keys);
    if ('matrices' in base && base.matrices && (key === 'mixing' || key.endsWith('Dim')))
      throw new ExolamError(
        'input',
        `${field}: expected a key that base.matrices leaves free; they decide ${key}`,
      );
    // Its default would stand for a value that is not there.
    const each = (shape[key] as z.ZodDefault).unwrap() as z.ZodType<number | string>;
    return { key, values: readAxis(values, each, field, isCount(key)) };
  });
}

/** Infinity is the population. */
function readSamples({ samples, train }: z.output<typeof sweepSchema>, what: string): readonly number[] {
  if (train && Array.isArray(samples) && samples.length === 0) return [];
  const values = readAxis(samples ?? null, integer(2).nullable(), what, true);
  return listOf(values, what).map((n) => n ?? Number.POSITIVE_INFINITY);
}

function readSeeds(seeds: number | readonly number[], first: number, what: string): readonly number[] {
  if (typeof seeds === 'number') {
    const count = parse(integer(1, 1e7), seeds, what);
    return Array.from({ length: count }, (_, i) => first + i);
  }
  const { list } = readAxis(seeds, integer(0), what, true) as { list: readonly number[] };
  return list;
}

function listOf<T>(values: Values<T>, what: string): readonly T[] {
  if ('list' in values) return values.list;
  // Intervals are of numbers alone.
  return valuesOf(values.interval, what) as readonly unknown[] as readonly T[];
}

/** The difference of two specs in words, a line each: what the first has, and what the second. */
export function differences(before: unknown, now: unknown, path = ''): string[] {
  if (JSON.stringify(before) === JSON.stringify(now)) return [];
  if (!isObject(before) || !isObject(now))
    return [`${path || 'spec'}: ${quote(before)} there, ${quote(now)} here`];
  const [a, b] = [before as Record<string, unknown>, now as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const found = keys.flatMap((key) => differences(a[key], b[key], path ? `${path}.${key}` : key));
  return found.length > 0 ? found : [`${path || 'spec'}: the same keys in another order`];
}
