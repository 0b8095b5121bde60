import { fullMixing, type World } from '../../lib/world/world.js';

/** Rows over independent N(0, 1) sources: cov(v, w) = v w^T. Plain arrays, no basis tricks: a check on those that use them. */
export type Loadings = number[][];

/** o and o' of a world, straight from the equations of theory.md section 1. */
export function observations(world: World): { now: Loadings; next: Loadings } {
  const s = world.spec;
  const { endogenousDim: ds, exogenousDim: dx, actionDim: da, observationDim: d } = s;
  const [atX, atU, atWs, atWx, atN, atNext] = [
    ds,
    ds + dx,
    ds + dx + da,
    2 * ds + dx + da,
    2 * (ds + dx) + da,
    2 * (ds + dx) + da + d,
  ];
  const p = atNext + d;
  const zero = (): number[] => new Array<number>(p).fill(0);
  const m = fullMixing(world);
  const at = (a: { data: Float64Array; cols: number }, i: number, j: number) => a.data[i * a.cols + j];
  const action = Array.from({ length: da }, (_, i) => {
    const row = zero();
    for (let j = 0; j < ds; j++) row[j] = s.stateFeedback * at(world.stateFeedback, i, j);
    for (let j = 0; j < dx; j++) row[atX + j] = s.exogenousFeedback * at(world.exogenousFeedback, i, j);
    row[atU + i] = s.policyNoise;
    return row;
  });
  const sNext = Array.from({ length: ds }, (_, i) => {
    const row = zero();
    row[i] = s.endogenousDecay;
    row[atWs + i] = s.processNoise;
    action.forEach((a, j) => {
      a.forEach((v, c) => {
        row[c] = row[c] + s.actionScale * at(world.actionEffect, i, j) * v;
      });
    });
    return row;
  });
  const xNext = Array.from({ length: dx }, (_, i) => {
    const row = zero();
    const rho = i < da ? s.actionExogenousCorrelation : 0;
    row[atX + i] = s.exogenousDecay;
    if (i < da) row[atU + i] = s.exogenousScale * rho;
    row[atWx + i] = s.exogenousScale * Math.sqrt(1 - rho * rho);
    return row;
  });
  const observe = (states: Loadings, noise: number): Loadings =>
    Array.from({ length: d }, (_, i) => {
      const row = zero();
      states.forEach((state, j) => {
        state.forEach((v, c) => {
          row[c] = row[c] + at(m, i, j) * v;
        });
      });
      row[noise + i] = s.sensorNoise;
      return row;
    });
  const unit = (c: number) => {
    const row = zero();
    row[c] = 1;
    return row;
  };
  const states = Array.from({ length: ds + dx }, (_, j) => unit(j));
  return { now: observe(states, atN), next: observe([...sNext, ...xNext], atNext) };
}
