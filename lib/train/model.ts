import type { Backend, Control } from '../backend/requests.js';
import { tensorsOf } from '../backend/train-requests.js';
import { RELATIVE_TOLERANCE } from '../base/conventions.js';
import { version } from '../base/version.js';
import { type Foretold, foretold, innovationC } from '../lam/decoder.js';
import { LinearLam } from '../lam/linear-lam.js';
import { MlpLam } from '../lam/mlp-lam.js';
import { multiply } from '../linalg/dense.js';
import {
  columns,
  identity,
  type Matrix,
  matrix,
  plus,
  scale,
  scaleColumns,
  scaleRows,
  transpose,
} from '../linalg/matrix.js';
import { meanOf, secondMoments, variablesOf } from '../moments/of-data.js';
import { prepareForTraining } from '../solve/population.js';
import type { World } from '../world/world.js';
import { inverse, projectionOf, type Setting } from './setting.js';

/** The matrices of a linear network, on the network's own observations. */
export interface LinearMaps {
  /** z = C o + D o' + e, (latentDim, observationDim) each. */
  readonly C: Matrix;
  readonly D: Matrix;
  readonly e: Float64Array;
  /** prediction = A o + B z + b, of P o' where there is a projection. */
  readonly A: Matrix;
  readonly B: Matrix;
  readonly b: Float64Array;
  /** (actionDim, latentDim): a ~ H z + h; no rows without a head. */
  readonly H: Matrix;
  readonly h: Float64Array;
}

/** The weights of a network without hidden layers as matrices. */
export function linearMaps(setting: Setting, parameters: Float32Array): LinearMaps {
  const { shape } = setting;
  const tensors = new Map(
    tensorsOf(shape).map(({ name, shape: dims, offset, size }) => {
      const [rows, cols = 1] = dims as [number, number?];
      return [name, matrix(rows, cols, Float64Array.from(parameters.subarray(offset, offset + size)))];
    }),
  );
  const weights = (name: string) => tensors.get(`${name}.weight`);
  const bias = (name: string, size: number) => tensors.get(`${name}.bias`)?.data ?? new Float64Array(size);
  const projection = projectionOf(setting.objective, setting.data);
  const onO = (w: Matrix) => (projection ? multiply(w, projection) : w);
  const encoder = weights('encoder.0') as Matrix;
  const decoder = weights('decoder.0') as Matrix;
  const k = shape.latentDim;
  const isBoth = shape.encoderInput === 'both';
  const seen = isBoth ? encoder.cols / 2 : encoder.cols;
  const next = onO(isBoth ? columns(encoder, seen, 2 * seen) : encoder);
  const free = decoder.cols - k;
  const start = projection ?? identity(shape.observationDim);
  const A = free > 0 ? onO(columns(decoder, 0, free)) : matrix(decoder.rows, shape.observationDim);
  return {
    C: isBoth ? onO(columns(encoder, 0, seen)) : scale(-1, next),
    D: next,
    e: bias('encoder.0', k),
    A: shape.residual ? plus(A, start) : A,
    B: columns(decoder, free, decoder.cols),
    b: bias('decoder.0', decoder.rows),
    H: weights('head') ?? matrix(0, k),
    h: bias('head', shape.actionDim),
  };
}

/** The trained model on the user's own observations. */
export async function modelOf(
  setting: Setting,
  parameters: Float32Array,
  about: { readonly steps: number; readonly loss: number },
  backend: Backend,
  control: Control,
): Promise<LinearLam | MlpLam> {
  const { shape, projection, config, data } = setting;
  if (config.model.kind === 'linear')
    return linearModel(setting, linearMaps(setting, parameters), about, backend, control);
  const d = shape.observationDim;
  return new MlpLam({
    ...{ shape, projection, parameters },
    mean: data?.scaling.mean ?? new Float64Array(d),
    factor: data?.scaling.factor ?? new Float64Array(d).fill(1),
    objective: config.objective,
    steps: about.steps,
    trainedWith: version,
  });
}

/** A linear model as a LinearLam: biases go into the means, and z loses its own, which no metric sees. */
export async function linearModel(
  setting: Setting,
  maps: LinearMaps,
  { steps, loss }: { readonly steps: number; readonly loss: number },
  backend: Backend,
  control: Control,
): Promise<LinearLam> {
  const { config, data, objective, observationDim: d } = setting;
  const { factor, mean } = data?.scaling ?? {
    factor: new Float64Array(d).fill(1),
    mean: new Float64Array(d),
  };
  const onUser = (w: Matrix) => scaleColumns(w, factor);
  const asUser = (w: Matrix) => (objective.projection ? w : scaleRows(w, inverse(factor)));
  const encoder = { C: onUser(maps.C), D: onUser(maps.D) };
  const column = (v: Float64Array) => matrix(v.length, 1, v);
  // What the prediction adds whatever o and z are, and that of the mean observation.
  const added = asUser(plus(column(maps.b), multiply(maps.B, column(maps.e))));
  const base = objective.projection ? multiply(objective.projection, column(mean)) : column(mean);
  const A = onUser(asUser(maps.A));
  return new LinearLam({
    objective: config.objective as LinearLam['objective'],
    gauge: 'encoder',
    observationShape: [d],
    encoder,
    decoder: {
      A,
      B: asUser(maps.B),
      innovationC: await innovationOf(setting, encoder, backend, control),
    },
    means: { observation: mean, observationNext: mean, decoded: mean, prediction: plus(base, added).data },
    loss,
    rank: maps.D.rows,
    spectrum: new Float64Array(maps.D.rows),
    fit: { source: 'training', steps, optimizer: config.optimizer.kind },
    fittedWith: version,
  });
}

/** Runs of a batch that share a world share what is known of it. */
const FORETOLD = new WeakMap<World, Foretold>();

/** C of the innovation gauge: -D times what o tells of o', in the world or over the training rows. */
async function innovationOf(
  setting: Setting,
  encoder: { C: Matrix; D: Matrix },
  backend: Backend,
  control: Control,
): Promise<Matrix> {
  const { world, data, observationDim: d } = setting;
  if (world) {
    const question = { objective: { kind: 'reconstruction' as const }, latentDim: 1 };
    const known =
      FORETOLD.get(world) ??
      (await foretold(prepareForTraining(question as never, '', world), backend, control));
    FORETOLD.set(world, known);
    return innovationC(encoder, known, backend, control);
  }
  if (!data) return scale(-1, encoder.D);
  const { transitions, train } = data;
  const { width, layout } = variablesOf(transitions);
  const moments = await secondMoments(transitions, train, meanOf(transitions, train), backend, control);
  const block = (variable: 'observation' | 'observationNext') => [
    { terms: [{ variable, coefficient: null }], projected: false },
  ];
  const found = await backend.conditionMoments(
    {
      count: 1,
      ...{ width, moments, layout },
      objective: {
        ...{ y: block('observationNext'), f: block('observation'), e: block('observationNext') },
        penalties: [],
        gauge: 'innovation',
      },
      coefficients: new Float64Array(0),
      projection: new Float64Array(0),
      projectionDim: 0,
      ridge: 0,
      relativeTolerance: RELATIVE_TOLERANCE,
    },
    control,
  );
  return scale(-1, multiply(encoder.D, transpose(matrix(d, d, found.yOnF))));
}
