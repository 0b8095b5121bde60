import type { FittedObjective, MomentLayout } from '../backend/requests.js';
import {
  type Backend,
  type Control,
  RELATIVE_TOLERANCE,
  UNIT_VARIABLES,
  type UnitVariable,
} from '../backend/requests.js';
import { requireOk } from '../backend/status.js';
import { multiply } from '../linalg/dense.js';
import { block, type Matrix, matrix, transpose } from '../linalg/matrix.js';
import { covarianceOfAll, type UnitMoments } from '../moments/of-units.js';

/** One objective over all rows. */
export interface WholeSolution {
  readonly trace: number;
  /** Eigenvalues of M, descending. */
  readonly spectrum: readonly number[];
  readonly rank: number;
}

/** Where each variable stands in the covariance. */
function layoutOf({ layout }: UnitMoments): MomentLayout {
  const at = (name: UnitVariable) => {
    const v = UNIT_VARIABLES.indexOf(name);
    return { begin: layout[2 * v + 1] > 0 ? layout[2 * v] - 1 : -1, width: layout[2 * v + 1] };
  };
  return {
    observationDim: at('observation').width,
    actionDim: at('action').width,
    observation: at('observation').begin,
    observationNext: at('observationNext').begin,
    pairObservation: at('pairObservation').begin,
    pairObservationNext: at('pairObservationNext').begin,
    action: at('action').begin,
  };
}

/** What second moments of all rows say at once: nothing here is an estimate. */
export function wholeFit(moments: UnitMoments, backend: Backend, control: Control = {}) {
  const width = moments.width - 1;
  const quiet: Control = { ...control, onProgress: undefined };
  // Of rows it is made for each question anew: it is large.
  const kept = moments.rows ? null : covarianceOfAll(moments, backend);
  const covarianceNow = (own = quiet) => kept ?? covarianceOfAll(moments, backend, own);
  const layout = layoutOf(moments);
  return {
    /** W with cov(W h) = I for h = P o (o itself without P), on the directions whose variance is above the tolerance: (rank, d). */
    async whitening(projection: Matrix | null): Promise<Matrix> {
      const d = layout.observationDim;
      const covariance = await covarianceNow();
      const s = block(matrix(width, width, covariance), layout.observation, d, layout.observation, d);
      const seen = projection ? multiply(multiply(projection, s), transpose(projection)) : s;
      const n = seen.rows;
      const { values, vectors } = await backend.symmetricEigen(seen.data, n, 1, quiet);
      const rank = values.filter((v) => v > RELATIVE_TOLERANCE * Math.max(values[0], 0)).length;
      const whiten = matrix(rank, n);
      for (let i = 0; i < rank; i++)
        for (let j = 0; j < n; j++) whiten.data[i * n + j] = vectors[i * n + j] / Math.sqrt(values[i]);
      return projection ? multiply(whiten, projection) : whiten;
    },

    /** tr cov(o' given o) and tr cov(a given o), by regressions with this ridge. */
    async variances(ridge: number): Promise<{ readonly innovation: number; readonly action: number }> {
      const { observation, observationNext, observationDim, action, actionDim } = layout;
      const covariance = await covarianceNow();
      const { remaining } = await backend.probe(
        {
          width,
          train: covariance,
          heldOut: covariance,
          observation,
          observationNext,
          observationDim,
          encoderC: new Float64Array(0),
          encoderD: new Float64Array(0),
          rows: 0,
          latentDims: new Int32Array(0),
          targets: Int32Array.of(observationNext, observationDim, action, actionDim),
          ridge,
          pairObservation: -1,
          pairObservationNext: -1,
        },
        quiet,
      );
      return { innovation: remaining[0], action: remaining[1] };
    },

    /** The minimum of an objective and its spectrum. Throws where nothing is left to encode. */
    async solve(objective: FittedObjective, ridge: number, control: Control): Promise<WholeSolution> {
      const answer = await backend.solveMoments(
        {
          count: 1,
          width,
          moments: await covarianceNow(control),
          spoil: kept === null,
          layout,
          objective: objective.rows,
          coefficients: Float64Array.from(objective.coefficients),
          projection: objective.projection,
          projectionDim: objective.projectionDim,
          latentDim: 0,
          ridge,
          relativeTolerance: RELATIVE_TOLERANCE,
        },
        { ...control, onProgress: undefined },
      );
      requireOk(answer.status[0], 'analyze');
      return { trace: answer.trace[0], spectrum: Array.from(answer.spectrum), rank: answer.rank[0] };
    },
  };
}
