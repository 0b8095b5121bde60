import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { ExolamError } from '../base/errors.js';

/**
 * A spec as a file holds it, not yet checked: JSON or YAML; of the spec.json of a folder what was swept last. `-` is standard input.
 */
export async function readSpecFile(path: string): Promise<unknown> {
  const text = await contentOf(path);
  const value =
    /^\s*[{[]/.test(text) || extname(path) === '.json' ? json(text, path) : await yaml(text, path);
  const { specs } = (value ?? {}) as { specs?: unknown };
  return Array.isArray(specs) && specs.length > 0 ? specs[specs.length - 1] : value;
}

async function contentOf(path: string): Promise<string> {
  try {
    return path === '-' ? await textOf(process.stdin) : await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a folder' : `cannot be read (${code})`;
    throw new ExolamError('input', `${path}: ${why}; expected a spec in JSON or YAML`);
  }
}

function json(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ExolamError('input', `${path}: expected JSON or YAML, but ${(error as Error).message}`);
  }
}

async function yaml(text: string, path: string): Promise<unknown> {
  const { parse } = await import('yaml').catch((cause: unknown) => {
    throw new ExolamError(
      'unsupported',
      `${path}: YAML is read by the package yaml: npm install yaml, or write the spec as JSON`,
      { cause },
    );
  });
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw new ExolamError('input', `${path}: expected YAML, but ${(error as Error).message.split('\n')[0]}`);
  }
}
