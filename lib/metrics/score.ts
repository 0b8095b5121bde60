import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import {
  describes,
  integer,
  numberThat,
  parse,
  parseOptions,
  quote,
  requireFinite,
} from '../base/validate.js';
import { requireTransitions } from '../data/accept.js';
import type { Transitions } from '../data/transitions.js';
import { fromRows, hstack, type Matrix, matrix } from '../linalg/matrix.js';
import { type DrawnMoments, exogenousDimOf, momentsOfDraw, populationMoments } from '../moments/drawn.js';
import { meanOf, secondMoments, variablesOf } from '../moments/of-data.js';
import { hasKind, type ObjectiveSpec, resolveForTraining } from '../solve/objectives.js';
import type { PopulationMetric } from '../solve/population.js';
import { createWorld, type World, type WorldSpec, worldSchema } from '../world/world.js';
import {
  type DecoderMatrices,
  type EncoderMatrices,
  populationLoss,
  populationMetrics,
  seenBy,
} from './loadings.js';
import {
  type ModelMeans,
  type MomentsSource,
  missedOnAverage,
  momentsLoss,
  momentsMetrics,
  type SampleMetrics,
} from './second-moments.js';

/** A linear encoder z = C o + D o': (latentDim, observationDim) each, as `solve`'s encoder has them, or as rows of numbers. */
export interface LinearEncoder {
  readonly C: Matrix | readonly (readonly number[])[];
  readonly D: Matrix | readonly (readonly number[])[];
}

/** What `score` reads of a LinearLam. */
export interface ScoredLam {
  readonly encoder: EncoderMatrices;
  readonly decoder: { readonly A: Matrix; readonly B: Matrix };
  readonly means: ModelMeans;
  readonly objective: ObjectiveSpec;
}

/** Where an encoder is judged: a world (exactly), one of drawMoments' draws (the first, or `draw`), or transitions. */
export type Judge =
  | { readonly world: WorldSpec }
  | { readonly moments: DrawnMoments; readonly draw?: number | undefined }
  | Transitions;

export interface ScoreOptions extends Control {
  /** Where the probes are fitted; the same kinds as where the encoder is judged. Default: there, which leaves them at their best. */
  readonly probes?: Judge | undefined;
  /**
   * Ridge of every probe, relative to the regressors' mean variance, at least 0. Default 0. Without effect in a world whose probes
   * are its own.
   */
  readonly ridge?: number | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<ScoreOptions>()(
  z.strictObject({
    ...controlFields,
    probes: z
      .custom<Judge>(
        (value) => typeof value === 'object' && value !== null,
        'expected {world}, {moments} or transitions',
      )
      .optional(),
    ridge: numberThat('a finite number of at least 0', (v) => v >= 0).default(0),
    backend: backendField,
  }),
);

/** What `score` found. */
export interface Score {
  readonly latentDim: number;
  /**
   * docs/theory.md section 4; one that is not defined, or whose variable is not there, is absent. Of a world all of `solve`'s. Of
   * moments and transitions figures in sample, without latentShare (and innovationLeakage where x is not there), where consistencyError compares paired views; with `probes` of its own a figure may
   * be above 1, and an information is absent.
   */
  readonly metrics: Readonly<Partial<Record<PopulationMetric | keyof SampleMetrics, number>>>;
  /**
   * Of a model with a decoder: E|o' - A o - B z|^2, summed over coordinates, of P o' for `representation`; for `cross-exogenous` o
   * and o' are the paired view's, as in its objective, and it is absent where there is none. No penalty, action head or noise.
   */
  readonly loss?: number;
}

/**
 * The metrics of any linear encoder in any world or on any data: of a model that was fitted under another policy, of matrices from
 * elsewhere. Throws {@link ExolamError} of kind `input` where sizes differ or an option is not accepted, `data` for numbers that are
 * not finite.
 */
export function score(
  lam: ScoredLam | LinearEncoder,
  where: Judge,
  options: ScoreOptions = {},
): Promise<Score> {
  return boundary('score', async () => {
    const { probes, ridge, backend = defaultBackend(), ...control } = parseOptions(optionsSchema, options);
    const encoder = encoderOf(lam);
    const place = placeOf(where, 'where');
    requireWidth(place, encoder, 'where');
    const scored = isLam(lam) ? lam : undefined;
    if (place.world && probes === undefined) return scoreInWorld(encoder, scored, place.world);
    const judged = await sourceOf(place, backend, control);
    const other = probes === undefined ? place : placeOf(probes, 'probes');
    requireWidth(other, encoder, 'probes');
    const from = other === place ? judged : await sourceOf(other, backend, control);
    const metrics = await momentsMetrics(encoder, judged, from, ridge, backend, control);
    const innovationLeakage = await innovationOf(encoder, place, other, ridge, backend, control);
    if (from !== judged) {
      delete metrics.actionInformation;
      delete metrics.futureInformation;
    }
    const loss = scored && lossOf(scored, judged);
    return {
      latentDim: encoder.C.rows,
      metrics: { ...metrics, ...(innovationLeakage === undefined ? {} : { innovationLeakage }) },
      ...(loss === undefined ? {} : { loss }),
    };
  });
}

/** What `score` finds in a world that is made already. */
export function scoreInWorld(encoder: EncoderMatrices, lam: ScoredLam | undefined, world: World): Score {
  const seen = seenBy(encoder, world);
  const score = { latentDim: encoder.C.rows, metrics: populationMetrics(seen) };
  if (!lam) return score;
  const decoder = decoderOf(lam);
  const zero = new Float64Array(encoder.C.cols);
  const here = { observation: zero, observationNext: zero, decoded: zero, prediction: zero };
  const off = missedOnAverage(here, lam.means, encoder, decoder);
  return { ...score, loss: populationLoss(seen, decoder) + off };
}

/**
 * innovationLeakage of transitions that have x: futureLeakage where x is seen beside o, of an encoder that does not look at it.
 * Undefined where there is no x, or nothing new in x'.
 */
async function innovationOf(
  { C, D }: EncoderMatrices,
  judged: Place,
  probes: Place,
  ridge: number,
  backend: Backend,
  control: Control,
): Promise<number | undefined> {
  const [on, from] = [withExogenous(judged.transitions), withExogenous(probes.transitions)];
  if (!on || !from) return undefined;
  const blind = matrix(C.rows, on.exogenousDim);
  const encoder = { C: hstack([C, blind]), D: hstack([D, blind]) };
  const source = (t: Transitions) =>
    sourceOf({ transitions: t, observationDim: t.observationDim }, backend, control);
  const seen = await source(on);
  const fitted = judged === probes ? seen : await source(from);
  return (await momentsMetrics(encoder, seen, fitted, ridge, backend, control)).futureLeakage;
}

/** The transitions with [o x] for o and [o' x'] for o', and x' to ask about. */
function withExogenous(t: Transitions | undefined): Transitions | undefined {
  if (!t?.exogenous || !t.exogenousNext) return undefined;
  const { count, observationDim: d, exogenousDim: dx } = t;
  const beside = (o: Float64Array, x: Float64Array) =>
    hstack([matrix(count, d, o), matrix(count, dx, x)]).data;
  const { pairObservation: _, pairObservationNext: __, endogenousNext: ___, action: ____, ...rest } = t;
  return {
    ...rest,
    actionDim: 0,
    observationDim: d + dx,
    observation: beside(t.observation, t.exogenous),
    observationNext: beside(t.observationNext, t.exogenousNext),
  };
}

function lossOf(lam: ScoredLam, judged: MomentsSource): number | undefined {
  const decoder = decoderOf(lam);
  if (decoder.paired && judged.variables.layout.pairObservation < 0) return undefined;
  return momentsLoss(judged, lam.encoder, decoder, lam.means);
}

function decoderOf({ decoder: { A, B }, objective }: ScoredLam): DecoderMatrices {
  const { projection } = resolveForTraining(objective, true);
  return { A, B, projection, paired: hasKind(objective, 'cross-exogenous') };
}

function isLam(lam: ScoredLam | LinearEncoder): lam is ScoredLam {
  return 'encoder' in lam && 'decoder' in lam;
}

function encoderOf(lam: unknown): EncoderMatrices {
  if (typeof lam !== 'object' || lam === null)
    throw new ExolamError('input', `lam: expected a LinearLam or {C, D} but received ${quote(lam)}`);
  const { C, D } = isLam(lam as ScoredLam) ? (lam as ScoredLam).encoder : (lam as LinearEncoder);
  const encoder = { C: matrixOf(C, 'C'), D: matrixOf(D, 'D') };
  if (encoder.C.rows !== encoder.D.rows || encoder.C.cols !== encoder.D.cols)
    throw new ExolamError(
      'input',
      `D: expected ${encoder.C.rows} rows of ${encoder.C.cols} numbers, as C has, but received ${encoder.D.rows} rows of ${encoder.D.cols}`,
    );
  return encoder;
}

const rowsSchema = z.array(z.array(z.number()).min(1)).min(1);
const matrixSchema = z.looseObject({ rows: integer(1), cols: integer(1), data: z.instanceof(Float64Array) });

function matrixOf(value: unknown, name: string): Matrix {
  if (Array.isArray(value)) {
    const rows = parse(rowsSchema, value, name);
    const ragged = rows.findIndex((row) => row.length !== rows[0].length);
    if (ragged < 0) return fromRows(rows);
    throw new ExolamError(
      'input',
      `${name}[${ragged}]: expected ${rows[0].length} numbers, as in row 0, but received ${rows[ragged].length}`,
    );
  }
  const { rows, cols, data } = parse(matrixSchema, value, name);
  if (data.length !== rows * cols)
    throw new ExolamError(
      'input',
      `${name}.data: expected ${rows * cols} numbers but received ${data.length}`,
    );
  requireFinite(data, name, (at) => `row ${Math.floor(at / cols)}, column ${at % cols}`);
  return matrix(rows, cols, data);
}

/** A judge, checked: one of the three. */
interface Place {
  readonly observationDim: number;
  readonly world?: World;
  readonly moments?: Omit<MomentsSource, 'mean'>;
  readonly transitions?: Transitions;
}

const worldPlace = z.strictObject({ world: worldSchema });
const momentsPlace = z.strictObject({ moments: z.custom<DrawnMoments>(), draw: integer(0).default(0) });

function placeOf(where: unknown, what: string): Place {
  if (typeof where !== 'object' || where === null)
    throw new ExolamError(
      'input',
      `${what}: expected {world}, {moments} or transitions but received ${quote(where)}`,
    );
  if ('world' in where) {
    const world = createWorld(parse(worldPlace, where, what).world as WorldSpec, `${what}.world`);
    return { world, observationDim: world.spec.observationDim };
  }
  if ('moments' in where && !('layout' in where)) {
    const { moments: drawn, draw } = parse(momentsPlace, where, what);
    const moments = momentsOfDraw(drawn, draw, `${what}.moments`);
    const { observationDim, actionDim } = drawn.layout;
    const sizes = { observationDim, actionDim, exogenousDim: exogenousDimOf(drawn) };
    return { observationDim, moments: { sizes, variables: drawn, moments } };
  }
  const transitions = where as Transitions;
  requireTransitions(transitions, what);
  return { transitions, observationDim: transitions.observationDim };
}

function requireWidth({ observationDim }: Place, { C }: EncoderMatrices, what: string): void {
  if (C.cols === observationDim) return;
  throw new ExolamError(
    'input',
    `${what}: expected observations of ${C.cols} coordinates, as the encoder has, but received ${observationDim}`,
  );
}

async function sourceOf(place: Place, backend: Backend, control: Control): Promise<MomentsSource> {
  const { world, transitions: t, moments } = place;
  if (world) {
    const { moments: exact, ...variables } = populationMoments(world);
    return { sizes: world.spec, variables, moments: exact, mean: null };
  }
  if (moments) return { ...moments, mean: null };
  const data = t as Transitions;
  const rows = Int32Array.from({ length: data.count }, (_, i) => i);
  const mean = meanOf(data, rows);
  const sizes = {
    observationDim: data.observationDim,
    actionDim: data.actionDim,
    exogenousDim: data.exogenousDim ?? 0,
  };
  return {
    sizes,
    variables: variablesOf(data),
    moments: await secondMoments(data, rows, mean, backend, { ...control, onProgress: undefined }),
    mean,
  };
}
