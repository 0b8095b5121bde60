import type { ObjectivePart, ObjectiveSpec } from '../solve/objectives.js';
import type { SweptStrength } from './objectives.js';

/** An objective with one of its numbers, or the projection that a gain makes, put in its place. */
export function placed(
  spec: ObjectiveSpec,
  strength: SweptStrength,
  value: number | readonly (readonly number[])[],
): ObjectiveSpec {
  const dot = strength.indexOf('.');
  const kind = strength.slice(0, dot);
  const key = strength === 'representation.gain' ? 'projection' : strength.slice(dot + 1);
  // A gain waits for the world that makes it a projection.
  if (key === 'projection' && typeof value === 'number') return spec;
  const set = (part: ObjectivePart) =>
    part.kind === kind ? ({ ...part, [key]: value } as ObjectivePart) : part;
  return spec.kind === 'composition' ? { ...spec, parts: spec.parts.map(set) } : set(spec);
}
