import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { boundary } from '../base/boundary.js';
import { ORTHONORMAL_GAP } from '../base/conventions.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat, parseOptions } from '../base/validate.js';
import { gram, multiply, orthonormalise } from '../linalg/dense.js';
import { fromRows, identity, type Matrix, toRows, transpose } from '../linalg/matrix.js';
import { createWorld, fullMixing, policyReacts, type World, type WorldSpec } from '../world/world.js';
import type { ObjectiveSpec } from './objectives.js';
import { levelField } from './of-moments.js';
import { solveBatch } from './population.js';
import { type Critical, leastStrength, RANGE } from './strength-search.js';

export interface CriticalOptions extends Control {
  /** Coordinates of z, 1 to observationDim. Default: actionDim. */
  readonly latentDim?: number | undefined;
  /** futureLeakage that is small enough, from 0 up to, not including, 1. Default 0.01. */
  readonly level?: number | undefined;
  /** Of the answer, where it has to be searched for: 1e-12 up to, not including, 1. Default 1e-6. */
  readonly relativeTolerance?: number | undefined;
  /** Search even where there is a closed form. Default false. */
  readonly search?: boolean | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<CriticalOptions>()(
  z.strictObject({
    ...controlFields,
    latentDim: integer(1).optional(),
    level: levelField.default(0.01),
    relativeTolerance: numberThat('a number between 1e-12 and 1', (v) => v >= 1e-12 && v < 1).default(1e-6),
    search: z.boolean().default(false),
    backend: backendField,
  }),
);

/**
 * The greatest gain of the exogenous part, h = [Es gamma Ex] [Es Ex]^+ o, at which latents of the representation leak no more
 * than `level`: sqrt(alpha / beta) in the orthonormal case (theory.md, T3). Infinity where no gain leaks.
 */
export function criticalGain(world: WorldSpec, options: CriticalOptions = {}): Promise<Critical> {
  return boundary('criticalGain', () => gainOf(world, options));
}

async function gainOf(world: WorldSpec, options: CriticalOptions): Promise<Critical> {
  const { exact, ask } = prepare(world, options);
  if (exact) {
    return exact((alpha, beta) => 1 / Math.sqrt(alpha / beta), invert);
  }
  const projection = representations(createWorld(world));
  return invert(
    await ask('criticalGain (strength = 1 / gain)', 1, (strength) => ({
      kind: 'representation',
      projection: projection(1 / Math.max(strength, RANGE[0])),
    })),
  );
}

/**
 * The least weight x labelFraction of action supervision at which futureLeakage falls to `level`:
 * (beta - alpha) / policyNoise^2 in the orthonormal case (T4). 0 where none is needed.
 */
export function criticalWeight(world: WorldSpec, options: CriticalOptions = {}): Promise<Critical> {
  return boundary('criticalWeight', () => weightOf(world, options));
}

async function weightOf(world: WorldSpec, options: CriticalOptions): Promise<Critical> {
  const { exact, ask, scale, latentDim, actionDim, reacts } = prepare(world, options);
  if (exact && (latentDim >= actionDim || !reacts)) {
    return exact((alpha, beta, policyNoise) => Math.max(0, (beta - alpha) / policyNoise ** 2));
  }
  return ask('criticalWeight', scale, (weight) => ({ kind: 'action-supervised', weight }));
}

/** The least weight of the consistency penalty at which futureLeakage falls to `level`: (beta / alpha - 1) / 2 (T6). */
export function criticalConsistencyWeight(
  world: WorldSpec,
  options: CriticalOptions = {},
): Promise<Critical> {
  return boundary('criticalConsistencyWeight', async () => {
    const { exact, ask } = prepare(world, options);
    if (exact) return exact((alpha, beta) => Math.max(0, (beta / alpha - 1) / 2));
    return ask('criticalConsistencyWeight', 1, (weight) => ({ kind: 'exogenous-robust', weight }));
  });
}

/** The gain of a strength of suppression, 1 / strength; Infinity where strength 0 is enough. */
function invert(critical: Critical): Critical {
  return { ...critical, value: 1 / critical.value };
}

type ClosedForm = (alpha: number, beta: number, policyNoise: number) => number;

function prepare(spec: WorldSpec, options: CriticalOptions) {
  const world = createWorld(spec);
  const { actionDim, exogenousDim, actionScale, exogenousScale, policyNoise } = world.spec;
  const {
    latentDim = actionDim,
    level,
    relativeTolerance,
    search,
    ...context
  } = parseOptions(optionsSchema, options);
  if (latentDim > world.spec.observationDim) {
    throw new ExolamError(
      'input',
      `latentDim: expected an integer from 1 to observationDim (${world.spec.observationDim}) but received ${latentDim}`,
    );
  }
  const [alpha, beta] = [(actionScale * policyNoise) ** 2, exogenousScale ** 2];
  const [before, after] = [
    Math.min(1, latentDim / exogenousDim),
    Math.max(0, latentDim - actionDim) / exogenousDim,
  ];
  const exact = (formula: ClosedForm, finish: (c: Critical) => Critical = (c) => c): Critical => {
    const closed = { method: 'closed form', isMonotone: true } as const;
    if (before <= level) return finish({ ...closed, value: 0, futureLeakage: before });
    if (after <= level && alpha > 0) {
      return finish({ ...closed, value: formula(alpha, beta, policyNoise), futureLeakage: after });
    }
    const cause =
      alpha > 0
        ? `latentDim ${latentDim} exceeds actionDim ${actionDim}`
        : `${actionScale > 0 ? 'policyNoise' : 'actionScale'} is 0: there is no action to prefer`;
    throw new ExolamError(
      'numerical',
      `no strength brings futureLeakage down to ${level}: ${cause}, and at least ${alpha > 0 ? after : before} leaks`,
    );
  };
  const ask = (what: string, scale: number, objective: (strength: number) => ObjectiveSpec) =>
    leastStrength(
      async (strengths) => {
        const cases = strengths.map((s) => ({ world: spec, objective: objective(s), latentDim }));
        const solutions = await solveBatch(cases, { ...context, onProgress: undefined });
        return solutions.map(({ metrics }) => metrics.futureLeakage ?? 0);
      },
      { what, level, relativeTolerance, scale },
    );
  const scale = policyNoise > 0 ? Math.max(alpha, beta) / policyNoise ** 2 || 1 : 1;
  const isExact = isOrthonormal(world) && !search;
  return { exact: isExact ? exact : null, ask, scale, latentDim, actionDim, reacts: policyReacts(world) };
}

/** Whether the premise of the closed forms holds: orthonormal mixing, no noise, nothing shared between action and exogenous state. */
function isOrthonormal(world: World): boolean {
  const { processNoise, sensorNoise, actionExogenousCorrelation, exogenousScale } = world.spec;
  if (processNoise !== 0 || sensorNoise !== 0 || actionExogenousCorrelation !== 0 || exogenousScale === 0)
    return false;
  return isIdentity(gram(transpose(world.mixing))) && isIdentity(gram(transpose(world.actionEffect)));
}

function isIdentity(a: Matrix): boolean {
  const one = identity(a.rows);
  return a.data.every((v, i) => Math.abs(v - one.data[i]) <= ORTHONORMAL_GAP);
}

/** P = [Es gain Ex] [Es Ex]^+ as a function of the gain; throws where [Es Ex] lacks full column rank and the parts cannot be told apart. */
export function representations(world: World): (gain: number) => number[][] {
  const mixing = fullMixing(world);
  const { endogenousDim } = world.spec;
  const { basis, coordinates } = orthonormalise(mixing);
  if (basis.cols < mixing.cols) {
    throw new ExolamError(
      'unsupported',
      `critical gain: expected [Es Ex] of full column rank (${mixing.cols}) but its rank is ${basis.cols}: the endogenous part cannot be told from o`,
    );
  }
  const parts = multiply(inverseOfTriangular(coordinates), transpose(basis));
  const rows = toRows(parts);
  return (gain) =>
    toRows(
      multiply(mixing, fromRows(rows.map((row, i) => (i < endogenousDim ? row : row.map((v) => gain * v))))),
    );
}

/** R^-1 of an upper triangular R, by substitution; R has no zero on its diagonal. */
function inverseOfTriangular(r: Matrix): Matrix {
  const n = r.rows;
  const inverse = identity(n);
  for (let j = 0; j < n; j++)
    for (let i = n - 1; i >= 0; i--) {
      let value = i === j ? 1 : 0;
      for (let l = i + 1; l < n; l++) value -= r.data[i * n + l] * inverse.data[l * n + j];
      inverse.data[i * n + j] = value / r.data[i * n + i];
    }
  return inverse;
}
