import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
import type { Scale } from '../moments/of-units.js';
import { hasKind, type ObjectiveSpec } from '../solve/objectives.js';
import type { Decoder, Encoder } from './decoder.js';

/**
 * Which function of o the latents hold beside what they say of o' (docs/linear-lam.md). `innovation`: z = D o' less what o tells of
 * it. `difference`: z = D (o' - o). `encoder`: as the objective alone determines it.
 */
export type StateGauge = 'innovation' | 'difference' | 'encoder';

/** What a model was fitted to. */
export type FitSource =
  | { readonly source: 'population' }
  | { readonly source: 'training'; readonly steps: number; readonly optimizer: string }
  | {
      readonly source: 'data';
      readonly transitions: number;
      readonly ridge: number;
      readonly whiten: boolean;
      /** Units that the loss is in; absent in files of before: `given`. C, D, A and B are of given units always. */
      readonly scale?: Scale | undefined;
    };

export interface LinearLamParts {
  readonly objective: ObjectiveSpec;
  readonly gauge: StateGauge;
  /** Height, width, channels or the like; its product is observationDim. */
  readonly observationShape: readonly number[];
  readonly encoder: Encoder;
  readonly decoder: Decoder;
  /** Means that are subtracted: o and o' before encoding, o before decoding; the prediction's is added. */
  readonly means: LinearLamMeans;
  readonly loss: number;
  readonly rank: number;
  readonly spectrum: Float64Array;
  readonly fit: FitSource;
  readonly fittedWith: string;
}

export interface LinearLamMeans {
  /** (observationDim) each. */
  readonly observation: Float64Array;
  readonly observationNext: Float64Array;
  readonly decoded: Float64Array;
  /** (predictionDim) */
  readonly prediction: Float64Array;
}

/** What `decode` returns follows from the objective: of a representation, nothing else is decoded. */
export function predictionOf(objective: ObjectiveSpec): 'observation' | 'representation' {
  return hasKind(objective, 'representation') ? 'representation' : 'observation';
}

/** Refuses a gauge that an objective's latents cannot be brought to. */
export function requireGauge(gauge: string, objective: ObjectiveSpec): void {
  if (gauge !== 'innovation' && gauge !== 'difference')
    throw new ExolamError(
      'input',
      `gauge: expected one of "innovation", "difference" but received ${quote(gauge)}`,
    );
  if (hasKind(objective, 'cross-exogenous'))
    throw new ExolamError(
      'unsupported',
      `gauge: expected none for objective cross-exogenous but received "${gauge}": its decoder sees another view than its encoder, so that it cannot undo a function of o`,
    );
}

export function productOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
