import { lineChart, type Series } from '../report/charts.js';
import type { Case } from '../solve/population.js';
import { remedy } from './remedies.js';
import type { ReproduceSpec } from './spec.js';
import { need, type Run, type Study, solveAll } from './study.js';
import { type Row, rowsOf, spread, tableOf } from './table.js';

const IDS = ['action-supervised', 'exogenous-robust'] as const;
const COLOURS = ['#2f7ed8', '#e8590c', '#2b9a66'] as const;
/** Below this a share of variance is rounding and is not drawn. */
const FLOOR = 1e-10;

/** The rows of one remedy at one variance ratio, by strength. */
const rowsOfSetting = (rows: readonly Row[], id: string, ratio: number) =>
  rows.filter((r) => r['remedy'] === id && r['ratio'] === ratio);

/** Both errors over the strength, one panel a remedy. */
function panelsOf(rows: readonly Row[], spec: ReproduceSpec) {
  const { ratios, strengths } = spec.consistency;
  const ends: [number, number] = [strengths[0], strengths.at(-1) as number];
  const line = (id: string, ratio: number, metric: string) =>
    rowsOfSetting(rows, id, ratio)
      .filter((row) => (row[`${metric}Least`] as number) > FLOOR)
      .map((row) => ({
        x: row['relativeStrength'] as number,
        y: row[metric] as number,
        low: row[`${metric}Least`] as number,
        high: row[`${metric}Greatest`] as number,
      }));
  return IDS.map((id) =>
    lineChart(
      remedy(id).name,
      {
        field: 'x',
        title: 'strength / critical strength of orthonormal mixing',
        log: true,
        domain: ends,
        ticks: [0.01, 1, 100, 1e4],
      },
      {
        field: 'y',
        title: 'share of variance',
        log: true,
        domain: [FLOOR, 1],
        ticks: [1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1],
      },
      ratios.flatMap((ratio, i): Series[] => [
        { rows: line(id, ratio, 'consistencyError'), colour: COLOURS[i] as string, band: true },
        { rows: line(id, ratio, 'futureLeakage'), colour: COLOURS[i] as string, dash: [4, 3] },
      ]),
      [{ at: 1, colour: 'var(--text)', dash: [5, 4] }],
    ),
  );
}

/** How consistency and leakage fade with the strength of the auxiliary objectives, where the two states overlap. */
export const consistency: Study = {
  name: 'consistency',
  title: 'Auxiliary objectives make z consistent across exogenous states',
  theorems: ['T4', 'T6'],
  claims: ['C3'],
  cost: 2,
  async measure(run: Run) {
    const { world, latentDim, worlds, seed } = run.spec;
    const { ratios, strengths } = run.spec.consistency;
    const keys: Row[] = [];
    const cases: Case[] = [];
    for (const id of IDS)
      for (const ratio of ratios)
        for (const relative of strengths)
          for (let i = 0; i < worlds; i++) {
            const { strength, objective } = remedy(id);
            if (!strength) continue;
            const level = relative * strength.critical(ratio);
            const setting = {
              ...world,
              mixing: 'gaussian' as const,
              exogenousScale: Math.sqrt(ratio),
              seed: seed + i,
            };
            keys.push({ remedy: id, ratio, relativeStrength: relative, strength: level, seed: seed + i });
            cases.push({
              world: setting,
              objective: objective(setting, { ...run.spec.strengths, [strength.edges]: level }),
              latentDim,
            });
          }
    const solutions = await solveAll(cases, run);
    return [
      tableOf(
        'consistency',
        'consistencyError and futureLeakage against strength, overlapping mixing',
        {
          remedy: ['objective'],
          ratio: ['beta / alpha'],
          relativeStrength: ['strength over its critical value with orthonormal mixing'],
          strength: ['the strength itself'],
          seed: ['of the world'],
          consistencyError: ['how far z moves when the exogenous state is drawn again', 'share of variance'],
          futureLeakage: ['share of the exogenous innovation that z carries', 'share of variance'],
          actionError: ['share of the action that z leaves unexplained', 'share of variance'],
        },
        solutions.map(({ metrics }, i) => ({
          ...keys[i],
          consistencyError: metrics.consistencyError as number,
          futureLeakage: metrics.futureLeakage as number,
          actionError: metrics.actionError as number,
        })),
      ),
    ];
  },
  read(tables, spec) {
    const { ratios } = spec.consistency;
    const rows = spread(
      rowsOf(need(tables, 'consistency')),
      ['remedy', 'ratio', 'relativeStrength'],
      ['consistencyError', 'futureLeakage'],
    );
    const of = (id: string, ratio: number) => rowsOfSetting(rows, id, ratio);
    const power = (id: string, metric: string) => {
      const found = ratios.map((ratio) => {
        const [a, b] = of(id, ratio).slice(-2) as [Row, Row];
        const rise = (name: string) => Math.log((b[name] as number) / (a[name] as number));
        return rise(metric) / rise('relativeStrength');
      });
      const ends = [Math.min(...found), Math.max(...found)].map((v) => v.toFixed(2).replace('-', '−'));
      return ends[0] === ends[1] ? ends[0] : ends.join(' to ');
    };
    const powers = (metric: string) =>
      IDS.map((id) => `${power(id, metric)} (${remedy(id).name})`).join(' and ');
    return {
      sentence: `In overlapping worlds, at the greatest strengths, the future leakage goes as strength to the power ${powers('futureLeakage')}, where exolam's T4 and T6 predict −2; the consistency error goes as ${powers('consistencyError')}.`,
      drawings: [
        {
          name: 'consistency',
          title: 'Same action, same latent: consistency against strength',
          key: [
            ...ratios.flatMap((ratio, i) => [
              {
                kind: 'line' as const,
                label: `consistency error, β = ${ratio} α`,
                colour: COLOURS[i] as string,
              },
              {
                kind: 'line' as const,
                label: `future leakage, β = ${ratio} α`,
                colour: COLOURS[i] as string,
                dash: [4, 3],
              },
            ]),
            {
              kind: 'line',
              label: 'critical strength with orthonormal mixing',
              colour: 'var(--text)',
              dash: [5, 4],
            },
          ],
          panels: panelsOf(rows, spec),
          caption: `Consistency error: how far the latent action moves when the exogenous state is drawn again while state and action are held, relative to its own variance (0: the same action always gets the same latent). Both axes are logarithmic. Overlapping mixing, mean of ${spec.worlds} worlds (band: least to greatest, for the consistency error). Beyond the dashed line, where orthonormal mixing would be free of leakage altogether, a slope of −2 means that an error falls as 1 / strength².`,
        },
      ],
    };
  },
};
