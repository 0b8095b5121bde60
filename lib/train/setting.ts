import type { BatchSource, RowsSource } from '../backend/batch-sources.js';
import type { Control } from '../backend/requests.js';
import {
  type NetworkShape,
  parameterCount,
  type TrainObjective,
  type TrainOptimiser,
} from '../backend/train-requests.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { openData } from '../data/open.js';
import { splitOf } from '../data/split.js';
import type { Transitions } from '../data/transitions.js';
import { type Matrix, scaleColumns } from '../linalg/matrix.js';
import { categoriesOf, type Scale, scaledColumns } from '../moments/of-units.js';
import { permutation } from '../random/permutation.js';
import {
  hasKind,
  requireProjection,
  resolveForTraining,
  type TrainableObjective,
} from '../solve/objectives.js';
import { requireVariables } from '../solve/of-moments.js';
import { type AnyWorldSpec, createAnyWorld } from '../world/any-world.js';
import { linearWorldSource, worldSource } from '../world/batch-source.js';
import { createWorld, type World, type WorldSpec } from '../world/world.js';
import { labelFractionOf, type SettledConfig } from './config.js';
import { followedSplit } from './horizon.js';

/** How a coordinate of the user's becomes one of the network's: (value - mean) x factor. */
export interface Scaling {
  readonly mean: Float64Array;
  readonly factor: Float64Array;
}

/** A user's data, ready: transitions in the network's units, and which of them are trained on. */
export interface DataSetting {
  readonly transitions: Transitions;
  /** o, o', the action, x and x' in the network's units; a discrete action is one column a category. */
  readonly scaled: Transitions;
  readonly scaling: Scaling;
  readonly train: Int32Array;
  readonly heldOut: Int32Array;
  /** Training rows whose action is seen. */
  readonly labelled: Int32Array;
  /** What reading decided and what was left out, a sentence each. */
  readonly notes: readonly string[];
}

/** What a configuration means: the rows, the network, the loss and the steps. */
export interface Setting {
  readonly config: SettledConfig;
  readonly objective: TrainableObjective;
  readonly observationDim: number;
  readonly actionDim: number;
  readonly source: BatchSource;
  /** Rows that the model is judged on: those left out of the data, or the world's own under another seed. */
  readonly evaluation: BatchSource;
  /** Of a linear world: it has exact figures. */
  readonly world: World | null;
  readonly data: DataSetting | null;
  readonly shape: NetworkShape;
  readonly projection: Float32Array;
  readonly lossOf: TrainObjective;
  readonly optimiser: TrainOptimiser;
}

/** Worlds that were made for other runs of a batch, by what described them. */
export type KnownWorlds = Map<unknown, Sources>;

/** Opens what a configuration names and works out what follows from it. `onProgress` is told of reading. */
export async function settingOf(
  config: SettledConfig,
  control: Control,
  what = '',
  known: KnownWorlds = new Map(),
): Promise<Setting> {
  const named = (field: string) => (what ? `${what}: ${field}` : field);
  if (config.data) return dataSetting(config, control, named);
  const spec = config.world as NonNullable<typeof config.world>;
  const found = known.get(spec) ?? worldSources(spec, named('world'));
  known.set(spec, found);
  return completed(config, named, found);
}

function worldSources(spec: AnyWorldSpec, what: string): Sources {
  const { kind, observationDim, actionDim } = createAnyWorld(spec, what);
  const world = kind === 'linear' ? createWorld(spec as WorldSpec, what) : null;
  const source = world ? linearWorldSource(world) : worldSource(spec, what);
  return { observationDim, actionDim, source, evaluation: source, world, data: null };
}

/** P on the network's coordinates. */
export function projectionOf({ projection }: TrainableObjective, data: DataSetting | null): Matrix | null {
  return projection && data ? scaleColumns(projection, inverse(data.scaling.factor)) : projection;
}

/** What turns a coordinate of the network's back; of one that never moves nothing. */
export function inverse(factor: Float64Array): Float64Array {
  return factor.map((v) => (v === 0 ? 0 : 1 / v));
}

type Sources = Pick<Setting, 'observationDim' | 'actionDim' | 'source' | 'evaluation' | 'world' | 'data'>;

function completed(config: SettledConfig, named: (field: string) => string, from: Sources): Setting {
  const { model } = config;
  // One way to state the loss serves all: a network's action head has z alone to go by.
  const objective = resolveForTraining(config.objective, true, named('objective'));
  requireProjection(objective, from.observationDim, named('objective'));
  if (model.latentDim > from.observationDim && model.kind === 'linear')
    throw new ExolamError(
      'input',
      `${named('model.latentDim')}: expected at most observationDim (${from.observationDim}) but received ${model.latentDim}`,
    );
  const shape = shapeOf(config, objective, from);
  const weights = parameterCount(shape);
  // Each with its gradient and the two means of adam.
  if (!config.isExact)
    requireMemory(16 * weights, `${named('model')}: ${weights} weights and what training keeps of each`);
  return {
    config,
    objective,
    ...from,
    shape,
    projection: Float32Array.from(projectionOf(objective, from.data)?.data ?? []),
    lossOf: lossOf(config),
    optimiser: optimiserOf(config),
  };
}

function shapeOf(config: SettledConfig, objective: TrainableObjective, from: Sources): NetworkShape {
  const { model } = config;
  const hidden = model.kind === 'mlp' ? (model.hidden ?? [256, 256]) : [];
  const book = model.codebook;
  // With an identity decoder the prediction is o + B z; alone, the best z is a map of o' - o.
  const isIdentity = objective.rows.f.length === 0;
  return {
    observationDim: from.observationDim,
    projectionDim: objective.projection?.rows ?? 0,
    actionDim: objective.needsAction ? from.actionDim : 0,
    latentDim: model.latentDim,
    encoderInput: isIdentity && objective.rows.gauge === 'difference' ? 'difference' : 'both',
    decoderInput: isIdentity ? 'latent' : 'both',
    residual: isIdentity || (model.residual ?? false),
    encoderHidden: hidden,
    decoderHidden: hidden,
    activation: model.activation ?? 'relu',
    // Worlds have mean zero, and so have a linear model's best weights no bias there.
    bias: model.kind === 'mlp' || from.data !== null,
    targets: model.horizon ?? 1,
    codebook: book && { ...book },
  };
}

function lossOf({ objective, model, labelMean }: SettledConfig): TrainObjective {
  const parts = objective.kind === 'composition' ? objective.parts : [objective];
  const loss = {
    crossExogenous: hasKind(objective, 'cross-exogenous'),
    ...{ encoderNoise: 0, decoderNoise: 0, actionWeight: 0, labelFraction: 1, robustWeight: 0 },
    labelMean,
    robustOn: model.kind === 'linear' ? ('decoded' as const) : ('latent' as const),
  };
  for (const part of parts) {
    if (part.kind === 'augmented')
      Object.assign(loss, { encoderNoise: part.encoderNoise, decoderNoise: part.decoderNoise });
    if (part.kind === 'action-supervised')
      Object.assign(loss, { actionWeight: part.weight, labelFraction: part.labelFraction ?? 1 });
    if (part.kind === 'exogenous-robust') loss.robustWeight = part.weight;
  }
  return loss;
}

function optimiserOf({ optimizer: o, learningRate, steps }: SettledConfig): TrainOptimiser {
  return {
    kind: o.kind === 'sgd' || o.kind === 'adamw' ? o.kind : 'adam',
    learningRate,
    ...{ momentum: o.momentum, beta1: o.beta1, beta2: o.beta2, epsilon: o.epsilon },
    weightDecay: o.weightDecay ?? (o.kind === 'adamw' ? 0.01 : 0),
    warmupSteps: o.warmupSteps,
    cosineSteps: o.finalShare < 1 ? steps : 0,
    finalShare: o.finalShare,
  };
}

/** Transitions as a network sees them: every column about its mean and scaled as `analyze` does, a discrete action as one column a category. */
export async function scaledTransitions(
  transitions: Transitions,
  scale: Scale | undefined,
  control: Control,
): Promise<{ readonly scaled: Transitions; readonly scaling: Scaling }> {
  const categories = transitions.action ? categoriesOf(transitions.action, transitions.actionDim) : null;
  const by = scale ?? (transitions.sharedUnit ? 'given' : 'standard');
  const { found } = await scaledColumns(transitions, by, categories, control);
  const scaled = (name: keyof typeof found) => {
    const column = found[name];
    if (!column) return undefined;
    const { values, width, mean, factor } = column;
    return Float64Array.from(values, (v, i) => (v - mean[i % width]) * factor[i % width]);
  };
  const own = found.observation as NonNullable<typeof found.observation>;
  return {
    scaled: {
      ...transitions,
      actionDim: found.action?.width ?? 0,
      observation: scaled('observation') as Float64Array,
      observationNext: scaled('observationNext') as Float64Array,
      action: scaled('action'),
      exogenous: scaled('exogenous'),
      exogenousNext: scaled('exogenousNext'),
      endogenousNext: scaled('endogenousNext'),
      pairObservation: scaled('pairObservation'),
      pairObservationNext: scaled('pairObservationNext'),
    },
    scaling: { mean: own.mean, factor: own.factor },
  };
}

async function dataSetting(
  config: SettledConfig,
  control: Control,
  named: (field: string) => string,
): Promise<Setting> {
  const { path, scale, heldOut, ...options } = config.data as NonNullable<typeof config.data>;
  const transitions = await openData(path, options, {
    signal: control.signal,
    onProgress: control.onProgress,
  });
  const objective = resolveForTraining(config.objective, true, named('objective'));
  requireVariables(objective, transitions);
  const split = splitOf(transitions, heldOut);
  if (split.train.length < 2 || split.heldOut.length < 2)
    throw new ExolamError(
      'data',
      `${path}: ${split.train.length} transitions to train on and ${split.heldOut.length} held out are too few; expected at least 2 of each`,
    );
  const horizon = config.model.horizon ?? 1;
  const followed = followedSplit(transitions, split, horizon, objective.needsPair, named('model.horizon'));
  const train = followed.train.rows;
  const fraction = labelFractionOf(config.objective);
  const labels = Math.round(fraction * train.length);
  if (fraction > 0 && labels === 0)
    throw new ExolamError(
      'input',
      `${named('labelFraction')}: expected a share that is at least one of ${train.length} training transitions but received ${fraction}`,
    );
  const { scaled, scaling } = await scaledTransitions(transitions, scale, {
    ...control,
    onProgress: undefined,
  });
  const data: DataSetting = {
    ...{ transitions, scaled, scaling },
    train,
    heldOut: followed.heldOut.rows,
    labelled: permutation(train.length, config.seed)
      .slice(0, labels)
      .map((i) => train[i]),
    notes: [...transitions.notes, ...followed.notes],
  };
  return completed(config, named, {
    observationDim: transitions.observationDim,
    actionDim: scaled.actionDim,
    source: rowsSource(scaled, train, data.labelled, true, followed.train.later),
    evaluation: rowsSource(scaled, data.heldOut, data.heldOut, false, followed.heldOut.later),
    world: null,
    data,
  });
}

/**
 * Rows of transitions as a source of batches; the actions of `labelled` alone are seen. `later`: for each row those whose o' are the
 * observations after its own o'.
 */
export function rowsSource(
  t: Transitions,
  rows: Int32Array,
  labelled: Int32Array,
  shuffled: boolean,
  later: Int32Array = new Int32Array(0),
): RowsSource {
  const [n, d] = [rows.length, t.observationDim];
  // Frames of what follows the last rows stand behind those of the rows.
  const framed = later.length > 0 ? Int32Array.from(new Set([...rows, ...later])) : rows;
  const views = [t.observation, t.observationNext];
  if (t.pairObservation && t.pairObservationNext) views.push(t.pairObservation, t.pairObservationNext);
  const gathered = (of: Int32Array, values: Float64Array, width: number, into: Float32Array, begin = 0) => {
    of.forEach((row, i) => {
      into.set(values.subarray(row * width, (row + 1) * width), begin + i * width);
    });
    return into;
  };
  const all = framed.length;
  const frames = new Float32Array(views.length * all * d);
  views.forEach((view, v) => {
    gathered(framed, view, d, frames, v * all * d);
  });
  const places = (v: number) => Int32Array.from({ length: v < views.length ? n : 0 }, (_, i) => v * all + i);
  const place = new Map(later.length > 0 ? Array.from(framed, (row, i) => [row, i]) : []);
  const after = (v: number) =>
    v < views.length ? later.map((row) => v * all + (place.get(row) as number)) : new Int32Array(0);
  const of = (values: Float64Array | undefined, width: number) =>
    values ? gathered(rows, values, width, new Float32Array(n * width)) : new Float32Array(0);
  const seen = new Set(labelled);
  return {
    kind: 'rows',
    rows: n,
    observationDim: d,
    actionDim: t.action ? t.actionDim : 0,
    exogenousDim: t.exogenousNext ? t.exogenousDim : 0,
    frames,
    current: places(0),
    next: places(1),
    pair: places(2),
    pairNext: places(3),
    later: after(1),
    pairLater: after(3),
    action: of(t.action, t.actionDim),
    exogenous: of(t.exogenous, t.exogenousDim),
    exogenousNext: of(t.exogenousNext, t.exogenousDim),
    labelled: Uint8Array.from(rows, (row) => (seen.has(row) ? 1 : 0)),
    shuffled,
  };
}
