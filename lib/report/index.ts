/**
 * Answers as pages, each one file of HTML with its figures in it.
 * @module exolam/report
 */

import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { parse, pathField } from '../base/validate.js';
import type { Analysis } from '../verdict/analysis.js';
import type { ScanAnalysis } from '../verdict/scan-rows.js';
import { analysisPage as drawAnalysis } from './analysis.js';
import { requireEngines } from './figure.js';
import { readAnalysis, readScan } from './read.js';
import { scanPage as drawScan } from './scan.js';
import { sweepPage as drawSweep, type SweepPage } from './sweep.js';
import { trainingPage as drawTraining, readTraining } from './train.js';

export { type ErrorKind, ExolamError } from '../base/errors.js';
export type { Analysis } from '../verdict/analysis.js';
export type { ScanAnalysis } from '../verdict/scan-rows.js';
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

/** The page of what `analyzeScan` answered, or of the parsed JSON of `exolam analyze --json` with several strides or lags. */
export function scanPage(scan: ScanAnalysis, source = 'scan'): Promise<string> {
  return boundary('scanPage', async () => {
    const checked = readScan(scan, 'scan');
    const name = parse(pathField, source, 'source');
    await requireEngines();
    return drawScan(checked, name);
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
