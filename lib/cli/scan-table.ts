import type { ScanAnalysis } from '../verdict/scan-rows.js';
import { axisOf, differenceCells, differenceTitle, scanCells } from '../verdict/scan-table.js';
import { render } from './analysis-table.js';
import { table } from './table.js';

/** The readable form of a scan: its sentence, one table by stride or lag, what changes, then each analysis whole. */
export function renderScan(a: ScanAnalysis): string {
  const cells = scanCells(a);
  const differences = differenceCells(a);
  return [
    a.sentence,
    `  (at latentDim ${a.latentDim}: ${a.because})`,
    '',
    table(cells.header, cells.rows),
    '',
    ...(differences ? [differenceTitle(a), table(differences.header, differences.rows), ''] : []),
    ...a.analyses.flatMap((analysis, i) => [`${axisOf(a)} ${a.rows[i].value}`, '', render(analysis)]),
  ].join('\n');
}
