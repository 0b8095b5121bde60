import { z } from 'zod';
import type { Block, ObjectiveRows, Term, Variable } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { describes, parse } from '../base/validate.js';
import { fromRows, type Matrix } from '../linalg/matrix.js';

/** Predict o' from o and z: z becomes what is new in o' (docs/theory.md, section 3). */
export interface Reconstruction {
  readonly kind: 'reconstruction';
  /** `free`: the decoder learns what to make of o. `identity`: it adds what z says to o itself. Default `free`. */
  readonly decoder?: 'free' | 'identity' | undefined;
}

/** Reconstruction, and z must also give the action. */
export interface ActionSupervised {
  readonly kind: 'action-supervised';
  /** Weight of the action's squared error beside that of the observation, at least 0. */
  readonly weight: number;
  /** Share of the transitions that have a label, 0 to 1; it multiplies the weight. Default 1. */
  readonly labelFraction?: number | undefined;
}

/** Reconstruction in a representation h = P o in place of the observation. */
export interface Representation {
  readonly kind: 'representation';
  /** P: rows of observationDim numbers each, one at least. */
  readonly projection: readonly (readonly number[])[];
}

/** Encode one view and reconstruct the paired one, which has another exogenous state. Needs paired views. */
export interface CrossExogenous {
  readonly kind: 'cross-exogenous';
}

/** Reconstruction, and z must not change between paired views. Needs paired views. */
export interface ExogenousRobust {
  readonly kind: 'exogenous-robust';
  /** Weight of the penalty on what z changes between the views, at least 0. */
  readonly weight: number;
}

/** Reconstruction with noise added to what the encoder and the decoder see. */
export interface Augmented {
  readonly kind: 'augmented';
  /** Standard deviation of the noise on the encoder's o and o', at least 0. */
  readonly encoderNoise: number;
  /** Standard deviation of the noise on the decoder's o and on its target, at least 0. */
  readonly decoderNoise: number;
}

export type ObjectivePart =
  | Reconstruction
  | ActionSupervised
  | Representation
  | CrossExogenous
  | ExogenousRobust
  | Augmented;

/** Several objectives as one. */
export interface Composition {
  readonly kind: 'composition';
  /** One or more, each kind at most once, and at most one of `reconstruction`, `cross-exogenous` and `augmented`. */
  readonly parts: readonly ObjectivePart[];
}

/** What a latent action model is trained for: an objective of docs/theory.md, section 3, alone or composed. */
export type ObjectiveSpec = ObjectivePart | Composition;

const weight = z.number().min(0);
const share = z.number().min(0).max(1);

const reconstruction = describes<Reconstruction>()(
  z.strictObject({
    kind: z.literal('reconstruction'),
    decoder: z.enum(['free', 'identity']).default('free'),
  }),
);
const actionSupervised = describes<ActionSupervised>()(
  z.strictObject({
    kind: z.literal('action-supervised'),
    weight,
    labelFraction: share.default(1),
  }),
);
const representation = describes<Representation>()(
  z.strictObject({
    kind: z.literal('representation'),
    projection: z.array(z.array(z.number()).min(1)).min(1),
  }),
);
const crossExogenous = describes<CrossExogenous>()(z.strictObject({ kind: z.literal('cross-exogenous') }));
const exogenousRobust = describes<ExogenousRobust>()(
  z.strictObject({ kind: z.literal('exogenous-robust'), weight }),
);
const augmented = describes<Augmented>()(
  z.strictObject({
    kind: z.literal('augmented'),
    encoderNoise: z.number().min(0),
    decoderNoise: z.number().min(0),
  }),
);

const kinds = [
  reconstruction,
  actionSupervised,
  representation,
  crossExogenous,
  exogenousRobust,
  augmented,
] as const;
const part = z.discriminatedUnion('kind', kinds);
const composition = describes<Composition>()(
  z.strictObject({ kind: z.literal('composition'), parts: z.array(part).min(1) }),
);

/** What {@link ObjectiveSpec} says, checked: its parse fills in the defaults. */
export const objectiveSchema = describes<ObjectiveSpec>()(
  z.discriminatedUnion('kind', [...kinds, composition]),
);

/** An objective with its defaults. */
export type CheckedObjective = z.output<typeof objectiveSchema>;
type Spec = CheckedObjective;
type Part = z.output<typeof part>;

/** An objective as the backends take it: rows, the numbers they refer to, and the projection they see through. */
export interface ResolvedObjective {
  readonly spec: Spec;
  readonly rows: ObjectiveRows;
  readonly coefficients: readonly number[];
  readonly projection: Matrix | null;
  /** z must be at least as wide as the action where the policy reacts to o; below, only training answers. */
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
/** How a variable differs between the two views of a pair. */
const moved = (variable: Variable, pair: Variable): Block => block(of(variable), of(pair, null, true));

const o = block(of('observation'));
const next = block(of('observationNext'));
const moves = [moved('observation', 'pairObservation'), moved('observationNext', 'pairObservationNext')];

/** What is reconstructed from what: the part of an objective that there is exactly one of. */
interface Base {
  readonly kind: Part['kind'];
  readonly y: readonly Block[];
  readonly f: readonly Block[];
  readonly e: readonly Block[];
  readonly gauge: ObjectiveRows['gauge'];
  /** How many coefficients its terms refer to, the first of {@link coefficientsOf}. */
  readonly strengths: number;
  /** The decoder's free part makes z + H f as good as z for every H. */
  readonly gaugeIsFree: boolean;
  readonly needsPair: boolean;
}

/** What one kind of objective contributes to the one problem of theory.md section 2. */
interface Contribution {
  readonly base?: Base;
  /** P: every observation is seen through it. */
  readonly projection?: Matrix;
  /** sqrt(weight labelFraction): the target gains that much of the action. */
  readonly supervision?: number;
  /** Weight of the penalty on what z changes between the two views of a pair. */
  readonly penalty?: number;
}

const free: Base = {
  kind: 'reconstruction',
  y: [next],
  f: [o],
  e: [next],
  gauge: 'innovation',
  strengths: 0,
  gaugeIsFree: true,
  needsPair: false,
};

const step = block(of('observationNext'), of('observation', null, true));
const difference: Base = {
  ...free,
  y: [step],
  f: [],
  e: [step],
  gauge: 'difference',
  gaugeIsFree: false,
};

const acrossViews: Base = {
  kind: 'cross-exogenous',
  y: [block(of('pairObservationNext'))],
  f: [block(of('pairObservation'))],
  e: [o, next],
  gauge: 'encoder',
  strengths: 0,
  gaugeIsFree: false,
  needsPair: true,
};

const noisy: Base = {
  kind: 'augmented',
  y: [block(of('observationNext'), of('decoderNoise', 1))],
  f: [block(of('observation'), of('decoderNoise', 1))],
  e: [block(of('observation'), of('encoderNoise', 0)), block(of('observationNext'), of('encoderNoise', 0))],
  gauge: 'encoder',
  strengths: 2,
  gaugeIsFree: false,
  needsPair: false,
};

/** What an objective's kind puts into y, f, e, P and the target (docs/theory.md section 3): the only place that knows kinds. */
function contributionOf(spec: Part): Contribution {
  switch (spec.kind) {
    case 'reconstruction':
      return { base: spec.decoder === 'free' ? free : difference };
    case 'action-supervised':
      return { supervision: Math.sqrt(spec.weight * spec.labelFraction) };
    case 'representation':
      return { projection: fromRows(spec.projection) };
    case 'cross-exogenous':
      return { base: acrossViews };
    case 'exogenous-robust':
      return { penalty: spec.weight };
    case 'augmented':
      return { base: noisy };
  }
}

/** The parts of a composition; of a kind alone, itself. */
function partsOf(spec: Spec): readonly Part[] {
  return spec.kind === 'composition' ? spec.parts : [spec];
}

/** The numbers that the rows of an objective refer to: those of its base, of supervision, of the penalty. */
export function coefficientsOf(spec: Spec): number[] {
  const found: { base: number[]; supervision: number[]; penalty: number[] } = {
    base: [],
    supervision: [],
    penalty: [],
  };
  for (const p of partsOf(spec)) {
    if (p.kind === 'augmented') found.base = [p.encoderNoise, p.decoderNoise];
    if (p.kind === 'action-supervised') found.supervision = [Math.sqrt(p.weight * p.labelFraction)];
    if (p.kind === 'exogenous-robust') found.penalty = [p.weight];
  }
  return [...found.base, ...found.supervision, ...found.penalty];
}

/** Every number that an objective can have, as `kind.key`. */
export type Strength =
  | 'action-supervised.weight'
  | 'action-supervised.labelFraction'
  | 'exogenous-robust.weight'
  | 'augmented.encoderNoise'
  | 'augmented.decoderNoise';
/** What each of them accepts. */
export const STRENGTHS: Readonly<Record<Strength, z.ZodType<number>>> = {
  'action-supervised.weight': weight,
  'action-supervised.labelFraction': share,
  'exogenous-robust.weight': weight,
  'augmented.encoderNoise': weight,
  'augmented.decoderNoise': weight,
};

/** A copy of the objective with this number changed, or null where it has no such number. */
export function withStrength(spec: Spec, strength: Strength, value: number): Spec | null {
  const [kind, key] = strength.split('.') as [Part['kind'], string];
  const changed = partsOf(spec).map((p) => (p.kind === kind ? ({ ...p, [key]: value } as Part) : p));
  if (!changed.some((p) => p.kind === kind)) return null;
  return spec.kind === 'composition' ? { ...spec, parts: changed } : (changed[0] as Spec);
}

/** Whether an objective is of this kind, or has a part that is. */
export function hasKind(spec: ObjectiveSpec, kind: Part['kind']): boolean {
  return spec.kind === 'composition' ? spec.parts.some((p) => p.kind === kind) : spec.kind === kind;
}

/** An objective, checked and as rows: a kind alone is the composition of one part. Throws {@link ExolamError}. */
export function resolveObjective(input: ObjectiveSpec, what = 'objective'): ResolvedObjective {
  return objectiveOf(parse(objectiveSchema, input, what), what);
}

/** The same of a spec that the schema has accepted. */
export function objectiveOf(spec: CheckedObjective, what: string): ResolvedObjective {
  const { supervision, base, ...parts } = resolvedParts(spec, what);
  if (supervision !== undefined && base.f.length > 0 && !base.gaugeIsFree) {
    throw new ExolamError(
      'unsupported',
      `${what}: action-supervised and ${base.kind} have no closed form together: the reconstruction is given what the action head is not, and z cannot make up for it at no cost; ${BY_TRAINING}`,
    );
  }
  return resolved(
    { supervision, base, ...parts },
    rowsOf(base, supervision !== undefined, parts.penalty !== undefined),
  );
}

/** What to do where there is no closed form. */
export const BY_TRAINING =
  'exolam train CONFIG --out DIR with "optimizer": {"kind": "lbfgs"} minimises it by exact gradients';

/** An objective as gradient training takes it. */
export interface TrainableObjective extends ResolvedObjective {
  /** Column of the coefficient of an action that z alone must give, beside what is reconstructed; -1 where y holds the action. */
  readonly head: number;
}

/**
 * The same for training, which needs no closed form. `joint`: supervision of a free decoder as one problem with the reconstruction,
 * which is exact from latentDim = actionDim on and for a policy that does not react to o; otherwise z is all that the head sees.
 */
export function resolveForTraining(
  input: ObjectiveSpec,
  joint: boolean,
  what = 'objective',
): TrainableObjective {
  return trainableOf(parse(objectiveSchema, input, what), joint, what);
}

/** The same of a spec that the schema has accepted. */
export function trainableOf(spec: CheckedObjective, joint: boolean, what: string): TrainableObjective {
  const parts = resolvedParts(spec, what);
  const { base, supervision, penalty } = parts;
  const [supervised, penalised] = [supervision !== undefined, penalty !== undefined];
  const split = supervised && base.f.length > 0 && !(base.gaugeIsFree && joint);
  if (!split) return { ...resolved(parts, rowsOf(base, supervised, penalised)), head: -1 };
  const whole: Base = {
    ...base,
    e: base.gaugeIsFree ? [o, next] : base.e,
    gauge: 'encoder',
    gaugeIsFree: false,
  };
  const head = base.strengths;
  const plain = compose(whole, false, penalised);
  // The penalty's coefficient comes after that of the head.
  const penalties = plain.penalties.map((p) => ({ ...p, weight: p.weight + 1 }));
  return { ...resolved(parts, { ...plain, penalties }), supervised: false, head };
}

type Parts = ReturnType<typeof resolvedParts>;

/** An objective and what its parts contribute, if they go together. */
function resolvedParts(spec: Spec, what: string) {
  const parts = partsOf(spec);
  requireDistinct(parts, what);
  for (const { rows, path } of projectionsOf(spec, what)) {
    rows.forEach((row, i) => {
      const width = rows[0]?.length;
      if (row.length === width) return;
      throw new ExolamError(
        'input',
        `${path}[${i}]: expected ${width} numbers, as in row 0, but received ${row.length}`,
      );
    });
  }
  const contributions = parts.map(contributionOf);
  return {
    spec,
    base: contributions.find((c) => c.base)?.base ?? free,
    projection: contributions.find((c) => c.projection)?.projection ?? null,
    supervision: contributions.find((c) => c.supervision !== undefined)?.supervision,
    penalty: contributions.find((c) => c.penalty !== undefined)?.penalty,
  };
}

function resolved(
  { spec, base, projection, supervision, penalty }: Parts,
  plain: ObjectiveRows,
): ResolvedObjective {
  return {
    spec,
    rows: projection ? throughProjection(plain) : plain,
    coefficients: coefficientsOf(spec),
    projection,
    supervised: (supervision ?? 0) > 0 && base.gaugeIsFree,
    needsPair: base.needsPair || penalty !== undefined,
    needsAction: supervision !== undefined,
  };
}

/** The rows of each base: without more, supervised, penalised, both. */
const composed = new WeakMap<Base, ObjectiveRows[]>();

/** {@link compose}, once for each form: objectives of one form share their rows, and are told from others by them. */
function rowsOf(base: Base, supervised: boolean, penalised: boolean): ObjectiveRows {
  const known = composed.get(base) ?? [];
  composed.set(base, known);
  known[Number(supervised) + 2 * Number(penalised)] ??= compose(base, supervised, penalised);
  return known[Number(supervised) + 2 * Number(penalised)];
}

/** The rows of a base with the action stacked onto y and the penalty added; their coefficients follow those of the base. */
function compose(base: Base, supervised: boolean, penalised: boolean): ObjectiveRows {
  const first = base.strengths;
  const y = supervised ? [...base.y, block(of('action', first))] : base.y;
  // Alone, the best latents of an identity decoder are maps of o' - o; asked for more, they may use all of (o, o').
  const encodesDifference = base.gauge === 'difference';
  const whole = encodesDifference && (supervised || penalised);
  const rows: ObjectiveRows = {
    y,
    f: base.f,
    e: whole ? [o, next] : base.e,
    penalties: [],
    gauge: whole ? 'encoder' : base.gauge,
  };
  if (!penalised) return rows;
  // In a free gauge z may lose what o - o2 predicts of its move, and so does: r - r2 less what o - o2 predicts is
  // o' - o2' less what o - o2 predicts, since Gamma (o - o2) cancels. Elsewhere z moves as the encoder moves it.
  const [before, after] = moves as [Block, Block];
  const move = base.gaugeIsFree ? { of: [after], given: [before] } : { of: moves, given: [] };
  return { ...rows, penalties: [{ ...move, weight: first + Number(supervised) }] };
}

const BASES: readonly Part['kind'][] = ['reconstruction', 'cross-exogenous', 'augmented'];

/** Throws unless a composition reconstructs one thing and takes each kind once. */
function requireDistinct(parts: readonly Part[], what: string): void {
  const received = parts.map(({ kind }) => kind);
  const twice = received.find((kind, i) => received.indexOf(kind) !== i);
  if (twice) {
    throw new ExolamError(
      'input',
      `${what}.parts: expected each kind at most once but received ${twice} twice`,
    );
  }
  const bases = received.filter((kind) => BASES.includes(kind));
  if (bases.length > 1) {
    throw new ExolamError(
      'input',
      `${what}.parts: expected at most one of ${BASES.join(', ')} but received ${bases.join(' and ')}`,
    );
  }
}

/** The projections in an objective, and where messages find each. */
function projectionsOf(spec: Spec, what: string): { rows: readonly (readonly number[])[]; path: string }[] {
  const found = (part: Part, at: string) =>
    part.kind === 'representation' ? [{ rows: part.projection, path: `${at}.projection` }] : [];
  return spec.kind === 'composition'
    ? spec.parts.flatMap((part, i) => found(part, `${what}.parts[${i}]`))
    : found(spec, what);
}

/** Throws unless the projection of an objective, whose rows are of one length, is as wide as the observation. */
export function requireProjection(
  { spec }: ResolvedObjective,
  observationDim: number,
  what = 'objective',
): void {
  for (const { rows, path } of projectionsOf(spec, what)) {
    const width = rows[0]?.length;
    if (width === observationDim) continue;
    throw new ExolamError(
      'input',
      `${path}[0]: expected observationDim (${observationDim}) numbers but received ${width}`,
    );
  }
}

/** The same rows with every observation replaced by h = P o, actions as they are. */
export function throughProjection(rows: ObjectiveRows): ObjectiveRows {
  const through = (b: Block): Block => (b.terms[0]?.variable === 'action' ? b : { ...b, projected: true });
  return {
    ...rows,
    y: rows.y.map(through),
    f: rows.f.map(through),
    e: rows.e.map(through),
    penalties: rows.penalties.map((p) => ({ ...p, of: p.of.map(through), given: p.given.map(through) })),
  };
}

/** The name of an objective in tables and figures: its kind, its numbers, its parts. */
export function nameOfObjective(spec: Spec): string {
  const { kind, ...rest } = spec;
  if (spec.kind === 'composition') return spec.parts.map(nameOfObjective).join(' + ');
  const settings = Object.entries(rest)
    .filter(([, value]) => typeof value !== 'object')
    .map(([key, value]) => `${key} ${value}`);
  return settings.length ? `${kind} (${settings.join(', ')})` : kind;
}
