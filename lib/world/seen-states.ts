// The states of a world as far as anything sees them. Observations and actions look at the states through Es, Ex, Ks and Kx alone, so
// a world of thousands of states of which eight coordinates are observed is one of a dozen: the states turned into the row space of
// those matrices. What is left of s then shows nowhere; what is left of x are coordinates of x' that nothing knows.
import { multiply, orthonormalise } from '../linalg/dense.js';
import { hstack, identity, type Matrix, matrix, transpose } from '../linalg/matrix.js';
import type { World } from './world.js';

/** A world's states in coordinates that are seen; matrices as in {@link World}. */
export interface SeenStates {
  readonly endogenousDim: number;
  readonly exogenousDim: number;
  /** Coordinates of x beside these, which neither observations nor actions see. */
  readonly hiddenExogenousDim: number;
  /** [Es Ex], (basis, endogenousDim + exogenousDim) */
  readonly mixing: Matrix;
  readonly actionEffect: Matrix;
  readonly stateFeedback: Matrix;
  readonly exogenousFeedback: Matrix;
}

/** States for each direction in which they can be seen, from which on turning them pays. */
const MANY = 2;

/** The world's states where few are seen of many, else as they are. `mixing` is [Es Ex] in any orthonormal basis. */
export function seenStates(world: World, mixing: Matrix): SeenStates {
  const { actionEffect, stateFeedback, exogenousFeedback, spec } = world;
  const { endogenousDim: ds, exogenousDim: dx, actionDim: da } = spec;
  const turnsS = MANY * (mixing.rows + da) <= ds;
  // The first da coordinates of w_x are those that share part of the action's noise: they stay what they are.
  const kept = Math.min(da, dx);
  const turnsX = MANY * (kept + mixing.rows + da) <= dx;
  const whole = { endogenousDim: ds, exogenousDim: dx, hiddenExogenousDim: 0 };
  if (!turnsS && !turnsX) return { ...whole, mixing, actionEffect, stateFeedback, exogenousFeedback };
  const es = columns(mixing, 0, ds);
  const ex = columns(mixing, ds, dx);
  const s = turnsS ? rowSpace([es, stateFeedback]) : identity(ds);
  const x = turnsX ? rowSpace([firstAxes(kept, dx), ex, exogenousFeedback]) : identity(dx);
  return {
    endogenousDim: s.cols,
    exogenousDim: x.cols,
    hiddenExogenousDim: dx - x.cols,
    mixing: hstack([multiply(es, s), multiply(ex, x)]),
    actionEffect: multiply(transpose(s), actionEffect),
    stateFeedback: multiply(stateFeedback, s),
    exogenousFeedback: multiply(exogenousFeedback, x),
  };
}

/** An orthonormal basis (n, r) of the rows of all of these, the first ones first; where all are zero, of one axis. */
function rowSpace(seenBy: readonly Matrix[]): Matrix {
  const { basis } = orthonormalise(hstack(seenBy.map(transpose)));
  return basis.cols > 0 ? basis : transpose(firstAxes(1, basis.rows));
}

function columns(m: Matrix, first: number, count: number): Matrix {
  const out = matrix(m.rows, count);
  for (let i = 0; i < m.rows; i++)
    out.data.set(m.data.subarray(i * m.cols + first, i * m.cols + first + count), i * count);
  return out;
}

function firstAxes(count: number, n: number): Matrix {
  const out = matrix(count, n);
  for (let i = 0; i < count; i++) out.data[i * n + i] = 1;
  return out;
}
