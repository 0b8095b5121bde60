import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import {
  type Backend,
  type Control,
  PARAMETERS,
  POPULATION_METRICS,
  type PopulationAnswer,
  type PopulationRequest,
} from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, integer, parse, parseOptions, quote, unknownName } from '../base/validate.js';
import { isOfTheWorld, type WorldParameter, type WorldSpec, worldSchema } from '../world/world.js';
import {
  coefficientsOf,
  nameOfObjective,
  type ObjectiveSpec,
  objectiveSchema,
  resolveObjective,
  STRENGTHS,
  type Strength,
  withStrength,
} from './objectives.js';
import { type PopulationMetric, type Prepared, prepare, requestOf } from './population.js';

/** What may differ from configuration to configuration: every scalar of a world but its dimensions, mixing and seed. */
const SCALARS = PARAMETERS.filter(isOfTheWorld);

export type { WorldParameter };
/** The names of columns: parameters of the world and its seed, and numbers of the objective as `kind.key`. */
export type ColumnName = WorldParameter | Strength | 'seed';

/** Configurations of one call to the backend: enough to keep every core busy, few enough to stay out of the way. */
const CHUNK = 1 << 15;
/** Chunks that are asked for at a time. */
const AHEAD = 2;

/** Many configurations of one world under one objective: what they share, and a column for each parameter that differs. */
export interface Configurations {
  /** Dimensions, mixing, seed (and so the matrices), and every parameter that has no column. */
  readonly world?: WorldSpec | undefined;
  /** The objective; a number of it that has a column is replaced by the column's. */
  readonly objective: ObjectiveSpec;
  /** Ascending integers from 1; one answer for each, from one solve. */
  readonly latentDims: readonly number[];
  /** One value a configuration; all of one length, one column at least. The names are those of {@link ColumnName}. */
  readonly columns: Readonly<Partial<Record<ColumnName, Float64Array>>>;
}

export interface ColumnsOptions extends Control {
  /** Also return the leading eigenvalues. Default false. */
  readonly spectrum?: boolean | undefined;
  /** Names of the metrics to return; with none only the loss is. Default: all. */
  readonly metrics?: readonly PopulationMetric[] | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const configurationsSchema = describes<Configurations>()(
  z.strictObject({
    world: worldSchema.prefault({}),
    objective: objectiveSchema,
    latentDims: z.array(integer(1)).min(1),
    columns: z.custom<Configurations['columns']>(
      (value) => typeof value === 'object' && value !== null && !ArrayBuffer.isView(value),
      'expected an object of columns',
    ),
  }),
);

const optionsSchema = describes<ColumnsOptions>()(
  z.strictObject({
    ...controlFields,
    spectrum: z.boolean().default(false),
    metrics: z.array(z.enum(POPULATION_METRICS)).optional(),
    backend: backendField,
  }),
);

/** The exact answers, as columns; K: the number of latentDims. */
export interface ColumnsSolution {
  readonly count: number;
  readonly latentDims: readonly number[];
  /** (count, K): minimum of the objective. */
  readonly loss: Float64Array;
  /** (count, K) each, docs/theory.md section 4: NaN where a metric is not defined (0 / 0), Infinity where exact. */
  readonly metrics: Readonly<Partial<Record<PopulationMetric, Float64Array>>>;
  /** (count, K): 0 where eigenvalue k ties with the next, so that `metrics` are the least favourable of all minimisers; else 1. */
  readonly unique: Uint8Array;
  /** (count, K): the eigenvalue after the k leading ones. */
  readonly next: Float64Array;
  /**
   * (count, K) each: the most favourable value of a metric over all minimisers, that of `metrics` where the answer is unique; the
   * very arrays of `metrics` where all are.
   */
  readonly favourable: Readonly<Partial<Record<PopulationMetric, Float64Array>>>;
  /** (count): numerical rank of M; latents beyond it carry nothing. */
  readonly rank: Int32Array;
  /** (count, largest latentDim), descending; empty unless asked for. */
  readonly spectrum: Float64Array;
  /** (count): 0 where solved. Elsewhere (a value too large for the arithmetic) loss and metrics are NaN. */
  readonly status: Uint8Array;
}

/**
 * Solves many configurations of one shape with no object for any of them: typed-array columns in, columns out, in memory that
 * grows by the answer alone. The answers are those of {@link solveBatch} to the same cases. Throws {@link ExolamError}.
 */
export function solveColumns(
  questions: Configurations,
  options: ColumnsOptions = {},
): Promise<ColumnsSolution> {
  return boundary('solveColumns', async () => {
    parse(configurationsSchema, questions, '', 'configurations');
    return solveChecked(questions, parseOptions(optionsSchema, options), { favourable: true, spare: [] });
  });
}

/**
 * The same, many times over: without the most favourable values, and with the backend's arrays of calls before, which are kept in
 * `spare`. What is allocated for every call is what the collector then looks for: a twentieth of a sweep's time.
 */
export function solveColumnsAgain(
  questions: Configurations,
  control: Control,
  spare: PopulationAnswer[],
): Promise<ColumnsSolution> {
  return solveChecked(questions, parseOptions(optionsSchema, control), { favourable: false, spare });
}

interface Manner {
  readonly favourable: boolean;
  /** Arrays that nobody reads any more. */
  readonly spare: PopulationAnswer[];
}

async function solveChecked(
  questions: Configurations,
  options: z.output<typeof optionsSchema>,
  { favourable, spare }: Manner,
): Promise<ColumnsSolution> {
  const { columns } = questions;
  const count = checkColumns(columns);
  const latentDims = checkLatentDims(questions.latentDims);
  const widest = latentDims[latentDims.length - 1];
  const question = representative(questions);
  const last = prepare({ ...question, latentDims }, '');
  const worlds = worldsOf(question, columns.seed, last, widest);
  const shared = requestOf(worlds.prepared, false);
  const index = worlds.index?.map((world) => shared.matrixIndex[world]);
  const wanted = options.metrics ?? POPULATION_METRICS;
  const width = latentDims.length;
  requireMemory(
    8 * count * (width * (1 + wanted.length) + (options.spectrum ? widest : 0)),
    `the answer to ${count} configurations of ${width} latent dimensions`,
  );
  const answer = {
    count,
    latentDims,
    loss: new Float64Array(count * width),
    ...metricColumns(wanted, count * width),
    unique: new Uint8Array(count * width),
    next: new Float64Array(count * width),
    rank: new Int32Array(count),
    spectrum: new Float64Array(options.spectrum ? count * widest : 0),
    status: new Uint8Array(count),
  };
  const backend = options.backend ?? defaultBackend();
  const report = reporter(count, options.onProgress);
  const ask = (first: number): Promise<PopulationAnswer> => {
    const size = Math.min(CHUNK, count - first);
    const asked = backend.solvePopulation(
      {
        ...shared,
        ...chunkOf(last, shared, columns, first, size),
        matrixIndex: index ? index.slice(first, first + size) : new Int32Array(size),
        latentDims: Int32Array.from(latentDims),
      },
      { ...options, onProgress: report(size) },
      takeSpare(spare, size, width, widest),
    );
    // It may fail while an earlier one is awaited, whose failure then is the answer.
    asked.catch(() => undefined);
    return asked;
  };
  // Chunks overlap, so that no core waits while this thread copies one or another comes to its end.
  const ahead: Promise<PopulationAnswer>[] = [];
  let asked = 0;
  const askNext = () => {
    if (asked < count) ahead.push(ask(asked));
    asked += CHUNK;
  };
  try {
    for (let i = 0; i < AHEAD; i++) askNext();
    for (let first = 0; first < count; first += CHUNK) {
      const part = await (ahead.shift() as Promise<PopulationAnswer>);
      place(answer, part, first, widest, favourable);
      if (spare.length < MOST_SPARE) spare.push(part);
      askNext();
    }
  } finally {
    await Promise.allSettled(ahead);
  }
  return answer;
}

/** More than calls that overlap have at a time. */
const MOST_SPARE = 4;

/** Arrays of the same sizes that are free, taken off `spare`. */
function takeSpare(
  spare: PopulationAnswer[],
  size: number,
  width: number,
  widest: number,
): PopulationAnswer | undefined {
  const at = spare.findIndex(
    ({ rank, loss, spectrum }) =>
      rank.length === size && loss.length === size * width && spectrum.length === size * widest,
  );
  return at < 0 ? undefined : spare.splice(at, 1)[0];
}

/** Progress over all chunks from that of each. */
function reporter(count: number, onProgress: Control['onProgress']) {
  const parts: number[] = [];
  return (size: number): Control['onProgress'] => {
    if (!onProgress) return undefined;
    const at = parts.push(0) - 1;
    return (done, total) => {
      parts[at] = (size * done) / total;
      onProgress(
        parts.reduce((sum, part) => sum + part, 0),
        count,
      );
    };
  };
}

/** Copies the answer to configurations from `first` on to its place; NaN where one failed. */
function place(
  answer: ColumnsSolution & MetricColumns,
  part: PopulationAnswer,
  first: number,
  widest: number,
  favourable: boolean,
): void {
  const width = answer.latentDims.length;
  const length = part.loss.length;
  if (part.status.some(isFailure)) clearFailures(part, width);
  answer.loss.set(part.loss, first * width);
  answer.unique.set(part.unique, first * width);
  answer.next.set(part.next, first * width);
  placeMetrics(answer, part, first * width, length, favourable);
  answer.rank.set(part.rank, first);
  answer.status.set(part.status, first);
  if (answer.spectrum.length > 0) answer.spectrum.set(part.spectrum, first * widest);
}

// Loops and what they call stand in functions with names of their own: the engine compiles those once, and a closure as often as
// it is made.

const isFailure = (status: number) => status !== 0;

function clearFailures({ status, loss, metrics }: PopulationAnswer, width: number): void {
  for (let i = 0; i < loss.length; i++) {
    if (status[Math.floor(i / width)] === 0) continue;
    loss[i] = Number.NaN;
    for (let m = i; m < metrics.length; m += loss.length) metrics[m] = Number.NaN;
  }
}

/** The matrices of every seed, and which of them each configuration has; without a column of seeds those of the one world. */
interface Worlds {
  readonly prepared: readonly Prepared[];
  readonly index?: Int32Array;
}

function worldsOf(
  question: { readonly world: WorldSpec; readonly objective: ObjectiveSpec },
  seeds: Float64Array | undefined,
  last: Prepared,
  latentDim: number,
): Worlds {
  if (!seeds) return { prepared: [last] };
  const { distinct, index } = distinctOf(seeds);
  const prepared = distinct.map((seed) => {
    const made = prepare({ ...question, world: { ...question.world, seed }, latentDim }, '');
    if (!sameShape(made, last))
      throw new ExolamError(
        'unsupported',
        `columns.seed: expected worlds of one shape, but seed ${seed} spans ${made.mixing.rows} dimensions and seed ${last.world.spec.seed} ${last.mixing.rows}; ask for them in calls of their own`,
      );
    return made;
  });
  return { prepared, index };
}

/** Values in the order of their first place, and which of them each one is. */
function distinctOf(values: Float64Array): { distinct: number[]; index: Int32Array } {
  const places = new Map<number, number>();
  const index = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const known = places.get(values[i]);
    index[i] = known ?? places.size;
    if (known === undefined) places.set(values[i], places.size);
  }
  return { distinct: [...places.keys()], index };
}

const sameShape = (a: Prepared, b: Prepared): boolean =>
  a.mixing.rows === b.mixing.rows &&
  a.projection?.rows === b.projection?.rows &&
  a.states.endogenousDim === b.states.endogenousDim &&
  a.states.exogenousDim === b.states.exogenousDim;

interface MetricColumns {
  readonly metrics: Partial<Record<PopulationMetric, Float64Array>>;
  favourable: Partial<Record<PopulationMetric, Float64Array>>;
}

function metricColumns(wanted: readonly PopulationMetric[], length: number): MetricColumns {
  const metrics = Object.fromEntries(wanted.map((name) => [name, new Float64Array(length)])) as Partial<
    Record<PopulationMetric, Float64Array>
  >;
  return { metrics, favourable: metrics };
}

/** Copies a part of the answer to its place. `favourable` has arrays of its own from the first tie on. */
function placeMetrics(
  to: MetricColumns,
  part: PopulationAnswer,
  begin: number,
  length: number,
  wantsFavourable: boolean,
): void {
  const names = Object.keys(to.metrics) as PopulationMetric[];
  const ties = wantsFavourable && part.unique.includes(0);
  if (ties && to.favourable === to.metrics)
    to.favourable = Object.fromEntries(names.map((name) => [name, to.metrics[name]?.slice()]));
  for (const name of names) {
    const from = POPULATION_METRICS.indexOf(name) * length;
    const values = part.metrics.subarray(from, from + length);
    to.metrics[name]?.set(values, begin);
    if (to.favourable === to.metrics) continue;
    const favourable = to.favourable[name] as Float64Array;
    favourable.set(values, begin);
    for (let i = 0; ties && i < length; i++)
      if (part.unique[i] === 0) favourable[begin + i] = part.favourable[from + i];
  }
}

/** The part of a request for configurations [first, first + size): columns where there are some, else the shared case's values. */
function chunkOf(
  { objective }: Prepared,
  shared: PopulationRequest,
  columns: Configurations['columns'],
  first: number,
  size: number,
): Pick<PopulationRequest, 'count' | 'parameters' | 'coefficients'> {
  const parameters = new Float64Array(PARAMETERS.length * size);
  PARAMETERS.forEach((name, p) => {
    const column = isOfTheWorld(name) ? columns[name] : undefined;
    if (column) parameters.set(column.subarray(first, first + size), p * size);
    else parameters.fill(shared.parameters[p * shared.count], p * size, (p + 1) * size);
  });
  const strengths = (Object.keys(STRENGTHS) as Strength[]).filter((name) => columns[name]);
  const varied = strengths.map((name) => columns[name] as Float64Array);
  const width = coefficientsOf(objective.spec).length;
  const coefficients = new Float64Array(width * size);
  // Neighbours mostly have the same strengths.
  for (let begin = 0; begin < size; ) {
    const end = endOfRun(varied, first + begin, first + size) - first;
    const values = coefficientsAt(objective.spec, strengths, varied, first + begin);
    for (let c = 0; c < width; c++) coefficients.fill(values[c], c * size + begin, c * size + end);
    begin = end;
  }
  return { count: size, parameters, coefficients };
}

/** The first place after `begin`, up to `end`, at which some column has another value than at `begin`. */
function endOfRun(columns: readonly Float64Array[], begin: number, end: number): number {
  let at = begin + 1;
  for (; at < end; at++)
    for (let c = 0; c < columns.length; c++) if (columns[c][at] !== columns[c][begin]) return at;
  return end;
}

/** An objective's coefficients with the strengths of one configuration. */
function coefficientsAt(
  objective: Prepared['objective']['spec'],
  strengths: readonly Strength[],
  columns: readonly Float64Array[],
  at: number,
): readonly number[] {
  let spec = objective;
  for (let s = 0; s < strengths.length; s++) spec = withStrength(spec, strengths[s], columns[s][at]) ?? spec;
  return coefficientsOf(spec);
}

/** The number of configurations; throws where a column is unknown, of another type, length or range. */
function checkColumns(columns: Configurations['columns']): number {
  const known: readonly string[] = [...SCALARS, ...Object.keys(STRENGTHS), 'seed'];
  const names = Object.keys(columns);
  if (names.length === 0) {
    throw new ExolamError('input', `columns: expected at least one of ${known.join(', ')}`);
  }
  let count = -1;
  for (const name of names) {
    const field = `columns.${name}`;
    if (!known.includes(name)) throw unknownName('columns', name, known);
    const column = columns[name as ColumnName];
    if (!(column instanceof Float64Array)) {
      throw new ExolamError('input', `${field}: expected a Float64Array but received ${quote(column)}`);
    }
    if (count < 0) count = column.length;
    if (column.length !== count || count === 0) {
      throw new ExolamError(
        'input',
        `${field}: expected ${count > 0 ? `${count} values, as in columns.${names[0]},` : 'at least one value'} but received ${column.length}`,
      );
    }
    checkRange(column, name as ColumnName, field);
  }
  return count;
}

/** What is accepted is an interval: the column is in it when its least and its greatest value are. */
function checkRange(column: Float64Array, name: ColumnName, field: string): void {
  const odd = firstNotFinite(column);
  if (odd >= 0)
    throw new ExolamError('input', `${field}[${odd}]: expected a finite number but received ${column[odd]}`);
  const accepted =
    name in STRENGTHS ? STRENGTHS[name as Strength] : worldSchema.shape[name as WorldParameter | 'seed'];
  const broken = name === 'seed' ? firstFraction(column) : -1;
  if (broken >= 0)
    throw new ExolamError(
      'input',
      `${field}[${broken}]: expected an integer from 0 but received ${column[broken]}`,
    );
  for (const i of ends(column)) parse(accepted, column[i], `${field}[${i}]`);
}

function firstNotFinite(column: Float64Array): number {
  for (let i = 0; i < column.length; i++) if (!Number.isFinite(column[i])) return i;
  return -1;
}

function firstFraction(column: Float64Array): number {
  for (let i = 0; i < column.length; i++) if (!Number.isInteger(column[i])) return i;
  return -1;
}

/** Where the least value is, and where the greatest. */
function ends(column: Float64Array): readonly [number, number] {
  let least = 0;
  let greatest = 0;
  for (let i = 0; i < column.length; i++) {
    if (column[i] < column[least]) least = i;
    if (column[i] > column[greatest]) greatest = i;
  }
  return [least, greatest];
}

/** The latent dimensions; throws unless they are ascending integers of at least 1. */
function checkLatentDims(latentDims: readonly number[]): readonly number[] {
  if (!latentDims.every((k, i) => i === 0 || k > latentDims[i - 1])) {
    throw new ExolamError(
      'input',
      `latentDims: expected ascending integers from 1 but received ${quote(latentDims)}`,
    );
  }
  return [...latentDims];
}

/** The case that stands for all: world and objective with the values that ask most of them, non-zero where any is. */
function representative({ world, objective, columns }: Configurations): {
  world: WorldSpec;
  objective: ObjectiveSpec;
} {
  const typical = (column: Float64Array) => column.find((v) => v !== 0) ?? 0;
  let { spec } = resolveObjective(objective);
  const scalars: Partial<Record<WorldParameter | 'seed', number>> = {};
  for (const [name, column] of Object.entries(columns) as [ColumnName, Float64Array][]) {
    if (!(name in STRENGTHS)) {
      scalars[name as WorldParameter | 'seed'] = name === 'seed' ? column[0] : typical(column);
      continue;
    }
    const changed = withStrength(spec, name as Strength, typical(column));
    if (!changed) {
      throw new ExolamError(
        'input',
        `columns.${name}: expected an objective with ${name} but received ${nameOfObjective(spec)}`,
      );
    }
    spec = changed;
  }
  return { world: { ...world, ...scalars }, objective: spec };
}
