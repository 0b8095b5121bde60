// The page of a scan: its sentence, one figure of what changes with the stride or the lag, its numbers, and each analysis in a line.
import { isMeasurable } from '../verdict/figures.js';
import { READINGS } from '../verdict/readings.js';
import type { ScanAnalysis, ScanMetric } from '../verdict/scan-rows.js';
import {
  axisOf,
  differenceCells,
  differenceTitle,
  metricsOf,
  nameOf,
  scanCells,
} from '../verdict/scan-table.js';
import { actionOf } from '../verdict/table-words.js';
import { type Axis, lineChart } from './charts.js';
import { DRAWING_STYLE, type Drawing, draw } from './drawing.js';
import { COLOURS } from './figure.js';
import { cardsHtml, codeHtml, escapeHtml, page, type Section } from './page.js';

/** Strides this far apart are drawn on a logarithmic axis. */
const FAR = 20;
/** Values on an axis, at most: more would overlap. */
const TICKS = 12;

const READING_OF: ReadonlyMap<string, string> = new Map([
  [
    'inverseDynamicsError',
    "share of the action that the step from o to o' leaves unexplained, of what o leaves",
  ],
  ...READINGS.map(([metric, , reading]) => [metric, reading] as const),
]);

function valueAxis(a: ScanAnalysis): Axis {
  const values = a.rows.map(({ value }) => value);
  const [least, most] = [values[0], values[values.length - 1]];
  const log = least > 0 && most >= FAR * least;
  const margin = 0.04 * Math.max(1, most - least);
  return {
    field: 'x',
    title: 'stride' in a.scan ? "stride: frames between o and o'" : 'action lag: rows after its own',
    log,
    domain: log ? [least / 1.15, most * 1.15] : [least - margin, most + margin],
    ...(values.length <= TICKS ? { ticks: values } : {}),
  };
}

/** One panel a metric, all against the stride or the lag. */
async function scanFigure(a: ScanAnalysis): Promise<string> {
  const measured = (metric: ScanMetric) =>
    a.rows.flatMap(({ value, metrics }) => {
      const e = metrics[metric];
      return isMeasurable(e)
        ? [{ x: value, y: e.value as number, low: e.low as number, high: e.high as number }]
        : [];
    });
  const shown = metricsOf(a).filter((metric) => measured(metric).length > 0);
  if (shown.length === 0) return '';
  const x = valueAxis(a);
  const drawing: Drawing = {
    name: 'scan',
    title: `What changes with the ${axisOf(a)}`,
    key: [],
    panels: shown.map((metric, i) => {
      const all = measured(metric);
      const ends = all.flatMap(({ low, high }) => [low, high]);
      const domain = [Math.max(-1, Math.min(0, ...ends)), Math.min(2, Math.max(1, ...ends))] as const;
      const inside = (v: number) => Math.min(domain[1], Math.max(domain[0], v));
      const rows = all.map((row) => ({ ...row, low: inside(row.low), high: inside(row.high) }));
      const colour = COLOURS[i % COLOURS.length];
      return lineChart(nameOf(metric), x, { field: 'y', title: 'share, with its 95 % interval', domain }, [
        { rows, colour },
        { rows, colour, mark: 'point', whisker: true },
      ]);
    }),
    caption: `${shown.map((metric) => `${nameOf(metric)}: ${READING_OF.get(metric)}`).join('; ')}. At latentDim ${a.latentDim}, on episodes that the model was not trained on. The bars are 95 % intervals of each figure by itself; whether two differ is told by the differences below, which are narrower, as all values share episodes and folds.`,
  };
  return (await draw(drawing, false)).html;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** The verdict of each analysis. */
const verdicts = (a: ScanAnalysis) =>
  a.analyses
    .map(
      ({ verdict }, i) =>
        `<h3>${escapeHtml(`${axisOf(a)} ${a.rows[i].value}`)}</h3><p>${escapeHtml(verdict.sentence)}</p>`,
    )
    .join('');

/** The page of one scan; `source` names its file. */
export async function scanPage(a: ScanAnalysis, source: string): Promise<string> {
  const cells = scanCells(a);
  const differences = differenceCells(a);
  const notes = [...new Set([...a.notes, ...a.analyses.flatMap((analysis) => analysis.notes)])];
  const [first] = a.analyses;
  const parts: readonly (readonly [title: string, html: string])[] = [
    ['What changes', await scanFigure(a)],
    ['The numbers', `<p>In brackets the 95 % interval.</p>${cardsHtml(cells.header, cells.rows)}`],
    [
      'The differences',
      differences
        ? `<p>${escapeHtml(capital(differenceTitle(a)))}.</p>${cardsHtml(differences.header, differences.rows)}`
        : '',
    ],
    ['The answers', verdicts(a)],
    [
      'Notes',
      notes.length > 0 ? `<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>` : '',
    ],
    [
      'Settings',
      `<p>From <code>${escapeHtml(source)}</code>. The same data and settings give the same figures.</p>${codeHtml({ ...a.source, scan: a.scan, folds: first?.folds })}`,
    ],
  ];
  const sections: Section[] = [
    {
      html: `<div class="verdict"><p><b>${escapeHtml(a.sentence)}</b></p><p class="small">Judged at latentDim ${a.latentDim}: ${escapeHtml(a.because)}.</p></div>`,
    },
    ...parts.filter(([, html]) => html !== '').map(([title, html]) => ({ title, html })),
  ];
  const episodes = first ? `${first.episodes} episode${first.episodes === 1 ? '' : 's'}` : '';
  return page({
    title: 'stride' in a.scan ? 'What the stride changes' : 'Where the action stands',
    lead: first
      ? `${episodes}: observation ${first.observationDim} wide, action ${actionOf(first)}. The same analysis at ${a.rows.length} ${'stride' in a.scan ? 'strides' : 'lags of the action'}, on the same folds.`
      : '',
    sections,
    style: `${DRAWING_STYLE}.small { color: var(--soft); font-size: .92rem; margin-bottom: 0; }\n`,
    footer:
      'The measures are exolam\'s own formalisation (docs/theory.md) of the question of arXiv:2605.20223; docs/estimates.md, "Strides and lags", has how values are compared.',
  });
}
