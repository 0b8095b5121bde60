import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as conventions from '../lib/base/conventions.js';
import { packageRoot } from '../lib/base/package-root.js';

const root = packageRoot();
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const typescript: Readonly<Record<string, number>> = { ...conventions };
const cpp = Object.fromEntries(
  [...read('native/core/conventions.h').matchAll(/^constexpr double (\w+) = ([^;]+);/gm)].map(
    ([, name, value]) => [name, Number(value)],
  ),
);
const table = [
  ...read('docs/theory.md').matchAll(
    /^\| `([A-Z_]+)` \| (\S+) \| (C\+\+|TypeScript|C\+\+, TypeScript) \| (.+) \|$/gm,
  ),
].map(([, name = '', value, where = '', why = '']) => ({ name, value: Number(value), where, why }));

/** Numbers of files that are no conventions: what they are. */
const OTHERS: Readonly<Record<string, string>> = {
  'lib/solve/strength-search.ts': 'ranges of a search',
  'lib/solve/of-moments.ts': 'the default ridge',
  'lib/verdict/label-curve.ts': 'the default ridge',
  'lib/metrics/student.ts': 'coefficients of a series, and where a fraction of it ends',
  'lib/verdict/figures.ts': 'the least share that is printed with two decimals of a percent',
  'lib/solve/critical.ts': 'the default and the least tolerance of a search',
};
/** Folders whose small numbers are conventions; above them are checks, figures and pages with tolerances of their own. */
const TYPESCRIPT = ['base', 'linalg', 'backend', 'world', 'moments', 'solve', 'metrics', 'lam', 'verdict'];

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name));
}

/** Numbers with a negative exponent of ten outside comments. */
function smallNumbers(text: string): string[] {
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '')
    .replace(/'[^'\n]*'|`[^`]*`/g, '');
  return code.match(/\b\d+(?:\.\d+)?e-\d+\b/g) ?? [];
}

const strays = (files: readonly string[]) =>
  files
    .filter((file) => !/conventions\.(h|ts)$/.test(file) && !(file in OTHERS))
    .flatMap((file) => smallNumbers(read(file)).map((number) => `${file}: ${number}`));

describe('the numerical conventions', () => {
  it('are in the table of docs/theory.md, every one of either language and no other', () => {
    expect(table.map(({ name }) => name).sort()).toEqual(
      [...new Set([...Object.keys(cpp), ...Object.keys(typescript)])].sort(),
    );
    expect(table.length).toBeGreaterThan(10);
    for (const { why } of table) expect(why.length).toBeGreaterThan(40);
  });

  it.each(table)('$name is one number in docs, C++ and TypeScript', ({ name, value, where }) => {
    expect(value).toBeGreaterThan(0);
    expect(cpp[name]).toBe(where.includes('C++') ? value : undefined);
    expect(typescript[name]).toBe(where.includes('TypeScript') ? value : undefined);
  });

  it('are all there are: no other file of TypeScript has a threshold of its own', () => {
    expect(smallNumbers('const a = 1e-9; // 1e-8\n/* 1e-7 */ f(1.5e-12, 1e3)')).toEqual(['1e-9', '1.5e-12']);
    expect(strays(TYPESCRIPT.flatMap((folder) => filesBelow(`lib/${folder}`, /\.ts$/)))).toEqual([]);
  });

  it('are all there are: no other file of C++ has a threshold of its own', () => {
    expect(strays(filesBelow('native/core', /\.(h|cc)$/))).toEqual([]);
  });

  it('are the thresholds of the kernels: their other small numbers are the unit of rounding and series', () => {
    const UNIT = 2 ** -53;
    const known = new Set([UNIT, ...Object.values(cpp)]);
    const kernels = filesBelow('native/kernels', /\.h$/).filter((file) => !/streams|series/.test(file));
    const unknown = kernels.flatMap((file) =>
      smallNumbers(read(file))
        .filter((number) => !known.has(Number(number)))
        .map((number) => `${file}: ${number}`),
    );
    expect(unknown).toEqual([]);
  });

  it.each(Object.entries(OTHERS))('%s has small numbers that are none: %s', (file) => {
    expect(smallNumbers(read(file)).length).toBeGreaterThan(0);
  });
});
