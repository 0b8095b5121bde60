import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { writeWhole } from '../base/files.js';
import { analysisPage } from '../report/analysis.js';
import { requireEngines } from '../report/figure.js';
import { isAnalysis, readAnalysis } from '../report/read.js';
import { isReproduction, readReproduction, reproductionPage } from '../reproduce/index.js';
import { readJson } from './json.js';
import { withOutput } from './outputs.js';
import type { Shell } from './run.js';

export interface ReportFlags {
  readonly out?: string;
  readonly force?: boolean;
}

const ACCEPTED =
  'results.json (exolam reproduce) or analysis.json (exolam analyze --json), or such a file itself';

/** `exolam report DIR`: results as one self-contained page. */
export async function reportCommand(path: string, flags: ReportFlags, shell: Shell): Promise<void> {
  await requireEngines();
  const isFolder = await isDirectory(path);
  const source = isFolder ? await resultsIn(path) : path;
  const own = isFolder ? 'index.html' : `${basename(path, extname(path))}.html`;
  const out = flags.out ?? join(isFolder ? path : dirname(path), own);
  await withOutput({ out, inputs: [source], force: flags.force }, shell, async (place = out) => {
    const html = await pageOf(await readJson(source), source);
    await writeWhole(dirname(place), { [basename(place)]: html });
  });
  shell.out(`${out}\n`);
}

async function pageOf(value: unknown, source: string): Promise<string> {
  if (isReproduction(value)) return (await reproductionPage(readReproduction(value, source))).html;
  if (isAnalysis(value)) return analysisPage(readAnalysis(value, source), source);
  throw new ExolamError('data', `${source}: expected ${ACCEPTED}, but this JSON is neither of the two`);
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    throw new ExolamError('input', `${path}: no such file or folder; expected a folder with ${ACCEPTED}`);
  }
}

/** The results that a folder holds; a reproduction before an analysis. */
async function resultsIn(folder: string): Promise<string> {
  for (const name of ['results.json', 'analysis.json']) {
    const file = join(folder, name);
    if (
      await stat(file)
        .then((s) => s.isFile())
        .catch(() => false)
    )
      return file;
  }
  throw new ExolamError('input', `${folder}: expected a folder with ${ACCEPTED}, but it holds neither`);
}
