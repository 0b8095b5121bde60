import { nameOfObjective } from '../solve/objectives.js';
import type { Analysis } from '../verdict/analysis.js';
import { shareOf } from '../verdict/figures.js';
import { NAME_OF, PARTS, READINGS } from '../verdict/readings.js';
import { actionOf, enoughOf, labelledOf, spreadOf, strengthOf } from '../verdict/table-words.js';
import { figure, table } from './table.js';

const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

/** The readable form: the answer first, then its evidence, a table for each objective, what remedies would do. */
export function render(a: Analysis): string {
  return [
    a.verdict.sentence,
    ...a.verdict.evidence.map((text) => `  ${text}`),
    ...(a.verdict.evidence.length > 0
      ? [`  (at latentDim ${a.verdict.latentDim}: ${a.verdict.because})`]
      : []),
    '',
    ...sourceLines(a),
    '',
    ...madeOfTable(a),
    ...objectiveTables(a),
    ...remedyTable(a),
    ...labelTable(a),
  ].join('\n');
}

function sourceLines(a: Analysis): string[] {
  const absent = a.absentEpisodes ? ` (${a.absentEpisodes} more are listed, but their files are absent)` : '';
  return [
    `${count(a.transitions, 'transition')} from ${count(a.episodes, 'episode')}${absent}; observation ${a.observationDim} wide, action ${actionOf(a)}`,
    ...(a.latent.length > 0 ? [judgedOn(a)] : []),
  ];
}

const judgedOn = (a: Analysis) =>
  `every figure but the loss (a minimum over all rows) on ${a.unit === 'episode' ? 'episodes' : `blocks (of ${a.units}, cut from one long episode)`} that the model was not trained on, ${new Set(a.folds).size} folds; in brackets the 95 % interval`;

/** What z of the first objective is made of, before everything else that is measured. */
function madeOfTable({ latent }: Analysis): string[] {
  const [first] = latent.map((row) => JSON.stringify(row.objective));
  const rows = latent.filter((row) => JSON.stringify(row.objective) === first && row.madeOf);
  if (rows.length === 0) return [];
  return [
    `what z is made of, ${nameOfObjective(JSON.parse(first))}: shares of its variance beyond what the present state tells (exogenous + action - both + neither = 1)`,
    table(
      ['latentDim', ...PARTS.map(([, name]) => name)],
      rows.map(({ latentDim, madeOf }) => [
        String(latentDim),
        ...PARTS.map(([part]) => shareOf(madeOf?.[part])),
      ]),
    ),
    '',
  ];
}

function objectiveTables(a: Analysis): string[] {
  const kinds = [...new Set(a.latent.map((row) => JSON.stringify(row.objective)))];
  return kinds.flatMap((kind) => {
    const rows = a.latent.filter((row) => JSON.stringify(row.objective) === kind);
    const present = READINGS.filter(([metric]) => rows.some((row) => row.metrics[metric] !== undefined));
    return [
      nameOfObjective(JSON.parse(kind)),
      table(
        ['latentDim', 'loss', ...present.map(([, title]) => title)],
        rows.map((row) => [
          String(row.latentDim),
          figure(row.loss, 4),
          ...present.map(([metric]) => shareOf(row.metrics[metric])),
        ]),
      ),
      '',
    ];
  });
}

function remedyTable({ remedies, level }: Analysis): string[] {
  const [first] = remedies;
  if (!first) return [];
  const leakage = first.after.innovationLeakage ? 'innovationLeakage' : 'futureLeakage';
  const columns = ([leakage, 'latentShare.exogenous', 'actionError'] as const).filter((metric) =>
    remedies.some((r) => r.after[metric] !== undefined),
  );
  return [
    `remedies at latentDim ${first.latentDim}: the least strength that brings z to a level of ${level}, chosen on other episodes than those it is judged on; intervals are of models with these strengths`,
    table(
      ['remedy', 'strength', 'helps', ...columns.map((metric) => NAME_OF.get(metric) ?? metric)],
      [
        ['none', '', '', ...columns.map((metric) => shareOf(first.before[metric]))],
        ...remedies.map((r) => [
          r.remedy,
          strengthOf(r),
          r.reached === 'cannot-tell' ? 'cannot tell' : r.reached,
          ...columns.map((metric) => shareOf(r.after[metric])),
        ]),
      ],
    ),
    ...remedies.flatMap((r) => (r.note ? [`${r.remedy}: ${r.note}`] : [])),
    '',
  ];
}

function labelTable({ labels, level }: Analysis): string[] {
  if (!labels) return [];
  const leakage = labels.metric ? [NAME_OF.get(labels.metric) ?? labels.metric] : [];
  return [
    `labels at latentDim ${labels.latentDim} (weight ${Number(labels.weight.toPrecision(3))}): trained with so many, judged on other episodes; in brackets what 90 % of ${labels.draws} draws of labels give`,
    table(
      ['labelled', ...leakage, 'action error'],
      [...labels.transitions, ...labels.episodes].map((point) => [
        labelledOf(point),
        ...(labels.metric ? [spreadOf(point.leakage, point.reasons.leakage)] : []),
        spreadOf(point.actionError, point.reasons.actionError),
      ]),
    ),
    ...enoughOf(labels, level),
    '',
  ];
}
