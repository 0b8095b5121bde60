import type { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { parse, quote } from '../base/validate.js';

/** So many values from the first to the second, both included, at even steps: `[from, to, count]`. */
export interface Range {
  readonly range: readonly number[];
}

/** The same at even ratios; both ends above 0. */
export interface LogRange {
  readonly logRange: readonly number[];
}

/** Values of one key of a sweep: a list, a range, or one value alone. */
export type Axis<T = number> = T | readonly T[] | Range | LogRange;

/** A range as it is asked for: where it runs, on which scale, and how many values it has where it is crossed. */
export interface Interval {
  readonly from: number;
  readonly to: number;
  readonly log: boolean;
  readonly count: number | undefined;
  /** Values are rounded to integers. */
  readonly whole: boolean;
}

/** A key's values, or the interval that they are drawn from. */
export type Values<T> = { readonly list: readonly T[] } | { readonly interval: Interval };

const MOST_VALUES = 10_000_000;

const isRange = (value: unknown): value is Range | LogRange =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads the values of a key; each is held to the key's own schema, and messages name its place. */
export function readAxis<T>(value: unknown, each: z.ZodType<T>, what: string, whole: boolean): Values<T> {
  if (isRange(value)) {
    const interval = readInterval(value, what, whole);
    for (const end of [interval.from, interval.to]) parse(each, end, what);
    return { interval };
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new ExolamError('input', `${what}: expected at least one value`);
  const read = list.map((one, i) => parse(each, one, Array.isArray(value) ? `${what}[${i}]` : what));
  const twice = read.findIndex((one, i) => i > 0 && read.length <= 10_000 && read.indexOf(one) !== i);
  if (twice >= 0)
    throw new ExolamError(
      'input',
      `${what}: expected each value once but received ${quote(read[twice])} twice`,
    );
  return { list: read };
}

function readInterval(value: Range | LogRange, what: string, whole: boolean): Interval {
  const keys = Object.keys(value);
  const [name] = keys;
  if (keys.length !== 1 || (name !== 'range' && name !== 'logRange'))
    throw new ExolamError(
      'input',
      `${what}: expected a list, {"range": [from, to, count]} or {"logRange": [from, to, count]} but received ${quote(value)}`,
    );
  const log = name === 'logRange';
  const given = (value as unknown as Record<string, unknown>)[name];
  const field = `${what}.${name}`;
  const isList = Array.isArray(given) && (given.length === 2 || given.length === 3);
  if (!isList || !given.every((v) => typeof v === 'number' && Number.isFinite(v)))
    throw new ExolamError(
      'input',
      `${field}: expected [from, to, count], or [from, to] where random points are drawn, but received ${quote(given)}`,
    );
  const [from, to, count] = given as [number, number, number?];
  if (!(from < to))
    throw new ExolamError(
      'input',
      `${field}: expected a first end below the second but received ${quote(given)}`,
    );
  if (log && from <= 0)
    throw new ExolamError('input', `${field}: expected ends above 0 but received ${from}`);
  if (count !== undefined && !(Number.isInteger(count) && count >= 2 && count <= MOST_VALUES))
    throw new ExolamError(
      'input',
      `${field}: expected a count from 2 to ${MOST_VALUES} but received ${count}`,
    );
  return { from, to, log, count, whole };
}

/** The value at a share of an interval, 0 its first end and 1 its last, both exactly. */
export function valueAt({ from, to, log, whole }: Interval, share: number): number {
  const value =
    share === 0 ? from : share === 1 ? to : log ? from * (to / from) ** share : from + (to - from) * share;
  return whole ? Math.round(value) : value;
}

/** The values of an interval that is crossed; those that round to one integer are one. */
export function valuesOf(interval: Interval, what: string): number[] {
  const { count } = interval;
  if (count === undefined)
    throw new ExolamError(
      'input',
      `${what}: expected [from, to, count]: without "random", a range needs the number of its values`,
    );
  const values = Array.from({ length: count }, (_, i) => valueAt(interval, i / (count - 1)));
  return interval.whole ? [...new Set(values)] : values;
}
