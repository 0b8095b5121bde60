import { lineChart, type Series } from '../report/charts.js';
import type { Case } from '../solve/population.js';
import { geometric, MIXINGS } from './spec.js';
import { need, type Run, type Study, solveAll } from './study.js';
import { type Row, rowsOf, spread, tableOf } from './table.js';

const COLOURS = ['#2f7ed8', '#2b9a66', '#e8590c'] as const;

/** A share of variance below which it is rounding. */
const ROUNDING = 1e-20;

/** The powers by which a mean grows between the two least noises, over the exogenous scales: one, or the least and the greatest. */
function powers(rows: readonly Row[], metric: string): string {
  const scales = [...new Set(rows.map((row) => row['exogenousScale']))];
  const found = scales.map((scale) => {
    const [a, b] = rows.filter((row) => row['exogenousScale'] === scale);
    const rise = (name: string) => Math.log((b[name] as number) / (a[name] as number));
    return rise(metric) / rise('sensorNoise');
  });
  const [least, greatest] = [Math.min(...found).toFixed(2), Math.max(...found).toFixed(2)];
  return least === greatest ? least : `${least} to ${greatest}`;
}

/** Draws one metric against the noise, a band for each exogenous scale, and a guide of a power beside them. */
function panelOf(rows: readonly Row[], scales: readonly number[], noises: readonly number[]) {
  const ends: [number, number] = [noises[0], noises.at(-1) as number];
  return (metric: 'futureLeakage' | 'actionError', name: string, floor: number, power: number) => {
    const ticks = geometric(floor, 1, 1 + Math.round(-Math.log10(floor) / (floor < 1e-9 ? 3 : 2)));
    const guide = Math.max(
      ...rows.map((r) => (r[`${metric}Greatest`] as number) / (r['sensorNoise'] as number) ** power),
    );
    return lineChart(
      `${name}, overlapping mixing`,
      {
        field: 'x',
        title: 'sensor noise (action innovation = 1)',
        log: true,
        domain: ends,
        ticks: [0.001, 0.01, 0.1, 1],
      },
      { field: 'y', title: `${name} (share of variance)`, log: true, domain: [floor, 1], ticks },
      [
        {
          colour: 'var(--text)',
          dash: [5, 4],
          width: 1.5,
          rows: noises.map((x) => ({ x, y: 3 * guide * x ** power })).filter(({ y }) => y > floor && y < 1),
        },
        ...scales.map(
          (exogenousScale, i): Series => ({
            colour: COLOURS[i] as string,
            band: true,
            rows: rows
              .filter((r) => r['exogenousScale'] === exogenousScale)
              .filter((r) => (r[`${metric}Least`] as number) > floor)
              .map((r) => ({
                x: r['sensorNoise'] as number,
                y: r[metric] as number,
                low: r[`${metric}Least`] as number,
                high: r[`${metric}Greatest`] as number,
              })),
          }),
        ),
      ],
    );
  };
}

/** What is left of cross-exogenous reconstruction's zero leakage when the sensors are noisy. */
export const sensor: Study = {
  name: 'sensor',
  title: 'Cross-exogenous reconstruction with noisy sensors',
  theorems: ['T5'],
  claims: ['C3'],
  cost: 2,
  async measure(run: Run) {
    const { world, latentDim, worlds, seed } = run.spec;
    const { scales, noises } = run.spec.sensor;
    const keys: Row[] = [];
    const cases: Case[] = [];
    for (const mixing of MIXINGS)
      for (const exogenousScale of scales)
        for (const sensorNoise of [0, ...noises])
          for (let i = 0; i < worlds; i++) {
            keys.push({ mixing, exogenousScale, sensorNoise, seed: seed + i });
            cases.push({
              world: { ...world, mixing, exogenousScale, sensorNoise, seed: seed + i },
              objective: { kind: 'cross-exogenous' },
              latentDim,
            });
          }
    const solutions = await solveAll(cases, run);
    return [
      tableOf(
        'sensor',
        'futureLeakage of cross-exogenous reconstruction against sensor noise',
        {
          mixing: ['how the two states share the observation'],
          exogenousScale: ['standard deviation of the exogenous innovation', 'action innovations'],
          sensorNoise: ['standard deviation on every coordinate of the observation', 'action innovations'],
          seed: ['of the world'],
          futureLeakage: ['share of the exogenous innovation that z carries', 'share of variance'],
          actionError: ['share of the action that z leaves unexplained', 'share of variance'],
        },
        solutions.map(({ metrics }, i) => ({
          ...keys[i],
          futureLeakage: metrics.futureLeakage as number,
          actionError: metrics.actionError as number,
        })),
      ),
    ];
  },
  read(tables, spec) {
    const { scales, noises } = spec.sensor;
    const all = rowsOf(need(tables, 'sensor'));
    const silent = Math.max(
      ...all.filter((r) => r['sensorNoise'] === 0).map((r) => Math.abs(r['futureLeakage'] as number)),
    );
    const aligned = Math.max(
      ...all
        .filter((r) => r['mixing'] === 'orthonormal' && (r['sensorNoise'] as number) > 0)
        .map((r) => Math.abs(r['futureLeakage'] as number)),
    );
    const rows = spread(
      all.filter((row) => row['mixing'] === 'gaussian' && (row['sensorNoise'] as number) > 0),
      ['exogenousScale', 'sensorNoise'],
      ['futureLeakage', 'actionError'],
    );
    const panel = panelOf(rows, scales, noises);
    return {
      sentence: `Without sensor noise the greatest leakage of cross-exogenous reconstruction over all of these worlds is ${silent.toExponential(1)}${silent < ROUNDING ? ' (rounding)' : ''}, with it and orthonormal mixing ${aligned.toExponential(1)}${aligned < ROUNDING ? ' (rounding)' : ''}; in overlapping worlds, from a noise of ${noises[0]} to ${noises[1].toPrecision(2)}, leakage grows as noise to the power ${powers(rows, 'futureLeakage')} and the action error as ${powers(rows, 'actionError')}.`,
      drawings: [
        {
          name: 'sensor',
          title: 'Cross-exogenous reconstruction: what noisy sensors let in',
          key: [
            ...scales.map((s, i) => ({
              kind: 'line' as const,
              label: `exogenous scale ${s}`,
              colour: COLOURS[i] as string,
            })),
            {
              kind: 'line',
              label: 'for comparison: noise⁴ (leakage), noise² (action error)',
              colour: 'var(--text)',
              dash: [5, 4],
            },
          ],
          panels: [
            panel('futureLeakage', 'future leakage', 1e-15, 4),
            panel('actionError', 'action error', 1e-6, 2),
          ],
          caption: `The encoder sees one view, the target is another view of the same state and action with the exogenous state drawn again. Without sensor noise nothing leaks and z fixes the action, whatever the exogenous scale (exolam's T5). With it the action is seen through noise, and what noise hides of it is lost. Both axes are logarithmic; lines are means of ${spec.worlds} worlds, bands run from the least to the greatest, as far as they stay within the chart.`,
        },
      ],
    };
  },
};
