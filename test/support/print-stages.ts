/** Prints numbers of every call of the default backend as JSON: run with different EXOLAM_ISA and EXOLAM_BACKEND. */
import { defaultBackend } from '../../lib/backend/select.js';
import { transitions } from '../../lib/data/from-arrays.js';
import { drawMoments } from '../../lib/moments/drawn.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { labelCurve } from '../../lib/verdict/label-curve.js';
import { sampleTransitions } from '../../lib/world/sample.js';

const backend = defaultBackend();
const world = { observationDim: 11, mixing: 'gaussian', sensorNoise: 0.2, seed: 2 ** 40 + 5 } as const;
const numbers: Record<string, number[]> = {};
const put = (name: string, ...arrays: ArrayLike<number>[]) => {
  numbers[name] = arrays.flatMap((array) => Array.from(array));
};

put('normals', backend.normals(2 ** 40 + 1, 3, 2 ** 33, 50), backend.normalsF32(7, 2 ** 35, 5, 50));
for await (const batch of sampleTransitions(world, { samples: 40, precision: 'f32' }))
  put('sampleF32', batch.observation);
put('wishart', (await drawMoments(world, { transitions: 2 ** 36, first: 2 ** 33, draws: 2 })).moments);

const n = 40;
const a = backend.normals(1, 1, 0, n * n);
const square = await backend.multiply({
  rows: n,
  inner: n,
  cols: n,
  transposeA: true,
  transposeB: false,
  a,
  b: a,
});
const { values, vectors } = await backend.symmetricEigen(square, n, 1);
put('algebra', square, values, vectors, await backend.choleskySolve(square, a, n, n, 1));
put('accumulate', await backend.accumulate({ rows: n, width: n, data: a, mean: a.subarray(0, n) }));

const samples = 300;
for await (const batch of sampleTransitions(world, { samples, pairs: true })) {
  put('sample', batch.observation, batch.observationNext, batch.pairObservationNext);
  const data = transitions({
    observation: batch.observation,
    observationNext: batch.observationNext,
    pairObservation: batch.pairObservation,
    pairObservationNext: batch.pairObservationNext,
    actions: batch.action,
    exogenous: batch.exogenous,
    exogenousNext: batch.exogenousNext,
    observationDim: 11,
    episode: Array.from({ length: samples }, (_, i) => Math.floor(i / 15)),
  });
  const figures = (value: unknown) => (JSON.stringify(value).match(/-?\d+\.\d+(e-?\d+)?/g) ?? []).map(Number);
  put('analysis', figures(await analyze(data, { latentDims: [2, 3] })));
  put('labels', figures(await labelCurve(data, { latentDim: 3, weight: 2, counts: [50], draws: 2 })));
}
process.stdout.write(JSON.stringify(numbers));
