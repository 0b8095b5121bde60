import { type Axis, barChart, type Limit, lineChart } from '../report/charts.js';
import type { Case } from '../solve/population.js';
import { MIXING_NAMES, MIXINGS, type ReproduceSpec } from './spec.js';
import { need, percent, type Run, type Study, solveAll } from './study.js';
import { type Row, rowsOf, tableOf } from './table.js';

const ACTION = '#2f7ed8';
const EXOGENOUS = '#e8590c';

/** The rows of one world. */
const rowsAt = (rows: readonly Row[], mixing: string, exogenousScale: number) =>
  rows.filter((row) => row['mixing'] === mixing && row['exogenousScale'] === exogenousScale);

/** One panel a world. */
const panelSettings = (spec: ReproduceSpec) =>
  MIXINGS.flatMap((mixing) =>
    spec.spectrum.scales.map((exogenousScale) => ({
      mixing,
      exogenousScale,
      title: `${MIXING_NAMES[mixing]}, exogenous scale ${exogenousScale}`,
    })),
  );

function modeAxis({ world }: ReproduceSpec): Axis {
  const modes = world.actionDim + world.exogenousDim;
  return {
    field: 'x',
    title: 'mode, strongest first',
    domain: [0.5, modes + 0.5],
    ticks: Array.from({ length: modes }, (_, i) => i + 1),
  };
}

/** The eigenvalues as bars, parted by what each mode holds. */
function barPanels(rows: readonly Row[], spec: ReproduceSpec) {
  const x = modeAxis(spec);
  const boundary: Limit = { at: spec.latentDim + 0.5, colour: 'var(--text)', dash: [5, 4] };
  return panelSettings(spec).map(({ mixing, exogenousScale, title }) => {
    const values = rowsAt(rows, mixing, exogenousScale).flatMap((row) => {
      const [mode, value] = [row['mode'] as number, row['eigenvalue'] as number];
      const split = value * (row['exogenousShare'] as number);
      return [
        { left: mode - 0.35, right: mode + 0.35, low: 0, high: split, who: 'exogenous' },
        { left: mode - 0.35, right: mode + 0.35, low: split, high: value, who: 'action' },
      ];
    });
    const same = rows.filter((row) => row['exogenousScale'] === exogenousScale);
    const top = 1.05 * Math.max(...same.map((row) => row['eigenvalue'] as number));
    const y: Axis = { field: 'low', title: 'variance (action innovation = 1)', domain: [0, top] };
    return barChart(title, x, y, values, ['exogenous', 'action'], [EXOGENOUS, ACTION], [boundary]);
  });
}

/** What z carries by its dimension. */
function linePanels(rows: readonly Row[], spec: ReproduceSpec) {
  const x = modeAxis(spec);
  return panelSettings(spec).map(({ mixing, exogenousScale, title }) => {
    const values = rowsAt(rows, mixing, exogenousScale);
    const line = (metric: string) =>
      values.map((row) => ({ x: row['mode'] as number, y: row[metric] as number }));
    return lineChart(
      title,
      { ...x, title: 'latent dimension k' },
      { field: 'y', title: 'share of variance', domain: [0, 1] },
      [
        { rows: line('futureLeakage'), colour: EXOGENOUS },
        { rows: line('futureLeakage'), colour: EXOGENOUS, mark: 'point' },
        { rows: line('actionError'), colour: ACTION, dash: [5, 3] },
        { rows: line('actionError'), colour: ACTION, mark: 'point' },
      ],
      [{ at: spec.latentDim, colour: 'var(--text)', dash: [5, 4] }],
    );
  });
}

/** The spectrum of the innovation, what each mode holds, and what each latent dimension takes of it. */
export const spectrum: Study = {
  name: 'spectrum',
  title: 'Reconstruction takes the strongest modes, whoever moves them',
  theorems: ['T1', 'T2', 'T8'],
  claims: ['C1'],
  cost: 0.2,
  async measure(run: Run) {
    const { world, seed } = run.spec;
    const modes = world.actionDim + world.exogenousDim;
    const settings = MIXINGS.flatMap((mixing) =>
      run.spec.spectrum.scales.map((exogenousScale) => ({ mixing, exogenousScale })),
    );
    const cases: Case[] = settings.flatMap(({ mixing, exogenousScale }) =>
      Array.from({ length: modes }, (_, i) => ({
        world: { ...world, mixing, exogenousScale, seed },
        objective: { kind: 'reconstruction' as const },
        latentDim: i + 1,
      })),
    );
    const solutions = await solveAll(cases, run);
    const rows = settings.flatMap(({ mixing, exogenousScale }, s): Row[] => {
      let [leakedBefore, knownBefore] = [0, 0];
      return Array.from({ length: modes }, (_, i) => {
        const { spectrum: values, metrics, loss } = solutions[s * modes + i];
        const leaked = (metrics.futureLeakage as number) * world.exogenousDim;
        const known = (1 - (metrics.actionError as number)) * world.actionDim;
        const [exogenous, action] = [leaked - leakedBefore, known - knownBefore];
        [leakedBefore, knownBefore] = [leaked, known];
        return {
          mixing,
          exogenousScale,
          mode: i + 1,
          eigenvalue: values[i],
          exogenousShare: Math.min(1, Math.max(0, exogenous / (exogenous + action))),
          futureLeakage: metrics.futureLeakage as number,
          actionError: metrics.actionError as number,
          loss,
        };
      });
    });
    return [
      tableOf(
        'spectrum',
        'eigenvalues of the innovation, and what latent dimensions up to each of them hold',
        {
          mixing: ['how the two states share the observation'],
          exogenousScale: ['standard deviation of the exogenous innovation', 'action innovations'],
          mode: ['number of the mode; also the latent dimension k of the columns that follow'],
          eigenvalue: ['variance of the mode', 'action innovation variance'],
          exogenousShare: ['share of the exogenous state in what the mode adds to z', 'share'],
          futureLeakage: ['with k = mode', 'share of variance'],
          actionError: ['with k = mode', 'share of variance'],
          loss: ['least reconstruction loss with k = mode', 'action innovation variance'],
        },
        rows,
      ),
    ];
  },
  read(tables, spec) {
    const rows = rowsOf(need(tables, 'spectrum'));
    const strong = spec.spectrum.scales.at(-1) as number;
    const at = (mixing: string) => rowsAt(rows, mixing, strong)[spec.latentDim - 1];
    const say = (mixing: string) =>
      `${percent(at(mixing)['futureLeakage'] as number)} of the exogenous innovation and leaves ${percent(at(mixing)['actionError'] as number)} of the action unexplained`;
    return {
      sentence: `At exogenous scale ${strong} and latent dimension ${spec.latentDim}, reconstruction encodes ${say('orthonormal')} in a world where the two states do not overlap, and ${say('gaussian')} in one where they do.`,
      drawings: [
        {
          name: 'spectrum',
          title: 'The spectrum of the innovation, and where the latent dimension cuts it',
          key: [
            { kind: 'point', label: 'moved by the exogenous state', colour: EXOGENOUS },
            { kind: 'point', label: 'moved by the action', colour: ACTION },
            {
              kind: 'line',
              label: `cut: latent dimension ${spec.latentDim}`,
              colour: 'var(--text)',
              dash: [5, 4],
            },
          ],
          panels: barPanels(rows, spec),
          caption: `Bars: variance of the directions in which the next observation differs from what the current one predicts, strongest first; colours: how much of each is the exogenous state's and how much the action's. Reconstruction keeps what is left of the cut and nothing else (exolam's T1, T2): without overlap that is the action where the exogenous state moves less than it, and the exogenous future where it moves more; with overlap a mode may hold something of both.`,
        },
        {
          name: 'latent-dimension',
          title: 'What z carries as it grows',
          key: [
            { kind: 'line', label: 'future leakage', colour: EXOGENOUS },
            { kind: 'line', label: 'action error', colour: ACTION, dash: [5, 3] },
            {
              kind: 'line',
              label: `latent dimension ${spec.latentDim} = action dimension`,
              colour: 'var(--text)',
              dash: [5, 4],
            },
          ],
          panels: linePanels(rows, spec),
          caption: `The same worlds. Without overlap, every latent dimension beyond the action's takes up an exogenous direction even where the action is stronger (exolam's T8): over-capacity leaks.`,
        },
      ],
    };
  },
};
