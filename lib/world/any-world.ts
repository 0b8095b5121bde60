import { z } from 'zod';
import { PARAMETERS, type SampleRequest } from '../backend/requests.js';
import { parse } from '../base/validate.js';
import { identity } from '../linalg/matrix.js';
import { type MlpWorldSpec, mlpView, mlpWorld, mlpWorldSchema } from './nonlinear.js';
import { type SpriteWorldSpec, spriteView, spriteWorld, spriteWorldSchema } from './sprites.js';
import {
  createWorld,
  drawStateMatrices,
  fullMixing,
  parameterColumn,
  type WorldSpec,
  worldSchema,
} from './world.js';

/** A world of any kind: `kind` says which, `linear` where it is absent. */
export type AnyWorldSpec = WorldSpec | MlpWorldSpec | SpriteWorldSpec;

export const WORLD_KINDS = ['linear', 'mlp', 'sprites'] as const;
export type WorldKind = (typeof WORLD_KINDS)[number];

/** What a description of each kind may say, with defaults. */
export const WORLD_SCHEMAS = {
  linear: worldSchema,
  mlp: mlpWorldSchema,
  sprites: spriteWorldSchema,
} as const;

/** What a world's transitions are drawn from: all of a sample request but for which of them. */
export type WorldRequest = Omit<SampleRequest, 'first' | 'count' | 'pair'>;

/** A world of any kind, checked, with every default filled in. */
export interface AnyWorld {
  readonly kind: WorldKind;
  readonly spec:
    | z.output<typeof worldSchema>
    | z.output<typeof mlpWorldSchema>
    | z.output<typeof spriteWorldSchema>;
  readonly observationDim: number;
  readonly endogenousDim: number;
  readonly exogenousDim: number;
  readonly actionDim: number;
  /** x' less this times x is what is new in x. */
  readonly exogenousDecay: number;
  /** Made when first asked for: the matrices of a large world take memory. */
  request(): WorldRequest;
}

const kinds = z.looseObject({ kind: z.enum(WORLD_KINDS).optional() });

/** The kind that a description of a world names; throws one sentence where there is no such kind. */
export function worldKind(input: unknown, what = 'world'): WorldKind {
  return parse(kinds, input, what).kind ?? 'linear';
}

/** Checks a world of any kind and fills in its defaults. */
export function createAnyWorld(input: AnyWorldSpec, what = 'world'): AnyWorld {
  switch (worldKind(input, what)) {
    case 'mlp':
      return ofMlp(mlpWorld(input as MlpWorldSpec, what));
    case 'sprites':
      return ofSprites(spriteWorld(input as SpriteWorldSpec, what));
    case 'linear':
      return ofLinear(input as WorldSpec, what);
  }
}

const dimensions = ({ observationDim, endogenousDim, exogenousDim, actionDim }: Dimensions) => ({
  observationDim,
  endogenousDim,
  exogenousDim,
  actionDim,
});
type Dimensions = Pick<AnyWorld, 'observationDim' | 'endogenousDim' | 'exogenousDim' | 'actionDim'>;

function ofLinear(input: WorldSpec, what: string): AnyWorld {
  const world = createWorld(input, what);
  const { spec } = world;
  return {
    kind: 'linear',
    spec,
    ...dimensions(spec),
    exogenousDecay: spec.exogenousDecay,
    request: () => ({
      seed: spec.seed,
      ...dimensions(spec),
      parameters: parameterColumn(world),
      mixing: fullMixing(world).data,
      actionEffect: world.actionEffect.data,
      stateFeedback: world.stateFeedback.data,
      exogenousFeedback: world.exogenousFeedback.data,
    }),
  };
}

/** The parameters of a request, 0 where they are not named. */
function parameters(named: Partial<Record<(typeof PARAMETERS)[number], number>>): Float64Array {
  return Float64Array.from(PARAMETERS, (name) => named[name] ?? 0);
}

function ofMlp(spec: z.output<typeof mlpWorldSchema>): AnyWorld {
  return {
    kind: 'mlp',
    spec,
    ...dimensions(spec),
    exogenousDecay: spec.exogenousDecay,
    request: () => {
      const { actionEffect, stateFeedback, exogenousFeedback } = drawStateMatrices(spec);
      return {
        seed: spec.seed,
        ...dimensions(spec),
        parameters: parameters(spec),
        view: mlpView(spec),
        mixing: new Float64Array(0),
        actionEffect: actionEffect.data,
        stateFeedback: stateFeedback.data,
        exogenousFeedback: exogenousFeedback.data,
      };
    },
  };
}

function ofSprites(spec: z.output<typeof spriteWorldSchema>): AnyWorld {
  const widths = {
    observationDim: spec.size ** 2,
    endogenousDim: 2,
    exogenousDim: 2 * spec.distractors,
    actionDim: 2,
  };
  return {
    kind: 'sprites',
    spec,
    ...widths,
    exogenousDecay: 1,
    request: () => ({
      seed: spec.seed,
      ...widths,
      parameters: parameters({
        endogenousDecay: 1,
        exogenousDecay: 1,
        actionScale: spec.agentSpeed,
        exogenousScale: spec.distractorSpeed,
        policyNoise: spec.policyNoise,
        exogenousInitialScale: 1,
      }),
      view: spriteView(spec),
      mixing: new Float64Array(0),
      actionEffect: identity(2).data,
      stateFeedback: new Float64Array(2 * widths.endogenousDim),
      exogenousFeedback: new Float64Array(2 * widths.exogenousDim),
    }),
  };
}
