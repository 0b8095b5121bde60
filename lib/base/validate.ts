import { closest } from 'fastest-levenshtein';
import type { z } from 'zod';
import { ExolamError } from './errors.js';

/** A value as a message quotes it: short, on one line. */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** `path` as a reader would write it: world.matrices.actionEffect[2]. */
function pathOf(what: string, path: readonly PropertyKey[]): string {
  const field = path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${String(key)}` : String(key),
    '',
  );
  if (!what || !field) return what || field;
  // "world" and its fields read world.seed; a file and its fields read case.json: world.seed.
  return /^[\w]+$|: [\w.]+$/.test(what) ? `${what}.${field}` : `${what}: ${field}`;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      inner === null || inner === undefined ? undefined : (inner as Record<PropertyKey, unknown>)[key],
    value,
  );
}

/** An error for a name that is not among `known`: it names the nearest. */
export function unknownName(what: string, name: string, known: readonly string[]): ExolamError {
  return new ExolamError(
    'input',
    `${what}: unknown key "${name}"; did you mean "${closest(name, [...known])}"? Accepted: ${known.join(', ')}`,
  );
}

/** Parses with a schema, or throws one sentence: which field, its value, what is accepted. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (!issue) throw new ExolamError('input', `${what}: not accepted`);
  const field = pathOf(what, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path, value);
    throw unknownName(field, issue.keys[0] ?? '', known);
  }
  throw new ExolamError('input', `${field}: ${sentence(issue)} but received ${quote(at(value, issue.path))}`);
}

function sentence(issue: z.core.$ZodIssue): string {
  const article = (noun: string) => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
  switch (issue.code) {
    case 'too_small':
      return issue.origin === 'array'
        ? `expected at least ${issue.minimum} entries`
        : `expected ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `expected at most ${issue.maximum} entries`
        : `expected ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_type':
      return `expected ${article(issue.expected === 'int' ? 'integer' : issue.expected)}`;
    case 'invalid_value':
      return `expected one of ${issue.values.map((v) => JSON.stringify(v)).join(', ')}`;
    case 'invalid_union': {
      const options = (issue as { options?: readonly unknown[] }).options;
      return options ? `expected one of ${options.map((v) => JSON.stringify(v)).join(', ')}` : issue.message;
    }
    default:
      return issue.message;
  }
}

/** The keys that a strict object schema accepts at `path`; unions answer for the option that the value names. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  type Loose = {
    shape?: Record<string, z.ZodType>;
    options?: readonly z.ZodType[];
    def: { innerType?: z.ZodType; element?: z.ZodType; in?: z.ZodType };
  };
  const inner = schema as unknown as Loose;
  const unwrapped = inner.def.innerType ?? inner.def.in;
  if (unwrapped) return keysAt(unwrapped, path, value);
  if (inner.options) {
    const named = inner.options.find((option) => {
      const kind = (option as unknown as Loose).shape?.['kind'];
      return kind?.safeParse((value as { kind?: unknown } | null)?.kind).success;
    });
    return keysAt(named ?? inner.options[0], path, value);
  }
  if (path.length === 0) return Object.keys(inner.shape ?? {});
  const next = typeof path[0] === 'number' ? inner.def.element : inner.shape?.[String(path[0])];
  return next ? keysAt(next, path.slice(1), at(value, path.slice(0, 1))) : [];
}

/** Throws unless every number of `values` is finite; `where` names an index, e.g. "row 3, column 0". */
export function requireFinite(
  values: ArrayLike<number>,
  what: string,
  where: (index: number) => string,
): void {
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (!Number.isFinite(v)) {
      throw new ExolamError('data', `${what}: ${where(i)} is ${v}; every number must be finite`);
    }
  }
}
