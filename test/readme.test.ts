import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const model = readFileSync(join(root, 'docs/linear-lam.md'), 'utf8');

/** The code blocks of one language, in order. */
function blocks(language: string, page = readme): string[] {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map((m) => m[1]);
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A folder in which `exolam` is installed: this package. */
function consumer(): string {
  const folder = mkdtempSync(join(tmpdir(), 'exolam-readme-'));
  folders.push(folder);
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/exolam'), 'dir');
  return folder;
}

/** What a program prints where `exolam` is installed. */
function printedBy(program: string, folder = consumer()): string {
  const script = join(folder, 'example.mts');
  writeFileSync(script, program);
  return execFileSync(
    process.execPath,
    ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), script],
    {
      cwd: folder,
      encoding: 'utf8',
    },
  );
}

describe('docs/linear-lam.md', () => {
  it('has an example that prints what the page says, and that lies in examples/', () => {
    expect(blocks('ts', model)[0]).toBe(readFileSync(join(root, 'examples/linear-lam.ts'), 'utf8'));
    expect(printedBy(blocks('ts', model)[0])).toBe(blocks('text', model)[0]);
  });
});

const hasNumpy = spawnSync('python3', ['-c', 'import numpy']).status === 0;

describe('docs/tutorials/pytorch-latents.md', () => {
  it.skipIf(!hasNumpy)('has programs that print what the page says (skipped without NumPy)', () => {
    const page = readFileSync(join(root, 'docs/tutorials/pytorch-latents.md'), 'utf8');
    const folder = consumer();
    execFileSync('python3', ['-c', blocks('python', page)[0]], { cwd: folder });
    const printed = printedBy(blocks('ts', page)[0], folder);
    expect(printed).toBe(blocks('text', page)[0]);
    // z is one coordinate of two of the action, and one of two of the clutter: a half of each, whatever the probes are.
    const halves = [...printed.matchAll(/^\w+ ([\d.]+) from ([\d.]+) to ([\d.]+)$/gm)];
    expect(halves).toHaveLength(2);
    for (const [, , low, high] of halves) {
      expect(Number(low)).toBeLessThan(0.5);
      expect(Number(high)).toBeGreaterThan(0.5);
      expect(Number(high) - Number(low)).toBeLessThan(0.1);
    }
  });
});

describe('README', () => {
  it('has a library example that prints what the README says', () => {
    expect(printedBy(blocks('ts')[0])).toBe(blocks('text')[0]);
  });

  it('shows the example that lies in examples/', () => {
    expect(blocks('ts')[0]).toBe(readFileSync(join(root, 'examples/quickstart.ts'), 'utf8'));
  });

  it("analyses arrays of one's own in three lines", () => {
    const [, lines] = blocks('ts');
    expect(lines.trim().split('\n').filter(Boolean)).toHaveLength(3);
    const own = `const rows = (n: number, dim: number) =>
      Array.from({ length: n }, (_, i) => Array.from({ length: dim }, (_, j) => Math.sin(1 + 7 * i + 3 * j * i)));
    const [observation, observationNext, actions] = [rows(90, 3), rows(90, 4).map((r) => r.slice(1)), rows(90, 1)];`;
    expect(printedBy(`${own}\n${lines}`)).toMatch(/^[A-Z].*\.\n$/);
  });

  it('has a sweep that prints what the README says, lies in examples/, and agrees with T4', () => {
    const sweep = blocks('ts')[2];
    expect(sweep).toBe(readFileSync(join(root, 'examples/sweep.ts'), 'utf8'));
    const printed = printedBy(sweep);
    expect(blocks('text')).toContain(printed);
    expect(Number.parseFloat(printed)).toBeCloseTo(100 * (1 - (2 * (6 ** 1.5 - 1)) / 45), 0);
  });

  it('shows a case that solves', () => {
    const path = join(consumer(), 'case.json');
    writeFileSync(path, blocks('json')[0]);
    const printed = execFileSync(process.execPath, [join(root, 'dist/cli.mjs'), 'solve', path], {
      encoding: 'utf8',
    });
    expect(JSON.parse(printed).rank).toBe(7);
  });

  it('shows the remedies and the labels that its commands print', () => {
    const folder = consumer();
    const world = /echo '(\{.*\})' > world\.json/.exec(readme)?.[1] as string;
    writeFileSync(join(folder, 'world.json'), world);
    const run = (command: string) => {
      const [, args] =
        new RegExp(`npx exolam (${command} .*)`).exec(readme.slice(readme.indexOf(world))) ?? [];
      return execFileSync(process.execPath, [join(root, 'dist/cli.mjs'), ...args.split(' ')], {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    };
    run('generate');
    const printed = run('analyze');
    expect(printed).toContain(blocks('text')[1]);
    expect(printed).toContain(blocks('text')[2]);
  });

  it('names two commands that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts['demo']).toBeTruthy();
    expect(scripts['test']).toBeTruthy();
    expect(readme).toMatch(/npm ci && npm run demo[^\n]*\n\s+npm ci && npm test/);
  });
});
