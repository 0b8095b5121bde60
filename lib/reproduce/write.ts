import { onProgressField } from '../backend/control.js';
import { boundary } from '../base/boundary.js';
import { writeWhole } from '../base/files.js';
import { parse, pathField } from '../base/validate.js';
import { reproductionPage } from './page.js';
import { readReproduction } from './read.js';
import type { Reproduction } from './reproduce.js';
import { csv } from './table.js';

/** results.json, tables/*.csv, figures/*.svg and index.html, in that order; returns their paths below `folder`. */
export function writeReproduction(
  folder: string,
  reproduction: Reproduction,
  onProgress?: ((done: number, total: number) => void) | undefined,
): Promise<string[]> {
  return boundary('writeReproduction', async () => {
    parse(pathField, folder, 'folder');
    const heard = parse(onProgressField, onProgress, 'onProgress');
    return writePresented(folder, readReproduction(reproduction, 'reproduction'), heard);
  });
}

async function writePresented(
  folder: string,
  reproduction: Reproduction,
  onProgress: ((done: number, total: number) => void) | undefined,
): Promise<string[]> {
  const { html, figures } = await reproductionPage(reproduction, onProgress);
  const named = (prefix: string, ending: string, all: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(all).map(([name, text]) => [`${prefix}/${name}.${ending}`, text]));
  const files = {
    'results.json': `${resultsJson(reproduction)}\n`,
    ...named(
      'tables',
      'csv',
      Object.fromEntries(Object.values(reproduction.tables).map((t) => [t.name, csv(t)])),
    ),
    ...named('figures', 'svg', figures),
    'index.html': html,
  };
  await writeWhole(folder, files);
  return Object.keys(files);
}

/** JSON with one row of a table a line. */
export function resultsJson({ tables, ...rest }: Reproduction): string {
  const finite = (_: string, v: unknown) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v);
  const text = (value: unknown, indent?: number) => JSON.stringify(value, finite, indent);
  const all = Object.entries(tables).map(([name, { rows, ...about }]) => {
    const lines = rows.map((row) => `      ${text(row)}`).join(',\n');
    return `    ${text(name)}: ${text(about).slice(0, -1)},"rows":[\n${lines}\n    ]}`;
  });
  return `${text(rest, 2).slice(0, -2)},\n  "tables": {\n${all.join(',\n')}\n  }\n}`;
}
