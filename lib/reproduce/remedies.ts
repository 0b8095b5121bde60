import { multiply, orthonormalise } from '../linalg/dense.js';
import { columns, identity, type Matrix, minus, scale, toRows, transpose } from '../linalg/matrix.js';
import type { ColumnName } from '../solve/columns.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import { createWorld, fullMixing, type WorldSpec } from '../world/world.js';
import type { ReproduceSpec } from './spec.js';

/** What a phase diagram varies, and where theory puts the boundary (orthonormal, noise-free, k <= actionDim; alpha = 1). */
export interface Strength {
  readonly axis: string;
  readonly edges: 'gain' | 'weight' | 'penalty';
  /** The column by which {@link solveColumns} varies it; none where it shapes a matrix of the objective. */
  readonly column?: ColumnName;
  /** The critical strength for a ratio beta / alpha; nothing leaks on its `safe` side. */
  readonly critical: (ratio: number) => number;
  readonly safe: 'below' | 'above';
  readonly symbol: string;
}

export interface Remedy {
  readonly id: string;
  readonly name: string;
  readonly claim: 'C1' | 'C2' | 'C3';
  readonly theorem: string;
  readonly colour: string;
  readonly dash: readonly number[];
  readonly strength?: Strength;
  /** beta / alpha at which leaking begins at a given strength (Infinity: never). */
  readonly criticalRatio: (strengths: ReproduceSpec['strengths']) => number;
  readonly objective: (world: WorldSpec, strengths: ReproduceSpec['strengths']) => ObjectiveSpec;
}

/** P = I - (1 - gain) Pi, Pi the projector onto the span of Ex: what the exogenous state moves is seen `gain` times as large. */
export function suppression(world: WorldSpec, gain: number): number[][] {
  const created = createWorld(world);
  const { endogenousDim, exogenousDim } = created.spec;
  const exogenous = columns(fullMixing(created), endogenousDim, endogenousDim + exogenousDim);
  const { basis }: { basis: Matrix } = orthonormalise(exogenous);
  return toRows(minus(identity(basis.rows), scale(1 - gain, multiply(basis, transpose(basis)))));
}

export const REMEDIES: readonly Remedy[] = [
  {
    id: 'reconstruction',
    name: 'none: plain reconstruction',
    claim: 'C1',
    theorem: 'T2',
    colour: '#e8590c',
    dash: [],
    criticalRatio: () => 1,
    objective: () => ({ kind: 'reconstruction' }),
  },
  {
    id: 'representation',
    name: 'representation that dims the exogenous part',
    claim: 'C2',
    theorem: 'T3',
    colour: '#a855d6',
    dash: [8, 3],
    strength: {
      axis: 'gain γ of the exogenous part (no unit)',
      edges: 'gain',
      critical: (ratio) => Math.sqrt(1 / ratio),
      safe: 'below',
      symbol: 'γ* = √(α/β)',
    },
    criticalRatio: ({ gain }) => 1 / gain ** 2,
    objective: (world, { gain }) => ({ kind: 'representation', projection: suppression(world, gain) }),
  },
  {
    id: 'action-supervised',
    name: 'action supervision',
    claim: 'C3',
    theorem: 'T4',
    colour: '#2f7ed8',
    dash: [4, 3],
    strength: {
      axis: 'weight λ × label fraction (units of α / policyNoise²)',
      edges: 'weight',
      column: 'action-supervised.weight',
      critical: (ratio) => ratio - 1,
      safe: 'above',
      symbol: 'λ* = (β − α) / policyNoise²',
    },
    criticalRatio: ({ weight }) => 1 + weight,
    objective: (_, { weight }) => ({ kind: 'action-supervised', weight }),
  },
  {
    id: 'exogenous-robust',
    name: 'exogenous-robust penalty',
    claim: 'C3',
    theorem: 'T6',
    colour: '#2b9a66',
    dash: [10, 3, 2, 3],
    strength: {
      axis: 'penalty weight μ (no unit)',
      edges: 'penalty',
      column: 'exogenous-robust.weight',
      critical: (ratio) => (ratio - 1) / 2,
      safe: 'above',
      symbol: 'μ* = (β/α − 1) / 2',
    },
    criticalRatio: ({ penalty }) => 1 + 2 * penalty,
    objective: (_, { penalty }) => ({ kind: 'exogenous-robust', weight: penalty }),
  },
  {
    id: 'cross-exogenous',
    name: 'cross-exogenous reconstruction',
    claim: 'C3',
    theorem: 'T5',
    colour: '#868e96',
    dash: [2, 3],
    criticalRatio: () => Number.POSITIVE_INFINITY,
    objective: () => ({ kind: 'cross-exogenous' }),
  },
];

export function remedy(id: string): Remedy {
  return REMEDIES.find((r) => r.id === id) as Remedy;
}
