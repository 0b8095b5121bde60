import { z } from 'zod';
import { PARAMETERS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, parse } from '../base/validate.js';
import { multiply, orthonormalise } from '../linalg/dense.js';
import { fromRows, hstack, identity, type Matrix, matrix, transpose } from '../linalg/matrix.js';
import { normals } from '../random/philox.js';

/** A world's matrices in place of random ones. Rows of numbers each; dimensions are those of the world. */
export interface WorldMatrices {
  /** Es: observationDim rows of endogenousDim numbers. */
  readonly endogenousMixing: readonly (readonly number[])[];
  /** Ex: observationDim rows of exogenousDim numbers. */
  readonly exogenousMixing: readonly (readonly number[])[];
  /** Ba: endogenousDim rows of actionDim numbers. */
  readonly actionEffect: readonly (readonly number[])[];
  /** Ks: actionDim rows of endogenousDim numbers. Needed where the world's `stateFeedback` is not 0. */
  readonly stateFeedback?: readonly (readonly number[])[] | undefined;
  /** Kx: actionDim rows of exogenousDim numbers. Needed where the world's `exogenousFeedback` is not 0. */
  readonly exogenousFeedback?: readonly (readonly number[])[] | undefined;
}

/**
 * The linear world with exogenous state (docs/theory.md, section 1): an agent's state s that the action moves, an exogenous state x
 * that it does not, and observations that mix both. Everything has a default: `{}` is a world.
 */
export interface WorldSpec {
  /** `linear`, where it is given: what tells this world from the nonlinear ones in a file. */
  readonly kind?: 'linear' | undefined;
  /** Coordinates of an observation, 1 to 1000000. Default 24. With orthonormal mixing at least endogenousDim + exogenousDim. */
  readonly observationDim?: number | undefined;
  /** Coordinates of the endogenous state s, 1 to 4096. Default 5. */
  readonly endogenousDim?: number | undefined;
  /** Coordinates of the exogenous state x, 1 to 4096. Default 4. */
  readonly exogenousDim?: number | undefined;
  /** Coordinates of the action, from 1; at most endogenousDim unless `matrices` are given. Default 3. */
  readonly actionDim?: number | undefined;
  /** Directions in which states appear in the observation: at right angles, or random and so overlapping. Default `orthonormal`. */
  readonly mixing?: 'orthonormal' | 'gaussian' | undefined;
  /** What stays of s from step to step, any number. Default 1. */
  readonly endogenousDecay?: number | undefined;
  /** What stays of x from step to step, any number. Default 0.8. */
  readonly exogenousDecay?: number | undefined;
  /** How far an action of unit size moves s, at least 0. Default 1. */
  readonly actionScale?: number | undefined;
  /**
   * Standard deviation of what is new in x at each step, at least 0. Default 2: the clutter moves twice as far as the agent; 1 beside
   * actionScale 1 is an exact tie.
   */
  readonly exogenousScale?: number | undefined;
  /** Standard deviation of what is random in the action, at least 0. Default 1. At 0 the action is a function of the states. */
  readonly policyNoise?: number | undefined;
  /** Standard deviation of the noise on s', at least 0. Default 0. */
  readonly processNoise?: number | undefined;
  /** Standard deviation of the noise on every coordinate of every observation, at least 0. Default 0. */
  readonly sensorNoise?: number | undefined;
  /** How much the action reacts to s, any number. Default 0. */
  readonly stateFeedback?: number | undefined;
  /** How much the action reacts to x, any number. Default 0. */
  readonly exogenousFeedback?: number | undefined;
  /** Correlation of the action's noise with what is new in x, from 0 up to, not including, 1. Default 0. */
  readonly actionExogenousCorrelation?: number | undefined;
  /** Standard deviation of x before the transition, at least 0. Default 1; at 0 the observation knows nothing of x. */
  readonly exogenousInitialScale?: number | undefined;
  /** Decides every random matrix and sample: an integer from 0. Default 0. */
  readonly seed?: number | undefined;
  /** Matrices in place of the random ones; `mixing` is then without effect. Default: random ones, by `seed`. */
  readonly matrices?: WorldMatrices | undefined;
}

const dimension = z.int().min(1).max(4096);
const scale = z.number().min(0);
const rows = z.array(z.array(z.number())).min(1);

const matricesSchema = describes<WorldMatrices>()(
  z.strictObject({
    endogenousMixing: rows,
    exogenousMixing: rows,
    actionEffect: rows,
    stateFeedback: rows.optional(),
    exogenousFeedback: rows.optional(),
  }),
);

/** What {@link WorldSpec} says, checked: its parse fills in the defaults. */
export const worldSchema = describes<WorldSpec>()(
  z.strictObject({
    kind: z
      .custom<'linear'>(
        (value) => value === 'linear',
        'expected "linear", the world that has exact solutions ("mlp" and "sprites" are for generate and train),',
      )
      .optional(),
    observationDim: z.int().min(1).max(1_000_000).default(24),
    endogenousDim: dimension.default(5),
    exogenousDim: dimension.default(4),
    actionDim: dimension.default(3),
    mixing: z.enum(['orthonormal', 'gaussian']).default('orthonormal'),
    endogenousDecay: z.number().default(1),
    exogenousDecay: z.number().default(0.8),
    actionScale: scale.default(1),
    exogenousScale: scale.default(2),
    policyNoise: scale.default(1),
    processNoise: scale.default(0),
    sensorNoise: scale.default(0),
    stateFeedback: z.number().default(0),
    exogenousFeedback: z.number().default(0),
    actionExogenousCorrelation: z.number().min(0).lt(1).default(0),
    exogenousInitialScale: scale.default(1),
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
    matrices: matricesSchema.optional(),
  }),
);

/** A world with every default filled in and every matrix checked. */
export interface World {
  readonly spec: z.output<typeof worldSchema>;
  /** [Es Ex] in an orthonormal basis of its span, (basis, endogenousDim + exogenousDim). */
  readonly mixing: Matrix;
  /** (endogenousDim, actionDim) */
  readonly actionEffect: Matrix;
  /** (actionDim, endogenousDim) and (actionDim, exogenousDim), before their scalars. */
  readonly stateFeedback: Matrix;
  readonly exogenousFeedback: Matrix;
  /** The basis itself, (observationDim, basis): made when first asked for, because a solution does not need it. */
  basis(): Matrix;
}

/** Streams of a world's random matrices, away from those of its samples (lib/backend/reference/sampling.ts). */
const MATRIX_STREAM = {
  mixing: 1000,
  actionEffect: 1001,
  stateFeedback: 1002,
  exogenousFeedback: 1003,
} as const;

function gaussian(r: number, c: number, seed: number, stream: number, deviation = 1): Matrix {
  return matrix(
    r,
    c,
    normals(seed, stream, 0, r * c).map((v) => v * deviation),
  );
}

function shaped(value: readonly (readonly number[])[], field: string, r: number, c: number): Matrix {
  if (value.length !== r || value.some((row) => row.length !== c)) {
    const ragged = value.find((row) => row.length !== c);
    throw new ExolamError(
      'input',
      `${field}: expected ${r} rows of ${c} numbers but received ${value.length} rows of ${
        (ragged ?? value[0])?.length ?? 0
      }`,
    );
  }
  return fromRows(value);
}

/** Fills in defaults, checks, and draws the random matrices: the same for the same seed on every machine. */
export function createWorld(input: WorldSpec, what = 'world'): World {
  return worldOf(parse(worldSchema, input, what), what);
}

/** The world of a spec that the schema has accepted: what no field alone can say is checked here. */
export function worldOf(spec: World['spec'], what: string): World {
  const { observationDim: d, endogenousDim: ds, exogenousDim: dx, actionDim: da } = spec;
  const given = spec.matrices;
  if (given) {
    const stacked = hstack([
      shaped(given.endogenousMixing, `${what}.matrices.endogenousMixing`, d, ds),
      shaped(given.exogenousMixing, `${what}.matrices.exogenousMixing`, d, dx),
    ]);
    const { basis, coordinates } = orthonormalise(stacked);
    if (basis.cols === 0) {
      throw new ExolamError('input', `${what}.matrices: endogenousMixing and exogenousMixing are all zero`);
    }
    const gain = (
      value: number[][] | undefined,
      field: 'stateFeedback' | 'exogenousFeedback',
      width: number,
    ) => {
      if (value) return shaped(value, `${what}.matrices.${field}`, da, width);
      if (spec[field] === 0) return matrix(da, width);
      throw new ExolamError(
        'input',
        `${what}.matrices.${field}: expected ${da} rows of ${width} numbers, because ${what}.${field} is ${spec[field]}, but received nothing`,
      );
    };
    return {
      spec,
      mixing: coordinates,
      actionEffect: shaped(given.actionEffect, `${what}.matrices.actionEffect`, ds, da),
      stateFeedback: gain(given.stateFeedback, 'stateFeedback', ds),
      exogenousFeedback: gain(given.exogenousFeedback, 'exogenousFeedback', dx),
      basis: () => basis,
    };
  }
  if (da > ds) {
    throw new ExolamError(
      'input',
      `${what}.actionDim: expected at most endogenousDim (${ds}) but received ${da}: actionEffect has orthonormal columns`,
    );
  }
  if (spec.mixing === 'orthonormal' && d < ds + dx) {
    throw new ExolamError(
      'input',
      `${what}.observationDim: expected at least endogenousDim + exogenousDim (${ds + dx}) with orthonormal mixing but received ${d}`,
    );
  }
  const drawn = drawMatrices(spec);
  return {
    spec,
    mixing: spec.mixing === 'orthonormal' ? drawn.orthonormal() : drawn.mixed().coordinates,
    actionEffect: drawn.actionEffect,
    stateFeedback: drawn.stateFeedback,
    exogenousFeedback: drawn.exogenousFeedback,
    basis: () => drawn.mixed().basis,
  };
}

interface Drawn {
  /** [Es Ex] of orthonormal columns, in their own basis: the identity. Made when first asked for. */
  readonly orthonormal: () => Matrix;
  readonly actionEffect: Matrix;
  readonly stateFeedback: Matrix;
  readonly exogenousFeedback: Matrix;
  /** Drawn when first asked for: a solution of an orthonormal world does not need it. */
  readonly mixed: () => { basis: Matrix; coordinates: Matrix };
}

/** The last few worlds' matrices: the cases of a batch mostly differ in scalars alone. Nobody writes to them. */
const recent = new Map<string, Drawn>();
const RECENT = 32;
/** Numbers of a basis beyond which it is not kept: half a megabyte. */
const KEPT = 1 << 16;

/** The random matrices of a world: a function of its dimensions and its seed. */
function drawMatrices({
  observationDim: d,
  endogenousDim: ds,
  exogenousDim: dx,
  actionDim: da,
  seed,
}: World['spec']): Drawn {
  const key = [d, ds, dx, da, seed].join();
  const known = recent.get(key);
  if (known) return known;
  let made: { basis: Matrix; coordinates: Matrix } | undefined;
  let unit: Matrix | undefined;
  const drawn: Drawn = {
    orthonormal: () => {
      unit ??= identity(ds + dx);
      return unit;
    },
    ...drawStateMatrices({ endogenousDim: ds, exogenousDim: dx, actionDim: da, seed }),
    mixed: () => {
      // The basis, what it is made from, and that in columns.
      if (!made)
        requireMemory(3 * 8 * d * (ds + dx), `the mixing of observationDim ${d} and ${ds + dx} states`);
      made ??= orthonormalise(gaussian(d, ds + dx, seed, MATRIX_STREAM.mixing, 1 / Math.sqrt(d)));
      return made;
    },
  };
  if (d * (ds + dx) > KEPT) return drawn;
  if (recent.size === RECENT) recent.delete(recent.keys().next().value as string);
  recent.set(key, drawn);
  return drawn;
}

/** Ba, Ks and Kx, of any world: what moves the states. */
export function drawStateMatrices({
  endogenousDim: ds,
  exogenousDim: dx,
  actionDim: da,
  seed,
}: Pick<World['spec'], 'endogenousDim' | 'exogenousDim' | 'actionDim' | 'seed'>) {
  return {
    actionEffect: orthonormalise(gaussian(ds, da, seed, MATRIX_STREAM.actionEffect)).basis,
    stateFeedback: gaussian(da, ds, seed, MATRIX_STREAM.stateFeedback, 1 / Math.sqrt(ds)),
    exogenousFeedback: gaussian(da, dx, seed, MATRIX_STREAM.exogenousFeedback, 1 / Math.sqrt(dx)),
  };
}

/** [Es Ex], (observationDim, endogenousDim + exogenousDim). */
export function fullMixing(world: World): Matrix {
  return multiply(world.basis(), world.mixing);
}

/** Parameters of a backend's problem that are no numbers of the world: the caller's bases decide them. */
export interface BasisParameters {
  readonly complementDim: number;
  readonly hiddenExogenousDim: number;
}
export type WorldParameter = Exclude<(typeof PARAMETERS)[number], keyof BasisParameters>;

const WHOLE: BasisParameters = { complementDim: 0, hiddenExogenousDim: 0 };

export const isOfTheWorld = (name: (typeof PARAMETERS)[number]): name is WorldParameter => !(name in WHOLE);

/** One parameter of a backend's problem. */
export function parameterOf(
  { spec }: World,
  name: (typeof PARAMETERS)[number],
  beside: BasisParameters,
): number {
  return name === 'complementDim' || name === 'hiddenExogenousDim' ? beside[name] : spec[name];
}

/** All parameters of one problem, in the order of PARAMETERS; nothing is beside its bases. */
export function parameterColumn(world: World): Float64Array {
  return Float64Array.from(PARAMETERS, (name) => parameterOf(world, name, WHOLE));
}

/** Does the policy react to the observed state, so that action supervision below actionDim has no closed form? */
export function policyReacts(world: World): boolean {
  const acts = (m: Matrix) => m.data.some((v) => v !== 0);
  return (
    (world.spec.stateFeedback !== 0 && acts(world.stateFeedback)) ||
    (world.spec.exogenousFeedback !== 0 && acts(world.exogenousFeedback))
  );
}

/**
 * A reduced basis that also holds the row space of a projection P (m, observationDim): [Es Ex] and P in an orthonormal basis of
 * span[Es Ex | rows of P], P in a basis of its own range (which changes no distance).
 */
export function reduce(
  world: World,
  projection: Matrix | null,
): { mixing: Matrix; projection: Matrix | null; basis: () => Matrix } {
  if (!projection) return { mixing: world.mixing, projection: null, basis: world.basis };
  const span = world.basis();
  const { basis } = orthonormalise(hstack([span, transpose(projection)]));
  const mixing = multiply(transpose(basis), multiply(span, world.mixing));
  const projected = multiply(projection, basis);
  const range = orthonormalise(projected).basis;
  return { mixing, projection: multiply(transpose(range), projected), basis: () => basis };
}
