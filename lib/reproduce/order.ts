import { multiply } from '../linalg/dense.js';
import { columns, hstack, matrix, minus, scale, sum, transpose } from '../linalg/matrix.js';
import { lineChart, type Series } from '../report/charts.js';
import { halfTimes, rotation } from '../theorems/flow.js';
import { Random } from '../theorems/random.js';
import { covariance, equations, residual } from '../world/equations.js';
import { createWorld, fullMixing, type WorldSpec } from '../world/world.js';
import type { ReproduceSpec } from './spec.js';
import { breathe, need, type Run, type Study } from './study.js';
import { type Row, rowsOf, tableOf } from './table.js';

const ACTION = '#2f7ed8';
const EXOGENOUS = '#e8590c';
/** Learning rate in units of 1 / (largest eigenvalue): small enough that descent follows the flow. */
const RATE = 0.01;
/** Points kept of each curve. */
const KEPT = 60;
/** Modes weaker than this share of the strongest are not waited for. */
const WEAKEST = 0.05;

const logistic = (start: number, eigenvalue: number, time: number): number =>
  1 / (1 + ((1 - start) / start) * Math.exp(-4 * eigenvalue * time));

const halfTime = (start: number, eigenvalue: number): number =>
  Math.log((1 - start) / start) / (4 * eigenvalue);

/** When a curve has come half way, between the two points of the table around it. */
function crossing(learned: readonly Row[], name: string): number {
  const at = learned.findIndex((row) => (row[name] as number) >= 0.5);
  if (at < 1) return Number.NaN;
  const [a, b] = [learned[at - 1], learned[at]];
  // Near its middle the logit of a logistic curve is a straight line in time.
  const logit = (row: Row) => Math.log((row[name] as number) / (1 - (row[name] as number)));
  const [from, to] = [a['time'] as number, b['time'] as number];
  return from + ((to - from) * -logit(a)) / (logit(b) - logit(a));
}

/** A world without empty coordinates, and cov(o' given o). */
function innovation(spec: ReproduceSpec, setting: WorldSpec) {
  const world = createWorld({
    ...spec.world,
    observationDim: spec.world.endogenousDim + spec.world.exogenousDim,
    ...setting,
  });
  const source = equations(world);
  const r = residual(source.observationNext, source.observation);
  return { world, covariance: covariance(r, r), d: world.spec.observationDim };
}

/** How much of one action and one exogenous direction plain gradient descent has learned, over time. */
function curves(spec: ReproduceSpec): Row[] {
  const { start, ratio } = spec.order;
  const {
    world,
    covariance: sigma,
    d,
  } = innovation(spec, { exogenousScale: Math.sqrt(ratio), seed: spec.seed });
  const mixing = fullMixing(world);
  const ds = spec.world.endogenousDim;
  const action = multiply(columns(mixing, 0, ds), columns(world.actionEffect, 0, 1));
  const directions = hstack([action, columns(mixing, ds, ds + 1)]);
  const R = rotation(new Random(spec.seed, 'order'), d);
  let [B, G] = [scale(Math.sqrt(start), R), scale(Math.sqrt(start), transpose(R))];
  const step = RATE / Math.max(1, ratio);
  const end = 1.8 * halfTime(start, Math.min(1, ratio));
  const steps = Math.ceil(end / step);
  const kept = Math.ceil(steps / KEPT);
  const rows: Row[] = [];
  for (let t = 0; t <= steps; t++) {
    const map = multiply(B, G);
    if (t % kept === 0) {
      const learned = multiply(transpose(directions), multiply(map, directions));
      rows.push({
        time: t * step,
        action: learned.data[0],
        exogenous: learned.data[3],
        actionPredicted: logistic(start, 1, t * step),
        exogenousPredicted: logistic(start, ratio, t * step),
      });
    }
    const error = minus(multiply(map, sigma), sigma);
    const [byB, byG] = [multiply(error, transpose(G)), multiply(transpose(B), error)];
    B = sum(B, scale(-2 * step, byB));
    G = sum(G, scale(-2 * step, byG));
  }
  return rows;
}

/** Half-times of every mode of overlapping worlds, by gradient flow. */
async function modes(run: Run, exogenousScale: number, seed: number): Promise<Row[]> {
  const { start } = run.spec.order;
  const { covariance: sigma, d } = innovation(run.spec, {
    mixing: 'gaussian',
    exogenousScale,
    seed,
    observationDim: 12,
  });
  const { values, vectors } = await run.backend.symmetricEigen(sigma.data, d, 1);
  const followed = Array.from(values).filter((v) => v > WEAKEST * values[0]);
  const directions = transpose(matrix(followed.length, d, vectors.slice(0, followed.length * d)));
  const until = 3 * halfTime(start, followed.at(-1) as number);
  const R = rotation(new Random(run.spec.seed, 'modes', exogenousScale, seed), d);
  return halfTimes(sigma, R, start, directions, values[0], until).map((measured, i) => ({
    exogenousScale,
    seed,
    eigenvalue: followed[i],
    halfTime: measured,
    predicted: halfTime(start, followed[i]),
  }));
}

/** What descent has learned of an action and of an exogenous direction, over the predicted logistic curves. */
function timePanel(learned: readonly Row[], spec: ReproduceSpec) {
  const { start, ratio } = spec.order;
  const line = (name: string) => learned.map((row) => ({ x: row['time'] as number, y: row[name] as number }));
  const end = learned.at(-1)?.['time'] as number;
  return lineChart(
    'orthonormal mixing',
    { field: 'x', title: 'training time (steps × learning rate, α = 1)', domain: [0, end] },
    { field: 'y', title: 'share of the direction learned', domain: [0, 1] },
    [
      { rows: line('actionPredicted'), colour: ACTION },
      { rows: line('exogenousPredicted'), colour: EXOGENOUS },
      { rows: line('action').filter((_, i) => i % 2 === 0), colour: ACTION, mark: 'point' },
      { rows: line('exogenous').filter((_, i) => i % 2 === 0), colour: EXOGENOUS, mark: 'point' },
    ],
    [1, ratio].map((eigenvalue, i) => ({
      at: halfTime(start, eigenvalue),
      colour: i === 0 ? ACTION : EXOGENOUS,
    })),
  );
}

/** The measured half-time of every mode over its predicted one. */
function modePanel(found: readonly Row[], spec: ReproduceSpec) {
  const { start, scales } = spec.order;
  const values = found.map((row) => row['eigenvalue'] as number);
  const ends: [number, number] = [0.8 * Math.min(...values), 1.25 * Math.max(...values)];
  return lineChart(
    'overlapping mixing',
    {
      field: 'x',
      title: 'variance of the mode (action innovation = 1)',
      log: true,
      domain: ends,
      ticks: [0.1, 1, 10],
    },
    {
      field: 'y',
      title: 'time to learn half of it (1 / α)',
      log: true,
      domain: [halfTime(start, ends[1]), halfTime(start, ends[0])],
      ticks: [0.1, 1, 10],
    },
    [
      { rows: ends.map((x) => ({ x, y: halfTime(start, x) })), colour: 'var(--text)' },
      ...scales.map(
        (exogenousScale, i): Series => ({
          colour: ['#2f7ed8', '#2b9a66', '#e8590c'][i % 3],
          mark: 'point',
          rows: found
            .filter((r) => r['exogenousScale'] === exogenousScale)
            .map((r) => ({ x: r['eigenvalue'] as number, y: r['halfTime'] as number })),
        }),
      ),
    ],
  );
}

/** What gradient training learns first. */
export const order: Study = {
  name: 'order',
  title: 'Training learns the strongest modes first',
  theorems: ['T11'],
  claims: ['C1'],
  cost: 5,
  async measure(run: Run) {
    const { worlds, scales } = run.spec.order;
    const learned = curves(run.spec);
    const rows: Row[] = [];
    let done = 0;
    for (const exogenousScale of scales)
      for (let i = 0; i < worlds; i++) {
        await breathe(run);
        rows.push(...(await modes(run, exogenousScale, run.spec.seed + i)));
        run.advance(++done, scales.length * worlds);
      }
    return [
      tableOf(
        'order',
        'share of a direction that gradient descent has learned, over time (orthonormal mixing)',
        {
          time: ['steps x learning rate', '1 / action innovation variance'],
          action: ['of an action direction', 'share'],
          exogenous: ['of an exogenous direction', 'share'],
          actionPredicted: ['logistic of rate 4 alpha', 'share'],
          exogenousPredicted: ['logistic of rate 4 beta', 'share'],
        },
        learned,
      ),
      tableOf(
        'order-modes',
        'time by which gradient flow has learned half of a mode (overlapping mixing)',
        {
          exogenousScale: ['standard deviation of the exogenous innovation', 'action innovations'],
          seed: ['of the world'],
          eigenvalue: ['variance of the mode', 'action innovation variance'],
          halfTime: ['measured', '1 / action innovation variance'],
          predicted: ['ln((1 - a0)/a0) / (4 eigenvalue)', '1 / action innovation variance'],
        },
        rows,
      ),
    ];
  },
  read(tables, spec) {
    const { start, ratio, scales } = spec.order;
    const learned = rowsOf(need(tables, 'order'));
    const found = rowsOf(need(tables, 'order-modes'));
    const half = (name: string) => crossing(learned, name).toFixed(2);
    const worst = Math.max(
      ...found.map((r) => Math.abs((r['halfTime'] as number) / (r['predicted'] as number) - 1)),
    );
    return {
      sentence: `With β = ${ratio} α gradient descent has learned half of an exogenous direction by training time ${half('exogenous')} (predicted: ${halfTime(start, ratio).toFixed(2)}) and half of an action direction by ${half('action')} (predicted: ${halfTime(start, 1).toFixed(2)}); over ${found.length} modes of overlapping worlds the measured half-time differs from the predicted one by at most a share of ${worst.toExponential(0)}.`,
      drawings: [
        {
          name: 'order',
          title: 'The exogenous future is learned before the action',
          key: [
            { kind: 'point', label: `an exogenous direction, β = ${ratio} α (measured)`, colour: EXOGENOUS },
            { kind: 'point', label: 'an action direction (measured)', colour: ACTION },
            { kind: 'line', label: 'lines: predicted', colour: '#868e96' },
          ],
          panels: [timePanel(learned, spec)],
          caption: `Gradient descent on the reconstruction loss from a small balanced start (${start} of every direction). Points: descent; lines: the logistic curves of exolam's T11, of rate 4 × variance; vertical: predicted half-times. What moves most is learned first, whoever moves it: stopped early, this model holds the exogenous direction and not the action.`,
        },
        {
          name: 'order-modes',
          title: 'Time to learn half of a mode',
          key: [
            ...scales.map((s, i) => ({
              kind: 'point' as const,
              label: `exogenous scale ${s}`,
              colour: ['#2f7ed8', '#2b9a66', '#e8590c'][i % 3],
            })),
            { kind: 'line', label: 'predicted: ln((1 − a₀)/a₀) / (4 × variance)', colour: 'var(--text)' },
          ],
          panels: [modePanel(found, spec)],
          caption: `Every mode of several overlapping worlds, gradient flow from a start of ${start}; both axes are logarithmic. The stronger a mode the sooner it is learned: the line is in inverse proportion to its variance.`,
        },
      ],
    };
  },
};
