import { ExolamError } from '../base/errors.js';
import { readText } from './text.js';

/** JSON as the contract wants it: infinite values as strings, typed arrays as arrays. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (v === Number.POSITIVE_INFINITY) return 'Infinity';
    if (v === Number.NEGATIVE_INFINITY) return '-Infinity';
    return ArrayBuffer.isView(v) ? Array.from(v as unknown as ArrayLike<number>) : v;
  });
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ExolamError('input', `${path}: expected JSON, but ${(error as Error).message}`);
  }
}
