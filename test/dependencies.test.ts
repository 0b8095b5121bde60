import { readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';

const root = packageRoot();
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
  'dependencies' | 'devDependencies' | 'optionalDependencies' | 'peerDependencies',
  Record<string, string>
>;

/** Packages that are used without an import: where their name stands instead, and why they are declared. */
const TOOLS: Readonly<Record<string, readonly [file: string, why: string]>> = {
  '@napi-rs/webcodecs': ['lib/data/video/without-ffmpeg.ts', 'imported by name where there is no ffmpeg'],
  '@arethetypeswrong/cli': ['scripts/check-package.mjs', 'run on the packed tarball'],
  '@biomejs/biome': ['scripts/lint.mjs', 'run as the linter'],
  '@types/cli-progress': ['lib/cli/progress.ts', 'types of a package that ships none'],
  '@types/node': ['tsconfig.json', 'types of Node'],
  'clang-format-node': ['scripts/lint.mjs', 'run as the formatter of C++'],
  'cmake-js': ['scripts/build-addon.mjs', 'run as the first of two ways to build the addon'],
  'node-addon-api': ['binding.gyp', 'headers that the addon is compiled against'],
  'node-gyp': ['scripts/build-addon.mjs', 'run as the second of two ways to build the addon'],
  'node-gyp-build': ['lib/backend/load-addon.ts', 'required at run time, past bundlers'],
  prebuildify: ['.gitignore', 'run by hand to make the prebuilds/ of a release'],
  publint: ['scripts/check-package.mjs', 'run on the packed tarball'],
  typedoc: ['typedoc.json', 'makes the site of npm run site'],
  tsx: ['lib/cli/bench.ts', 'runs the TypeScript of bench/ and of the demonstration'],
};
/** How a tool is called where its package's name is not: the types' package, a folder that it fills, a setting. */
const CALLED: Readonly<Record<string, string>> = {
  '@types/cli-progress': "'cli-progress'",
  '@types/node': '"node"',
  prebuildify: 'prebuilds',
};

/** Packages that dist/ holds itself, in the part that is used: nobody installs them. */
const BUNDLED = ['zod'];

const FOLDERS = ['lib', 'test', 'bench', 'scripts', 'examples'];

function sources(): string[] {
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  );
  return [...inFolders, ...readdirSync(root)].filter(
    // What a program of bench/peers/ is timed on is nobody's dependency: it is timed where it is.
    (name) => /\.(ts|mjs|cjs|js)$/.test(name) && !name.startsWith(join('bench', 'peers')),
  );
}

/** The package of an import; none for a file, for what Node has, and for a name of our own. */
function packageOf(specifier: string): string | undefined {
  if (/^[./#]/.test(specifier) || isBuiltin(specifier)) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Packages that a source imports, requires or imports when it is asked to. */
function importsOf(text: string): Set<string> {
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return new Set(
    importedFiles.map(({ fileName }) => packageOf(fileName)).filter((name) => name !== undefined),
  );
}

describe('dependencies', () => {
  const imported = new Map<string, string[]>();
  for (const file of sources())
    for (const name of importsOf(readFileSync(join(root, file), 'utf8')))
      imported.set(name, [...(imported.get(name) ?? []), file]);
  imported.delete('exolam');
  const declared = new Set([
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.devDependencies),
    ...Object.keys(manifest.peerDependencies),
    ...Object.keys(manifest.optionalDependencies),
  ]);

  it('are read from sources in every form of import', () => {
    const text =
      "import a from 'a/b'; import type { C } from '@c/d/e'; const f = await import('f'); import './g.js'; import 'node:fs'; import '#h';";
    expect([...importsOf(text)].sort()).toEqual(['@c/d', 'a', 'f']);
    expect(imported.get('zod')).toContain('lib/solve/population.ts');
  });

  it('are declared where a file imports them', () => {
    expect(
      [...imported.keys()].filter((name) => !declared.has(name)).map((name) => [name, imported.get(name)]),
    ).toEqual([]);
  });

  it('of the published package are declared as such, not as tools of its development', () => {
    const published = new Set([
      ...Object.keys(manifest.dependencies),
      ...Object.keys(manifest.peerDependencies),
      ...Object.keys(manifest.optionalDependencies),
      ...BUNDLED,
    ]);
    const fromLibrary = [...imported].filter(([, files]) => files.some((file) => file.startsWith('lib/')));
    expect(fromLibrary.map(([name]) => name).filter((name) => !published.has(name))).toEqual([]);
  });

  it('that dist/ holds have their licence beside it', () => {
    const config = readFileSync(join(root, 'tsdown.config.ts'), 'utf8');
    for (const name of BUNDLED) {
      expect(manifest.devDependencies).toHaveProperty(name);
      expect(config).toContain(`node_modules/${name}/LICENSE`);
    }
  });

  it('that are declared are imported, or are tools with a use', () => {
    expect([...declared].filter((name) => !imported.has(name) && !(name in TOOLS))).toEqual([]);
  });

  it.each(Object.entries(TOOLS))('%s is declared, imported by nothing and used in %s', (name, [file]) => {
    expect(declared).toContain(name);
    expect(imported.get(name)).toBeUndefined();
    expect(readFileSync(join(root, file), 'utf8')).toContain(CALLED[name] ?? name);
  });

  it('are locked without the host that they came from', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { resolved?: string }>;
    };
    expect(Object.entries(lock.packages).filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  });
});
