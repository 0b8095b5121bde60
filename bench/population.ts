import { type Backend, PARAMETERS, POPULATION_METRICS, type PopulationRequest } from '../lib/backend.js';
import { resolveObjective } from '../lib/objectives.js';
import { RELATIVE_TOLERANCE, type Solution, solveBatch } from '../lib/solve.js';
import { createWorld, fullMixing, parameterColumn, type World, type WorldSpec } from '../lib/world.js';
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
function columns(world: World, count: number): PopulationRequest {
  const objective = resolveObjective({ kind: 'reconstruction' });
  const basis = world.mixing.rows;
  const parameters = new Float64Array(PARAMETERS.length * count);
  parameterColumn(world, world.spec.observationDim - basis).forEach((value, p) => {
    for (let i = 0; i < count; i++)
      parameters[p * count + i] = PARAMETERS[p] === 'exogenousScale' ? exogenousScaleOf(i) : value;
  });
  return {
    count,
    basis,
    endogenousDim: world.spec.endogenousDim,
    exogenousDim: world.spec.exogenousDim,
    actionDim: world.spec.actionDim,
    projectionDim: 0,
    latentDims: Int32Array.of(LATENT_DIM),
    objective: objective.rows,
    parameters,
    coefficients: new Float64Array(0),
    matrixIndex: new Int32Array(count),
    mixing: world.mixing.data,
    actionEffect: world.actionEffect.data,
    stateFeedback: world.stateFeedback.data,
    exogenousFeedback: world.exogenousFeedback.data,
    projection: new Float64Array(0),
    relativeTolerance: RELATIVE_TOLERANCE,
    encoder: false,
  };
}

function throughColumns(world: World, backend: Backend, threads: number) {
  return (count: number): Call => {
    const request = columns(world, count);
    const [action, future] = (['actionError', 'futureLeakage'] as const).map((m) =>
      POPULATION_METRICS.indexOf(m),
    );
    return call(
      () => backend.solvePopulation(request, { threads }),
      ({ loss, metrics }) =>
        Array.from({ length: count }, (_, i) => [
          loss[i],
          metrics[action * count + i],
          metrics[future * count + i],
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

/** A world, an objective and a latent dimension in; loss, spectrum and all metrics out. */
export function configurations(native: Backend, reference: Backend): Case[] {
  const plain = createWorld(PLAIN);
  const full = createWorld(FULL);
  const backends = (world: World) => [
    { name: 'native' as const, threads: 1, items: 4096, prepare: throughColumns(world, native, 1) },
    { name: 'native' as const, threads: 2, items: 4096, prepare: throughColumns(world, native, 2) },
    { name: 'reference' as const, threads: 1, items: 32, prepare: throughColumns(world, reference, 1) },
  ];
  return [
    { name: 'configuration to metrics', unit: 'configuration', contenders: backends(plain) },
    {
      name: 'configuration to metrics, every effect',
      unit: 'configuration',
      contenders: [
        ...backends(full),
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
