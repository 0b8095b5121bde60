/**
 * What a nonlinear world shows of its states (docs/theory.md, "Nonlinear worlds"): the part of a sample request that stands in
 * place of its mixing matrix. Observations are f32, whatever precision they are asked for in; a sum's order is a backend's own.
 */

/** o = g([s; x]): tanh layers on [states; 1], a linear one at the end; every weight as f32. */
export interface MlpView {
  readonly kind: 'mlp';
  /** Widths from the states to the observation, hidden layers between: at least three numbers. */
  readonly sizes: Int32Array;
  /** Layer after layer, (out, in + 1) row-major but for the last one's (out, in): the column after the inputs is the constant's. */
  readonly weights: Float32Array;
}

/** A frame of size x size grey pixels on a torus: the agent at s, a distractor at each two coordinates of x, in pixels. */
export interface SpriteView {
  readonly kind: 'sprites';
  readonly size: number;
  /** Pixels from the middle of a sprite to where it ends. */
  readonly agentRadius: number;
  readonly distractorRadius: number;
  /** Of a sprite's middle, in (0, 1]. */
  readonly agentBrightness: number;
  readonly distractorBrightness: number;
  /** Standard deviation of where a sprite starts, around its home, along each axis. */
  readonly spread: number;
}

export type View = MlpView | SpriteView;

/** The numbers of kinds that native/core/view.h reads. */
export const VIEW_KINDS = ['linear', 'mlp', 'sprites'] as const;

/** A view in the shape that the addon reads: its kind's number, whole numbers, and the others. */
export function encodeView(view: View | undefined): {
  view: number;
  viewSizes: Int32Array;
  viewNumbers: Float32Array;
} {
  const kind = VIEW_KINDS.indexOf(view?.kind ?? 'linear');
  switch (view?.kind) {
    case undefined:
      return { view: kind, viewSizes: new Int32Array(0), viewNumbers: new Float32Array(0) };
    case 'mlp':
      return { view: kind, viewSizes: view.sizes, viewNumbers: view.weights };
    case 'sprites':
      return {
        view: kind,
        viewSizes: Int32Array.of(view.size),
        viewNumbers: Float32Array.of(
          view.agentRadius,
          view.distractorRadius,
          view.agentBrightness,
          view.distractorBrightness,
          view.spread,
        ),
      };
  }
}
