import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ExolamError } from '../base/errors.js';
import { nameOfObjective, objectiveSchema, withStrength } from '../solve/objectives.js';
import { shareOf } from '../verdict/figures.js';
import { trainedSentence } from '../verdict/trained.js';
import { type Axis, lineChart, type Series } from './charts.js';
import { DRAWING_STYLE, draw, type KeyEntry, type Panel } from './drawing.js';
import { COLOURS } from './figure.js';
import { codeHtml, escapeHtml, page, type Section, tableHtml } from './page.js';

const number = z.union([
  z.number(),
  z.literal('Infinity').transform(() => Number.POSITIVE_INFINITY),
  z.literal('-Infinity').transform(() => Number.NEGATIVE_INFINITY),
]);
const metricsSchema = z.record(z.string(), number);
const estimateSchema = z.object({
  value: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  training: z.number().nullable().default(null),
  reason: z.string().nullable(),
});
const tableSchema = z.record(z.string(), estimateSchema);
const estimatesSchema = z.object({
  units: z.number().optional(),
  linear: tableSchema,
  nonlinear: tableSchema.optional(),
  answer: z.enum(['leaks', 'does-not-leak', 'cannot-tell', 'unknown']).default('unknown'),
  reason: z.string().nullable(),
});
const rowSchema = z.object({
  step: z.number(),
  loss: number,
  metrics: metricsSchema,
  estimates: estimatesSchema.optional(),
});
const resultSchema = z.object({
  steps: z.number(),
  loss: number,
  metrics: metricsSchema,
  estimates: estimatesSchema.optional(),
  codebook: z.object({ used: z.array(z.number()), perplexity: z.array(z.number()) }).optional(),
  exact: z
    .object({
      loss: number,
      metrics: metricsSchema,
      unique: z.boolean().nullable(),
      estimates: estimatesSchema.optional(),
    })
    .nullable(),
  stopped: z.string(),
  seconds: z.number(),
  stepsPerSecond: z.number(),
  notes: z.array(z.string()).default([]),
  version: z.string(),
});

type Row = z.output<typeof rowSchema>;
type Result = z.output<typeof resultSchema>;

/** What the folder of a run holds; `result` is null while it runs. */
export interface TrainingRun {
  readonly config: Readonly<Record<string, unknown>>;
  readonly log: readonly Row[];
  readonly result: Result | null;
}

/** Reads the folder of a run; null where it holds none. Throws {@link ExolamError} `data` for files that are not those of a run. */
export async function readTraining(folder: string): Promise<TrainingRun | null> {
  const text = (name: string) => readFile(join(folder, name), 'utf8').catch(() => null);
  const [config, log, result] = [
    await text('config.json'),
    await text('log.jsonl'),
    await text('result.json'),
  ];
  if (config === null || log === null) return null;
  const rows = log.split('\n').filter((line) => line.trim() !== '');
  return {
    config: parsed(z.record(z.string(), z.unknown()), config, join(folder, 'config.json')),
    log: rows.map((line, i) => parsed(rowSchema, line, `${join(folder, 'log.jsonl')} line ${i + 1}`)),
    result: result === null ? null : parsed(resultSchema, result, join(folder, 'result.json')),
  };
}

function parsed<S extends z.ZodType>(schema: S, text: string, what: string): z.output<S> {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ExolamError('data', `${what}: expected what exolam train writes`, { cause });
  }
}

/** Curves of the page: what is drawn, and what it says. */
const CURVES = [
  ['actionError', 'action error', 'what z leaves of the action: 0 fixes it, 1 knows nothing of it'],
  ['futureLeakage', 'leakage', "share of the exogenous state's next step that z carries"],
  ['innovationLeakage', 'leakage of what is new', 'the same of what is new in the exogenous state'],
  [
    'latentShare.exogenous',
    'exogenous share of z',
    'what z is made of: 1 is nothing but the exogenous state',
  ],
  [
    'consistencyError',
    'consistency error',
    '0: the same action gives the same z, whatever the exogenous state',
  ],
] as const;

const stepAxis = (log: readonly Row[]): Axis => ({
  field: 'x',
  title: 'steps',
  domain: [log[0]?.step ?? 0, Math.max(1, log[log.length - 1]?.step ?? 1)],
});

const points = (log: readonly Row[], of: (row: Row) => number | undefined) =>
  log.flatMap((row) => {
    const y = of(row);
    return y !== undefined && Number.isFinite(y) ? [{ x: row.step, y }] : [];
  });

/** The value of the optimum as a level line over all steps. */
function exactLine(log: readonly Row[], value: number | undefined): Series[] {
  if (value === undefined || !Number.isFinite(value)) return [];
  const [from, to] = stepAxis(log).domain;
  const rows = [
    { x: from, y: value },
    { x: to, y: value },
  ];
  return [{ rows, colour: COLOURS[1], dash: [6, 4] }];
}

function lossPanel({ log, result }: TrainingRun): Panel {
  const rows = points(log, ({ loss }) => loss).filter(({ y }) => y > 0);
  const exact = result?.exact?.loss ?? Number.NaN;
  const values = [...rows.map(({ y }) => y), ...(exact > 0 ? [exact] : [])];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // An optimum of zero is nowhere on a log axis.
  const line = exact > low / 1e3 ? exactLine(log, exact) : [];
  const log10 = high > 10 * low;
  const domain: [number, number] = log10 ? [low / 1.3, high * 1.3] : [Math.min(low, 0), high * 1.05];
  const ticks = [-12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6]
    .flatMap((power) => [10 ** power, 2 * 10 ** power, 5 * 10 ** power])
    .filter((v) => v >= domain[0] && v <= domain[1]);
  const y: Axis = { field: 'y', title: 'expected squared error', log: log10, domain };
  const axis = log10 ? { ...y, ticks: ticks.length > 8 ? ticks.filter((_, i) => i % 3 === 0) : ticks } : y;
  return lineChart('loss', stepAxis(log), axis, [{ rows, colour: COLOURS[0] }, ...line]);
}

/** Of estimates: the interval of each evaluation around its value. */
const withInterval = (log: readonly Row[], metric: string) =>
  log.flatMap(({ step, metrics, estimates }) => {
    const [y, e] = [metrics[metric], estimates?.linear[metric]];
    return y !== undefined && Number.isFinite(y)
      ? [{ x: step, y, low: e?.low ?? y, high: e?.high ?? y }]
      : [];
  });

function metricPanels({ log, result }: TrainingRun): Panel[] {
  return CURVES.flatMap(([metric, name]) => {
    const rows = withInterval(log, metric);
    // Of one point there is no line.
    if (rows.length < 2) return [];
    const exact = exactLine(log, result?.exact?.metrics[metric]);
    const domain: [number, number] = [
      Math.min(0, ...rows.map(({ low }) => low)),
      Math.max(1, ...rows.map(({ high }) => high)),
    ];
    const y: Axis = { field: 'y', title: 'share', domain };
    return [lineChart(name, stepAxis(log), y, [{ rows, colour: COLOURS[0], band: true }, ...exact])];
  });
}

const shown = (value: number | undefined) =>
  value === undefined ? '' : String(Number(value.toPrecision(6)));

function numbers({ log, result }: TrainingRun): string {
  const last = result ?? log[log.length - 1];
  if (!last) return '';
  const exact = result?.exact ?? null;
  const of = (value: number | undefined) => (exact ? [shown(value)] : []);
  const rows = [
    ['loss', shown(last.loss), ...of(exact?.loss)],
    ...Object.entries(last.estimates ? {} : last.metrics).map(([name, value]) => [
      name,
      shown(value),
      ...of(exact?.metrics[name]),
    ]),
  ];
  const table = tableHtml(['', 'trained', ...(exact ? ['exact optimum'] : [])], rows);
  const estimates = last.estimates ? estimatesHtml(last.estimates, exact?.estimates) : '';
  return `${table}${estimates}${result?.codebook ? codebookHtml(result.codebook) : ''}`;
}

type Estimates = z.output<typeof estimatesSchema>;

/** Of the trained model, and of the optimum beside it where there is one. */
function estimatesHtml(own: Estimates, exact?: Estimates): string {
  const { linear, nonlinear = {}, reason } = own;
  if (reason !== null) return `<p>What the latents hold is not estimated: ${escapeHtml(reason)}.</p>`;
  const cell = (e: z.output<typeof estimateSchema> | undefined) => e?.reason ?? shareOf(e);
  const names = [...new Set([...Object.keys(linear), ...Object.keys(nonlinear)])];
  const curved = Object.keys(nonlinear).length > 0;
  const both = (of: string) => [`${of}linear probe`, ...(curved ? [`${of}nonlinear probe`] : [])];
  const cells = (name: string, e: Estimates) => [
    cell(e.linear[name]),
    ...(curved ? [cell(e.nonlinear?.[name])] : []),
  ];
  const header = ['', ...both(''), ...(exact ? both('exact optimum, ') : [])];
  const rows = names.map((name) => [name, ...cells(name, own), ...(exact ? cells(name, exact) : [])]);
  return `<p>Estimates on rows that training did not see, with 95&nbsp;% intervals:</p>${tableHtml(header, rows)}`;
}

function codebookHtml({ used, perplexity }: NonNullable<Result['codebook']>): string {
  return `<p>Codes in use: ${used.join(', ')}; perplexity ${perplexity.map((v) => v.toFixed(1)).join(', ')}.</p>`;
}

/** Its optimum is that of the training rows: what is judged on others may be below it. */
const isOnData = ({ config }: TrainingRun) => config['data'] !== undefined;

function sentence(run: TrainingRun): string {
  const { log, result } = run;
  if (!result) return `The run is not at its end: ${log[log.length - 1]?.step ?? 0} steps are done.`;
  const { exact, loss, steps } = result;
  const ending =
    { steps: 'all its steps', early: 'stopping early', converged: 'converging' }[result.stopped] ?? 'its end';
  if (!exact) return `After ${steps} steps (${ending}) the loss is ${Number(loss.toPrecision(5))}.`;
  const excess = exact.loss > 0 ? loss / exact.loss - 1 : Number.NaN;
  const [where, optimum] = isOnData(run)
    ? ['on held-out rows ', 'that of the exact optimum over the training rows']
    : ['', 'the exact optimum'];
  const gap = Number.isFinite(excess)
    ? `${Number((100 * Math.abs(excess)).toPrecision(2))} % ${excess < 0 ? 'below' : 'above'} ${optimum}`
    : `${Number(loss.toPrecision(2))}, where the exact optimum is 0`;
  return `After ${steps} steps (${ending}) the loss is ${where}${gap}.`;
}

/** What z is, then where the loss is: the answer before the evidence. */
function answerHtml(run: TrainingRun): string {
  const answer = run.result ? trainedSentence(run.result) : '';
  const loss = escapeHtml(sentence(run));
  return answer ? `<p><b>${escapeHtml(answer)}</b></p><p>${loss}</p>` : `<p><b>${loss}</b></p>`;
}

/** The objective with the share of labels that a run has beside it. */
const labelled = (objective: z.output<typeof objectiveSchema>, labelFraction: unknown) =>
  (typeof labelFraction === 'number' &&
    withStrength(objective, 'action-supervised.labelFraction', labelFraction)) ||
  objective;

/** The page of one training run; `source` names its folder. */
export async function trainingPage(run: TrainingRun, source: string): Promise<string> {
  const exact = run.result?.exact ?? null;
  const key: KeyEntry[] = [{ kind: 'line', label: 'trained', colour: COLOURS[0] }];
  const label = isOnData(run) ? 'exact optimum of the training rows' : 'exact optimum';
  if (exact) key.push({ kind: 'line', label, colour: COLOURS[1], dash: [6, 4] });
  const panels = [lossPanel(run), ...metricPanels(run)];
  const readings = CURVES.filter(([metric]) => withInterval(run.log, metric).length > 1);
  const drawing = {
    name: 'training',
    title: 'The run',
    key,
    panels,
    caption: readings
      .map(([, name, reading]) => `${name[0].toUpperCase()}${name.slice(1)}: ${reading}.`)
      .join(' '),
  };
  const figures = run.log.length > 1 ? (await draw(drawing, false)).html : '';
  const objective = objectiveSchema.safeParse(run.config['objective'] ?? { kind: 'reconstruction' });
  const labels = run.config['labelFraction'];
  const which = isOnData(run) ? 'those of one' : 'the least favourable';
  const tie =
    exact?.unique === false
      ? `<p>Several minimisers tie: the exact metrics are ${which} of them, and training may end at another.</p>`
      : '';
  const notes = (run.result?.notes ?? []).map((note) => `<li>${escapeHtml(note)}</li>`);
  const sections: Section[] = [
    { html: `<div class="verdict">${answerHtml(run)}</div>` },
    { title: 'The run', html: figures || '<p>One evaluation: nothing to draw over steps.</p>' },
    { title: 'The numbers', html: `${numbers(run)}${tie}` },
    ...(notes.length > 0 ? [{ title: 'Notes', html: `<ul>${notes.join('')}</ul>` }] : []),
    {
      title: 'Settings',
      html: `<p>From <code>${escapeHtml(source)}</code>.</p>${codeHtml(run.config)}`,
    },
  ];
  const model = run.config['model'] as { kind?: string; latentDim?: number; horizon?: number } | undefined;
  const ahead = (model?.horizon ?? 1) > 1 ? ` that predicts ${model?.horizon} observations` : '';
  return page({
    title: 'Training a latent action model',
    lead: `A ${model?.kind === 'mlp' ? 'nonlinear' : 'linear'} model with latent dimension ${model?.latentDim ?? '?'}${ahead}, trained for ${objective.success ? nameOfObjective(labelled(objective.data, labels)) : 'its objective'}.`,
    sections,
    style: DRAWING_STYLE,
    footer: run.result
      ? `exolam ${run.result.version}; ${run.result.seconds.toFixed(1)} s, ${Math.round(run.result.stepsPerSecond)} steps a second.`
      : 'exolam',
  });
}
