import { readdirSync, readFileSync } from 'node:fs';
import {
  type Block,
  type ObjectiveRows,
  PARAMETERS,
  type PopulationRequest,
  type Term,
  type Variable,
} from '../../lib/backend/requests.js';

/**
 * Golden cases as requests to a backend, written from theory.md alone: a check on the product's own mapping (lib/world/world.ts,
 * lib/solve/objectives.ts), with which it shares nothing.
 */
type Rows = number[][];

type WorldNumber =
  | (typeof PARAMETERS)[number]
  | 'observationDim'
  | 'endogenousDim'
  | 'exogenousDim'
  | 'actionDim';
type WorldMatrix =
  | 'endogenousMixing'
  | 'exogenousMixing'
  | 'actionEffect'
  | 'stateFeedback'
  | 'exogenousFeedback';

export interface GoldenCase {
  readonly world: Readonly<
    Record<Exclude<WorldNumber, 'exogenousInitialScale' | 'hiddenExogenousDim'>, number> & {
      exogenousInitialScale?: number;
    }
  > & {
    readonly matrices: Readonly<Record<WorldMatrix, Rows>>;
  };
  readonly objective: {
    readonly kind: string;
    readonly decoder?: string;
    readonly projection?: Rows;
    readonly weight?: number;
    readonly labelFraction?: number;
    readonly encoderNoise?: number;
    readonly decoderNoise?: number;
  };
  readonly latentDim: number;
  readonly expected: {
    readonly loss: number;
    readonly spectrum: number[];
    readonly metrics: Record<string, number | 'Infinity'>;
  };
}

export function readCases(folder: string): [name: string, golden: GoldenCase][] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => [name, JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as GoldenCase]);
}

const DEFAULTS: Partial<Record<WorldNumber, number>> = {
  endogenousDecay: 1,
  exogenousDecay: 0.8,
  actionScale: 1,
  exogenousScale: 1,
  policyNoise: 1,
  processNoise: 0,
  sensorNoise: 0,
  stateFeedback: 0,
  exogenousFeedback: 0,
  actionExogenousCorrelation: 0,
  exogenousInitialScale: 1,
  hiddenExogenousDim: 0,
};

const transpose = (a: Rows): Rows => (a[0] ?? []).map((_, j) => a.map((row) => row[j]));
const dot = (x: number[], y: number[]): number => x.reduce((sum, v, i) => sum + v * y[i], 0);
/** a b */
const times = (a: Rows, b: Rows): Rows => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};

/** Orthonormal rows that span those of `rows`: Gram-Schmidt, twice over. */
export function orthonormalRows(rows: Rows): Rows {
  const kept: Rows = [];
  for (const row of rows) {
    let rest = row;
    for (let pass = 0; pass < 2; pass++)
      for (const q of kept) {
        const along = dot(rest, q);
        rest = rest.map((v, i) => v - along * q[i]);
      }
    const norm = Math.sqrt(dot(rest, rest));
    if (norm > 1e-10 * Math.sqrt(dot(row, row)) && norm > 0) kept.push(rest.map((v) => v / norm));
  }
  return kept;
}

const term = (variable: Variable, coefficient: number | null = null, negative = false): Term => ({
  variable,
  coefficient,
  negative,
});
const block = (...terms: Term[]): Block => ({ terms, projected: false });
const through = (...terms: Term[]): Block => ({ terms, projected: true });
const [o, next, o2, next2, action] = [
  term('observation'),
  term('observationNext'),
  term('pairObservation'),
  term('pairObservationNext'),
  term('action', 0),
];
const minus = (t: Term): Term => ({ ...t, negative: true });

function objectiveRows(objective: GoldenCase['objective']): { rows: ObjectiveRows; coefficients: number[] } {
  const { kind, weight = 0, labelFraction = 1, encoderNoise = 0, decoderNoise = 0 } = objective;
  const rows = (
    y: Block[],
    f: Block[],
    e: Block[],
    gauge: ObjectiveRows['gauge'],
    penalties: ObjectiveRows['penalties'] = [],
  ): ObjectiveRows => ({ y, f, e, penalties, gauge });
  if (kind === 'reconstruction') {
    return objective.decoder === 'identity'
      ? { rows: rows([block(next, minus(o))], [], [block(next, minus(o))], 'difference'), coefficients: [] }
      : { rows: rows([block(next)], [block(o)], [block(next)], 'innovation'), coefficients: [] };
  }
  if (kind === 'representation') {
    return { rows: rows([through(next)], [through(o)], [through(next)], 'innovation'), coefficients: [] };
  }
  if (kind === 'action-supervised') {
    return {
      rows: rows([block(next), block(action)], [block(o)], [block(next)], 'innovation'),
      coefficients: [Math.sqrt(weight * labelFraction)],
    };
  }
  if (kind === 'cross-exogenous') {
    return { rows: rows([block(next2)], [block(o2)], [block(o), block(next)], 'encoder'), coefficients: [] };
  }
  if (kind === 'exogenous-robust') {
    const penalty = { of: [block(next, minus(next2))], given: [block(o, minus(o2))], weight: 0 };
    return {
      rows: rows([block(next)], [block(o)], [block(next)], 'innovation', [penalty]),
      coefficients: [weight],
    };
  }
  if (kind === 'augmented') {
    const [n1, n2] = [term('encoderNoise', 0), term('decoderNoise', 1)];
    return {
      rows: rows([block(next, n2)], [block(o, n2)], [block(o, n1), block(next, n1)], 'encoder'),
      coefficients: [encoderNoise, decoderNoise],
    };
  }
  throw new Error(`no such kind: ${kind}`);
}

/** A batch of cases of one shape and kind as one request. */
export function requestOf(cases: readonly GoldenCase[], latentDims?: number[]): PopulationRequest {
  const reduced = cases.map(({ world, objective }) => {
    const { endogenousMixing, exogenousMixing } = world.matrices;
    const mixing = endogenousMixing.map((row, i) => [...row, ...exogenousMixing[i]]);
    const basis = orthonormalRows([...transpose(mixing), ...(objective.projection ?? [])]);
    const seen = objective.projection ? times(objective.projection, transpose(basis)) : [];
    const range = seen.length > 0 ? orthonormalRows(transpose(seen)) : [];
    return { mixing: times(basis, mixing), projection: times(range, seen), basis: basis.length };
  });
  const first = cases[0];
  const shape = reduced[0];
  const number = (world: GoldenCase['world'], name: WorldNumber): number =>
    (world as Partial<Record<WorldNumber, number>>)[name] ?? DEFAULTS[name] ?? Number.NaN;
  const column = (values: number[][]): Float64Array => Float64Array.from(transpose(values).flat());
  const stack = (pick: (i: number) => Rows): Float64Array =>
    Float64Array.from(cases.flatMap((_, i) => pick(i).flat()));
  const ds = number(first.world, 'endogenousDim');
  const dx = number(first.world, 'exogenousDim');
  const da = number(first.world, 'actionDim');
  return {
    count: cases.length,
    basis: shape.basis,
    endogenousDim: ds,
    exogenousDim: dx,
    actionDim: da,
    projectionDim: shape.projection.length,
    latentDims: Int32Array.from(latentDims ?? [first.latentDim]),
    objective: objectiveRows(first.objective).rows,
    parameters: column(
      cases.map(({ world }, i) =>
        PARAMETERS.map((name) =>
          name === 'complementDim' ? number(world, 'observationDim') - reduced[i].basis : number(world, name),
        ),
      ),
    ),
    coefficients: column(cases.map((c) => objectiveRows(c.objective).coefficients)),
    matrixIndex: Int32Array.from(cases.keys()),
    mixing: stack((i) => reduced[i].mixing),
    actionEffect: stack((i) => cases[i].world.matrices.actionEffect),
    stateFeedback: stack((i) => cases[i].world.matrices.stateFeedback),
    exogenousFeedback: stack((i) => cases[i].world.matrices.exogenousFeedback),
    projection: stack((i) => reduced[i].projection),
    relativeTolerance: 1e-10,
    encoder: true,
  };
}
