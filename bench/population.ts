import type { Backend } from '../lib/backend/requests.js';
import { toRows } from '../lib/linalg/matrix.js';
import { solveColumns } from '../lib/solve/columns.js';
import { type Solution, solveBatch } from '../lib/solve/population.js';
import { createWorld, fullMixing, type World, type WorldSpec } from '../lib/world/world.js';
import { type Call, type Case, call } from './case.js';
import { closedForm } from './closed-form.js';

const LATENT_DIM = 8;
const PLAIN: WorldSpec = { observationDim: 128, endogenousDim: 8, exogenousDim: 8, actionDim: 8 };
/** Nothing that a world can have is absent, so no lane kernel can leave anything out. */
const FULL: WorldSpec = {
  ...PLAIN,
  mixing: 'gaussian',
  processNoise: 0.2,
  sensorNoise: 0.1,
  stateFeedback: 0.5,
  exogenousFeedback: 0.3,
};

/** The one parameter that differs from item to item. */
const exogenousScaleOf = (item: number): number => 0.5 + ((item * 0.618034) % 1) * 1.5;

/** `count` configurations as columns, which is how they travel: no object for each. */
function throughColumns(world: WorldSpec, backend: Backend, threads: number) {
  return (count: number): Call => {
    const exogenousScale = Float64Array.from({ length: count }, (_, i) => exogenousScaleOf(i));
    const question = {
      world,
      objective: { kind: 'reconstruction' },
      latentDims: [LATENT_DIM],
      columns: { exogenousScale },
    } as const;
    return call(
      () => solveColumns(question, { backend, threads, spectrum: true }),
      ({ loss, metrics }) =>
        Array.from({ length: count }, (_, i) => [
          loss[i],
          metrics.actionError?.[i] ?? Number.NaN,
          metrics.futureLeakage?.[i] ?? Number.NaN,
        ]).flat(),
    );
  };
}

function throughMlMatrix(world: World, reduced: boolean) {
  return (count: number): Call => {
    const mixing = reduced ? world.mixing : fullMixing(world);
    const complement = world.spec.observationDim - mixing.rows;
    return call(
      () =>
        Array.from({ length: count }, (_, i) =>
          closedForm(world, mixing, complement, exogenousScaleOf(i), LATENT_DIM),
        ),
      (answers) => answers.flat(),
    );
  };
}

/** What closedForm needs, for closed_form of bench/peers/numpy_peer.py. */
function asJson(world: World) {
  return (count: number): object => ({
    ...world.spec,
    mixing: toRows(fullMixing(world)),
    actionEffect: toRows(world.actionEffect),
    stateFeedbackGain: toRows(world.stateFeedback),
    exogenousFeedbackGain: toRows(world.exogenousFeedback),
    exogenousScales: Array.from({ length: count }, (_, i) => exogenousScaleOf(i)),
    latentDim: LATENT_DIM,
  });
}

/** A world, an objective and a latent dimension in; loss, spectrum and all metrics out. */
export function configurations(native: Backend, reference: Backend): Case[] {
  const full = createWorld(FULL);
  const backends = (world: WorldSpec) => [
    { name: 'native' as const, threads: 1, items: 8192, prepare: throughColumns(world, native, 1) },
    { name: 'native' as const, threads: 2, items: 8192, prepare: throughColumns(world, native, 2) },
    { name: 'reference' as const, threads: 1, items: 32, prepare: throughColumns(world, reference, 1) },
  ];
  return [
    { name: 'configuration to metrics', unit: 'configuration', contenders: backends(PLAIN) },
    {
      name: 'configuration to metrics, every effect',
      unit: 'configuration',
      peers: { kind: 'closed-form', n: full.spec.observationDim, items: 1, input: asJson(full) },
      contenders: [
        ...backends(FULL),
        { name: 'ml-matrix', threads: 1, items: 1, prepare: throughMlMatrix(full, false) },
        { name: 'ml-matrix, reduced', threads: 1, items: 8, prepare: throughMlMatrix(full, true) },
      ],
    },
  ];
}

/** The same through solveBatch: each case checked, its world made, its answer an object. */
export function cases(native: Backend, reference: Backend): Case {
  const through = (backend: Backend, threads: number) => (count: number) => {
    const questions = Array.from({ length: count }, (_, i) => ({
      world: { ...PLAIN, exogenousScale: exogenousScaleOf(i) },
      objective: { kind: 'reconstruction' as const },
      latentDim: LATENT_DIM,
    }));
    return call(
      () => solveBatch(questions, { backend, threads }),
      (solutions: Solution[]) => solutions.map((s) => s.loss),
    );
  };
  return {
    name: 'solveBatch: cases to solutions',
    unit: 'case',
    contenders: [
      { name: 'native', threads: 1, items: 256, prepare: through(native, 1) },
      { name: 'native', threads: 2, items: 256, prepare: through(native, 2) },
      { name: 'reference', threads: 1, items: 32, prepare: through(reference, 1) },
    ],
  };
}
