import type { EstimatedMetric } from '../backend/requests.js';
import type { Estimate } from '../metrics/estimates.js';
import { nameOfObjective } from '../solve/objectives.js';
import type { Analysis, LatentRow } from '../verdict/analysis.js';
import { isMeasurable, shareOf } from '../verdict/figures.js';
import { PARTS, READINGS } from '../verdict/readings.js';
import type { Remedy } from '../verdict/remedies.js';
import { actionOf, strengthOf } from '../verdict/table-words.js';
import { type Axis, lineChart, type Series } from './charts.js';
import { DRAWING_STYLE, type Drawing, draw, type Panel } from './drawing.js';
import { COLOURS } from './figure.js';
import { labelsHtml } from './labels.js';
import { cardsHtml, codeHtml, escapeHtml, page, type Section, tableHtml } from './page.js';

const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3]] as const;
/** Modes of the spectrum that are drawn at most. */
const MODES = 40;

/** What z is made of: the first figure of a page. */
const MADE_OF: readonly EstimatedMetric[] = ['latentShare.exogenous', 'latentShare.action'];

interface Objective {
  readonly name: string;
  readonly colour: string;
  readonly dash: readonly number[];
  readonly rows: readonly LatentRow[];
}

function objectivesOf(a: Analysis): Objective[] {
  const kinds = [...new Set(a.latent.map((row) => JSON.stringify(row.objective)))];
  return kinds.map((kind, i) => ({
    name: nameOfObjective(JSON.parse(kind)),
    colour: COLOURS[i % COLOURS.length],
    dash: DASHES[i % DASHES.length],
    rows: a.latent.filter((row) => JSON.stringify(row.objective) === kind),
  }));
}

/** Points with their intervals, for what is measurable of one metric. */
function seriesOf(
  rows: readonly LatentRow[],
  metric: EstimatedMetric,
  colour: string,
  dash: readonly number[],
): Series[] {
  return pointSeries(rows, (row) => row.metrics[metric], colour, dash);
}

function pointSeries(
  rows: readonly LatentRow[],
  of: (row: LatentRow) => Estimate | undefined,
  colour: string,
  dash: readonly number[],
): Series[] {
  const points = rows.flatMap((row) => {
    const e = of(row);
    return isMeasurable(e)
      ? [{ x: row.latentDim, y: e.value as number, low: e.low as number, high: e.high as number }]
      : [];
  });
  return [
    { rows: points, colour, dash },
    { rows: points, colour, mark: 'point', whisker: true },
  ];
}

function dimensionAxis(a: Analysis): Axis {
  const dims = a.latent.map((row) => row.latentDim);
  return {
    field: 'x',
    title: 'latent dimension k',
    domain: [Math.min(...dims) - 0.3, Math.max(...dims) + 0.3],
  };
}

/** Ends of an axis that shows every interval, as far as it says anything. */
function shareAxis(a: Analysis, metrics: readonly EstimatedMetric[]): Axis {
  const ends = a.latent
    .flatMap((row) => metrics.map((metric) => row.metrics[metric]))
    .filter(isMeasurable)
    .flatMap(({ low, high }) => [low as number, high as number]);
  const low = Math.max(-1, Math.min(0, ...ends));
  const high = Math.min(2, Math.max(1, ...ends));
  return { field: 'y', title: 'share, with its 95 % interval', domain: [low, high] };
}

/** The figure that a page leads with: of what z is made, per latent dimension, one panel an objective; and its numbers. */
async function madeOf(a: Analysis, objectives: readonly Objective[]): Promise<string> {
  const colours = [COLOURS[1], COLOURS[0], COLOURS[3], COLOURS[5]];
  const shown = objectives.filter(({ rows }) => rows.some((row) => row.madeOf));
  if (shown.length === 0) return sharesAlone(a, objectives);
  const told = shown.flatMap(({ rows }) => rows.flatMap((row) => Object.values(row.madeOf ?? {})));
  const ends = told.filter(isMeasurable).flatMap(({ low, high }) => [low as number, high as number]);
  const y: Axis = {
    field: 'y',
    title: 'share of z, with its 95 % interval',
    domain: [Math.max(-1, Math.min(0, ...ends)), Math.min(2, Math.max(1, ...ends))],
  };
  const drawing: Drawing = {
    name: 'made-of',
    title: 'What z is made of',
    key: PARTS.map(([, name], i) => ({ kind: 'line', label: name, colour: colours[i] })),
    panels: shown.map(({ name, rows }) =>
      lineChart(
        name,
        dimensionAxis(a),
        y,
        PARTS.flatMap(([part], i) => pointSeries(rows, (row) => row.madeOf?.[part], colours[i], [])),
      ),
    ),
    caption: `Shares of the variance of z, beyond what the present state tells of it, on episodes that the model was not trained on; exogenous + action - both + neither = 1. ${PARTS.map(([, name, reading]) => `${name[0].toUpperCase()}${name.slice(1)}: ${reading}.`).join(' ')} The bars are 95 % intervals; what is not measurable is left out.`,
  };
  const tables = shown.map(({ name, rows }) => {
    const cells = rows.map(({ latentDim, madeOf: m }) => [
      String(latentDim),
      ...PARTS.map(([part]) => shareOf(m?.[part])),
    ]);
    return `<h3>${escapeHtml(name)}</h3>${cardsHtml(['k', ...PARTS.map(([, part]) => part)], cells)}`;
  });
  return `${(await draw(drawing, false)).html}${tables.join('')}`;
}

/** The same where the action or the exogenous state is not known: one share alone. */
async function sharesAlone(a: Analysis, objectives: readonly Objective[]): Promise<string> {
  const present = READINGS.filter(
    ([metric]) => MADE_OF.includes(metric) && a.latent.some((row) => isMeasurable(row.metrics[metric])),
  );
  if (present.length === 0) return '';
  const colours = [COLOURS[1], COLOURS[0]];
  const panels: Panel[] = objectives.map(({ name, rows }) =>
    lineChart(
      name,
      dimensionAxis(a),
      shareAxis(a, MADE_OF),
      present.flatMap(([metric], i) => seriesOf(rows, metric, colours[i], [])),
    ),
  );
  const drawing: Drawing = {
    name: 'made-of',
    title: 'What z is made of',
    key: present.map(([, name], i) => ({ kind: 'line', label: name, colour: colours[i] })),
    panels,
    caption:
      'Share of the variance of z, beyond what the present state tells of it, that the exogenous state and the action explain, on episodes that the model was not trained on. The bars are 95 % intervals; what is not measurable is left out.',
  };
  return (await draw(drawing, false)).html;
}

/** Every other metric against the latent dimension, all objectives in one panel a metric. */
async function metricFigures(a: Analysis, objectives: readonly Objective[]): Promise<string> {
  const present = READINGS.filter(
    ([metric]) => !MADE_OF.includes(metric) && a.latent.some((row) => isMeasurable(row.metrics[metric])),
  );
  if (present.length === 0) return '';
  const drawing: Drawing = {
    name: 'metrics',
    title: 'What z holds',
    key: objectives.map(({ name, colour, dash }) => ({ kind: 'line', label: name, colour, dash })),
    panels: present.map(([metric, name]) =>
      lineChart(
        name,
        dimensionAxis(a),
        shareAxis(a, [metric]),
        objectives.flatMap(({ colour, dash, rows }) => seriesOf(rows, metric, colour, dash)),
      ),
    ),
    caption: present
      .map(([, name, reading]) => `${name[0].toUpperCase()}${name.slice(1)}: ${reading}.`)
      .join(' '),
  };
  return (await draw(drawing, false)).html;
}

/** Ticks of a log axis: powers of ten, and their two- and fivefold where there are few. */
function decades([low, high]: readonly [number, number]): number[] {
  const first = Math.floor(Math.log10(low));
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => 10 ** (first + i));
  const inside = (ticks: number[]) => ticks.filter((v) => v >= low && v <= high);
  const coarse = inside(powers);
  if (coarse.length >= 3) return coarse.filter((_, i) => i % Math.ceil(coarse.length / 8) === 0);
  return inside(powers.flatMap((v) => [v, 2 * v, 5 * v]));
}

async function spectrumFigure(a: Analysis, objective: string): Promise<string> {
  const spectrum = a.spectrum.filter((v) => v > 0).slice(0, MODES);
  if (spectrum.length < 2) return '';
  const values = spectrum.map((v, i) => ({ x: i + 1, y: v }));
  const ends = [0.7 * spectrum[spectrum.length - 1], 1.4 * spectrum[0]] as const;
  const colour = COLOURS[0];
  const drawing: Drawing = {
    name: 'spectrum',
    title: 'Why: the spectrum of the innovation',
    key: [],
    panels: [
      lineChart(
        spectrum.length < a.spectrum.length
          ? `the ${spectrum.length} strongest of ${a.spectrum.length} modes`
          : `all ${spectrum.length} modes`,
        { field: 'x', title: 'mode, strongest first', domain: [0.5, spectrum.length + 0.5] },
        {
          field: 'y',
          title:
            a.source.options['scale'] === 'given'
              ? 'variance (observation units squared)'
              : 'variance (standardised)',
          log: true,
          domain: ends,
          ticks: decades(ends),
        },
        [
          { rows: values, colour },
          { rows: values, colour, mark: 'point' },
        ],
      ),
    ],
    caption: `Variance of the directions in which the next observation differs from what the present one predicts, over all rows, for ${objective}. A latent dimension of k keeps the k modes on the left, whoever moves them.`,
  };
  return (await draw(drawing, false)).html;
}

const paragraphs = (lines: readonly string[]) => lines.map((text) => `<p>${escapeHtml(text)}</p>`).join('');

/** The answer, the latent dimension it is about, and its three lines of evidence. */
function verdictHtml({ verdict }: Analysis): string {
  const evidence = verdict.evidence.map((text) => `<li>${escapeHtml(text)}</li>`).join('');
  const where = evidence
    ? `<p class="small">Judged at latentDim ${verdict.latentDim}: ${escapeHtml(verdict.because)}.</p>`
    : '';
  return `<div class="verdict"><p><b>${escapeHtml(verdict.sentence)}</b></p><ul>${evidence}</ul>${where}</div>`;
}

/** A table a metric: narrow enough for a telephone. */
function numbers(a: Analysis, objectives: readonly Objective[]): string {
  const present = READINGS.filter(([metric]) => a.latent.some((row) => row.metrics[metric] !== undefined));
  const dims = [...new Set(a.latent.map((row) => row.latentDim))].sort((x, y) => x - y);
  return present
    .map(([metric, name, reading]) => {
      const rows = dims.map((k) => [
        String(k),
        ...objectives.map(({ rows: own }) =>
          shareOf(own.find((row) => row.latentDim === k)?.metrics[metric]),
        ),
      ]);
      return `<h3>${escapeHtml(name)}</h3><p>${escapeHtml(reading)}; in brackets the 95 % interval.</p>${tableHtml(['k', ...objectives.map((o) => o.name)], rows)}`;
    })
    .join('');
}

/** Why figures are not measurable, each reason once. */
function reasons(a: Analysis): string[] {
  const found = a.latent.flatMap(({ metrics }) =>
    Object.entries(metrics)
      .filter((entry): entry is [string, Estimate] => entry[1] !== undefined && entry[1].reason !== null)
      .map(([metric, { reason }]) => `${metric} is not measurable at some latent dimensions: ${reason}`),
  );
  return [...new Set(found)];
}

/** What each remedy does, chosen on other episodes than those it is judged on. */
function remediesHtml({ remedies, level }: Analysis): string {
  const [first] = remedies;
  if (!first) return '';
  const metrics = READINGS.filter(([metric]) => remedies.some((r) => r.after[metric] !== undefined)).filter(
    ([metric]) =>
      ['innovationLeakage', 'futureLeakage', 'latentShare.exogenous', 'actionError'].includes(metric),
  );
  const rows = [
    ['none', '', '', ...metrics.map(([metric]) => shareOf(first.before[metric]))],
    ...remedies.map((r) => [
      r.remedy,
      strengthOf(r),
      REACHED[r.reached],
      ...metrics.map(([metric]) => shareOf(r.after[metric])),
    ]),
  ];
  return `<p>At latent dimension ${first.latentDim}. A strength is the least at which, inside the training episodes alone, z leaks at most ${level}; what it does is judged on episodes that had no part in the choice. Intervals are of models with the strengths shown; where those differ between folds, in brackets, other episodes may choose otherwise.</p>${tableHtml(['remedy', 'strength', 'does it help?', ...metrics.map(([, name]) => name)], rows)}${paragraphs(remedies.flatMap((r) => (r.note ? [`${r.remedy}: ${r.note}.`] : [])))}`;
}

const REACHED: Readonly<Record<Remedy['reached'], string>> = {
  yes: 'yes',
  no: 'no',
  'cannot-tell': 'cannot be told',
};

/** The page of one analysis; `source` names its file. */
export async function analysisPage(a: Analysis, source: string): Promise<string> {
  const objectives = objectivesOf(a);
  const [lead, held, labels, spectrum] = [
    await madeOf(a, objectives),
    await metricFigures(a, objectives),
    await labelsHtml(a),
    await spectrumFigure(a, objectives[0]?.name ?? ''),
  ];
  const notes = [...a.notes, ...reasons(a)].map((note) => `<li>${escapeHtml(String(note))}</li>`).join('');
  const parts: readonly (readonly [title: string, html: string])[] = [
    ['What z is made of', lead],
    ['What z holds', held],
    ['What remedies would do', remediesHtml(a)],
    ['How many labels would do', labels],
    ['Why: the spectrum of the innovation', spectrum],
    ['The numbers', numbers(a, objectives)],
    ['Notes', notes && `<ul>${notes}</ul>`],
    [
      'Settings',
      `<p>From <code>${escapeHtml(source)}</code>. The same data and settings give the same figures.</p>${codeHtml({ ...a.source, folds: a.folds, ridges: a.ridges })}`,
    ],
  ];
  const present = parts.filter(([, html]) => html !== '');
  const id = (title: string) => title.toLowerCase().replace(/[^a-z]+/g, '-');
  const contents = present
    .map(([title]) => `<li><a href="#${id(title)}">${escapeHtml(title)}</a></li>`)
    .join('');
  const sections: Section[] = [
    { html: verdictHtml(a) },
    { html: `<nav aria-label="contents"><ul class="contents">${contents}</ul></nav>` },
    ...present.map(([title, html]) => ({ title, id: id(title), html })),
  ];
  const units =
    a.unit === 'episode'
      ? `${a.episodes} episode${a.episodes === 1 ? '' : 's'}`
      : `one long episode, in ${a.units} blocks`;
  return page({
    title: 'What latent actions learned from this data encode',
    lead: `${a.transitions} transitions from ${units}: observation ${a.observationDim} wide, action ${actionOf(a)}. ${a.latent.length > 0 ? 'Exact minima of a linear latent action model; what z holds is judged on episodes that the model was not trained on, with a 95 % interval.' : ''}`,
    sections,
    style: `${DRAWING_STYLE}.contents { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; }\n.small { color: var(--soft); font-size: .92rem; margin-bottom: 0; }\n`,
    footer:
      "The measures are exolam's own formalisation (docs/theory.md) of the question of arXiv:2605.20223, for the linear latent action model of arXiv:2506.15691.",
  });
}
