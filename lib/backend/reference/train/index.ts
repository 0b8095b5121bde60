import type { DrawRequest, Rows } from '../../batch-sources.js';
import { Pace } from '../../pace.js';
import { type Control, STATUS } from '../../requests.js';
import {
  type ApplyAnswer,
  type ApplyRequest,
  applyArrays,
  LOSS_PARTS,
  type NetworkShape,
  type TrainLossAnswer,
  type TrainLossRequest,
  type TrainProblem,
  type TrainState,
  type TrainStepsAnswer,
  type TrainStepsRequest,
  tensorsOf,
} from '../../train-requests.js';
import { followLatents, placeAll, quantise } from './codebook.js';
import { type BatchLoss, decode, encodeBatch, lossOf, needsOf } from './loss.js';
import { beside, combine, forward, linear, Parameters, rowsBlock } from './network.js';
import { update } from './optimiser.js';
import { rowsOf } from './sources.js';

/** The batch of the step after `step` steps. */
function batchOf(problem: TrainProblem, step: number): Rows {
  const { source, seed, batchSize: count } = problem;
  return rowsOf({ source, seed, first: step * count, count, needs: needsOf(problem) });
}

/** The codebook's place in the flat parameters, at their end. */
function bookAt(shape: NetworkShape): { offset: number; size: number } | undefined {
  return tensorsOf(shape).find(({ name }) => name === 'codebook');
}

/** One run while it goes on: arrays of its own. */
class Run {
  readonly answer: TrainStepsAnswer;
  private readonly state: { step: number } & TrainState;
  private failedAt = -1;

  constructor(private readonly request: TrainStepsRequest) {
    const { state, steps, traceEvery, shape } = request;
    this.state = {
      step: state.step,
      parameters: state.parameters.slice(),
      first: state.first.slice(),
      second: state.second.slice(),
      codebookCounts: state.codebookCounts.slice(),
      codebookSums: state.codebookSums.slice(),
    };
    this.answer = {
      state: this.state,
      trace: new Float64Array(LOSS_PARTS.length * Math.ceil(steps / traceEvery)),
      usage: new Float64Array((shape.codebook?.codes ?? 0) * (shape.codebook?.size ?? 0)),
      status: STATUS.ok,
      failedAt: -1,
    };
  }

  get failed(): boolean {
    return this.failedAt >= 0;
  }

  /** Step `index` of this call. */
  step(index: number): void {
    const { request: r, state } = this;
    const { shape, optimiser, seed } = r;
    const { step } = state;
    const rows = batchOf(r, step);
    const at = bookAt(shape);
    const book = at && {
      rows: state.parameters.subarray(at.offset, at.offset + at.size),
      counts: state.codebookCounts,
      sums: state.codebookSums,
    };
    if (book && step === 0)
      placeAll(shape, book, encodeBatch(r, new Parameters(shape, state.parameters), rows, step), seed);
    const p = new Parameters(shape, state.parameters);
    const loss = lossOf(r, p, rows, step);
    if (!Number.isFinite(loss.parts[0])) {
      this.failedAt = step;
      return;
    }
    this.note(index, loss);
    const followsGradient = !at || shape.codebook?.update === 'loss';
    update(optimiser, step, p.gradient, state, followsGradient ? state.parameters.length : at.offset);
    if (book && at && loss.quantised) {
      const moved = followLatents(shape, book, loss.encoded, loss.quantised.codes, seed, step);
      const width = at.size / moved.length;
      moved.forEach((m, row) => {
        const begin = at.offset + row * width;
        if (m) for (const moments of [state.first, state.second]) moments.fill(0, begin, begin + width);
      });
    }
    state.step++;
  }

  private note(index: number, { parts, quantised }: BatchLoss): void {
    const { steps, traceEvery, batchSize, shape } = this.request;
    const stretches = Math.ceil(steps / traceEvery);
    const stretch = Math.floor(index / traceEvery);
    const length = Math.min(traceEvery, steps - stretch * traceEvery);
    parts.forEach((v, i) => {
      this.answer.trace[i * stretches + stretch] += v / length;
    });
    const book = shape.codebook;
    if (book)
      quantised?.codes.forEach((code, i) => {
        this.answer.usage[(i % book.codes) * book.size + code] += 1 / (steps * batchSize);
      });
  }

  finish(): TrainStepsAnswer {
    if (!this.failed) return this.answer;
    return { ...this.answer, state: this.request.state, status: STATUS.nonFinite, failedAt: this.failedAt };
  }
}

export async function trainBatch(
  requests: readonly TrainStepsRequest[],
  control?: Control,
): Promise<TrainStepsAnswer[]> {
  const pace = new Pace(
    control,
    requests.reduce((sum, { steps }) => sum + steps, 0),
  );
  const answers: TrainStepsAnswer[] = [];
  for (const request of requests) {
    const run = new Run(request);
    for (let i = 0; i < request.steps; i++) {
      if (!run.failed) run.step(i);
      await pace.advance();
    }
    answers.push(run.finish());
  }
  pace.finish();
  return answers;
}

export async function trainSteps(request: TrainStepsRequest, control?: Control): Promise<TrainStepsAnswer> {
  const [answer] = await trainBatch([request], control);
  return answer as TrainStepsAnswer;
}

export async function trainLoss(request: TrainLossRequest): Promise<TrainLossAnswer> {
  const p = new Parameters(request.shape, request.parameters);
  const { parts } = lossOf(request, p, batchOf(request, request.step), request.step);
  return { parts, gradient: p.gradient };
}

export async function drawRows(request: DrawRequest): Promise<Rows> {
  return rowsOf(request);
}

/** Rows that are looked at together: the event loop gets its turn between them. */
const PART = 256;

export async function applyNetwork(r: ApplyRequest, control?: Control): Promise<ApplyAnswer> {
  const answer = applyArrays(r);
  const pace = new Pace(control, Math.ceil(r.rows / PART));
  for (let begin = 0; begin < r.rows; begin += PART) {
    applyPart(r, begin, Math.min(PART, r.rows - begin), answer);
    await pace.advance();
  }
  pace.finish();
  return answer;
}

function applyPart(r: ApplyRequest, begin: number, rows: number, answer: ApplyAnswer): void {
  const { shape } = r;
  const { latentDim: k, observationDim: d, projectionDim: h } = shape;
  const p = new Parameters(shape, r.parameters);
  const seen = (from: Float32Array) => {
    const o = rowsBlock(rows, d, Float64Array.from(from.subarray(begin * d, (begin + rows) * d)));
    if (h === 0) return o;
    const out = rowsBlock(rows, h);
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < d; j++) out.at[row * h + i] += r.projection[i * d + j] * o.at[row * d + j];
    return out;
  };
  const given = seen(r.decoderObservation ?? r.observation);
  let latent = rowsBlock(rows, k);
  if (r.latent) latent.at.set(r.latent.subarray(begin * k, (begin + rows) * k));
  else {
    const [o, next] = [seen(r.observation), seen(r.observationNext)];
    const input = shape.encoderInput === 'both' ? beside(o, next) : combine(next, o, (b, a) => b - a);
    latent = forward(p, 'encoder', input).output;
    answer.encoded.set(latent.at, begin * k);
    const at = bookAt(shape);
    if (at) {
      const found = quantise(shape, r.parameters.subarray(at.offset, at.offset + at.size), latent);
      answer.codes.set(found.codes, begin * (shape.codebook?.codes ?? 0));
      latent = found.latent;
    }
  }
  answer.latent.set(latent.at, begin * k);
  const { prediction } = decode(p, given, latent);
  answer.prediction.set(prediction.at, begin * prediction.width);
  if (shape.actionDim > 0) answer.action.set(linear(p, 'head', latent).at, begin * shape.actionDim);
}
