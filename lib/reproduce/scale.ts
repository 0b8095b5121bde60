import { lineChart, type Series } from '../report/charts.js';
import type { Case } from '../solve/population.js';
import { toldScale } from './claims.js';
import { REMEDIES } from './remedies.js';
import { MIXING_NAMES, MIXINGS } from './spec.js';
import { need, percent, type Run, type Study, solveAll } from './study.js';
import { type Row, rowsOf, spread, tableOf } from './table.js';

/** Leakage and action error of every remedy as the exogenous state moves more and more. */
export const scale: Study = {
  name: 'scale',
  title: 'Every remedy against the size of the exogenous motion',
  theorems: ['T2', 'T3', 'T4', 'T5', 'T6'],
  claims: ['C1', 'C2', 'C3'],
  cost: 6,
  async measure(run: Run) {
    const { world, strengths, latentDim, exogenousScales, worlds, seed } = run.spec;
    const keys: Row[] = [];
    const cases: Case[] = [];
    for (const mixing of MIXINGS)
      for (const remedy of REMEDIES)
        for (const exogenousScale of exogenousScales)
          for (let i = 0; i < worlds; i++) {
            const setting = { ...world, mixing, exogenousScale, seed: seed + i };
            keys.push({ mixing, remedy: remedy.id, exogenousScale, seed: seed + i });
            cases.push({ world: setting, objective: remedy.objective(setting, strengths), latentDim });
          }
    const solutions = await solveAll(cases, run);
    return [
      tableOf(
        'scale',
        'futureLeakage and actionError of each remedy',
        {
          mixing: ['how the two states share the observation'],
          remedy: ['objective'],
          exogenousScale: [
            "standard deviation of the exogenous innovation; the action's is 1",
            'action innovations',
          ],
          seed: ['of the world'],
          futureLeakage: ['share of the exogenous innovation that z carries', 'share of variance'],
          actionError: ['share of the action that z leaves unexplained', 'share of variance'],
          consistencyError: ['how far z moves when the exogenous state is drawn again', 'share of variance'],
        },
        solutions.map(({ metrics }, i) => ({
          ...keys[i],
          futureLeakage: metrics.futureLeakage as number,
          actionError: metrics.actionError as number,
          consistencyError: metrics.consistencyError as number,
        })),
      ),
    ];
  },
  read(tables, spec) {
    const rows = spread(
      rowsOf(need(tables, 'scale')),
      ['mixing', 'remedy', 'exogenousScale'],
      ['futureLeakage', 'actionError'],
    );
    const ends = [spec.exogenousScales[0], spec.exogenousScales.at(-1)] as [number, number];
    const panels = (['futureLeakage', 'actionError'] as const).flatMap((metric) =>
      MIXINGS.map((mixing) => {
        const series = REMEDIES.map(
          ({ id, colour, dash }): Series => ({
            colour,
            dash,
            band: mixing === 'gaussian',
            rows: rows
              .filter((row) => row['mixing'] === mixing && row['remedy'] === id)
              .map((row) => ({
                x: row['exogenousScale'] as number,
                y: row[metric] as number,
                low: row[`${metric}Least`] as number,
                high: row[`${metric}Greatest`] as number,
              })),
          }),
        );
        const limits = REMEDIES.map((r) => ({
          at: Math.sqrt(r.criticalRatio(spec.strengths)),
          colour: r.colour,
        }));
        const name = metric === 'futureLeakage' ? 'future leakage' : 'action error';
        return lineChart(
          `${name}, ${MIXING_NAMES[mixing]} mixing`,
          {
            field: 'x',
            title: 'exogenous scale √β (action innovation = 1)',
            log: true,
            domain: ends,
            ticks: [0.25, 0.5, 1, 2, 4, 8],
          },
          { field: 'y', title: `${name} (share of variance)`, domain: [0, 1] },
          series,
          mixing === 'orthonormal' ? limits.filter(({ at }) => at < ends[1]) : [],
        );
      }),
    );
    const { gain, weight, penalty } = spec.strengths;
    const crossed = Math.max(
      ...rows
        .filter((row) => row['remedy'] === 'cross-exogenous')
        .map((row) => row['futureLeakageGreatest'] as number),
    );
    const told = toldScale(spec);
    const leakage = (remedy: string) =>
      rows.find(
        (r) => r['mixing'] === 'gaussian' && r['remedy'] === remedy && r['exogenousScale'] === told,
      )?.['futureLeakage'] as number;
    const all = REMEDIES.map((r) => `${percent(leakage(r.id))} (${r.name})`).join(', ');
    return {
      sentence: `Where the exogenous state moves ${told.toPrecision(2)} times as far as the action, in overlapping worlds, z carries this much of what is new in it, in the mean of ${spec.worlds}: ${all}.`,
      drawings: [
        {
          name: 'scale',
          title: 'What z carries and what it misses, for each remedy',
          key: [
            ...REMEDIES.map(({ name, colour, dash, theorem, claim }) => ({
              kind: 'line' as const,
              label: `${name} (${claim}, ${theorem})`,
              colour,
              dash,
            })),
            { kind: 'band', label: `least to greatest of ${spec.worlds} worlds`, colour: '#868e96' },
          ],
          panels,
          caption: `Future leakage: share of the new part of the exogenous state that the latent action carries (0 is best). Action error: share of the action that it leaves unexplained (0 is best). From left to right the exogenous state moves more; latent dimension ${spec.latentDim}, one for each action dimension. Orthonormal mixing: the two states reach the observation in orthogonal directions, every world gives the same curve, and thin vertical lines are the theory's critical scales, in each remedy's colour. Overlapping mixing: random directions, mean of ${spec.worlds} worlds with a band from the least to the greatest. Strengths: gain ${gain}, supervision weight ${weight}, penalty ${penalty}. Cross-exogenous reconstruction leaks at most ${crossed.toExponential(1)} throughout. Exact solutions for infinite data, no training.`,
        },
      ],
    };
  },
};
