import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { DESCENT_METHODS } from './descent-requests.js';
import { type JudgingAddon, judging } from './native-judging.js';
import { gradientSteps, type TrainingAddon } from './native-training.js';
import {
  type Backend,
  type BackendInfo,
  type Block,
  type ConditionRequest,
  type Control,
  conditionArrays,
  estimatesArrays,
  momentsArrays,
  momentsDescentArrays,
  type ObjectiveRows,
  PARAMETERS,
  populationArrays,
  populationDescentArrays,
  type SampleAnswer,
  type SampleRequest,
  trainMomentsArrays,
  type UnitRows,
  VARIABLES,
} from './requests.js';
import { encodeView } from './views.js';

/**
 * The addon's exports: requests in the shape of lib/backend/requests.ts with the answer's arrays already allocated, and what a
 * WebAssembly instance needs besides: those arrays once more under `answer`, and `watch`, which it calls where nobody else can
 * while it computes.
 */
export interface Addon extends JudgingAddon, TrainingAddon {
  /** Ctrl-C ends the process where JavaScript does not do so within that many milliseconds, -1: at the second one (native/addon/signals.h). */
  guardSignals(milliseconds: number): void;
  /** A process group that ends with the process then. */
  trackGroup(pid: number, running: boolean): void;
  info(): { isa: string; isas: string[]; threads: number };
  solvePopulation(request: object): Promise<void>;
  solveMoments(request: object): Promise<void>;
  conditionMoments(request: object): Promise<void>;
  probe(request: object): Promise<void>;
  estimate(request: object): Promise<void>;
  rowCovariance(request: object): Promise<void>;
  trainMoments(request: object): Promise<void>;
  descendPopulation(request: object): Promise<void>;
  descendMoments(request: object): Promise<void>;
  accumulate(request: object): Promise<void>;
  multiply(request: object): Promise<void>;
  sample(request: object): Promise<void>;
  sampleF32(request: object): Promise<void>;
  wishart(request: object): Promise<void>;
  normals(request: object): void;
  normalsF32(request: object): void;
  symmetricEigen(request: object): Promise<void>;
  choleskySolve(request: object): Promise<void>;
  /** For benchmarks: floating-point operations done by `rounds` of multiply-adds that never leave the registers. */
  fmaPeak(request: { rounds: number }): number;
  /** For benchmarks: c = a b for n x n matrices, row-major, all f64 or all f32; done `rounds` times over. */
  product<T extends Float64Array | Float32Array>(request: {
    a: T;
    b: T;
    c: T;
    n: number;
    rounds: number;
  }): void;
}

/** How often a running request is asked how far it is, in milliseconds. */
const POLL = 50;

/** ObjectiveRows as the numbers that native/addon/objective.h reads. */
export function encodeObjective(rows: ObjectiveRows): Int32Array {
  const wire: number[] = [rows.gauge === 'innovation' ? 1 : 0];
  const block = (b: Block) => {
    wire.push(b.projected ? 1 : 0, b.terms.length);
    for (const t of b.terms)
      wire.push(VARIABLES.indexOf(t.variable), t.coefficient ?? -1, t.negative ? 1 : 0);
  };
  const stack = (blocks: readonly Block[]) => {
    wire.push(blocks.length);
    blocks.forEach(block);
  };
  for (const blocks of [rows.y, rows.f, rows.e]) stack(blocks);
  wire.push(rows.penalties.length);
  for (const p of rows.penalties) {
    stack(p.of);
    stack(p.given);
    wire.push(p.weight);
  }
  return Int32Array.from(wire);
}

/** A request on joint moments in the shape that the addon reads. */
function onMoments(r: ConditionRequest) {
  const { observationDim, actionDim } = r.layout;
  const columns = Int32Array.from(VARIABLES, (v) =>
    v === 'encoderNoise' || v === 'decoderNoise' ? -1 : r.layout[v],
  );
  return { ...r, columns, observationDim, actionDim, objective: encodeObjective(r.objective) };
}

function sampleArrays<Observation>(
  r: SampleRequest,
  observations: (length: number) => Observation,
): SampleAnswer<Observation> {
  const rows = (width: number) => new Float64Array(r.count * width);
  const views = r.count * r.observationDim;
  return {
    observation: observations(views),
    observationNext: observations(views),
    pairObservation: observations(r.pair ? views : 0),
    pairObservationNext: observations(r.pair ? views : 0),
    action: rows(r.actionDim),
    exogenous: rows(r.exogenousDim),
    exogenousNext: rows(r.exogenousDim),
    endogenous: rows(r.endogenousDim),
    endogenousNext: rows(r.endogenousDim),
  };
}

/** `answer`: the arrays that the call writes. */
type Run = (
  call: (request: object) => Promise<void>,
  request: object,
  answer: object,
  control: Control | undefined,
) => Promise<void>;

/** Three numbers that a call shares: cancelled, done, total. A page that is not cross-origin isolated has no such memory. */
function sharedState(): Int32Array {
  return new Int32Array(
    typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(12) : new SharedArrayBuffer(12),
  );
}

/** Runs one call off the main thread; memory shared with it carries cancellation one way and progress the other. */
function runOn(threads: number): Run {
  return async (call, request, answer, control) => {
    const cancelled = () =>
      new ExolamError('cancelled', 'cancelled by the caller', { cause: control?.signal?.reason as unknown });
    if (control?.signal?.aborted) throw cancelled();
    const state = sharedState();
    const abort = () => void Atomics.store(state, 0, 1);
    control?.signal?.addEventListener('abort', abort, { once: true });
    const report = () => {
      const total = Atomics.load(state, 2);
      if (total > 0) control?.onProgress?.(Math.min(Atomics.load(state, 1), total), total);
    };
    // What a listener throws must not end the process from a timer: it stops the request and is thrown in its place.
    let thrown: { readonly error: unknown } | undefined;
    const poll = () => {
      try {
        report();
      } catch (error) {
        thrown ??= { error };
        abort();
      }
    };
    const timer = control?.onProgress ? setInterval(poll, POLL) : undefined;
    try {
      const watched = { control: state, threads: control?.threads ?? threads, watch: poll };
      await call({ ...request, ...answer, answer, ...watched });
      if (thrown) throw thrown.error;
      if (control?.signal?.aborted) throw cancelled();
      report();
    } catch (error) {
      if (error instanceof ExolamError) throw error;
      if (thrown) throw thrown.error;
      if (control?.signal?.aborted) throw cancelled();
      const { message } = error as Error;
      if (message === 'out of memory')
        throw new ExolamError('data', 'memory ran out: expected sizes that this machine can hold', {
          cause: error,
        });
      throw new ExolamError('internal', `the core failed: ${message}`, { cause: error });
    } finally {
      clearInterval(timer);
      control?.signal?.removeEventListener('abort', abort);
    }
  };
}

/** The backend that runs in the addon, or in what has its interface. */
export function nativeBackend(addon: Addon, name: BackendInfo['name'] = 'native'): Backend {
  const machine = addon.info();
  const run = runOn(machine.threads);
  return {
    info: () => ({ name, ...machine }),
    ...fits(addon, run),
    ...estimates(addon, run),
    ...judging(addon, run),
    ...training(addon, run),
    ...gradientSteps(addon, run),
    ...draws(addon, run),
    ...algebra(addon, run),
  };
}

/** Solutions, moments and probes. */
function fits(
  addon: Addon,
  run: Run,
): Pick<Backend, 'solvePopulation' | 'solveMoments' | 'conditionMoments' | 'probe' | 'accumulate'> {
  return {
    async solvePopulation(r, control, into) {
      const answer = populationArrays(r, into);
      if (r.parameters.length !== PARAMETERS.length * r.count)
        throw new ExolamError('internal', 'ragged parameters');
      await run(addon.solvePopulation, { ...r, objective: encodeObjective(r.objective) }, answer, control);
      return answer;
    },

    async solveMoments(r, control) {
      const answer = momentsArrays(r);
      await run(addon.solveMoments, onMoments(r), answer, control);
      return answer;
    },

    async conditionMoments(r, control) {
      const answer = conditionArrays(r);
      await run(addon.conditionMoments, onMoments(r), answer, control);
      return answer;
    },

    async probe(r, control) {
      const targets = r.targets.length / 2;
      const answer = {
        conditional: new Float64Array(r.latentDims.length * targets),
        raw: new Float64Array(r.latentDims.length * targets),
        remaining: new Float64Array(targets),
        information: new Float64Array(r.latentDims.length * targets),
        consistency: new Float64Array(r.latentDims.length),
      };
      await run(addon.probe, r, answer, control);
      return answer;
    },

    async accumulate(r, control) {
      const moments = new Float64Array(r.width * r.width);
      await run(addon.accumulate, r, { moments }, control);
      return moments;
    },
  };
}

const NOTHING = new Float64Array(0);

/** Rows as flat fields: values0, mean0, factor0 of the first variable, and so on. */
function encodeRows(rows: UnitRows | null): object {
  if (!rows) return { rows: 0 };
  const fields: Record<string, Float64Array> = {};
  rows.columns.forEach((column, v) => {
    fields[`values${v}`] = column?.values ?? NOTHING;
    fields[`mean${v}`] = column?.mean ?? NOTHING;
    fields[`factor${v}`] = column?.factor ?? NOTHING;
  });
  return { rows: rows.unit.length, rowUnit: rows.unit, ...fields };
}

/** Metrics on data, fold by fold. */
function estimates(addon: Addon, run: Run): Pick<Backend, 'estimate' | 'rowCovariance'> {
  return {
    async rowCovariance({ rows, width, layout }, control) {
      const out = new Float64Array((width - 1) ** 2);
      await run(addon.rowCovariance, { width, layout, ...encodeRows(rows) }, { out }, control);
      return out;
    },

    async estimate(r, control) {
      const answer = estimatesArrays(r);
      const columns = Math.max(...r.objectives.map((o) => o.coefficients.length));
      const coefficients = new Float64Array(columns * r.objectives.length);
      r.objectives.forEach((o, i) => {
        o.coefficients.forEach((value, c) => {
          coefficients[c * r.objectives.length + i] = value;
        });
      });
      const projections = new Float64Array(r.objectives.reduce((sum, o) => sum + o.projection.length, 0));
      let taken = 0;
      for (const { projection } of r.objectives) {
        projections.set(projection, taken);
        taken += projection.length;
      }
      await run(
        addon.estimate,
        {
          ...r,
          objective: Int32Array.from(r.objectives.flatMap((o) => Array.from(encodeObjective(o.rows)))),
          coefficients,
          projections,
          projectionDims: Int32Array.from(r.objectives, (o) => o.projectionDim),
          gains: Float64Array.from(r.objectives, (o) => o.gain ?? 0),
          chosen: r.chosen ?? new Int32Array(0),
          ...encodeRows(r.rows),
        },
        answer,
        control,
      );
      return answer;
    },
  };
}

/** Objectives without a closed form, and any by gradients. */
function training(
  addon: Addon,
  run: Run,
): Pick<Backend, 'trainMoments' | 'descendPopulation' | 'descendMoments'> {
  return {
    async descendPopulation(r, control) {
      const answer = populationDescentArrays(r);
      const objective = encodeObjective(r.objective);
      const method = DESCENT_METHODS.indexOf(r.method);
      await run(addon.descendPopulation, { ...r, objective, method }, answer, control);
      return answer;
    },

    async descendMoments(r, control) {
      const answer = momentsDescentArrays(r);
      const method = DESCENT_METHODS.indexOf(r.method);
      await run(addon.descendMoments, { ...onMoments(r), method }, answer, control);
      return answer;
    },

    async trainMoments(r, control) {
      const answer = trainMomentsArrays(r);
      await run(addon.trainMoments, r, answer, control);
      return answer;
    },
  };
}

/** Random numbers and what is made of them. */
function draws(
  addon: Addon,
  run: Run,
): Pick<Backend, 'sample' | 'sampleF32' | 'wishart' | 'normals' | 'normalsF32'> {
  return {
    async sample(r, control, into) {
      const answer = into ?? sampleArrays(r, (length) => new Float64Array(length));
      await run(addon.sample, { ...r, ...encodeView(r.view) }, answer, control);
      return answer;
    },

    async sampleF32(r, control, into) {
      const answer = into ?? sampleArrays(r, (length) => new Float32Array(length));
      await run(addon.sampleF32, { ...r, ...encodeView(r.view) }, answer, control);
      return answer;
    },

    async wishart(r, control) {
      const moments = new Float64Array(r.count * r.width * r.width);
      await run(addon.wishart, r, { moments }, control);
      return moments;
    },

    normals(seed, stream, first, count, into) {
      if (!into) requireMemory(8 * count, `${count} normals`);
      const out = into ?? new Float64Array(count);
      addon.normals({ seed, stream, first, out, answer: { out } });
      return out;
    },

    normalsF32(seed, stream, first, count, into) {
      if (!into) requireMemory(4 * count, `${count} normals`);
      const out = into ?? new Float32Array(count);
      addon.normalsF32({ seed, stream, first, out, answer: { out } });
      return out;
    },
  };
}

/** Dense matrices. */
function algebra(addon: Addon, run: Run): Pick<Backend, 'multiply' | 'symmetricEigen' | 'choleskySolve'> {
  return {
    async multiply(r, control) {
      const product = new Float64Array(r.rows * r.cols);
      const flags = { transposeA: Number(r.transposeA), transposeB: Number(r.transposeB) };
      await run(addon.multiply, { ...r, ...flags }, { product }, control);
      return product;
    },

    async symmetricEigen(matrices, n, count, control, into) {
      const answer = into ?? {
        values: new Float64Array(count * n),
        vectors: new Float64Array(count * n * n),
      };
      await run(addon.symmetricEigen, { matrices, n, count }, answer, control);
      return answer;
    },

    async choleskySolve(matrices, rightSides, n, m, count, control, into) {
      const solutions = into ?? new Float64Array(count * n * m);
      await run(addon.choleskySolve, { matrices, rightSides, n, m, count }, { solutions }, control);
      return solutions;
    },
  };
}
