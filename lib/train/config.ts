import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat, parse, pathField } from '../base/validate.js';
import { type DataOptions, dataOptionsSchema } from '../data/open.js';
import type { Scale } from '../moments/of-units.js';
import { type ObjectiveSpec, objectiveSchema, withStrength } from '../solve/objectives.js';
import type { AnyWorldSpec } from '../world/any-world.js';

/** A codebook: z is cut into equal parts, each replaced by the nearest row of a codebook of its own. */
export interface TrainCodebook {
  /** Rows of each codebook, 2 to 65536. */
  readonly size: number;
  /** Parts of z, a divisor of latentDim. Default 1. */
  readonly codes?: number | undefined;
  /** `ema`: rows follow running means of what is assigned to them; `loss`: they follow the gradient. Default `ema`. */
  readonly update?: 'ema' | 'loss' | undefined;
  /** Of running means, from 0 up to, not including, 1. Default 0.99. */
  readonly decay?: number | undefined;
  /** Weight of the latents' squared distance from their rows, at least 0. Default 0.25. */
  readonly commitment?: number | undefined;
  /** A row used less than this share of an even use is put onto a latent of the batch, 0 (never) to 1. Default 0.03. */
  readonly reviveBelow?: number | undefined;
}

/** The model: z = encoder(o, o'), o' ~ decoder(o, z). */
export interface TrainModel {
  /** `linear`: z = C o + D o', o' ~ A o + B z; `mlp`: multilayer perceptrons in their place. */
  readonly kind: 'linear' | 'mlp';
  /** Coordinates of z, 1 to 4096. */
  readonly latentDim: number;
  /** Widths of the hidden layers of encoder and decoder, 1 to 65536 each. Default [256, 256]. Of `mlp` alone. */
  readonly hidden?: readonly number[] | undefined;
  /** After every hidden layer. Default `relu`. Of `mlp` alone. */
  readonly activation?: 'relu' | 'gelu' | 'tanh' | undefined;
  /** The prediction is o plus what the decoder gives. Default false. Of `mlp` alone. */
  readonly residual?: boolean | undefined;
  /**
   * Observations that are predicted, o' and those after it at the same stride, 1 to 256: the loss is the sum over all of them. Of data,
   * rows that are followed by fewer in their episode are left out. Default 1. Of `mlp` alone.
   */
  readonly horizon?: number | undefined;
  /** Default null: z is not quantised. Of `mlp` alone. */
  readonly codebook?: TrainCodebook | null | undefined;
}

/** How the loss is brought down. */
export interface TrainOptimizer {
  /**
   * `adam`, `adamw` and `sgd` take steps on minibatches in f32. `lbfgs`, `gradient-descent` and `gradient-flow` follow exact gradients
   * from second moments in f64, of a linear model in a linear world or on data. Default `adam`.
   */
  readonly kind?: 'adam' | 'adamw' | 'sgd' | 'lbfgs' | 'gradient-descent' | 'gradient-flow' | undefined;
  /** Size of a step, more than 0; of `gradient-flow` the time that it takes. Default 1e-3, of the exact ones 0.01. Not of `lbfgs`. */
  readonly learningRate?: number | undefined;
  /** Of `sgd`: from 0 up to, not including, 1. Default 0. */
  readonly momentum?: number | undefined;
  /** What stays of the mean gradient, of `adam` and `adamw`: from 0 up to, not including, 1. Default 0.9. */
  readonly beta1?: number | undefined;
  /** What stays of its mean square, likewise. Default 0.999. */
  readonly beta2?: number | undefined;
  /** Of `adam` and `adamw`: more than 0. Default 1e-8. */
  readonly epsilon?: number | undefined;
  /** Of minibatches: how much weights shrink, at least 0. Default 0, of `adamw` 0.01. */
  readonly weightDecay?: number | undefined;
  /** Of minibatches: steps over which the rate rises, from 0. Default 0. */
  readonly warmupSteps?: number | undefined;
  /** Of minibatches: the rate falls to this share of itself along half a cosine over all steps, 0 to 1. Default 1: it does not fall. */
  readonly finalShare?: number | undefined;
  /** Of `lbfgs`: random starts, of which the least loss wins, 1 to 1000. Default 3. */
  readonly starts?: number | undefined;
  /** Of `gradient-flow`: share of every mode in a balanced start B = D^T, between 0 and 1. Default: a small random start. */
  readonly balancedStart?: number | undefined;
}

/** The user's own data: what `analyze` reads. */
export interface TrainData extends DataOptions {
  /** A file or folder. */
  readonly path: string;
  /** As of `analyze`. Default: `given` where the coordinates share one unit (pixels), else `standard`. */
  readonly scale?: Scale | undefined;
  /** Share of the episodes that the model is judged on and not trained on, more than 0 and less than 1. Default 0.2. */
  readonly heldOut?: number | undefined;
}

/** When to end before all steps are done. */
export interface TrainStopping {
  /** Evaluations in a row without a lower loss, from 1. */
  readonly patience: number;
  /** What counts as lower: by more than this share of the least loss so far, at least 0. Default 1e-3. */
  readonly tolerance?: number | undefined;
}

/** What to train, on what, for what and how. Either `world` or `data`. */
export interface TrainConfig {
  /** Fresh samples of a world of any kind. */
  readonly world?: AnyWorldSpec | undefined;
  /** The user's own data, in place of a world. */
  readonly data?: TrainData | undefined;
  /** The model: its kind and its widths. */
  readonly model: TrainModel;
  /** What z is to be best at. Default reconstruction. */
  readonly objective?: ObjectiveSpec | undefined;
  /** Default `adam` with its defaults. */
  readonly optimizer?: TrainOptimizer | undefined;
  /** Rows of a step, 1 to 1048576. Default 128. Not of exact gradients. */
  readonly batchSize?: number | undefined;
  /** Steps, 1 to 1e9; of `lbfgs` iterations of each start, at most. Default 40000, of exact gradients 2000. */
  readonly steps?: number | undefined;
  /** Share of the rows whose action is seen in training, 0 to 1: that of the objective's action supervision. Default: the objective's own. */
  readonly labelFraction?: number | undefined;
  /**
   * `rows`: the action's error is a mean over all rows, so that weight x labelFraction counts. `labelled`: over the labelled ones
   * alone, so that weight counts whatever their number. Default `rows`.
   */
  readonly labelMean?: 'rows' | 'labelled' | undefined;
  /** Steps between evaluations, from 1: a line of the log and a checkpoint each. Default 1000, of exact gradients 100, less where a run has fewer than ten of them. */
  readonly evaluateEvery?: number | undefined;
  /** Rows that latents are judged on where there are no exact figures, 256 to 1048576: fresh, or of the held-out episodes at most so many. Default 4096. */
  readonly evaluationRows?: number | undefined;
  /**
   * What judges latents where there are no exact figures: `linear` at every evaluation, `nonlinear` at the end. Default: both; with
   * neither only the loss is reported.
   */
  readonly probes?: readonly ('linear' | 'nonlinear')[] | undefined;
  /** When to end before all steps are done. Default: never. */
  readonly stopping?: TrainStopping | undefined;
  /** Of initial weights, batches, noise and labels: an integer from 0. Default 0. */
  readonly seed?: number | undefined;
}

/** Of exact gradients. */
const EXACT = ['lbfgs', 'gradient-descent', 'gradient-flow'] as const;
const MINIBATCH = ['adam', 'adamw', 'sgd'] as const;
/** Which optimizers take a field, where not all of them do. */
const TAKERS: Readonly<Partial<Record<keyof TrainOptimizer, readonly string[]>>> = {
  learningRate: [...MINIBATCH, 'gradient-descent', 'gradient-flow'],
  momentum: ['sgd'],
  beta1: ['adam', 'adamw'],
  beta2: ['adam', 'adamw'],
  epsilon: ['adam', 'adamw'],
  weightDecay: MINIBATCH,
  warmupSteps: MINIBATCH,
  finalShare: MINIBATCH,
  starts: ['lbfgs'],
  balancedStart: ['gradient-flow'],
};
const share = numberThat('a share from 0 to 1', (v) => v >= 0 && v <= 1);
const below1 = numberThat('a number from 0 up to, not including, 1', (v) => v >= 0 && v < 1);
const positive = numberThat('a number above 0', (v) => v > 0);
const atLeast0 = numberThat('a finite number of at least 0', (v) => v >= 0);
const inside = numberThat('a number between 0 and 1, both excluded', (v) => v > 0 && v < 1);

const codebookSchema = describes<TrainCodebook>()(
  z.strictObject({
    size: integer(2, 65_536),
    codes: integer(1, 4096).default(1),
    update: z.enum(['ema', 'loss']).default('ema'),
    decay: below1.default(0.99),
    commitment: atLeast0.default(0.25),
    reviveBelow: share.default(0.03),
  }),
);

const modelSchema = describes<TrainModel>()(
  z.strictObject({
    kind: z.enum(['linear', 'mlp']),
    latentDim: integer(1, 4096),
    hidden: z.array(integer(1, 65_536)).optional(),
    activation: z.enum(['relu', 'gelu', 'tanh']).optional(),
    residual: z.boolean().optional(),
    horizon: integer(1, 256).optional(),
    codebook: codebookSchema.nullable().default(null),
  }),
);

const optimizerSchema = describes<TrainOptimizer>()(
  z.strictObject({
    kind: z.enum([...MINIBATCH, ...EXACT]).default('adam'),
    learningRate: positive.optional(),
    momentum: below1.default(0),
    beta1: below1.default(0.9),
    beta2: below1.default(0.999),
    epsilon: positive.default(1e-8),
    weightDecay: atLeast0.optional(),
    warmupSteps: integer(0).default(0),
    finalShare: share.default(1),
    starts: integer(1, 1000).default(3),
    balancedStart: inside.optional(),
  }),
);

const dataSchema = describes<TrainData>()(
  z.strictObject({
    ...dataOptionsSchema.shape,
    path: pathField,
    scale: z.enum(['standard', 'given']).optional(),
    heldOut: inside.default(0.2),
  }),
);

const stoppingSchema = describes<TrainStopping>()(
  z.strictObject({ patience: integer(1), tolerance: atLeast0.default(1e-3) }),
);

/** {@link TrainConfig}, checked but for its world, and with defaults. */
export const trainConfigSchema = describes<TrainConfig>()(
  z.strictObject({
    world: z
      .custom<AnyWorldSpec>((value) => typeof value === 'object' && value !== null, 'expected a world')
      .optional(),
    data: dataSchema.optional(),
    model: modelSchema,
    objective: objectiveSchema.default({ kind: 'reconstruction', decoder: 'free' }),
    optimizer: optimizerSchema.prefault({}),
    batchSize: integer(1, 1_048_576).default(128),
    steps: integer(1, 1e9).optional(),
    labelFraction: share.optional(),
    labelMean: z.enum(['rows', 'labelled']).default('rows'),
    evaluateEvery: integer(1).optional(),
    evaluationRows: integer(256, 1_048_576).default(4096),
    probes: z.array(z.enum(['linear', 'nonlinear'])).default(['linear', 'nonlinear']),
    stopping: stoppingSchema.optional(),
    seed: integer(0).default(0),
  }),
);

type Parsed = z.output<typeof trainConfigSchema>;

/** Whether an optimizer follows exact gradients, in place of those of minibatches. */
export const isExactKind = (kind: string) => (EXACT as readonly string[]).includes(kind);
/** Steps where a configuration does not say how many. */
export const defaultSteps = (isExact: boolean) => (isExact ? 2000 : 40_000);

/** A configuration with everything decided that does not depend on data. */
export interface SettledConfig extends Parsed {
  readonly isExact: boolean;
  readonly steps: number;
  readonly evaluateEvery: number;
  readonly learningRate: number;
}

const bad = (message: string) => new ExolamError('input', message);

/** Checks a configuration and fills in defaults. `what` is what messages call it, '' where its fields stand for themselves. */
export function settledConfig(input: unknown, what = ''): SettledConfig {
  const config = parse(trainConfigSchema, input, what, what || 'config');
  const named = (field: string) => (what ? `${what}: ${field}` : field);
  if ((config.world === undefined) === (config.data === undefined))
    throw bad(
      `${named('world')}: expected either world or data, but ${config.world ? 'both are' : 'neither is'} given`,
    );
  const { kind } = config.optimizer;
  const isExact = isExactKind(kind);
  requireModel(config, isExact, named);
  requireTaken(config, isExact, named);
  const steps = config.steps ?? defaultSteps(isExact);
  const { labelFraction } = config;
  const labelled =
    labelFraction === undefined
      ? config.objective
      : withStrength(config.objective, 'action-supervised.labelFraction', labelFraction);
  if (labelled === null)
    throw bad(
      `${named('labelFraction')}: expected an objective with action supervision, which is what it is of`,
    );
  if (config.labelMean === 'labelled' && labelFractionOf(labelled) === 0)
    throw bad(
      `${named('labelFraction')}: expected more than 0 with "labelMean": "labelled", a mean over the labelled rows, but received 0`,
    );
  return {
    ...config,
    objective: labelled,
    isExact,
    steps,
    evaluateEvery: Math.min(
      steps,
      config.evaluateEvery ?? Math.min(isExact ? 100 : 1000, Math.ceil(steps / 10)),
    ),
    learningRate: config.optimizer.learningRate ?? (isExact ? 0.01 : 1e-3),
  };
}

function requireModel(
  { model, optimizer }: Parsed,
  isExact: boolean,
  named: (field: string) => string,
): void {
  const { kind, latentDim, codebook } = model;
  if (kind === 'linear')
    for (const field of ['hidden', 'activation', 'residual', 'horizon', 'codebook'] as const)
      if (model[field] !== undefined && model[field] !== null)
        throw bad(`${named(`model.${field}`)}: expected none for a linear model; "kind": "mlp" has it`);
  if (isExact && kind !== 'linear')
    throw new ExolamError(
      'unsupported',
      `${named('optimizer.kind')}: expected one of "adam", "adamw", "sgd" for an mlp but received "${optimizer.kind}": exact gradients are those of a linear model`,
    );
  if (codebook && latentDim % codebook.codes !== 0)
    throw bad(
      `${named('model.codebook.codes')}: expected a divisor of latentDim (${latentDim}) but received ${codebook.codes}`,
    );
}

/** Refuses what the optimizer does not take: left unread, it would seem to have had its effect. */
function requireTaken(
  { optimizer, batchSize }: Parsed,
  isExact: boolean,
  named: (field: string) => string,
): void {
  const silent = optimizerSchema.parse({});
  for (const [field, kinds] of Object.entries(TAKERS) as [keyof TrainOptimizer, readonly string[]][])
    if (optimizer[field] !== silent[field] && !kinds.includes(optimizer.kind))
      throw bad(
        `${named(`optimizer.${field}`)}: expected with ${kinds.map((kind) => `"${kind}"`).join(', ')} alone, but the optimizer is "${optimizer.kind}"`,
      );
  if (isExact && batchSize !== trainConfigSchema.shape.batchSize.parse(undefined))
    throw bad(
      `${named('batchSize')}: expected none with the optimizer "${optimizer.kind}", which takes no batches`,
    );
}

/** Share of the rows whose action is seen; 1 where no action is asked for. */
export function labelFractionOf(objective: Parsed['objective']): number {
  const parts = objective.kind === 'composition' ? objective.parts : [objective];
  const part = parts.find((one) => one.kind === 'action-supervised');
  return part?.kind === 'action-supervised' ? (part.labelFraction ?? 1) : 1;
}

/** The objective whose expectation training follows: a mean over labelled rows does not know how many there are. */
export function countedLabels({ objective, labelMean }: SettledConfig): SettledConfig['objective'] {
  if (labelMean === 'rows') return objective;
  const whole = <Part extends { readonly kind: string }>(part: Part): Part =>
    part.kind === 'action-supervised' ? { ...part, labelFraction: 1 } : part;
  return objective.kind === 'composition'
    ? { ...objective, parts: objective.parts.map(whole) }
    : whole(objective);
}
