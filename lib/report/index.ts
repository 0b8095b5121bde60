/**
 * Answers as pages, each one file of HTML with its figures in it.
 * @module exolam/report
 */

import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { parse, pathField } from '../base/validate.js';
import type { Analysis } from '../verdict/analysis.js';
import { analysisPage as drawAnalysis } from './analysis.js';
import { requireEngines } from './figure.js';
import { readAnalysis } from './read.js';
import { sweepPage as drawSweep, type SweepPage } from './sweep.js';
import { trainingPage as drawTraining, readTraining } from './train.js';

export { type ErrorKind, ExolamError } from '../base/errors.js';
export type { Analysis } from '../verdict/analysis.js';
export type { SweepPage } from './sweep.js';

/** The page of what `analyze` answered, or of the parsed JSON of `exolam analyze --json`; `source` is what the page calls the data. */
export function analysisPage(analysis: Analysis, source = 'analysis'): Promise<string> {
  return boundary('analysisPage', async () => {
    const checked = readAnalysis(analysis, 'analysis');
    const name = parse(pathField, source, 'source');
    await requireEngines();
    return drawAnalysis(checked, name);
  });
}

/** The page of a sweep's folder, and its figures as SVG by name. */
export function sweepPage(folder: string): Promise<SweepPage> {
  return boundary('sweepPage', async () => {
    const path = parse(pathField, folder, 'folder');
    await requireEngines();
    return drawSweep(path);
  });
}

/** The page of the folder of a training run. */
export function trainingPage(folder: string): Promise<string> {
  return boundary('trainingPage', async () => {
    const path = parse(pathField, folder, 'folder');
    await requireEngines();
    const run = await readTraining(path);
    if (!run)
      throw new ExolamError(
        'input',
        `${path}: expected the folder of a training run, with config.json and log.jsonl`,
      );
    return drawTraining(run, path);
  });
}
