import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import { program } from '../lib/cli/commands.js';

const root = packageRoot();
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const silent = { out: () => {}, note: () => {}, signal: new AbortController().signal, interactive: false };

/** Commands with their options, those of their parts among them. */
function declared(): Map<string, Set<string>> {
  const optionsOf = (command: Command): string[] => [
    ...command.options.map(({ long }) => (long ?? '').replace(/^--/, '')),
    ...command.commands.flatMap(optionsOf),
  ];
  return new Map(
    program(silent, { code: 0 }).commands.map((command) => [command.name(), new Set(optionsOf(command))]),
  );
}

/** What a text tells its reader to run: `exolam NAME --option ...` and `npm run NAME`. */
function advised(text: string) {
  const commands = [...text.matchAll(/(?:npx |`|\$ |: )exolam ([a-z][a-z-]+)((?: [^`'\n|;)]*)?)/g)].map(
    ([, name, rest = '']) => ({
      name: name as string,
      options: [...rest.matchAll(/(?<= )--([a-z][\w-]*)/g)].map(([, option]) => option as string),
    }),
  );
  const runs = [...text.matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g)].map(([, name]) => name as string);
  return { commands, runs };
}

const texts = (folder: string, ending: RegExp) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
const files = [
  ...texts('lib', /\.ts$/),
  ...texts('scripts', /\.mjs$/),
  ...texts('docs', /\.md$/),
  'README.md',
  'CONTRIBUTING.md',
];

describe('what messages and pages tell to run', () => {
  const commands = declared();

  it('is found in a text', () => {
    expect(advised('Build it with: npx exolam build-addon; or npm run -s build:native')).toEqual({
      commands: [{ name: 'build-addon', options: [] }],
      runs: ['build:native'],
    });
    expect(advised('`exolam solve case.json --json`').commands).toEqual([
      { name: 'solve', options: ['json'] },
    ]);
    expect(commands.get('analyze')).toContain('resize');
    expect(commands.size).toBeGreaterThan(7);
  });

  it.each(files)('exists: %s', (file) => {
    const { commands: named, runs } = advised(readFileSync(join(root, file), 'utf8'));
    for (const { name, options } of named) {
      expect([...commands.keys()], `${file}: exolam ${name}`).toContain(name);
      for (const option of options)
        expect([...(commands.get(name) ?? []), 'help'], `${file}: exolam ${name} --${option}`).toContain(
          option,
        );
    }
    for (const name of runs) expect(Object.keys(scripts), `${file}: npm run ${name}`).toContain(name);
  });
});
