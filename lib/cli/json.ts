import { readFile } from 'node:fs/promises';
import { ExolamError } from '../base/errors.js';

/** JSON as the contract wants it: infinite values as strings, typed arrays as arrays. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (v === Number.POSITIVE_INFINITY) return 'Infinity';
    if (v === Number.NEGATIVE_INFINITY) return '-Infinity';
    return ArrayBuffer.isView(v) ? Array.from(v as unknown as ArrayLike<number>) : v;
  });
}

export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new ExolamError(
      'input',
      `${path}: ${code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`}`,
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ExolamError('input', `${path}: expected JSON, but ${(error as Error).message}`);
  }
}
