import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { requireMemory } from '../base/memory.js';
import { describes, integer, parseOptions, quote } from '../base/validate.js';
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
  const { observationDim: d, actionDim, exogenousDim, seed } = world.spec;
  const { transitions: degrees, draws: count, first, pairs: pair } = options;
  const rows = (pair ? 4 : 2) * d + actionDim + exogenousDim;
  requireMemory(8 * rows ** 2 * (count + 2), `draws: ${count} draws of the moments of ${rows} coordinates`);
  const v = equations(world);
  const views = [v.observation, v.observationNext];
  if (pair) views.push(v.pairObservation, v.pairObservationNext);
  const { rows: width, cols: sources, data: loadings } = used(vstack([...views, v.action, v.exogenousNext]));
  if (!Number.isSafeInteger(4 * (first + count) * sources * sources))
    throw new ExolamError('input', `first: expected an index of fewer digits but received ${quote(first)}`);
  const moments = await (options.backend ?? defaultBackend()).wishart(
    { first, count, seed, degrees, width, sources, loadings },
    options,
  );
  const end = views.length * d;
  return {
    width,
    layout: {
      observationDim: d,
      actionDim,
      observation: 0,
      observationNext: d,
      pairObservation: pair ? 2 * d : -1,
      pairObservationNext: pair ? 3 * d : -1,
      action: end,
    },
    exogenousNext: exogenousDim > 0 ? end + actionDim : -1,
    endogenousNext: -1,
    count,
    moments,
  };
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
