import type { DescentAnswer } from '../backend/descent-requests.js';
import {
  type Backend,
  type Control,
  dataWidth,
  type MomentLayout,
  type MomentsDescentRequest,
  STATUS,
} from '../backend/requests.js';
import { EIGENVALUE_TIE, RELATIVE_TOLERANCE, TIE_FLOOR } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import type { LinearLam } from '../lam/linear-lam.js';
import { multiply } from '../linalg/dense.js';
import { block, firstRows, identity, type Matrix, matrix, minus, plus, scale } from '../linalg/matrix.js';
import { meanOf, secondMoments, variablesOf } from '../moments/of-data.js';
import { resolveForTraining, type TrainableObjective } from '../solve/objectives.js';
import { countedLabels } from './config.js';
import { DescentRun } from './descent-run.js';
import type { Evaluation } from './evaluate.js';
import { expectedLoss, type RowMoments } from './expected-loss.js';
import type { Judges, LatentsOf } from './judges.js';
import { type LinearMaps, linearModel } from './model.js';
import { type DataSetting, projectionOf, type Setting } from './setting.js';

/** A linear model about the means of its rows. */
type CentredMaps = Pick<LinearMaps, 'C' | 'D' | 'A' | 'B' | 'H'>;

/** Exact gradients from the second moments of the user's training rows; judged on those held out. */
export class DataRun extends DescentRun {
  private readonly objective: TrainableObjective;
  private readonly moments: Moments;
  private found: CentredMaps | null = null;

  constructor(setting: Setting, what: string) {
    const data = setting.data as DataSetting;
    // The head has z alone to go by, and its own rows: those that are labelled.
    const objective = resolveForTraining(countedLabels(setting.config), false);
    if (objective.needsAction && objective.head < 0 && data.labelled.length < data.train.length)
      throw new ExolamError(
        'unsupported',
        `${what ? `${what}: ` : ''}labelFraction: expected 1 for exact gradients with an identity decoder; "adam" takes labels on some rows`,
      );
    const projectionDim = objective.projection?.rows ?? 0;
    const { layout } = variablesOf(trainedOn(data));
    const [y, e] = [objective.rows.y, objective.rows.e].map((stack) =>
      dataWidth(stack, { layout: layout as MomentLayout, projectionDim }),
    );
    super(setting, { y, e, head: objective.head >= 0 ? setting.actionDim : 0 });
    this.objective = objective;
    this.moments = new Moments(data);
  }

  /** What so many steps on make of the state; of lbfgs all that it has. */
  async descended(steps: number, backend: Backend, control: Control): Promise<DescentAnswer> {
    const { method, starts, seed, state, steps: count, rate } = this.stepsFrom(steps);
    const { objective } = this;
    const all = await this.moments.of('train', backend, control);
    const seen = objective.head >= 0 ? await this.moments.of('labelled', backend, control) : all;
    const request: MomentsDescentRequest = {
      ...this.question(all),
      ...{ labelled: seen.moments, head: objective.head, method, starts, steps: count },
      rate: Float64Array.of(rate),
      seed: Float64Array.of(seed),
      encoderState: state.encoder,
      decoderState: state.decoder,
    };
    return backend.descendMoments(request, { ...control, onProgress: undefined });
  }

  /** The problem of theory.md section 2 on these rows. */
  private question({ width, layout, moments }: RowMoments) {
    const { setting, objective } = this;
    const projection = projectionOf(objective, setting.data);
    return {
      ...{ count: 1, width, layout, moments, objective: objective.rows },
      coefficients: Float64Array.from(objective.coefficients),
      projection: projection?.data ?? new Float64Array(0),
      projectionDim: projection?.rows ?? 0,
      latentDim: setting.config.model.latentDim,
      ...{ ridge: 0, relativeTolerance: RELATIVE_TOLERANCE },
    };
  }

  /**
   * Goes to the optimum over the training rows: without labels the closed form, else where lbfgs comes to rest. Says whether it is the
   * only one, null where that is not known; the whole is null where there is none.
   */
  async toOptimum({ backend, control }: Judges): Promise<{ readonly unique: boolean | null } | null> {
    if (this.objective.needsAction) {
      this.take(await this.descended(this.config.steps, backend, control));
      return this.ending === 'converged' ? { unique: null } : null;
    }
    const { latentDim } = this.config.model;
    const all = await this.moments.of('train', backend, control);
    const quiet = { ...control, onProgress: undefined };
    const solved = await backend.solveMoments({ ...this.question(all), decoder: true }, quiet);
    if (solved.status[0] !== STATUS.ok) return null;
    const { observationDim: d } = this.setting;
    const { encoderC, encoderD, decoderA, decoderB, spectrum } = solved;
    this.found = {
      ...{ C: matrix(latentDim, d, encoderC), D: matrix(latentDim, d, encoderD) },
      A: matrix(decoderA.length / d, d, decoderA),
      B: matrix(decoderB.length / latentDim, latentDim, decoderB),
      H: matrix(0, latentDim),
    };
    const [last, next] = [spectrum[latentDim - 1] ?? 0, spectrum[latentDim] ?? 0];
    const near = EIGENVALUE_TIE * last + TIE_FLOOR * spectrum[0];
    return { unique: latentDim >= solved.rank[0] || last - next > near };
  }

  take(answer: DescentAnswer): void {
    this.reached({
      status: answer.status[0],
      step: answer.step[0],
      loss: answer.loss[0],
      state: { encoder: answer.encoderState, decoder: answer.decoderState },
    });
    this.found = this.mapsOf(answer);
  }

  async evaluate(judges: Judges): Promise<Evaluation> {
    const { backend, control } = judges;
    const maps = await this.maps(backend, control);
    const heldOut = await this.moments.of('heldOut', backend, control);
    const loss = expectedLoss(this.setting, maps, heldOut);
    return { step: this.done, loss, ...(await judges.evaluated(this.setting, latentsOf(maps, judges))) };
  }

  async nonlinear(judges: Judges) {
    const maps = await this.maps(judges.backend, judges.control);
    return judges.nonlinear(this.setting, latentsOf(maps, judges));
  }

  async model(backend: Backend, control: Control): Promise<LinearLam> {
    const maps = await this.maps(backend, control);
    const loss = expectedLoss(this.setting, maps, await this.moments.of('heldOut', backend, control));
    return linearModel(this.setting, maps, { steps: this.done, loss }, backend, control);
  }

  /** What a state's answer says in the network's coordinates. */
  private mapsOf(answer: DescentAnswer): CentredMaps {
    const { setting, objective } = this;
    const d = setting.observationDim;
    const k = setting.config.model.latentDim;
    const projection = projectionOf(objective, setting.data);
    const decoded = projection?.rows ?? d;
    const [C, D] = [matrix(k, d, answer.encoderC), matrix(k, d, answer.encoderD)];
    const { decoderState, decoderF } = answer;
    const states = matrix(decoderState.length / k, k, decoderState);
    const B = firstRows(states, decoded);
    const f = decoderF.length / (states.rows - (objective.head >= 0 ? setting.actionDim : 0));
    const free = firstRows(matrix(decoderF.length / Math.max(1, f), f, decoderF), decoded);
    const A = f === 0 ? (projection ?? identity(d)) : projection ? multiply(free, projection) : free;
    const actions = objective.needsAction ? setting.actionDim : 0;
    // Of an action that is stacked onto y the coefficient is the first: beside an identity decoder there are no others.
    const strength = actions > 0 ? objective.coefficients[Math.max(0, objective.head)] : 0;
    const weighed = block(states, states.rows - actions, actions, 0, k);
    const H = strength > 0 ? scale(1 / strength, weighed) : weighed;
    return { C, D, A, B, H };
  }

  private async maps(backend: Backend, control: Control): Promise<LinearMaps> {
    this.found ??= this.mapsOf(await this.descended(0, backend, control));
    return { ...this.found, ...(await this.offsets(this.found, backend, control)) };
  }

  /** e, b and h: z has mean zero over training rows, the errors have it over the rows that they are of. */
  private async offsets(
    { C, D, A, H }: CentredMaps,
    backend: Backend,
    control: Control,
  ): Promise<Pick<LinearMaps, 'e' | 'b' | 'h'>> {
    const { setting, objective } = this;
    const data = setting.data as DataSetting;
    const all = await this.moments.of('train', backend, control);
    const seen = objective.head >= 0 ? await this.moments.of('labelled', backend, control) : all;
    const { layout } = variablesOf(trainedOn(data));
    const d = setting.observationDim;
    const part = (m: RowMoments, begin: number, width: number) =>
      matrix(width, 1, m.mean.slice(begin, begin + width));
    const encoded = (m: RowMoments) =>
      plus(multiply(C, part(m, layout.observation, d)), multiply(D, part(m, layout.observationNext, d)));
    const e = scale(-1, encoded(all));
    const isPaired = setting.lossOf.crossExogenous;
    const given = part(all, isPaired ? layout.pairObservation : layout.observation, d);
    const next = part(all, isPaired ? layout.pairObservationNext : layout.observationNext, d);
    const projection = projectionOf(objective, data);
    const b = minus(projection ? multiply(projection, next) : next, multiply(A, given));
    const h = objective.needsAction
      ? minus(part(seen, layout.action, H.rows), multiply(H, plus(encoded(seen), e)))
      : matrix(0, 1);
    return { e: e.data, b: b.data, h: h.data };
  }
}

/** What moments are of: whatever no objective asks for is left out. */
function trainedOn({ scaled }: DataSetting) {
  return { ...scaled, exogenousNext: undefined, endogenousNext: undefined };
}

/** Second moments of sets of rows about their own means, each taken once. */
class Moments {
  private readonly known = new Map<string, RowMoments>();

  constructor(private readonly data: DataSetting) {}

  async of(which: 'train' | 'labelled' | 'heldOut', backend: Backend, control: Control): Promise<RowMoments> {
    const rows = this.data[which];
    if (which === 'labelled' && rows.length === this.data.train.length)
      return this.of('train', backend, control);
    const found = this.known.get(which);
    if (found) return found;
    if (rows.length === 0)
      throw new ExolamError('data', 'labelFraction: expected a share that labels at least one transition');
    const t = trainedOn(this.data);
    const { width, layout } = variablesOf(t);
    requireMemory(8 * 8 * width * width, `the second moments of ${width} coordinates`);
    const mean = meanOf(t, rows);
    const quiet = { ...control, onProgress: undefined };
    const made = { mean, width, layout, moments: await secondMoments(t, rows, mean, backend, quiet) };
    this.known.set(which, made);
    return made;
  }
}

/** z = C o + D o' + e of rows in the network's units, in f64. */
function latentsOf({ C, D, e }: LinearMaps, { backend, control }: Judges): LatentsOf {
  return async (observation, observationNext, rows) => {
    const onto = (values: Float32Array, w: Matrix) =>
      backend.multiply(
        {
          ...{ rows, inner: w.cols, cols: w.rows, a: Float64Array.from(values), b: w.data },
          ...{ transposeA: false, transposeB: true },
        },
        { ...control, onProgress: undefined },
      );
    const [own, next] = [await onto(observation, C), await onto(observationNext, D)];
    return { latent: own.map((v, i) => v + next[i] + e[i % e.length]) };
  };
}
