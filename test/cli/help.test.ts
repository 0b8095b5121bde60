import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';
import { program } from '../../lib/cli/commands.js';
import { EXAMPLES } from '../../lib/cli/examples.js';

// --help of every command: options with their defaults, and examples that work where they are typed.
let printed = '';
const root = program(
  {
    out: (text) => {
      printed += text;
    },
    note: () => {},
    signal: new AbortController().signal,
    interactive: false,
  },
  { code: 0 },
);
const commands = new Map<string, Command>();
for (const command of root.commands) {
  commands.set(command.name(), command);
  for (const part of command.commands) commands.set(`${command.name()} ${part.name()}`, part);
}

/** The words of a line as a shell splits it, up to where its output goes. */
function wordsOf(line: string): string[] {
  const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
  return words.slice(0, words.includes('>') ? words.indexOf('>') : undefined);
}

/** Lines that are not run: of data that only the reader has, of half a minute (README's test runs its like), or of a clone alone. */
const NOT_RUN = /lerobot|^exolam (analyze data.npz --latent-dim 3$|reproduce|bench|build-addon)/;
const folder = mkdtempSync(join(tmpdir(), 'exolam-help-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('--help', () => {
  it('has examples for every command, and for no other', () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual([...commands.keys()].sort());
  });

  it.each([...commands.keys()])('of %s shows its examples, and the default of each option', (name) => {
    const command = commands.get(name) as Command;
    printed = '';
    expect(() => command.parse(['--help'], { from: 'user' })).toThrow();
    for (const line of EXAMPLES[name] ?? []) expect(printed).toContain(`$ ${line}`);
    for (const option of command.options.filter(({ required, optional }) => required || optional)) {
      const says = /default|required/.test(option.description) || option.defaultValue !== undefined;
      expect(says || option.mandatory, `${name} ${option.flags}: ${option.description}`).toBe(true);
    }
  });

  it.each(
    Object.values(EXAMPLES)
      .flat()
      .filter((line) => line.startsWith('exolam ')),
  )('%s: can be parsed', (line) => {
    const [, first = '', second = ''] = wordsOf(line);
    const name = commands.has(`${first} ${second}`) ? `${first} ${second}` : first;
    const command = commands.get(name);
    const { operands, unknown } = (command as Command).parseOptions(
      wordsOf(line).slice(1 + name.split(' ').length),
    );
    expect(unknown).toEqual([]);
    const needed = (command as Command).registeredArguments.filter((argument) => argument.required).length;
    expect(operands.length).toBeGreaterThanOrEqual(needed);
  });

  it('has examples that work in an empty folder, one after the other', () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'exolam'),
      `#!/bin/sh\nexec "${process.execPath}" "${join(packageRoot(), 'dist/cli.mjs')}" "$@"\n`,
    );
    chmodSync(join(bin, 'exolam'), 0o755);
    const lines = Object.values(EXAMPLES)
      .flat()
      .filter((line) => !NOT_RUN.test(line));
    expect(lines.length).toBeGreaterThan(15);
    execFileSync('sh', ['-ec', lines.join('\n')], {
      cwd: folder,
      stdio: 'pipe',
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` },
    });
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('<svg');
    expect(readFileSync(join(folder, 'sweep', 'index.html'), 'utf8')).toContain('<svg');
  }, 60_000);
});
