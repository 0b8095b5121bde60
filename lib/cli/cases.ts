import { text } from 'node:stream/consumers';
import { ExolamError } from '../base/errors.js';
import { readText } from './text.js';

/** A case as a file holds it, not yet checked, and what messages and answers call it. */
export interface NamedCase {
  readonly name: string;
  readonly value: unknown;
}

/** The name of standard input on a command line. */
const STDIN = '-';

const textOf = (path: string): Promise<string> => (path === STDIN ? text(process.stdin) : readText(path));

/** The cases of one text: a JSON object, a JSON array of them, or JSON Lines. */
export function casesOf(content: string, path: string): NamedCase[] {
  const name = path === STDIN ? 'stdin' : path;
  let whole: unknown;
  try {
    whole = JSON.parse(content);
  } catch (error) {
    return linesOf(content, name, error as Error);
  }
  return Array.isArray(whole)
    ? whole.map((value, i) => ({ name: `${name}[${i}]`, value }))
    : [{ name, value: whole }];
}

/** Several lines, each a JSON object; `error` is why the text is not one JSON document. */
function linesOf(content: string, name: string, error: Error): NamedCase[] {
  const lines = content.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ line, at: i + 1 }]));
  const first = lines[0]?.line.trim() ?? '';
  // A document that is broken is told as one: only a first line that stands alone makes the text JSON Lines.
  if (lines.length < 2 || !isJson(first))
    throw new ExolamError('input', `${name}: expected JSON, but ${error.message}`);
  return lines.map(({ line, at }) => {
    try {
      return { name: `${name}:${at}`, value: JSON.parse(line) as unknown };
    } catch (cause) {
      throw new ExolamError('input', `${name}:${at}: expected JSON, but ${(cause as Error).message}`);
    }
  });
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** The cases of all files in their order; `-` is standard input, once. */
export async function readCases(paths: readonly string[]): Promise<NamedCase[]> {
  if (paths.filter((path) => path === STDIN).length > 1)
    throw new ExolamError('input', 'solve: expected - (standard input) once');
  const all: NamedCase[] = [];
  for (const path of paths) for (const found of casesOf(await textOf(path), path)) all.push(found);
  if (all.length === 0) throw new ExolamError('input', `${paths.join(', ')}: expected at least one case`);
  return all;
}
