import { studentQuantile } from '../metrics/student.js';

export interface MeanInterval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** The mean of independent worlds with its 95 % interval by Student's t; NaN ends where one world has none. */
export function meanInterval(values: readonly number[]): MeanInterval {
  const n = values.length;
  const value = values.reduce((a, b) => a + b, 0) / n;
  const squares = values.reduce((sum, v) => sum + (v - value) ** 2, 0);
  const half = n > 1 ? studentQuantile(0.975, n - 1) * Math.sqrt(squares / (n - 1) / n) : Number.NaN;
  return { value, low: value - half, high: value + half };
}
