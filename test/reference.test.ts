import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import { createWorld, worldSchema } from '../lib/world/world.js';

const root = packageRoot();
const page = readFileSync(join(root, 'docs/reference.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'exolam-reference-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The rows of one table: key, accepted, default, meaning. */
function tableOf(name: string): string[][] {
  const section = page.split(`### ${name}\n`)[1]?.split('\n### ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(/(?<!\\) \| /).map((cell) => cell.replaceAll(/^\| | \|$|`/g, '')));
}

describe('docs/reference.md', () => {
  it('is what the schemas and the comments say today: else npm run reference', () => {
    const file = join(folder, 'reference.md');
    const script = join(root, 'scripts/reference.mjs');
    execFileSync(process.execPath, [script, file], { cwd: root, stdio: 'pipe' });
    expect(readFileSync(file, 'utf8')).toBe(page);
  }, 120_000);

  it('has every key of a world with the default that a world gets', () => {
    const defaults = worldSchema.parse({}) as Record<string, unknown>;
    const rows = tableOf('WorldSpec');
    expect(rows.map(([key]) => key).sort()).toEqual([...Object.keys(worldSchema.shape)].sort());
    for (const [key = '', , given] of rows)
      if (key !== 'matrices' && key !== 'kind') expect(given, key).toBe(String(defaults[key]));
  });

  it('has the ranges at whose ends a world is accepted and beyond which it is refused', () => {
    let ends = 0;
    const tried = (key: string, value: number) => worldSchema.safeParse({ [key]: value }).success;
    for (const [key = '', accepted = ''] of tableOf('WorldSpec')) {
      const step = accepted.startsWith('integer') ? 1 : 1e-9;
      const [, from] = /from (\d+)/.exec(accepted) ?? [];
      const [, to] = / to (\d+)/.exec(accepted) ?? [];
      const [, below] = /below (\d+)/.exec(accepted) ?? [];
      if (from) {
        ends++;
        expect(tried(key, Number(from)) && !tried(key, Number(from) - step), key).toBe(true);
      }
      if (to) {
        ends++;
        expect(tried(key, Number(to)) && !tried(key, Number(to) + step), key).toBe(true);
      }
      if (below) {
        ends++;
        expect(!tried(key, Number(below)) && tried(key, Number(below) - step), key).toBe(true);
      }
      if (/any number/.test(accepted)) expect(tried(key, -1e6) && tried(key, 1e6), key).toBe(true);
    }
    expect(ends).toBeGreaterThan(12);
    expect(() => createWorld({ actionExogenousCorrelation: 1 })).toThrow('less than 1');
  });

  it('stands on the site beside the types of every part of the package', () => {
    const json = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'));
    const parts = Object.keys(json('package.json').exports).filter((part) => part !== './package.json');
    const modules = (json('typedoc.json').entryPoints as string[]).map(
      (file) => /@module (\S+)/.exec(readFileSync(join(root, file), 'utf8'))?.[1] ?? file,
    );
    expect(modules.sort()).toEqual(parts.map((part) => part.replace('.', 'exolam')).sort());
  });

  it('has no empty cell, and every objective', () => {
    for (const line of page.split('\n').filter((l) => l.startsWith('|')))
      expect(line).not.toMatch(/\|\s+\||undefined|Invalid input|\[object/);
    for (const kind of [
      'reconstruction',
      'action-supervised',
      'representation',
      'cross-exogenous',
      'exogenous-robust',
      'augmented',
      'composition',
    ])
      expect(page).toContain(`| \`kind\` | \`${kind}\` |`);
  });
});
