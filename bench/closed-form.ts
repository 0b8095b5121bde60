import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix';

import type { Matrix as Columns } from '../lib/linalg/matrix.js';
import type { World } from '../lib/world/world.js';

const dense = ({ rows, cols, data }: Columns): Matrix => Matrix.from1DArray(rows, cols, data);
const scaled = (m: Matrix, factor: number): Matrix => Matrix.mul(m, factor);

/**
 * Reconstruction solved the way one writes it down with a matrix library: second moments of the world (docs/theory.md, section
 * 1), regression on o, eigenvectors of the innovation, and of the metrics those that need no more than products: actionError
 * and futureLeakage. `mixing` is [Es Ex] on the observation itself, or in its reduced basis with `complement` coordinates of
 * sensor noise beside it. Needs sensor noise, so that the moments of o are invertible.
 */
export function closedForm(
  world: World,
  mixing: Columns,
  complement: number,
  exogenousScale: number,
  latentDim: number,
): [loss: number, actionError: number, futureLeakage: number] {
  const w = world.spec;
  const [ds, dx, da, d] = [w.endogenousDim, w.exogenousDim, w.actionDim, mixing.rows];
  const noise = w.sensorNoise ** 2;
  const E = dense(mixing);
  const Ba = scaled(dense(world.actionEffect), w.actionScale);
  // a = K q + policyNoise u and q' = F q + G u + ..., for the state q = [s; x]
  const K = Matrix.zeros(da, ds + dx);
  K.setSubMatrix(scaled(dense(world.stateFeedback), w.stateFeedback), 0, 0);
  K.setSubMatrix(scaled(dense(world.exogenousFeedback), w.exogenousFeedback), 0, ds);
  const F = Matrix.diag([
    ...new Array<number>(ds).fill(w.endogenousDecay),
    ...new Array<number>(dx).fill(w.exogenousDecay),
  ]);
  F.setSubMatrix(Matrix.add(F.subMatrix(0, ds - 1, 0, ds + dx - 1), Ba.mmul(K)), 0, 0);
  const G = Matrix.zeros(ds + dx, da);
  G.setSubMatrix(scaled(Ba, w.policyNoise), 0, 0);
  const next = Matrix.add(F.mmul(F.transpose()), G.mmul(G.transpose()));
  for (let i = 0; i < ds; i++) next.set(i, i, next.get(i, i) + w.processNoise ** 2);
  for (let i = ds; i < ds + dx; i++) next.set(i, i, next.get(i, i) + exogenousScale ** 2);

  const Et = E.transpose();
  const observe = (m: Matrix): Matrix => E.mmul(m).mmul(Et);
  const Soo = Matrix.add(E.mmul(Et), Matrix.eye(d).mul(noise));
  const Spo = observe(F);
  const Spp = Matrix.add(observe(next), Matrix.eye(d).mul(noise));
  const factor = new CholeskyDecomposition(Soo);
  const gamma = factor.solve(Spo.transpose()).transpose();
  const innovation = Matrix.sub(Spp, gamma.mmul(Spo.transpose()));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(innovation, {
    assumeSymmetric: true,
  }); // ascending
  const leading = realEigenvalues.slice(d - latentDim);
  const V = eigenvectorMatrix.subMatrix(0, d - 1, d - latentDim, d - 1);

  /** Shares of t that o leaves open, and that the latent explains of it, given cov(t), cov(t, q) and cov(t, q'). */
  const explained = (own: Matrix, withState: Matrix, withNext: Matrix): number => {
    const Sto = withState.mmul(Et);
    const open = own.trace() - Sto.mmul(factor.solve(Sto.transpose())).trace();
    const Stz = Matrix.sub(withNext.mmul(Et), Sto.mmul(gamma.transpose())).mmul(V);
    let sum = 0;
    for (let i = 0; i < Stz.rows; i++)
      for (let j = 0; j < latentDim; j++) sum += Stz.get(i, j) ** 2 / leading[j];
    return sum / open;
  };
  const action = explained(
    Matrix.add(K.mmul(K.transpose()), Matrix.eye(da).mul(w.policyNoise ** 2)),
    K,
    Matrix.add(K.mmul(F.transpose()), scaled(G.transpose(), w.policyNoise)),
  );
  const rows = (m: Matrix): Matrix => m.subMatrix(ds, ds + dx - 1, 0, ds + dx - 1);
  const future = explained(next.subMatrix(ds, ds + dx - 1, ds, ds + dx - 1), rows(F), rows(next));
  const loss = innovation.trace() + complement * noise - leading.reduce((a, b) => a + b, 0);
  return [loss, 1 - action, future];
}
