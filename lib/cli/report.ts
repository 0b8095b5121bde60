import { stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import { writeWhole } from '../base/files.js';
import { analysisPage } from '../report/analysis.js';
import { requireEngines } from '../report/figure.js';
import { isAnalysis, isScan, readAnalysis, readScan } from '../report/read.js';
import { scanPage } from '../report/scan.js';
import { isSweep, sweepPage } from '../report/sweep.js';
import { readTraining, trainingPage } from '../report/train.js';
import { isReproduction, readReproduction, reproductionPage } from '../reproduce/index.js';
import { readJson } from './json.js';
import { withOutput } from './outputs.js';
import type { Shell } from './run.js';

export interface ReportFlags {
  readonly out?: string;
  readonly force?: boolean;
}

const ACCEPTED =
  'results.json (exolam reproduce), analysis.json (exolam analyze --json) or spec.json (exolam sweep), such a file itself, or the folder of exolam train';

/** `exolam report DIR`: results as one self-contained page. */
export async function reportCommand(path: string, flags: ReportFlags, shell: Shell): Promise<void> {
  await requireEngines();
  const isFolder = await isDirectory(path);
  const run = isFolder ? await readTraining(path) : null;
  const source = run ? join(path, 'log.jsonl') : isFolder ? await resultsIn(path) : path;
  const own = isFolder ? 'index.html' : `${basename(path, extname(path))}.html`;
  const out = flags.out ?? join(isFolder ? path : dirname(path), own);
  await withOutput({ out, inputs: [source], force: flags.force }, shell, async (place = out) => {
    const { html, figures = {} } = run
      ? { html: await trainingPage(run, path) }
      : await pageOf(await readJson(source), source);
    const drawings = Object.entries(figures).map(([name, svg]) => [`figures/${name}.svg`, svg]);
    await writeWhole(dirname(place), { [basename(place)]: html, ...Object.fromEntries(drawings) });
  });
  shell.out(`${out}\n`);
}

/** The page, and of a sweep its figures as files. */
async function pageOf(
  value: unknown,
  source: string,
): Promise<{ html: string; figures?: Readonly<Record<string, string>> }> {
  if (isReproduction(value)) return { html: (await reproductionPage(readReproduction(value, source))).html };
  if (isAnalysis(value)) return { html: await analysisPage(readAnalysis(value, source), source) };
  if (isScan(value)) return { html: await scanPage(readScan(value, source), source) };
  if (isSweep(value)) return sweepPage(dirname(source));
  throw new ExolamError('data', `${source}: expected ${ACCEPTED}, but this JSON is none of these`);
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
  for (const name of ['results.json', 'analysis.json', 'spec.json']) {
    const file = join(folder, name);
    if (
      await stat(file)
        .then((s) => s.isFile())
        .catch(() => false)
    )
      return file;
  }
  throw new ExolamError('input', `${folder}: expected a folder with ${ACCEPTED}, but it holds none of them`);
}
