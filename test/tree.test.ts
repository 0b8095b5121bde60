import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import { ALONE } from '../vitest.config.js';

/** The floors of lib/, top first: a folder imports only from itself and from those above it. */
const FLOORS = [
  'base',
  'linalg',
  'random',
  'backend',
  'world',
  'data',
  'moments',
  'solve',
  'metrics',
  'lam',
  'train',
  'verdict',
  'sweep',
  'theorems',
  'report',
  'reproduce',
  'cli',
];
/** The only files that stand in lib/ itself: what the package exports. */
const ENTRIES = ['browser.ts', 'index.ts'];

const root = packageRoot();

/** Modules that Node and a browser each have their own of: `#name` stands for both files. */
const ALTERNATIVES = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    imports: Record<string, Record<'browser' | 'default', string>>;
  }
).imports;

type Imports = ReadonlyMap<string, readonly string[]>;

const IMPORT = /(?:from|import)\s*\(?\s*'([.#][^']+)'/g;

/** What each file of lib/ imports from the tree, paths relative to the root. */
function importsOf(folder: string): Imports {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
  return new Map(
    files.map((file) => [
      file,
      [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].flatMap(([, name = '']) =>
        name.startsWith('#')
          ? Object.values(ALTERNATIVES[name] ?? {}).map((target) => relative('.', target))
          : [relative('.', join(dirname(file), name)).replace(/\.js$/, '.ts')],
      ),
    ]),
  );
}

const floorOf = (file: string) => file.split('/')[1] as string;

/** Arrows that run back up the floors, `file -> import`. */
function againstTheOrder(imports: Imports): string[] {
  return [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => target.startsWith('lib/') && !ENTRIES.includes(floorOf(file)))
      .filter((target) => !(FLOORS.indexOf(floorOf(target)) <= FLOORS.indexOf(floorOf(file))))
      .map((target) => `${file} -> ${target}`),
  );
}

function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    else if (!done.has(file)) {
      for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of imports.keys()) visit(file, []);
  return found;
}

/** Lines of a function that still fit a screen with its neighbours. */
const LONGEST = 80;

/** Functions of a source above so many lines, as `name: lines`. */
function longFunctions(file: string, text: string, most: number): string[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const lines = lineOf(node.end) - lineOf(node.getStart(source)) + 1;
      const { name } = node as { name?: ts.Node };
      if (lines > most)
        found.push(`${file} ${name?.getText(source) ?? 'a function without a name'}: ${lines}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('the functions of lib/', () => {
  it('are measured with what is inside them, methods and arrows alike', () => {
    const text =
      'const a = { b() {\n\n\n} };\nfunction c() {\n  return () => {\n  };\n}\nconst d = () => 1;\n';
    expect(longFunctions('x.ts', text, 2)).toEqual(['x.ts b: 4', 'x.ts c: 4']);
    expect(longFunctions('x.ts', text, 4)).toEqual([]);
  });

  it(`are at most ${LONGEST} lines long`, () => {
    const files = [...importsOf('lib').keys()];
    expect(
      files.flatMap((file) => longFunctions(file, readFileSync(join(root, file), 'utf8'), LONGEST)),
    ).toEqual([]);
  });
});

describe('the tree of lib/', () => {
  const imports = importsOf('lib');

  it('has a floor for every folder, and nothing but the entries beside them', () => {
    const names = readdirSync(join(root, 'lib'));
    expect(names.filter((name) => !FLOORS.includes(name) && !ENTRIES.includes(name))).toEqual([]);
    expect(imports.size).toBeGreaterThan(100);
  });

  it('reads imports: an arrow back up and a circle would be seen', () => {
    expect(againstTheOrder(new Map([['lib/base/a.ts', ['lib/cli/b.ts']]]))).toEqual([
      'lib/base/a.ts -> lib/cli/b.ts',
    ]);
    expect(
      circles(
        new Map([
          ['a', ['b']],
          ['b', ['c']],
          ['c', ['b']],
        ]),
      ),
    ).toEqual(['b -> c -> b']);
    expect(imports.get('lib/backend/select.ts')).toEqual(
      expect.arrayContaining(['lib/backend/choose.ts', 'lib/backend/choose.browser.ts']),
    );
  });

  it('is imported downwards only', () => {
    expect(againstTheOrder(imports)).toEqual([]);
  });

  it('has no circle', () => {
    expect(circles(imports)).toEqual([]);
  });

  it('keeps the reference backend out of the product: only the selection of a backend imports it', () => {
    const users = [...imports]
      .filter(([file]) => !file.startsWith('lib/backend/reference/') && !ENTRIES.includes(floorOf(file)))
      .filter(([, targets]) => targets.some((target) => target.startsWith('lib/backend/reference/')))
      .map(([file]) => file);
    expect(users).toEqual(['lib/backend/choose.browser.ts', 'lib/backend/choose.ts']);
  });

  it('is told folder by folder, in this order, by CONTRIBUTING.md', () => {
    const told = [...readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').matchAll(/^\| `lib\/(\w+)\/` \|/gm)];
    const here = readdirSync(join(root, 'lib'));
    expect(told.map(([, name]) => name)).toEqual(FLOORS.filter((name) => here.includes(name)));
  });

  it('is mirrored by test/: a folder of tests has the name of a floor', () => {
    const OTHERS = ['golden', 'native', 'support'];
    const folders = readdirSync(join(root, 'test'), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    expect(
      folders.map(({ name }) => name).filter((name) => !FLOORS.includes(name) && !OTHERS.includes(name)),
    ).toEqual([]);
  });
});

describe('the tests that vitest runs alone', () => {
  const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .map((file) => `test/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.test.ts'));

  it('are there', () => {
    expect(tests).toEqual(expect.arrayContaining(ALONE));
  });

  it('are all that measure time by the clock', () => {
    const measures = tests.filter((file) =>
      /performance\.now\(|Date\.now\(|hrtime/.test(readFileSync(join(root, file), 'utf8')),
    );
    expect(measures.filter((file) => !ALONE.includes(file) && file !== 'test/tree.test.ts')).toEqual([]);
  });
});
