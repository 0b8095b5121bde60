import { z } from 'zod';
import { describes, integer, pathField } from '../base/validate.js';
import { type DataOptions, dataOptionsSchema } from '../data/open.js';
import type { Scale } from '../moments/of-units.js';

/** The user's own data, on which nonlinear models are trained too. */
export interface ReproduceData extends DataOptions {
  /** What `analyze` reads: a file or folder of at least 4 recorded episodes with actions. */
  readonly path: string;
  /** As of `analyze`. Default 1: the exogenous state must be known, and pairs of views be there. */
  readonly distractor?: number | undefined;
  /** As of `analyze`. Default: `given` where the coordinates share one unit (pixels), else `standard`. */
  readonly scale?: Scale | undefined;
  /** Coordinates of z, 1 to 4096. Default 8, or half the coordinates of o where that is less. */
  readonly latentDim?: number | undefined;
}

/** {@link ReproduceData}, checked and with the defaults that do not depend on the data. */
export const reproduceDataSchema = describes<ReproduceData>()(
  z.strictObject({
    ...dataOptionsSchema.shape,
    path: pathField,
    distractor: dataOptionsSchema.shape.distractor.default(1),
    scale: z.enum(['standard', 'given']).optional(),
    latentDim: integer(1, 4096).optional(),
  }),
);

/** What decides the numbers on the user's data, beside what {@link NonlinearSpec} says of models and probes. */
export interface RealSpec {
  /** As they were given, with defaults. */
  readonly data: ReproduceData;
  readonly scale: Scale;
  readonly latentDim: number;
  readonly steps: number;
  /** The prediction is o plus what the decoder gives: a frame is much like the one before it. */
  readonly residual: true;
  /** Rows, and the width of o. */
  readonly transitions: number;
  readonly observationDim: number;
  /** Columns of the action, and of what stands for the exogenous state, that probes are asked about. */
  readonly actionDim: number;
  readonly exogenousDim: number;
  /** Numbers of the episodes of each group: two groups are held out of every model. */
  readonly groups: readonly (readonly number[])[];
  /** What reading the data noticed. */
  readonly notes: readonly string[];
}

/** Groups of episodes at most: every pair of them is held out once, from a model of its own. */
export const mostGroups = (quick: boolean) => (quick ? 4 : 6);
export const realSteps = (quick: boolean) => (quick ? 150 : 1500);

/** Every two groups, in the order in which they are held out. */
export function pairsOf({ groups }: Pick<RealSpec, 'groups'>): (readonly [number, number])[] {
  return groups.flatMap((_, g) =>
    Array.from({ length: groups.length - g - 1 }, (_, i) => [g, g + 1 + i] as const),
  );
}
