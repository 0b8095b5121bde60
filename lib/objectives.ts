import { z } from 'zod';
import type { Block, ObjectiveRows, Term, Variable } from './backend.js';
import { ExolamError } from './errors.js';
import { fromRows, type Matrix } from './matrix.js';
import { parse } from './validate.js';

const weight = z.number().min(0);
const share = z.number().min(0).max(1);

const reconstruction = z.strictObject({
  kind: z.literal('reconstruction'),
  decoder: z.enum(['free', 'identity']).default('free'),
});
const actionSupervised = z.strictObject({
  kind: z.literal('action-supervised'),
  weight,
  labelFraction: share.default(1),
});

const representation = z.strictObject({
  kind: z.literal('representation'),
  projection: z.array(z.array(z.number()).min(1)).min(1),
});
const crossExogenous = z.strictObject({ kind: z.literal('cross-exogenous') });
const exogenousRobust = z.strictObject({ kind: z.literal('exogenous-robust'), weight });
const augmented = z.strictObject({
  kind: z.literal('augmented'),
  encoderNoise: z.number().min(0),
  decoderNoise: z.number().min(0),
});

/** Objectives of theory.md section 3. */
export const objectiveSchema = z.discriminatedUnion('kind', [
  reconstruction,
  actionSupervised,
  representation,
  crossExogenous,
  exogenousRobust,
  augmented,
]);

export type ObjectiveSpec = z.input<typeof objectiveSchema>;

/** An objective as the backends take it: rows, the numbers they refer to, and the projection they see through. */
export interface ResolvedObjective {
  readonly spec: z.output<typeof objectiveSchema>;
  readonly rows: ObjectiveRows;
  readonly coefficients: readonly number[];
  readonly projection: Matrix | null;
  /** z must be at least this wide where the policy reacts to o; below, only training answers. */
  readonly supervised: boolean;
  readonly needsPair: boolean;
  readonly needsAction: boolean;
}

const of = (variable: Variable, coefficient: number | null = null, negative = false): Term => ({
  variable,
  coefficient,
  negative,
});
const block = (...terms: Term[]): Block => ({ terms, projected: false });

/** The only place that knows kinds. */
export function resolveObjective(input: ObjectiveSpec, what = 'objective'): ResolvedObjective {
  const spec = parse(objectiveSchema, input, what);
  const o = block(of('observation'));
  const next = block(of('observationNext'));
  const base = { spec, projection: null, supervised: false, needsPair: false, needsAction: false };
  const plain: ObjectiveRows = { y: [next], f: [o], e: [next], penalties: [], gauge: 'innovation' };
  switch (spec.kind) {
    case 'reconstruction': {
      if (spec.decoder === 'free') return { ...base, rows: plain, coefficients: [] };
      const difference = block(of('observationNext'), of('observation', null, true));
      return {
        ...base,
        rows: { y: [difference], f: [], e: [difference], penalties: [], gauge: 'difference' },
        coefficients: [],
      };
    }
    case 'action-supervised':
      return {
        ...base,
        rows: { ...plain, y: [next, block(of('action', 0))] },
        coefficients: [Math.sqrt(spec.weight * spec.labelFraction)],
        supervised: spec.weight * spec.labelFraction > 0,
        needsAction: true,
      };
    case 'representation':
      return {
        ...base,
        rows: throughProjection(plain),
        coefficients: [],
        projection: fromRows(spec.projection),
      };
    case 'cross-exogenous':
      return {
        ...base,
        rows: {
          y: [block(of('pairObservationNext'))],
          f: [block(of('pairObservation'))],
          e: [o, next],
          penalties: [],
          gauge: 'encoder',
        },
        coefficients: [],
        needsPair: true,
      };
    case 'exogenous-robust': {
      // r - r2 less what o - o2 predicts is o' - o2' less what o - o2 predicts: Gamma (o - o2) cancels.
      const moves = block(of('observationNext'), of('pairObservationNext', null, true));
      const given = block(of('observation'), of('pairObservation', null, true));
      return {
        ...base,
        rows: { ...plain, penalties: [{ of: moves, given, weight: 0 }] },
        coefficients: [spec.weight],
        needsPair: true,
      };
    }
    case 'augmented':
      return {
        ...base,
        rows: {
          y: [block(of('observationNext'), of('decoderNoise', 1))],
          f: [block(of('observation'), of('decoderNoise', 1))],
          e: [
            block(of('observation'), of('encoderNoise', 0)),
            block(of('observationNext'), of('encoderNoise', 0)),
          ],
          penalties: [],
          gauge: 'encoder',
        },
        coefficients: [spec.encoderNoise, spec.decoderNoise],
      };
  }
}

/** A projection P reads whole observations: (m, observationDim). */
export function requireProjection(
  objective: ResolvedObjective,
  observationDim: number,
  what = 'objective',
): void {
  if (objective.spec.kind !== 'representation') return;
  objective.spec.projection.forEach((row, i) => {
    if (row.length === observationDim) return;
    throw new ExolamError(
      'input',
      `${what}.projection[${i}]: expected observationDim (${observationDim}) numbers but received ${row.length}`,
    );
  });
}

/** The same objective in the representation h = P o: every observation is seen through P. */
export function throughProjection(rows: ObjectiveRows): ObjectiveRows {
  const through = (b: Block): Block => (b.terms[0]?.variable === 'action' ? b : { ...b, projected: true });
  return {
    ...rows,
    y: rows.y.map(through),
    f: rows.f.map(through),
    e: rows.e.map(through),
    penalties: rows.penalties.map((p) => ({ ...p, of: through(p.of), given: through(p.given) })),
  };
}
