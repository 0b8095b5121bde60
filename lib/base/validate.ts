import { closest } from 'fastest-levenshtein';
import { z } from 'zod';
import { ExolamError } from './errors.js';

/** A value as a message quotes it: short, on one line. */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (ArrayBuffer.isView(value)) {
    const name = value.constructor.name;
    return isDetached(value) ? `a ${name} whose memory was transferred` : name;
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  const text = jsonOf(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function jsonOf(value: unknown): string {
  try {
    const plain = (_: string, v: unknown) =>
      typeof v === 'bigint' || (typeof v === 'number' && !Number.isFinite(v)) ? String(v) : v;
    return JSON.stringify(value, plain) ?? 'an object';
  } catch {
    return 'an object'; // it holds itself, or a getter that throws
  }
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
    known.length > 0
      ? `${what}: unknown key "${name}"; did you mean "${closest(name, [...known])}"? Accepted: ${known.join(', ')}`
      : `${what}: unknown key "${name}"; no key is accepted`,
  );
}

/**
 * Parses with a schema, or throws one sentence: which field, its value, what is accepted. `what` is what messages call the value,
 * '' where its fields stand for themselves; `whole` is then what they call the value as a whole.
 */
export function parse<S extends z.ZodType>(
  schema: S,
  value: unknown,
  what: string,
  whole: string = what,
): z.output<S> {
  const result = attempt(schema, value, whole);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (!issue) throw new ExolamError('input', `${whole}: not accepted`);
  const field = pathOf(what, issue.path) || whole;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path, value);
    throw unknownName(field, issue.keys[0] ?? '', known);
  }
  throw new ExolamError('input', `${field}: ${sentence(issue)} but received ${quote(at(value, issue.path))}`);
}

/** An object whose getters throw cannot be read at all. */
function attempt<S extends z.ZodType>(schema: S, value: unknown, whole: string) {
  try {
    return schema.safeParse(value);
  } catch (cause) {
    throw new ExolamError(
      'input',
      `${whole}: expected an object that can be read, but ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** The options of a call, checked and with defaults: messages name a field alone, and the whole "options". */
export function parseOptions<S extends z.ZodType>(schema: S, options: unknown): z.output<S> {
  return parse(schema, options, '', 'options');
}

/** A number that `accepts` takes; `accepted` says in words which these are, e.g. "a share from 0 to 1". */
export function numberThat(accepted: string, accepts: (value: number) => boolean) {
  return z.custom<number>(
    (value) => typeof value === 'number' && Number.isFinite(value) && accepts(value),
    `expected ${accepted}`,
  );
}

/** An integer of a range, both ends included. */
export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
  return numberThat(
    `an integer ${range}`,
    (value) => Number.isSafeInteger(value) && value >= least && value <= most,
  );
}

/** Was its memory handed to another thread? Then nothing is left of it, and its length is 0. */
export function isDetached(values: ArrayBufferView): boolean {
  try {
    new Uint8Array(values.buffer);
    return false;
  } catch {
    return true;
  }
}

/** The path of a file or folder. */
export const pathField = z.custom<string>(
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
  'expected the path of a file or folder',
);

/** Everything that is read-only, all the way down; what is not data (functions, signals, arrays of numbers) as it is. */
type DeepReadonly<T> = T extends ((...values: never[]) => unknown) | AbortSignal | ArrayBufferView
  ? T
  : T extends readonly (infer U)[]
    ? readonly DeepReadonly<U>[]
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/**
 * The schema as it is; it compiles only where what the schema accepts is exactly the interface, key by key, so that the words beside
 * the interface's fields (which an editor shows) and the checks cannot part.
 */
export function describes<I>() {
  return <S extends z.ZodType>(
    schema: Same<DeepReadonly<z.input<S>>, DeepReadonly<I>> extends true ? S : never,
  ): S => schema;
}

/**
 * A schema as callers see it: what checks a value and fills in its defaults. The whole type of a schema would make every
 * caller's compiler read the library that ours are written with.
 */
export interface Schema<T> {
  /** The value with its defaults filled in; throws where it is not accepted. */
  parse(value: unknown): T;
  /** The same without throwing. */
  safeParse(
    value: unknown,
  ): { readonly success: true; readonly data: T } | { readonly success: false; readonly error: Error };
}

const NOUNS: Readonly<Record<string, string>> = { int: 'integer' };

function sentence(issue: z.core.$ZodIssue): string {
  const article = (noun: string) => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
  switch (issue.code) {
    case 'too_small':
      return issue.origin === 'array'
        ? `expected at least ${issue.minimum === 1 ? 'one entry' : `${issue.minimum} entries`}`
        : `expected ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `expected at most ${issue.maximum} entries`
        : `expected ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    case 'invalid_type':
      return `expected ${article(NOUNS[issue.expected] ?? issue.expected)}`;
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
