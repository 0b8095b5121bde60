import type { Analysis } from '../verdict/analysis.js';
import type { LabelPoint, Spread } from '../verdict/label-curve.js';
import { NAME_OF } from '../verdict/readings.js';
import { enoughOf, labelledOf, spreadOf } from '../verdict/table-words.js';
import { type Axis, lineChart, type Series } from './charts.js';
import { draw, type Panel } from './drawing.js';
import { COLOURS } from './figure.js';
import { cardsHtml, escapeHtml } from './page.js';

/** How many labels would do: the curve over labelled transitions, that over labelled episodes, and their numbers. */
export async function labelsHtml({ labels, level }: Analysis): Promise<string> {
  if (!labels) return '';
  const leakage = labels.metric ? (NAME_OF.get(labels.metric) ?? labels.metric) : null;
  const lines = [
    ...(leakage ? [{ label: leakage, colour: COLOURS[1], of: (p: LabelPoint) => p.leakage }] : []),
    { label: 'action error', colour: COLOURS[0], of: (p: LabelPoint) => p.actionError },
  ];
  const all = [...labels.transitions, ...labels.episodes];
  const ends = all.flatMap((p) => lines.flatMap(({ of }) => [of(p)?.low ?? 0, of(p)?.high ?? 1]));
  const y: Axis = {
    field: 'y',
    title: 'share, with the middle 90 % of draws',
    domain: [Math.max(-1, Math.min(0, ...ends)), Math.min(2, Math.max(1, ...ends))],
  };
  const panel = (title: string, points: readonly LabelPoint[]): Panel[] => {
    if (points.length < 2) return [];
    const x = axisOf(points);
    const series = lines.flatMap(({ colour, of }) => seriesOf(points, of, colour));
    return [lineChart(title, x, y, series)];
  };
  const { html } = await draw(
    {
      name: 'labels',
      title: 'How many labels would do',
      key: lines.map(({ label, colour }) => ({ kind: 'line', label, colour })),
      panels: [
        ...panel('single transitions labelled', labels.transitions),
        ...panel('whole episodes labelled', labels.episodes),
      ],
      caption: `A model of latent dimension ${labels.latentDim} is trained with its action head on the labelled transitions alone, each draw of labels anew, and judged on episodes that it was not trained on.`,
    },
    false,
  );
  const told = enoughOf(labels, level)
    .map((text) => `<li>${escapeHtml(`${text[0].toUpperCase()}${text.slice(1)}.`)}</li>`)
    .join('');
  const table = cardsHtml(
    ['labelled', ...(leakage ? [leakage] : []), 'action error'],
    all.map((p) => [
      labelledOf(p),
      ...(leakage ? [spreadOf(p.leakage, p.reasons.leakage)] : []),
      spreadOf(p.actionError, p.reasons.actionError),
    ]),
  );
  return `${told && `<ul>${told}</ul>`}${html}${table}`;
}

function axisOf(points: readonly LabelPoint[]): Axis {
  const counts = points.map((p) => p.transitions);
  const domain = [0.8 * Math.min(...counts), 1.25 * Math.max(...counts)] as const;
  const decades = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((v) => v >= domain[0] && v <= domain[1]);
  const ticks = decades.length > 1 ? decades : counts.map(Math.round);
  return { field: 'x', title: 'labelled transitions', log: true, domain, ticks };
}

function seriesOf(
  points: readonly LabelPoint[],
  of: (p: LabelPoint) => Spread | null,
  colour: string,
): Series[] {
  const rows = points.flatMap((p) => {
    const s = of(p);
    return s ? [{ x: p.transitions, y: s.mean, low: s.low, high: s.high }] : [];
  });
  return [
    { rows, colour, band: true },
    { rows, colour, mark: 'point' },
  ];
}
