import type { DataMetrics } from '../metrics/probes.js';
import { nameOfObjective } from '../solve/objectives.js';
import type { Analysis } from '../verdict/analysis.js';
import type { Remedy } from '../verdict/remedies.js';
import { strengthOf } from '../verdict/words.js';
import { type Axis, lineChart } from './charts.js';
import { DRAWING_STYLE, type Drawing, draw } from './drawing.js';
import { COLOURS } from './figure.js';
import { codeHtml, escapeHtml, page, type Section, tableHtml } from './page.js';

const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3]] as const;
/** Modes of the spectrum that are drawn at most. */
const MODES = 40;

/** Metrics that are drawn, where the data has what they need. */
const METRICS: readonly (readonly [keyof DataMetrics, name: string, reading: string])[] = [
  [
    'futureLeakage',
    'future leakage',
    'share of what is new in the exogenous state that z carries (0: none; chance can put it slightly below)',
  ],
  [
    'actionError',
    'action error',
    'share of the action that z leaves unexplained (0: z fixes the action; 1: z knows nothing)',
  ],
  ['endogenousError', 'endogenous error', 'share of what is new in the clean observation that z misses'],
  [
    'consistencyError',
    'consistency error',
    'how far z moves when the exogenous state is drawn again, of its own variance',
  ],
];

const NAMES = [
  ...METRICS.map(([metric, name]) => [metric, name] as const),
  ['actionInformation', 'action information (nats)'] as const,
  ['futureInformation', 'future information (nats)'] as const,
];

/** Ticks of a log axis: powers of ten, and their two- and fivefold where there are few. */
function decades([low, high]: readonly [number, number]): number[] {
  const first = Math.floor(Math.log10(low));
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, i) => 10 ** (first + i));
  const inside = (ticks: number[]) => ticks.filter((v) => v >= low && v <= high);
  const coarse = inside(powers);
  if (coarse.length >= 3) return coarse.filter((_, i) => i % Math.ceil(coarse.length / 8) === 0);
  return inside(powers.flatMap((v) => [v, 2 * v, 5 * v]));
}

/** An objective of the analysis: how it is drawn, and its rows by latent dimension. */
interface Objective {
  readonly name: string;
  readonly colour: string;
  readonly dash: readonly number[];
  readonly rows: Analysis['latent'];
}

/** Every metric by latent dimension; nothing where the data has no variable to measure. */
function metricsDrawing(a: Analysis, objectives: readonly Objective[]): Drawing | undefined {
  const present = METRICS.filter(([metric]) => a.latent.some((row) => row.metrics[metric] !== undefined));
  const dims = a.latent.map((row) => row.latentDim);
  if (present.length === 0 || dims.length === 0) return undefined;
  const x: Axis = {
    field: 'x',
    title: 'latent dimension k',
    domain: [Math.min(...dims) - 0.3, Math.max(...dims) + 0.3],
  };
  return {
    name: 'metrics',
    title: 'What z holds',
    key: objectives.map(({ name, colour, dash }) => ({ kind: 'line', label: name, colour, dash })),
    panels: present.map(([metric, name]) => {
      const values = a.latent.map((row) => row.metrics[metric]).filter((v) => v !== undefined);
      const domain = [Math.min(0, ...values), Math.max(1, ...values)] as const;
      return lineChart(
        name,
        x,
        { field: 'y', title: 'share of variance, held out', domain },
        objectives.flatMap(({ colour, dash, rows }) => {
          const points = rows
            .filter((row) => row.metrics[metric] !== undefined)
            .map((row) => ({ x: row.latentDim, y: row.metrics[metric] as number }));
          return [
            { rows: points, colour, dash },
            { rows: points, colour, mark: 'point' as const },
          ];
        }),
      );
    }),
    caption: `On held-out data, given the present observation. ${present.map(([, name, reading]) => `${name[0]?.toUpperCase()}${name.slice(1)}: ${reading}.`).join(' ')}`,
  };
}

/** The leading eigenvalues of the first objective; nothing where there is only one. */
function spectrumDrawing(a: Analysis, objectives: readonly Objective[]): Drawing | undefined {
  const spectrum = a.spectrum.filter((v) => v > 0).slice(0, MODES);
  if (spectrum.length <= 1) return undefined;
  const values = spectrum.map((v, i) => ({ x: i + 1, y: v }));
  const ends = [0.7 * (spectrum.at(-1) as number), 1.4 * spectrum[0]] as const;
  const colour = COLOURS[0];
  return {
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
          title: 'variance (observation units squared)',
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
    caption: `Variance of the directions in which the next observation differs from what the present one predicts, for the first objective, ${objectives[0]?.name ?? ''}. A latent dimension of k keeps the k modes on the left, whoever moves them.`,
  };
}

/** The page of one analysis; `source` names its file. */
export async function analysisPage(a: Analysis, source: string): Promise<string> {
  const kinds = [...new Set(a.latent.map((row) => JSON.stringify(row.objective)))];
  const objectives = kinds.map((kind, i) => ({
    name: nameOfObjective(JSON.parse(kind)),
    colour: COLOURS[i % COLOURS.length] as string,
    dash: DASHES[i % DASHES.length] as readonly number[],
    rows: a.latent.filter((row) => JSON.stringify(row.objective) === kind),
  }));
  const sections: Section[] = [{ html: `<p class="verdict">${escapeHtml(a.recommendation)}</p>` }];

  for (const drawing of [metricsDrawing(a, objectives), spectrumDrawing(a, objectives)])
    if (drawing) sections.push({ title: drawing.title, html: (await draw(drawing, false)).html });
  if (a.remedies.length > 0) sections.push({ title: 'What remedies would cost', html: remedies(a) });
  sections.push({ title: 'The numbers', html: numbers(a, objectives) });
  if (a.notes.length > 0) {
    sections.push({
      title: 'Notes',
      html: `<ul>${a.notes.map((note) => `<li>${escapeHtml(String(note))}</li>`).join('')}</ul>`,
    });
  }
  const { latent: _, spectrum: __, notes: ___, recommendation: ____, remedies: _____, ...settings } = a;
  sections.push({
    title: 'Settings',
    html: `<p>From <code>${escapeHtml(source)}</code>.</p>${codeHtml({ ...settings, objectives: kinds.map((kind) => JSON.parse(kind)) })}`,
  });
  return page({
    title: 'What latent actions learned from this data encode',
    lead: `${a.transitions} transitions from ${a.episodes} episode${a.episodes === 1 ? '' : 's'}: observation ${a.observationDim} wide, action ${a.actionDim || 'unknown'}. Exact minima of a linear latent action model, judged on ${a.split.heldOut} held-out transitions.`,
    sections,
    style: DRAWING_STYLE,
    footer:
      "The measures are exolam's own formalisation (docs/theory.md) of the question of arXiv:2605.20223, for the linear latent action model of arXiv:2506.15691.",
  });
}

const share = (v: number | undefined) => (v === undefined ? '' : v.toFixed(3));

/** Below the table, where there is room for a sentence. */
function notesHtml(all: Analysis['remedies']): string {
  const notes = all.flatMap((r) => (r.note ? [`${r.remedy}, ${strengthOf(r)}: ${r.note}`] : []));
  return notes.map((note) => `<p>${escapeHtml(note)}.</p>`).join('');
}

/** The strength of each remedy at which leakage falls to the level, and what it does to z. */
function remedies({ remedies: all, level }: Analysis): string {
  const hasAction = all.some((r) => r.before.actionError !== undefined);
  const change = (r: Remedy, name: 'futureLeakage' | 'actionError') =>
    `${share(r.before[name])}\u00a0→\u00a0${share(r.after[name])}`;
  // What matters most stands where a narrow screen shows it.
  const rows = all.map((r) => [
    r.remedy,
    strengthOf(r),
    change(r, 'futureLeakage'),
    ...(hasAction ? [change(r, 'actionError')] : []),
    r.reached ? 'yes' : 'no (least told)',
  ]);
  const header = [
    'remedy',
    'strength',
    'leakage',
    ...(hasAction ? ['action error'] : []),
    `leaks at most ${level}`,
  ];
  const about = `At latent dimension ${all[0]?.latentDim}: the least weight or number of labels, or the greatest gain left to the exogenous part, at which z carries at most ${level} of what is new in the exogenous state, on held-out data. An action error near 1 says that z, though clean, does not tell the action.`;
  return `<p>${escapeHtml(about)}</p>${tableHtml(header, rows)}${notesHtml(all)}`;
}

function numbers(a: Analysis, objectives: readonly Objective[]): string {
  const columns = NAMES.filter(([metric]) => a.latent.some((row) => row.metrics[metric] !== undefined));
  const cell = (v: number | undefined) => {
    if (v === undefined) return '';
    return Number.isFinite(v) ? v.toFixed(3).replace(/^-(?=0\.000$)/, '') : '∞';
  };
  return objectives
    .map(
      ({ name, rows }) =>
        `<h3>${escapeHtml(name)}</h3>${tableHtml(
          ['k', 'loss', ...columns.map(([, title]) => title)],
          rows.map((row) => [
            String(row.latentDim),
            row.loss.toPrecision(5),
            ...columns.map(([metric]) => cell(row.metrics[metric])),
          ]),
        )}`,
    )
    .join('');
}
