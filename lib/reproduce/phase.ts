import { ExolamError } from '../base/errors.js';
import { mergedCells } from '../report/cells.js';
import { BOUNDARY_CASING, fieldChart, RAMP } from '../report/charts.js';
import { type Configurations, solveColumns } from '../solve/columns.js';
import type { WorldSpec } from '../world/world.js';
import { REMEDIES, type Remedy, type Strength } from './remedies.js';
import { cellsOf, geometric, MIXING_NAMES, MIXINGS, type Mixing, type ReproduceSpec } from './spec.js';
import { breathe, need, type Reading, type Run, type Study } from './study.js';
import { type Row, rowsOf, type Table, tableOf } from './table.js';

type Tunable = Remedy & { readonly strength: Strength };

const TICKS = {
  gain: [0.1, 0.2, 0.5, 1, 2],
  weight: [0.1, 1, 10, 100],
  penalty: [0.1, 1, 10],
} as const;

const STRENGTH_COLUMN = { gain: 'no unit', weight: 'alpha / policyNoise^2', penalty: 'no unit' } as const;

const nameOf = ({ id }: Tunable) => `phase-${id}`;

const SOLVED = { metrics: ['futureLeakage'] } as const;

/** futureLeakage of every cell in one world, ratios first. */
async function leakages(remedy: Tunable, setting: WorldSpec, run: Run): Promise<Float64Array> {
  const { spec, signal, threads, backend } = run;
  const { edges, column } = remedy.strength;
  const options = { ...SOLVED, signal, threads, backend };
  const scales = cellsOf(spec.phase.ratio).map(({ middle }) => Math.sqrt(middle));
  const levels = cellsOf(spec.phase[edges]).map(({ middle }) => middle);
  const at = (level: number) => remedy.objective(setting, { ...spec.strengths, [edges]: level });
  const solve = async (level: number, columns: Configurations['columns']) => {
    await breathe(run);
    const latentDims = [spec.latentDim];
    const answer = await solveColumns({ world: setting, objective: at(level), latentDims, columns }, options);
    const found = answer.metrics.futureLeakage ?? new Float64Array();
    if (found.length !== answer.count || found.some(Number.isNaN))
      throw new ExolamError('numerical', `phase diagram of ${remedy.name}: a cell has no solution`);
    return found;
  };
  if (column) {
    const exogenousScale = Float64Array.from(scales.flatMap((value) => levels.map(() => value)));
    const strengths = Float64Array.from(scales.flatMap(() => levels));
    return solve(levels[0], { exogenousScale, [column]: strengths });
  }
  // A matrix of the objective depends on the strength: one call a level.
  const all = new Float64Array(scales.length * levels.length);
  for (const [j, level] of levels.entries()) {
    const found = await solve(level, { exogenousScale: Float64Array.from(scales) });
    for (const [i, value] of found.entries()) all[i * levels.length + j] = value;
  }
  return all;
}

async function measure(remedy: Tunable, run: Run): Promise<Table[]> {
  const { strength } = remedy;
  const name = nameOf(remedy);
  const { spec } = run;
  const settings: { mixing: Mixing; worlds: number }[] = [
    { mixing: 'orthonormal', worlds: 1 }, // the same in every such world
    { mixing: 'gaussian', worlds: spec.phase.worlds },
  ];
  const cells = cellsOf(spec.phase.ratio).flatMap((ratio) =>
    cellsOf(spec.phase[strength.edges]).map((level) => ({ ratio: ratio.middle, strength: level.middle })),
  );
  const rows: Row[] = [];
  let done = 0;
  for (const { mixing, worlds } of settings) {
    const leaks: Float64Array[] = [];
    for (let i = 0; i < worlds; i++) {
      leaks.push(await leakages(remedy, { ...spec.world, mixing, seed: spec.seed + i }, run));
      run.advance(++done, 1 + spec.phase.worlds);
    }
    for (const [c, cell] of cells.entries()) {
      const values = leaks.map((found) => found[c]);
      rows.push({
        mixing,
        ...cell,
        futureLeakage: values.reduce((sum, v) => sum + v, 0) / worlds,
        least: Math.min(...values),
        greatest: Math.max(...values),
        worlds,
      });
    }
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

/** The theory's boundary, up to the very edges of the chart: by ratio where it is flat and by strength where it is steep. */
function boundaryOf({ strength, criticalRatio }: Tunable, spec: ReproduceSpec) {
  const edges = spec.phase[strength.edges];
  const { ratio } = spec.phase;
  const byRatio = geometric(ratio.from, ratio.to, 200).map((x) => ({ x, y: strength.critical(x) }));
  const byStrength = geometric(edges.from, edges.to, 200).map((y) => ({
    x: criticalRatio({ ...spec.strengths, [strength.edges]: y }),
    y,
  }));
  return [...byRatio, ...byStrength]
    .filter(({ x, y }) => y >= edges.from && y <= edges.to && x >= ratio.from && x <= ratio.to)
    .sort((a, b) => a.x - b.x);
}

/** One field a mixing, and the theory's boundary. */
function panelsOf(remedy: Tunable, rows: readonly Row[], spec: ReproduceSpec) {
  const { strength } = remedy;
  const edges = spec.phase[strength.edges];
  const ratios = cellsOf(spec.phase.ratio);
  const levels = cellsOf(edges);
  const boundary = boundaryOf(remedy, spec);
  return MIXINGS.map((mixing) => {
    const values = rows.filter((row) => row['mixing'] === mixing);
    // Same order as measured: ratios, then levels.
    const field = mergedCells(
      ratios,
      levels,
      values.map((row) => row['futureLeakage'] as number),
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
        title: `Where the leak ends: ${remedy.name}`,
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
    cost: id === 'representation' ? 8 : 3,
    measure: (run) => measure(remedy, run),
    read: (tables, spec) => read(remedy, rowsOf(need(tables, nameOf(remedy))), spec),
  };
}

export const phases: readonly Study[] = REMEDIES.filter((r): r is Tunable => r.strength !== undefined).map(
  phase,
);
