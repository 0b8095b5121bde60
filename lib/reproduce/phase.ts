import { BOUNDARY_CASING, fieldChart, RAMP } from '../report/charts.js';
import type { Case } from '../solve/population.js';
import { REMEDIES, type Remedy, type Strength } from './remedies.js';
import { cellsOf, geometric, MIXING_NAMES, MIXINGS, type Mixing, type ReproduceSpec } from './spec.js';
import { need, type Reading, type Run, type Study, solveAll } from './study.js';
import { type Row, rowsOf, type Table, tableOf } from './table.js';

type Tunable = Remedy & { readonly strength: Strength };

const TICKS = {
  gain: [0.1, 0.2, 0.5, 1, 2],
  weight: [0.1, 1, 10, 100],
  penalty: [0.1, 1, 10],
} as const;

const STRENGTH_COLUMN = { gain: 'no unit', weight: 'alpha / policyNoise^2', penalty: 'no unit' } as const;

const nameOf = ({ id }: Tunable) => `phase-${id}`;

/** Every pair of a variance ratio and a strength, ratios first. */
function cells({ strength }: Tunable, spec: ReproduceSpec) {
  return cellsOf(spec.phase.ratio).flatMap((ratio) =>
    cellsOf(spec.phase[strength.edges]).map((level) => ({ ratio, level })),
  );
}

async function measure(remedy: Tunable, run: Run): Promise<Table[]> {
  const { strength } = remedy;
  const name = nameOf(remedy);
  const { spec } = run;
  const settings: { mixing: Mixing; worlds: number }[] = [
    { mixing: 'orthonormal', worlds: 1 }, // the same in every such world
    { mixing: 'gaussian', worlds: spec.phase.worlds },
  ];
  const all = cells(remedy, spec);
  const rows: Row[] = [];
  const cases: Case[] = settings.flatMap(({ mixing, worlds }) =>
    all.flatMap(({ ratio, level }) =>
      Array.from({ length: worlds }, (_, i) => {
        const world = {
          ...spec.world,
          mixing,
          exogenousScale: Math.sqrt(ratio.middle),
          seed: spec.seed + i,
        };
        const strengths = { ...spec.strengths, [strength.edges]: level.middle };
        return { world, objective: remedy.objective(world, strengths), latentDim: spec.latentDim };
      }),
    ),
  );
  const solutions = await solveAll(cases, run);
  let at = 0;
  for (const { mixing, worlds } of settings)
    for (const { ratio, level } of all) {
      const leaks = solutions.slice(at, at + worlds).map(({ metrics }) => metrics.futureLeakage as number);
      at += worlds;
      rows.push({
        mixing,
        ratio: ratio.middle,
        strength: level.middle,
        futureLeakage: leaks.reduce((a, b) => a + b, 0) / worlds,
        least: Math.min(...leaks),
        greatest: Math.max(...leaks),
        worlds,
      });
    }
  return [
    tableOf(
      name,
      `futureLeakage over variance ratio and strength: ${remedy.name}`,
      {
        mixing: ['how the two states share the observation'],
        ratio: ['beta / alpha: variance of an exogenous over that of an action innovation'],
        strength: [strength.symbol, STRENGTH_COLUMN[strength.edges]],
        futureLeakage: ['mean over worlds', 'share of variance'],
        least: ['least over worlds', 'share of variance'],
        greatest: ['greatest over worlds', 'share of variance'],
        worlds: ['how many'],
      },
      rows,
    ),
  ];
}

/** One field a mixing, and the theory's boundary. */
function panelsOf({ strength }: Tunable, rows: readonly Row[], spec: ReproduceSpec) {
  const edges = spec.phase[strength.edges];
  const ratios = cellsOf(spec.phase.ratio);
  const levels = cellsOf(edges);
  const boundary = geometric(spec.phase.ratio.from, spec.phase.ratio.to, 400)
    .map((x) => ({ x, y: strength.critical(x) }))
    .filter(({ y }) => y >= edges.from && y <= edges.to);
  return MIXINGS.map((mixing) => {
    const values = rows.filter((row) => row['mixing'] === mixing);
    // Same order as measured: ratios, then levels.
    const field = ratios.flatMap((ratio, i) =>
      levels.map((level, j) => ({
        xLow: ratio.low,
        xHigh: ratio.high,
        yLow: level.low,
        yHigh: level.high,
        value: values[i * levels.length + j]?.['futureLeakage'] as number,
      })),
    );
    return fieldChart(
      `${MIXING_NAMES[mixing]} mixing${mixing === 'gaussian' ? `, mean of ${spec.phase.worlds} worlds` : ''}`,
      {
        field: 'x',
        title: 'variance ratio β / α (exogenous / action innovation)',
        log: true,
        domain: [spec.phase.ratio.from, spec.phase.ratio.to],
        ticks: [0.25, 1, 4, 16, 64],
      },
      {
        field: 'y',
        title: strength.axis,
        log: true,
        domain: [edges.from, edges.to],
        ticks: TICKS[strength.edges],
      },
      field,
      boundary,
      mixing === 'gaussian',
    );
  });
}

/** What the field shows: rows of the table that {@link measure} made. */
function read(remedy: Tunable, rows: readonly Row[], spec: ReproduceSpec): Reading {
  const { strength } = remedy;
  const name = nameOf(remedy);
  const exact = rows.filter((row) => row['mixing'] === 'orthonormal');
  const wrong = exact.filter((row) => {
    const critical = strength.critical(row['ratio'] as number);
    const level = row['strength'] as number;
    const leaks = strength.safe === 'below' ? level > critical : level < critical;
    return leaks !== (row['futureLeakage'] as number) > 1e-6;
  }).length;
  return {
    sentence: `With orthonormal mixing ${wrong === 0 ? `all ${exact.length} cells` : `${exact.length - wrong} of ${exact.length} cells`} leak, or do not, as exolam's ${remedy.theorem} predicts from ${strength.symbol}.`,
    drawings: [
      {
        name,
        title: `Where z stops encoding the exogenous future: ${remedy.name}`,
        key: [
          { kind: 'ramp', from: 'future leakage 0', to: '1 (share of variance)', colours: RAMP },
          {
            kind: 'line',
            label: `predicted boundary ${strength.symbol} (dashed where it is only a guide)`,
            colour: '#fff',
            casing: BOUNDARY_CASING,
          },
        ],
        panels: panelsOf(remedy, rows, spec),
        caption: `Each cell is an exact solution. Colour: share of the exogenous innovation that z carries, dark for none. To the right the exogenous state varies more and more, the action's variance staying the same; ${strength.safe === 'below' ? 'downwards the representation dims the exogenous part more' : 'upwards the remedy weighs more'}. The white line is the boundary of exolam's ${remedy.theorem}: leakage vanishes ${strength.safe} it. It is exact for orthonormal mixing; where the two states overlap in the observation it is dashed, as a guide: there leakage fades gradually.${strength.edges === 'weight' ? ' policyNoise² is the variance of the action given the observation.' : ''} Latent dimension ${spec.latentDim}, no noise.`,
      },
    ],
  };
}

/** The field of futureLeakage over variance ratio and strength of one remedy, with the theory's boundary. */
function phase(remedy: Tunable): Study {
  const { id } = remedy;
  return {
    name: nameOf(remedy),
    title: `Phase diagram: ${remedy.name}`,
    theorems: [remedy.theorem],
    claims: [remedy.claim],
    cost: id === 'representation' ? 8 : 5,
    measure: (run) => measure(remedy, run),
    read: (tables, spec) => read(remedy, rowsOf(need(tables, nameOf(remedy))), spec),
  };
}

export const phases: readonly Study[] = REMEDIES.filter((r): r is Tunable => r.strength !== undefined).map(
  phase,
);
