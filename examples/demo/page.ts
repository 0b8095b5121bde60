import type { Analysis } from '../../lib/index.js';
import { codeHtml, escapeHtml, figureHtml, page, tableHtml } from '../../lib/report/page.js';
import { percentOf, shareOf } from '../../lib/verdict/figures.js';
import { PARTS } from '../../lib/verdict/readings.js';
import { CAMERA, type Figure, render } from './camera.js';
import { drawLines, type Line } from './lines.js';
import { drawPixels, drawStrip } from './pixels.js';
import {
  comparedAt,
  type Demo,
  estimateOf,
  LATENT_DIMS,
  metric,
  rowsOf,
  type Shown,
  settingsOf,
  verdict,
  WEIGHT,
  WEIGHTS,
} from './story.js';
import { armOf, pendulumOf } from './transitions.js';

/** Frames shown of the first episode, and how far apart. */
const SHOWN = { count: 6, apart: 4 };
/** Seconds of a physics step, as scene.xml has it. */
const TIMESTEP = 0.01;
/** How much of the spectrum is drawn. */
const DIRECTIONS = 24;

/** The three lines that most figures compare; numbers are places in the palette. */
const ARM_ALONE = { name: 'arm alone, reconstruction', colour: 5 };
const PLAIN = { name: 'pendulum in view, reconstruction', colour: 1 };
const LABELLED = { name: 'pendulum in view, action labels', colour: 0 };

function scene({ settings, episodes }: Demo): string {
  const episode = episodes[0];
  if (!episode) return '';
  const frames = Array.from({ length: SHOWN.count }, (_, i) => i * SHOWN.apart).filter(
    (f) => f < episode.frames,
  );
  const strip = (title: string, figuresOf: (frame: number) => Figure[]) =>
    drawStrip(
      title,
      frames.map((f) => drawPixels(render(figuresOf(f)), CAMERA.width, `${title}, frame ${f}`)),
    );
  const strips = [
    strip('Arm alone', (f) => [armOf(episode, f)]),
    strip('Arm with the pendulum in view', (f) => [pendulumOf(episode, f), armOf(episode, f)]),
    strip(
      'Pendulum alone: its place is what leakage is measured against; the model never sees it by itself',
      (f) => [pendulumOf(episode, f)],
    ),
  ];
  const seconds = SHOWN.apart * settings.stepsPerFrame * TIMESTEP;
  return figureHtml(
    strips.join(''),
    `Frames of the first episode, ${seconds.toFixed(1)} s apart, as the camera records them: these ${CAMERA.width} x ${CAMERA.height} grey levels, from 0 (black) to 1 (white), are all that the model sees.`,
  );
}

/** A metric against the latent dimension, for the arm alone and for both objectives with the pendulum in view. */
function compare({ arm, both }: Demo, name: Shown, title: string, label: string): Promise<string> {
  const points = (rows: ReturnType<typeof rowsOf>) =>
    rows.map((row): [number, number] => [row.latentDim, row.metrics[name]?.value ?? Number.NaN]);
  const lines: Line[] = [
    { ...ARM_ALONE, points: points(rowsOf(arm)) },
    { ...PLAIN, points: points(rowsOf(both)) },
    { ...LABELLED, points: points(rowsOf(both, WEIGHT)) },
  ];
  return drawLines({
    x: { title: 'latent dimensions', values: LATENT_DIMS },
    y: { title, domain: [0, 1] },
    lines,
    label: `${label}, against the number of latent dimensions`,
  });
}

/** What z is made of, with the pendulum in view and no labels: the first thing to look at. */
async function madeOfFigure(demo: Demo): Promise<string> {
  const rows = rowsOf(demo.both);
  const drawing = await drawLines({
    x: { title: 'latent dimensions', values: LATENT_DIMS },
    y: { title: 'share of the latent', domain: [0, 1] },
    lines: PARTS.map(([part, name], i) => ({
      name,
      colour: [1, 0, 3, 5][i],
      points: rows.flatMap((row): [number, number][] => {
        const value = row.madeOf?.[part].value;
        return value === null || value === undefined ? [] : [[row.latentDim, value]];
      }),
    })),
    label: 'What the latent is made of, against the number of latent dimensions',
  });
  const k = comparedAt(demo);
  const at = rows.find((row) => row.latentDim === k)?.madeOf;
  const told = PARTS.map(([part, name]) => `${name} ${shareOf(at?.[part])}`).join(', ');
  return `${figureHtml(
    drawing,
    'What the latent is made of under plain reconstruction, with the pendulum in view: the share of its variance, beyond what the present image and the place of the pendulum tell, that is explained by what is new in that place (exogenous), by the action, by either as well as by the other (both), by none of the two (neither).',
  )}<p>At ${k} dimensions, with 95 % intervals: ${told}.</p>`;
}

async function errorFigure(demo: Demo): Promise<string> {
  return figureHtml(
    await compare(
      demo,
      'actionError',
      'action unexplained (share)',
      'Share of the action that the latent misses',
    ),
    `How much of the action the latent misses (actionError: 0 nothing, 1 all). The pendulum takes the dimensions that the arm had to itself. Action labels (weight ${WEIGHT}) give them back; they need as many dimensions as the action has, ${demo.both.actionDim}.`,
  );
}

async function leakageFigure(demo: Demo): Promise<string> {
  return figureHtml(
    await compare(
      demo,
      'innovationLeakage',
      'pendulum carried (share)',
      'Share of the pendulum that the latent carries',
    ),
    'How much of the pendulum the latent carries (innovationLeakage): the share of what is new in where it is next, given the present image and where it is now. The grey line is the control: out of view, nothing can leak. Labels put the action first; dimensions left over still fill with the pendulum.',
  );
}

async function spectrumFigure({ arm, both }: Demo): Promise<string> {
  const points = (a: Analysis) =>
    a.spectrum.slice(0, DIRECTIONS).map((value, i): [number, number] => [i + 1, value]);
  const drawing = await drawLines({
    x: { title: 'direction, by falling variance', values: [1, 4, 8, 12, 16, 20, 24] },
    y: { title: 'variance (grey levels squared)', scale: 'log' },
    lines: [
      { ...ARM_ALONE, name: 'arm alone', points: points(arm) },
      { ...PLAIN, name: 'pendulum in view', points: points(both) },
    ],
    label: 'Variance of what is new in the next image along its leading directions',
  });
  return figureHtml(
    drawing,
    "Why: reconstruction keeps the directions along which the next image varies most beyond what the present one predicts, whoever moves them. k latent dimensions are the k leftmost points. With the pendulum in view, its directions rank among the arm's.",
  );
}

async function weightFigure({ both }: Demo): Promise<string> {
  const da = both.actionDim;
  const points = (name: Shown) =>
    WEIGHTS.map((weight): [number, number] => [weight, metric(rowsOf(both, weight), da, name)]);
  const drawing = await drawLines({
    x: { title: 'weight, levels²/(rad/s)²', scale: 'log', values: WEIGHTS },
    y: { title: 'share', domain: [0, 1] },
    lines: [
      { name: 'action unexplained', points: points('actionError'), colour: 2 },
      { name: 'pendulum carried', points: points('innovationLeakage'), colour: 3 },
    ],
    label: `Action unexplained and pendulum carried by ${da} latent dimensions, against the weight of the action labels`,
  });
  return figureHtml(
    drawing,
    `How much supervision it takes, at ${da} latent dimensions with the pendulum in view. The weight is in squared grey levels for each squared rad/s of the action. Every transition is labelled here; in the objective, labels on a share f of them with weight w count as f times w.`,
  );
}

function numbers({ arm, both }: Demo): string {
  const [alone, plain, labelled] = [rowsOf(arm), rowsOf(both), rowsOf(both, WEIGHT)];
  const cell = (rows: ReturnType<typeof rowsOf>, k: number, name: Shown) =>
    shareOf(rows.find((row) => row.latentDim === k)?.metrics[name]);
  const tables = (
    [
      ['Action missed (actionError)', 'actionError'],
      ['Pendulum carried (innovationLeakage)', 'innovationLeakage'],
      ['Clean image missed (endogenousError)', 'endogenousError'],
    ] as const
  ).map(([title, name]) => {
    const rows = LATENT_DIMS.map((k) => [
      String(k),
      ...[alone, plain, labelled].map((r) => cell(r, k, name)),
    ]);
    return `<div style="flex:1 1 15rem"><b>${title}</b>${tableHtml(['k', 'alone', 'pendulum', 'labels'], rows)}</div>`;
  });
  return `<div class="row" style="align-items:end">${tables.join('')}</div>`;
}

/** The page of one run: every number in it comes from `demo`. */
export async function demoPage(demo: Demo): Promise<string> {
  const { settings, views, both } = demo;
  const k = comparedAt(demo);
  const drawn = [];
  for (const draw of [errorFigure, leakageFigure, spectrumFigure, weightFigure]) drawn.push(await draw(demo));
  const row = (list: readonly string[]) => `<div class="row">${list.join('')}</div>`;
  return page({
    title: 'Does a latent action hold the action, or the clutter behind it?',
    lead: 'A robot arm moves in front of a swinging pendulum. A latent action model watches pairs of frames and sums up what changed in a few numbers. Whose motion do they describe?',
    sections: [
      {
        html: `<div class="verdict">${verdict(demo)
          .map((sentence) => escapeHtml(sentence))
          .join('<br>')}</div>`,
      },
      { title: 'What the latent is made of', html: await madeOfFigure(demo) },
      {
        title: 'The scene',
        html: `<p>Real physics (MuJoCo): ${settings.episodes} episodes of ${settings.frames - 1} control steps of ${(settings.stepsPerFrame * TIMESTEP).toFixed(1)} s. The arm's two joints follow commanded speeds, the action: a pull back to the home pose plus a random part (standard deviation ${settings.policyNoise} rad/s) that nothing in the picture predicts. The double pendulum hangs behind the arm and swings freely; random gusts (standard deviation ${settings.gust} N) keep it going. The two never touch, and no action moves the pendulum. From one frame to the next the image changes by ${views.motion.arm.toFixed(2)} for the arm alone and by ${views.motion.pendulum.toFixed(2)} for the pendulum alone (squared grey levels, summed over the pixels).</p>${scene(demo)}`,
      },
      {
        title: 'What the latent holds',
        html: `<p>These are exact minima of a linear latent action model on the pixels, found from second moments without training: every figure is from episodes that the model was not fitted to (${new Set(both.folds).size} folds of ${both.transitions} transitions), with a 95 % interval in the tables. The camera is not linear, so that even the arm alone needs ${k} dimensions, not ${both.actionDim}, until little of its action is missing (${percentOf(estimateOf(rowsOf(demo.arm), k, 'actionError'))} at ${k}).</p>${row(drawn.slice(0, 2))}${row(drawn.slice(2))}`,
      },
      {
        title: 'The numbers',
        html: `${numbers(demo)}<p>k: number of latent dimensions; alone: arm alone, reconstruction; pendulum: pendulum in view, reconstruction; labels: pendulum in view, action labels of weight ${WEIGHT}. <b>actionError</b>: variance of the action left once the present image and the latent are known, over that left by the present image alone (0: the latent fixes the action; 1: it knows nothing of it). <b>innovationLeakage</b>: one minus the same for the place of the pendulum's joints and tip, given where they are now too; on held-out data chance can push it a little below 0. <b>endogenousError</b>: as actionError, for the next image of the arm as it would be without the pendulum.</p>`,
      },
      {
        title: 'Settings',
        html: `<p>The same settings on the same machine give the same figures.</p>${codeHtml(settingsOf(demo))}`,
      },
    ],
    footer:
      "The question, and the claims that reconstruction encodes exogenous information from the future observation (C1) and that action supervision is a remedy (C3), are those of the abstract of Why Latent Actions Fail, and How to Prevent It (arXiv:2605.20223), whose claims exolam numbers C1 to C4. The measures and statements on this page are exolam's own formalisation, not that paper's theorems. The linear latent action model is that of What Do Latent Action Models Actually Learn? (arXiv:2506.15691).",
  });
}
