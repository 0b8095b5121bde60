import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, integer, parse, parseOptions, quote } from '../base/validate.js';
import { gram } from '../linalg/dense.js';
import { type Matrix, matrix, vstack } from '../linalg/matrix.js';
import { equations } from '../world/equations.js';
import { createWorld, type World, type WorldSpec } from '../world/world.js';
import type { Variables } from './of-data.js';

export interface DrawMomentsOptions extends Control {
  /** How many transitions each draw stands for, 1 .. 2^53 - 1. */
  readonly transitions: number;
  /** How many draws, from 1. Default 1. */
  readonly draws?: number | undefined;
  /** Index of the first draw, from 0: draws of one world and seed are the same in any batches. Default 0. */
  readonly first?: number | undefined;
  /** Also the moments of the paired view (o2, o2'). Default false. */
  readonly pairs?: boolean | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}

const optionsSchema = describes<DrawMomentsOptions>()(
  z.strictObject({
    ...controlFields,
    transitions: integer(1),
    draws: integer(1).default(1),
    first: integer(0).default(0),
    pairs: z.boolean().default(false),
    backend: backendField,
  }),
);

export interface DrawnMoments extends Variables {
  readonly count: number;
  /** How many transitions each draw stands for. */
  readonly transitions: number;
  /** (count, width, width): uncentred second moments of o, o', o2, o2' (with pairs), a, x' in this order. */
  readonly moments: Float64Array;
}

/**
 * Second moments of so many independent transitions of a world, drawn without the transitions: distributed as the average of v v^T
 * over `transitions` rows v of `sampleTransitions`, at a cost that does not depend on their number. Every variable is V e with e
 * standard normal, so that the moments are V W V^T / transitions with W a Wishart matrix, drawn by Bartlett's decomposition
 * (docs/guide.md, T10). The draws follow the world's seed, apart from its transitions. Throws an ExolamError of kind `input`
 * where an option or the world is not accepted, `cancelled` after an abort.
 */
export function drawMoments(spec: WorldSpec, options: DrawMomentsOptions): Promise<DrawnMoments> {
  return boundary('drawMoments', () => draw(createWorld(spec), parseOptions(optionsSchema, options)));
}

async function draw(world: World, options: z.output<typeof optionsSchema>): Promise<DrawnMoments> {
  const { seed } = world.spec;
  const { transitions: degrees, draws: count, first, pairs } = options;
  const v = variablesOfWorld(world, pairs);
  const { width } = v;
  requireMemory(8 * width ** 2 * (count + 2), `draws: ${count} draws of the moments of ${width} coordinates`);
  const { cols: sources, data: loadings } = used(loadingsOf(world, pairs));
  if (!Number.isSafeInteger(4 * (first + count) * sources * sources))
    throw new ExolamError('input', `first: expected an index of fewer digits but received ${quote(first)}`);
  const moments = await (options.backend ?? defaultBackend()).wishart(
    { first, count, seed, degrees, width, sources, loadings },
    options,
  );
  return { ...v, count, transitions: degrees, moments };
}

/** Where each variable of {@link loadingsOf} stands. */
function variablesOfWorld({ spec }: World, pairs: boolean): Variables {
  const { observationDim: d, actionDim, exogenousDim } = spec;
  const end = (pairs ? 4 : 2) * d;
  return {
    width: end + actionDim + exogenousDim,
    layout: {
      observationDim: d,
      actionDim,
      observation: 0,
      observationNext: d,
      pairObservation: pairs ? 2 * d : -1,
      pairObservationNext: pairs ? 3 * d : -1,
      action: end,
    },
    exogenousNext: end + actionDim,
    endogenousNext: -1,
  };
}

/** Loadings of o, o', o2, o2' (with pairs), a, x', one under the other. */
function loadingsOf(world: World, pairs: boolean): Matrix {
  const v = equations(world);
  const views = [v.observation, v.observationNext];
  if (pairs) views.push(v.pairObservation, v.pairObservationNext);
  return vstack([...views, v.action, v.exogenousNext]);
}

/** The exact moments of a world in the order of {@link drawMoments}, with pairs: what its draws tend to. */
export function populationMoments(world: World): Variables & { readonly moments: Float64Array } {
  const v = variablesOfWorld(world, true);
  requireMemory(8 * v.width ** 2 * 4, `world: the moments of ${v.width} coordinates`);
  return { ...v, moments: gram(loadingsOf(world, true)).data };
}

/** Without the sources that load on nothing: each would cost as much as the others. */
function used({ rows, cols, data }: Matrix): Matrix {
  const kept = Array.from({ length: cols }, (_, j) => j).filter((j) =>
    Array.from({ length: rows }, (_, i) => data[i * cols + j]).some((value) => value !== 0),
  );
  return matrix(
    rows,
    kept.length,
    Float64Array.from({ length: rows * kept.length }, (_, at) => {
      const [i, j] = [Math.floor(at / kept.length), at % kept.length];
      return data[i * cols + kept[j]];
    }),
  );
}

const begins = integer(-1);
const drawnSchema = z.looseObject({
  width: integer(1),
  count: integer(1),
  transitions: integer(1),
  exogenousNext: begins,
  endogenousNext: begins,
  layout: z.looseObject({
    observationDim: integer(1),
    actionDim: integer(0),
    observation: begins,
    observationNext: begins,
    pairObservation: begins,
    pairObservationNext: begins,
    action: begins,
  }),
  moments: z.custom<Float64Array>(
    (value) => value instanceof Float64Array,
    'expected the Float64Array of drawMoments',
  ),
});

/** The moments of one draw, (width, width), of what {@link drawMoments} gave; throws where it cannot be that, or has no such draw. */
export function momentsOfDraw(drawn: DrawnMoments, draw: number, what: string): Float64Array {
  const { width, count, moments, layout, exogenousNext } = parse(drawnSchema, drawn, what);
  const size = width * width;
  if (moments.length !== count * size)
    throw new ExolamError(
      'input',
      `${what}.moments: expected ${count} x ${width} x ${width} numbers but received ${moments.length}`,
    );
  const { observationDim: d, actionDim } = layout;
  const ends = [
    layout.observation + d,
    layout.observationNext + d,
    layout.action + actionDim,
    exogenousNext + 1,
  ];
  if (layout.observation < 0 || layout.observationNext < 0 || ends.some((end) => end > width))
    throw new ExolamError(
      'input',
      `${what}.layout: expected columns of o and o' among ${width} but received ${quote(layout)}`,
    );
  if (draw >= count)
    throw new ExolamError(
      'input',
      `draw: expected an index below the count of ${what} (${count}) but received ${draw}`,
    );
  return moments.subarray(draw * size, (draw + 1) * size);
}

/** The width of x' in what {@link drawMoments} gave: it stands last. */
export function exogenousDimOf({ exogenousNext, width }: Variables): number {
  return exogenousNext < 0 ? 0 : width - exogenousNext;
}
