import { lineChart, type Series } from '../report/charts.js';
import { shareOf } from '../verdict/figures.js';
import { NONLINEAR_REMEDIES } from './nonlinear-runs.js';
import { type RealComparison, type RealFigure, realComparisons } from './real-figures.js';
import { MEASURES, type RealMeasure, realRows, trainedOf, wholeOf } from './real-runs.js';
import { pairsOf, type RealSpec } from './real-spec.js';
import type { ReproduceSpec } from './spec.js';
import { need, type Run, type Study } from './study.js';
import { rowsOf, type Table, tableOf } from './table.js';

/** Ends of the axes. */
const LEAST = -0.5;
const MOST = 2;

/** What each measure is, as a table's header says it. */
const MEANINGS: Readonly<Record<RealMeasure, string>> = {
  leakage: "innovationLeakage by a nonlinear probe: of x' given o and x, what z says",
  actionError: 'by a nonlinear probe: of the action given o, what z leaves',
  rawActionError: 'the same by z alone',
  rawInnovationError: 'what is new in the exogenous state, left by a nonlinear probe of z alone',
  linearLeakage: 'innovationLeakage by a linear probe',
  linearActionError: 'actionError by a linear probe',
  shareExogenous: 'of z given o and x, what the exogenous innovation says (linear)',
  consistencyError: 'how far z moves under the distractor of another episode',
};

/** One study of the user's own data: C1 to C3 on models that are trained on it. */
export const real: Study = {
  name: 'real',
  title: 'Nonlinear models, trained, on the data given',
  theorems: [],
  claims: ['C4'],
  cost: 60,
  async measure(run: Run) {
    const { data } = run;
    if (!data) return [];
    const rows = await realRows(run, data, run.advance);
    const share = 'share of variance';
    const measures = MEASURES.flatMap((measure): [string, [string, string]][] => [
      [measure, [MEANINGS[measure], share]],
      [wholeOf(measure), ['what that is a share of', 'sum of squares']],
      [trainedOf(measure), ['the same on the episodes that model and probe were fitted on', share]],
    ]);
    const columns = {
      remedy: ['objective'],
      seed: ['of the start of the model and of the order of its rows'],
      heldOut: ['group of episodes that the row is judged on; spec.real.groups has their numbers'],
      beside: ['group that was held out of the same model'],
      rows: ['judged'],
      loss: ['mean training loss of the last quarter of the steps', 'squared error'],
      ...Object.fromEntries(measures),
    } as const;
    return [tableOf('real', 'What latents of nonlinear models trained on the data carry', columns, rows)];
  },
  read(tables, spec) {
    const own = spec.real as RealSpec;
    const all = realComparisons(tables, own);
    return { sentence: sentenceOf(all, own), drawings: [drawingOf(need(tables, 'real'), spec, own)] };
  },
};

/** "6 episodes", or "6 groups of 50 episodes". */
export function episodesOf({ groups }: RealSpec): string {
  const episodes = groups.reduce((all, group) => all + group.length, 0);
  return episodes === groups.length
    ? `${episodes} episodes`
    : `${groups.length} groups of ${episodes} episodes`;
}

/** "0.24 (0.14 to 0.35)" over models, or over episodes; "not measurable" where it is not. */
export const overModels = ({ models }: RealFigure) =>
  Number.isFinite(models.value) ? shareOf({ ...models, training: null, reason: null }) : 'not measurable';
export const overEpisodes = ({ episodes }: RealFigure) =>
  episodes.reason === null ? shareOf(episodes) : `not measurable: ${episodes.reason}`;

/** What a remedy does beside reconstruction, as far as it can be told. */
export function effectOf({ lower }: RealComparison): string {
  const words = (
    [
      ['leakage', 'leaks less', 'leaks more'],
      ['actionError', 'knows the action better', 'knows the action worse'],
      ['consistencyError', 'is steadier', 'is less steady'],
    ] as const
  ).flatMap(([measure, less, more]) => {
    const { verdict } = lower[measure];
    return verdict === 'cannot tell' ? [] : [verdict === 'holds' ? less : more];
  });
  return words.join(', ') || 'no help that could be told';
}

function sentenceOf(all: readonly RealComparison[], spec: RealSpec): string {
  const [plain, ...others] = all as [RealComparison, ...RealComparison[]];
  const { leakage, shareExogenous, actionError } = plain.figures;
  const trained = `in training ${trainedShare(leakage)} of what is new in the distractor, and ${trainedShare(shareExogenous)} of z is distractor`;
  return `On ${spec.data.path} (${episodesOf(spec)}, ${spec.transitions} transitions), probes find in z of a model that reconstructs ${overModels(leakage)} of what is new in the distractor on held-out episodes, mean over ${pairsOf(spec).length} models; for other episodes than these ${overEpisodes(leakage)}; ${trained}. It leaves ${overModels(actionError)} of the action. Beside it, ${others.map((c) => `${c.name}: ${effectOf(c)}`).join('; ')}. Said where the intervals over models do not overlap and the jackknifed difference, for other episodes, is on the same side.`;
}

const trainedShare = ({ episodes }: RealFigure) => `${Math.round(100 * episodes.training)}\u00a0%`;

function drawingOf(table: Table, { nonlinear }: ReproduceSpec, spec: RealSpec) {
  const rows = rowsOf(table);
  const points = (x: string, y: string) =>
    NONLINEAR_REMEDIES.map(
      ({ id, colour }): Series => ({
        colour,
        mark: 'point',
        rows: rows
          .filter((row) => row['remedy'] === id)
          .map((row) => ({ x: Number(row[x]), y: Number(row[y]) }))
          .filter((point) => !Number.isNaN(point.x + point.y))
          // Worse than without z: at the edge.
          .map((point) => ({ x: Math.max(LEAST, point.x), y: Math.min(MOST, point.y) })),
      }),
    );
  const panel = (title: string, x: string, y: string) =>
    lineChart(
      title,
      { field: 'x', title: 'leakage by a nonlinear probe (share of variance)', domain: [LEAST, 1] },
      { field: 'y', title: 'action error by a nonlinear probe (share of variance)', domain: [0, MOST] },
      points(x, y),
    );
  return {
    name: 'real',
    title: 'What the latents of models trained on the data carry, and what they miss',
    key: NONLINEAR_REMEDIES.map(({ name, claim, colour }) => ({
      kind: 'point' as const,
      label: `${name} (${claim})`,
      colour,
    })),
    panels: [
      panel('episodes held out', 'leakage', 'actionError'),
      panel('in training: model and probe fitted on them', trainedOf('leakage'), trainedOf('actionError')),
    ],
    caption: `A point is a model, on one held-out group of episodes, or in training: left it leaks nothing of what is new in the distractor, below it knows the action; left of 0 and above 1 a probe does worse with z than without, and the edge stands for all that lies beyond it. Every two of ${episodesOf(spec)} are held out once, from models with a start and an order of rows of their own. Encoder and decoder have a hidden layer of ${nonlinear.hidden.join(', ')} units, the prediction is o plus what the decoder gives; latent dimension ${spec.latentDim}; Adam, batches of ${nonlinear.batchSize}, ${spec.steps} steps. Weight ${nonlinear.weight}, penalty ${nonlinear.penalty}; the representation is the best linear prediction of the clean observation. Distractor: mirrored frames of the next episode, times ${spec.data.distractor}, which may be one that was trained on.`,
  };
}
