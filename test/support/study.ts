import type { EstimatedData } from '../../lib/moments/of-units.js';
import { normals } from '../../lib/random/philox.js';

export interface StudyShape {
  episodes: number;
  rows: number;
  seed?: number;
  observationDim?: number;
  /** Also a paired view and the clean o'. */
  views?: boolean;
}

/** Episodes of a small world: an agent moved by actions, clutter that persists, sensor noise; every variable that there can be. */
export function study({ episodes, rows, seed = 1, observationDim: d = 7, views = false }: StudyShape) {
  const [ds, dx, da] = [3, 2, 2];
  let stream = 0;
  const draw = (count: number) => normals(seed, ++stream, 0, count);
  const [onState, onClutter] = [draw(d * ds), draw(d * dx)];
  const mix = (s: Float64Array, x: Float64Array, noise: Float64Array) =>
    Float64Array.from({ length: d }, (_, j) => {
      let v = 0.1 * noise[j];
      for (let k = 0; k < ds; k++) v += onState[j * ds + k] * s[k];
      for (let k = 0; k < dx; k++) v += onClutter[j * dx + k] * x[k];
      return v;
    });
  const found = {
    observation: [] as number[],
    observationNext: [] as number[],
    action: [] as number[],
    exogenous: [] as number[],
    exogenousNext: [] as number[],
    pairObservation: [] as number[],
    pairObservationNext: [] as number[],
    endogenousNext: [] as number[],
    episode: [] as number[],
  };
  const still = new Float64Array(d);
  for (let e = 0; e < episodes; e++) {
    let s = draw(ds);
    let x = draw(dx);
    let o = mix(s, x, draw(d));
    for (let t = 0; t < rows; t++) {
      const a = draw(da);
      const push = draw(dx);
      const drift = draw(ds);
      const sNext = s.map((v, i) => 0.9 * v + (a[i] ?? 0) + 0.1 * drift[i]);
      const xNext = x.map((v, i) => 0.8 * v + push[i]);
      const oNext = mix(sNext, xNext, draw(d));
      const [y, yPush] = [draw(dx), draw(dx)];
      found.observation.push(...o);
      found.observationNext.push(...oNext);
      found.action.push(...a);
      found.exogenous.push(...x);
      found.exogenousNext.push(...xNext);
      found.pairObservation.push(...mix(s, y, draw(d)));
      found.pairObservationNext.push(
        ...mix(
          sNext,
          y.map((v, i) => 0.8 * v + yPush[i]),
          draw(d),
        ),
      );
      found.endogenousNext.push(...mix(sNext, new Float64Array(dx), still));
      found.episode.push(e);
      [s, x, o] = [sNext, xNext, oNext];
    }
  }
  const data: EstimatedData = {
    count: episodes * rows,
    observationDim: d,
    actionDim: da,
    exogenousDim: dx,
    observation: Float64Array.from(found.observation),
    observationNext: Float64Array.from(found.observationNext),
    action: Float64Array.from(found.action),
    exogenous: Float64Array.from(found.exogenous),
    exogenousNext: Float64Array.from(found.exogenousNext),
    episode: Int32Array.from(found.episode),
    ...(views
      ? {
          pairObservation: Float64Array.from(found.pairObservation),
          pairObservationNext: Float64Array.from(found.pairObservationNext),
          endogenousNext: Float64Array.from(found.endogenousNext),
        }
      : {}),
  };
  return data;
}

/** The rows of every array in another order. */
export function reordered(t: EstimatedData, order: readonly number[]): EstimatedData {
  const rows = (values: Float64Array, width: number) =>
    Float64Array.from(order.flatMap((row) => Array.from(values.subarray(row * width, (row + 1) * width))));
  const { observationDim: d, actionDim: da, exogenousDim: dx } = t;
  return {
    ...t,
    observation: rows(t.observation, d),
    observationNext: rows(t.observationNext, d),
    action: t.action && rows(t.action, da),
    exogenous: t.exogenous && rows(t.exogenous, dx),
    exogenousNext: t.exogenousNext && rows(t.exogenousNext, dx),
    episode: Int32Array.from(order, (row) => t.episode[row]),
  };
}
