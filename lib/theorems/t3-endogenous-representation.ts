import { multiply, orthonormalise } from '../linalg/dense.js';
import { fromRows, identity, type Matrix, minus, scale, sum, toRows, transpose } from '../linalg/matrix.js';
import { solveBatch } from '../solve/population.js';
import { createWorld, fullMixing, type WorldSpec } from '../world/world.js';
import { type Comparison, defineTheorem } from './check.js';
import { overlappingWorld, thresholdWorld } from './draw.js';
import { boundaries } from './search.js';

/** Es and Ex of a world. */
function mixings(spec: WorldSpec): { endogenous: Matrix; exogenous: Matrix } {
  const world = createWorld(spec);
  const all = toRows(fullMixing(world));
  const { endogenousDim } = world.spec;
  return {
    endogenous: fromRows(all.map((row) => row.slice(0, endogenousDim))),
    exogenous: fromRows(all.map((row) => row.slice(endogenousDim))),
  };
}

/** The orthogonal projector onto the span of the columns of `a`. */
function projector(a: Matrix): Matrix {
  const { basis } = orthonormalise(a);
  return multiply(basis, transpose(basis));
}

export const t3 = defineTheorem({
  id: 'T3',
  claim: 'C2',
  title: 'an endogenous representation leaks nothing; critical gain sqrt(alpha/beta)',
  statement:
    'A representation P with P Ex = 0 gives futureLeakage = 0 for every beta. Partial suppression is enough: P = Es Es^T + gamma Ex Ex^T leaks nothing, for k <= actionDim, below the critical gain gamma* = sqrt(alpha / beta).',
  hypotheses: [
    'no sensor noise',
    'mixing of full column rank, or no exogenous feedback',
    'action and exogenous noise uncorrelated',
    'critical gain: orthonormal mixing, no process noise, k <= actionDim, alpha != beta',
  ],
  predict: {
    criticalGain: (alpha: number, beta: number): number => Math.sqrt(alpha / beta),
    leakageWithout: (): number => 0,
  },
  async compare(predict, trials, context) {
    const blind = trials.draw((random) => {
      const spec = { ...overlappingWorld(random), processNoise: random.pick([0, 0.3]) };
      const { exogenous } = mixings(spec);
      const projection = toRows(minus(identity(exogenous.rows), projector(exogenous)));
      return {
        spec,
        projection,
        latentDim: random.integer(spec.actionDim, spec.actionDim + spec.exogenousDim),
      };
    }, 'blind');
    const solutions = await solveBatch(
      blind.map(({ spec, projection, latentDim }) => ({
        world: spec,
        objective: { kind: 'representation', projection },
        latentDim,
      })),
      context,
    );
    const rows: Comparison[] = solutions.map(({ metrics }) => ({
      what: 'futureLeakage where P Ex = 0, overlapping mixing',
      predicted: predict.leakageWithout(),
      measured: metrics.futureLeakage ?? Number.NaN,
      tolerance: 1e-9,
    }));

    const worlds = trials.draw((random) => {
      const drawn = thresholdWorld(random);
      const { endogenous, exogenous } = mixings(drawn.spec);
      const ofEndogenous = multiply(endogenous, transpose(endogenous));
      const ofExogenous = multiply(exogenous, transpose(exogenous));
      const projection = (gain: number) => toRows(sum(ofEndogenous, scale(gain, ofExogenous)));
      return { ...drawn, projection, latentDim: random.integer(1, drawn.spec.actionDim) };
    }, 'gain');
    const gains = await boundaries(worlds.length, [1e-3, 1e3], 26, async (strengths) => {
      const solutions = await solveBatch(
        worlds.map(({ spec, projection, latentDim }, i) => ({
          world: spec,
          objective: { kind: 'representation', projection: projection(strengths[i]) },
          latentDim,
        })),
        context,
      );
      return solutions.map(({ metrics }, i) => {
        const { spec, latentDim } = worlds[i];
        return (metrics.futureLeakage ?? 0) > 0.5 * Math.min(1, latentDim / spec.exogenousDim);
      });
    });
    worlds.forEach(({ alpha, beta }, i) => {
      const predicted = predict.criticalGain(alpha, beta);
      rows.push({
        what: `critical gain, beta ${beta > alpha ? '>' : '<'} alpha`,
        predicted,
        measured: gains[i],
        tolerance: 1e-6,
        scale: predicted,
      });
    });
    return rows;
  },
});
