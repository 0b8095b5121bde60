import type { Axis } from './charts.js';
import type { Value } from './sweep-settings.js';

/** Dashes of the lines of one figure, told apart without colours. */
export const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3]] as const;

export const numbers = (values: readonly Value[] | undefined) =>
  (values ?? []).filter((v): v is number => typeof v === 'number' && Number.isFinite(v));

/** A log axis where the values were laid out so. */
export function axisOf(name: string, values: readonly number[], field: 'x' | 'y'): Axis {
  const [low, high] = [values[0], values[values.length - 1]];
  const isLog = low > 0 && high / low >= 30;
  return {
    field,
    title: name,
    log: isLog,
    domain: [low, high],
    ...(isLog ? { ticks: decades(low, high) } : {}),
  };
}

/** Powers of ten, and thrice those where they are few. */
function decades(low: number, high: number): number[] {
  const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20));
  const steps = high / low > 1e4 ? [1] : [1, 3];
  const near = 1 + 1e-9;
  return powers
    .flatMap((power) => steps.map((s) => Number((s * power).toPrecision(12))))
    .filter((v) => v * near >= low && v <= high * near);
}

/** Values that a few panels stand for. */
export function few<T>(values: readonly T[], most: number): T[] {
  if (values.length <= most) return [...values];
  return Array.from({ length: most }, (_, i) => values[Math.round((i * (values.length - 1)) / (most - 1))]);
}
