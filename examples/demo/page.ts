import type { Analysis, LatentRow } from 'exolam';
import { figure } from '../../lib/report/figure.js';
import { codeHtml, escape, figureHtml, page, tableHtml } from '../../lib/report/page.js';
import type { Recording } from './record.js';

/** What was asked of one recording, by the name that the figures give it. */
export interface Series {
  readonly name: string;
  readonly analysis: Analysis;
  readonly kind: 'reconstruction' | 'action-supervised';
}

const rowsOf = (s: Series): LatentRow[] => s.analysis.latent.filter((r) => r.objective.kind === s.kind);

/** One frame as a picture: a rectangle for each pixel that is not dark. */
function frameSvg(r: Recording, values: Float64Array, frame: number): string {
  const { width, height } = r;
  const pixels: string[] = [];
  for (let i = 0; i < width * height; i++) {
    const v = values[frame * width * height + i] as number;
    if (v > 0.02) pixels.push(`<rect x="${i % width}" y="${Math.floor(i / width)}" width="1" height="1" opacity="${v.toFixed(2)}"/>`);
  }
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="a frame"><rect width="${width}" height="${height}" fill="var(--panel)"/><g fill="var(--text)" shape-rendering="crispEdges">${pixels.join('')}</g></svg>`;
}

function lines(series: readonly Series[], metric: 'actionError' | 'futureLeakage', title: string): Promise<string> {
  const values = series.flatMap((s) =>
    rowsOf(s).map((row) => ({ series: s.name, latentDim: row.latentDim, value: row.metrics[metric] })),
  );
  const top = Math.max(1, ...values.map((v) => v.value ?? 0));
  return figure({
    width: 360,
    height: 240,
    data: { values },
    mark: { type: 'line', point: { size: 50 }, strokeWidth: 2 },
    encoding: {
      x: { field: 'latentDim', type: 'quantitative', title: 'latent dimension k', axis: { tickMinStep: 1 }, scale: { zero: false } },
      y: { field: 'value', type: 'quantitative', title, scale: { domain: [Math.min(0, ...values.map((v) => v.value ?? 0)), top] } },
      color: { field: 'series', type: 'nominal', title: null, sort: null },
    },
  });
}

/** The page: what was seen, what the latents hold, the numbers, and how to get them again. */
export async function demoPage(recording: Recording, series: readonly Series[], verdict: string): Promise<string> {
  const frame = Math.floor(recording.settings.steps / 2);
  const [arm, both] = [series[0], series[1]] as [Series, Series];
  const spectrum = [arm, both].flatMap((s) =>
    s.analysis.spectrum.slice(0, 16).map((value, i) => ({ series: s.name, mode: i + 1, value })),
  );
  const figures = await Promise.all([
    lines(series, 'futureLeakage', 'future leakage (share of variance)'),
    lines(series, 'actionError', 'action error (share of variance)'),
    figure({
      width: 640,
      height: 220,
      data: { values: spectrum },
      mark: { type: 'line', point: { size: 50 }, strokeWidth: 2 },
      encoding: {
        x: { field: 'mode', type: 'quantitative', title: 'mode of the innovation', axis: { tickMinStep: 1 }, scale: { zero: false } },
        y: { field: 'value', type: 'quantitative', title: 'variance (brightness squared)', scale: { type: 'log' } },
        color: { field: 'series', type: 'nominal', title: null, sort: null },
      },
    }),
  ]);
  const table = tableHtml(
    ['setting', 'k', 'future leakage', 'action error', 'endogenous error'],
    series.flatMap((s) =>
      rowsOf(s).map((r) => [
        s.name,
        String(r.latentDim),
        ...[r.metrics.futureLeakage, r.metrics.actionError, r.metrics.endogenousError].map((v) => v?.toFixed(3) ?? ''),
      ]),
    ),
  );
  const { transitions, observationDim, split, ridge } = both.analysis;
  return page({
    title: 'What do latent actions encode?',
    lead: 'A driven arm, filmed alone and with a freely swinging pendulum behind it. A linear latent action model explains each next frame with k numbers; the question is whose numbers they are.',
    sections: [
      { html: `<p class="verdict">${escape(verdict)}</p>` },
      {
        title: 'What the camera saw',
        html: `<div class="row">${figureHtml(frameSvg(recording, recording.arm, frame), 'The arm alone. Two joints follow speeds that the policy asks for: the action.')}${figureHtml(frameSvg(recording, recording.both, frame), 'The same moment with the pendulum. Random pushes move it; no action does.')}</div>`,
      },
      {
        title: 'What the latents hold',
        html: `<div class="row">${figureHtml(figures[0], 'Share of what is new in the pendulum that z carries, on held-out episodes. 0: none. Probe noise can put it slightly below 0.')}${figureHtml(figures[1], 'Share of the action that z leaves unexplained. 0: z fixes the action; 1: z knows nothing of it.')}</div>`,
      },
      {
        title: 'Why',
        html: figureHtml(
          figures[2],
          'Variance of the directions in which the next frame differs from what the current one predicts. Reconstruction takes them from the left, whoever moves them; with the pendulum in view its directions come first.',
        ),
      },
      { title: 'All figures', html: table },
      {
        title: 'How it was made',
        html: `<p>MuJoCo physics; a ${recording.width} x ${recording.height} grey camera with perspective, soft edges and saturation; ${transitions} transitions, ${observationDim} pixels each, ${split.heldOut} of them in ${split.heldOutEpisodes} held-out episodes; ridge ${ridge}. The exact solution of the linear model, no training. Action supervision adds a linear head from z to the action to the objective.</p>${codeHtml({ settings: recording.settings, objectives: both.analysis.latent.map((r) => r.objective).filter((o, i, all) => all.findIndex((p) => p.kind === o.kind) === i) })}`,
      },
    ],
    footer:
      'That reconstruction makes latent actions encode exogenous information is a claim of the abstract of arXiv:2605.20223 (C1), that action supervision helps is another (C3); what is computed here is this project’s formalisation of them for linear models.',
  });
}
