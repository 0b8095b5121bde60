import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';
import {
  type ObjectivePart,
  type ObjectiveSpec,
  resolveObjective,
  STRENGTHS,
  type Strength,
} from '../solve/objectives.js';
import { type Axis, readAxis, type Values } from './axis.js';

/** A part of an objective whose numbers may each be a list or a range. `gain` stands for the projection that dims x by it. */
type Varied<T> = {
  readonly [K in keyof T]: K extends 'weight' | 'labelFraction' | 'encoderNoise' | 'decoderNoise'
    ? Axis
    : T[K];
};
type Gained = { readonly kind: 'representation'; readonly gain: Axis };
type VariedPart = Varied<Exclude<ObjectivePart, { kind: 'reconstruction' }>> | Gained | ObjectivePart;

/** An objective of a sweep: as in a case, but that its numbers may be lists or ranges; `name` is what rows call it. */
export type SweepObjective = (
  | VariedPart
  | { readonly kind: 'composition'; readonly parts: readonly VariedPart[] }
) & { readonly name?: string };

/** What a point of a sweep may set of its objective: the numbers of `STRENGTHS`, and the gain of a representation. */
export type SweptStrength = Strength | 'representation.gain';

/** An objective with what varies of it. */
export interface ObjectiveTemplate {
  /** What the column `objective` calls it. */
  readonly label: string;
  /** With the first value of every number; where `gain` is given, its projection is not made yet. */
  readonly spec: ObjectiveSpec;
  /** Every number that the objective was given, by `kind.key`. */
  readonly strengths: readonly { readonly strength: SweptStrength; readonly values: Values<number> }[];
  /** z must be as wide as the action where the policy reacts and the supervision counts. */
  readonly supervised: boolean;
}

const gainField = z.number().min(0);
/** Stands for the projection of a gain, which depends on the world. */
const NO_PROJECTION = [[1]] as const;

/** Checks the objectives of a spec. */
export function readObjectives(objectives: readonly unknown[], what: string): ObjectiveTemplate[] {
  const templates = objectives.map((objective, i) => readObjective(objective, `${what}[${i}]`));
  for (const [i, a] of templates.entries()) {
    const first = templates.findIndex((b) => b.label === a.label);
    if (first === i || settingsOf(templates[first]) === settingsOf(a)) continue;
    throw new ExolamError(
      'input',
      `${what}[${i}]: expected a "name" of its own, since rows could not be told from those of ${what}[${first}], also called ${quote(a.label)}`,
    );
  }
  return templates;
}

/** What tells an objective from another of its kind, besides its numbers. */
function settingsOf({ spec, strengths }: ObjectiveTemplate): string {
  const names = strengths.map(({ strength }) => strength);
  const keys = names.map((name) => name.slice(name.indexOf('.') + 1));
  return `${names.join(' ')} ${JSON.stringify(spec, (key, value) => (keys.includes(key) ? null : value))}`;
}

function readObjective(value: unknown, what: string): ObjectiveTemplate {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ExolamError(
      'input',
      `${what}: expected an object such as {"kind": "reconstruction"} but received ${quote(value)}`,
    );
  const { name, ...rest } = value as { name?: unknown; kind?: unknown; parts?: unknown };
  if (name !== undefined && (typeof name !== 'string' || name === ''))
    throw new ExolamError('input', `${what}.name: expected text but received ${quote(name)}`);
  const strengths: { strength: SweptStrength; values: Values<number> }[] = [];
  const spec =
    rest.kind === 'composition' && Array.isArray(rest.parts)
      ? { ...rest, parts: rest.parts.map((part, i) => withoutAxes(part, strengths, `${what}.parts[${i}]`)) }
      : withoutAxes(rest, strengths, what);
  const resolved = resolveObjective(spec as ObjectiveSpec, what);
  return {
    label: name ?? labelOf(resolved.spec as ObjectiveSpec),
    spec: resolved.spec as ObjectiveSpec,
    strengths,
    // Asked of an objective whose supervision counts: a weight of 0 may stand first.
    supervised: resolveObjective(supervising(resolved.spec as ObjectiveSpec), what).supervised,
  };
}

/** The part with one value in the place of each list or range; the values go to `strengths`. */
function withoutAxes(
  part: unknown,
  strengths: { strength: SweptStrength; values: Values<number> }[],
  what: string,
): unknown {
  if (typeof part !== 'object' || part === null) return part;
  const { kind } = part as { kind?: unknown };
  const found: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(part)) {
    const strength = `${String(kind)}.${key}`;
    if (strength === 'representation.gain') {
      strengths.push({ strength, values: readAxis(given, gainField, `${what}.gain`, false) });
      found['projection'] = NO_PROJECTION;
    } else if (strength in STRENGTHS && given !== undefined) {
      const values = readAxis<number>(given, STRENGTHS[strength as Strength], `${what}.${key}`, false);
      strengths.push({ strength: strength as Strength, values });
      found[key] = 'list' in values ? values.list[0] : values.interval.from;
    } else found[key] = given;
  }
  return found;
}

function supervising(spec: ObjectiveSpec): ObjectiveSpec {
  const on = <T extends ObjectiveSpec>(part: T): T =>
    part.kind === 'action-supervised' ? { ...part, weight: 1, labelFraction: 1 } : part;
  return spec.kind === 'composition' ? { ...spec, parts: spec.parts.map(on) } : on(spec);
}

/** A kind by its name, a composition by those of its parts. */
function labelOf(spec: ObjectiveSpec): string {
  if (spec.kind === 'composition') return spec.parts.map(labelOf).join(' + ');
  return spec.kind === 'reconstruction' && spec.decoder === 'identity'
    ? 'reconstruction (identity)'
    : spec.kind;
}
