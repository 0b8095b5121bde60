// Every call of the native backend again and again: memory must not grow with the number of calls.
//   node scripts/soak.mjs [MINUTES]     default 10; exit 1 where the resident set grows

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { ROOT } from './paths.mjs';

const minutes = Number(process.argv[2] ?? 10);
if (!(minutes > 0)) {
  process.stderr.write(`soak: expected a number of minutes but received ${process.argv[2]}\n`);
  process.exit(2);
}
const load = (path) => import(pathToFileURL(join(ROOT, path)).href);
const { defaultBackend, solve, solveColumns } = await load('dist/index.mjs');
const backend = defaultBackend();

const world = { mixing: 'gaussian', sensorNoise: 0.1, exogenousFeedback: 0.3 };
const exogenousScale = Float64Array.from({ length: 20_000 }, (_, i) => 0.5 + (i % 100) / 50);
const n = 16;
const noise = backend.normals(1, 1, 0, 64 * n * n);
const matrices = Float64Array.from({ length: 64 * n * n }, (_, i) => {
  const [row, col] = [Math.floor(i / n) % n, i % n];
  return noise[i - (i % (n * n)) + Math.min(row, col) * n + Math.max(row, col)] + (row === col ? 4 * n : 0);
});

async function round(seed) {
  await solveColumns({
    world,
    objective: { kind: 'reconstruction' },
    latentDims: [3, 5],
    columns: { exogenousScale },
  });
  await solve({
    world: { ...world, seed },
    objective: { kind: 'exogenous-robust', weight: 1 },
    latentDim: 3,
  });
  await backend.symmetricEigen(matrices, n, 64);
  await backend.choleskySolve(matrices, noise.subarray(0, 64 * n), n, 1, 64);
  await backend.accumulate({
    rows: 256,
    width: 64,
    data: noise.subarray(0, 256 * 64),
    mean: new Float64Array(64),
  });
  const aborted = new AbortController();
  const run = solveColumns(
    { objective: { kind: 'reconstruction' }, latentDims: [3], columns: { exogenousScale } },
    { signal: aborted.signal },
  );
  aborted.abort();
  await run.catch((error) => {
    if (error.kind !== 'cancelled') throw error;
  });
}

// What waits for its collection is no growth.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const start = performance.now();
const elapsed = () => (performance.now() - start) / 60_000;
const marks = []; // [minutes, least resident set since the mark before, MB]
let rounds = 0;
let least = Number.POSITIVE_INFINITY;
const every = minutes / 40;
while (elapsed() < minutes) {
  await round(rounds++);
  least = Math.min(least, process.memoryUsage.rss() / 1e6);
  if (elapsed() > (marks.length + 1) * every) {
    collect();
    marks.push(Math.min(least, process.memoryUsage.rss() / 1e6));
    least = Number.POSITIVE_INFINITY;
  }
}
// The first quarter is warm-up: heaps and pools find their size. Between garbage collections memory comes and goes, so
// what counts is the least of each stretch.
const settled = marks.slice(Math.ceil(marks.length / 4));
const half = Math.ceil(settled.length / 2);
const before = Math.min(...settled.slice(0, half));
const after = Math.min(...settled.slice(half));
const verdict = after <= before * 1.05 + 2;
process.stdout.write(
  `soak: ${rounds} rounds in ${minutes} min; least resident set ${before.toFixed(1)} MB in the first half, ${after.toFixed(1)} MB in the second: ${verdict ? 'flat' : 'GROWS'}\n`,
);
process.exitCode = verdict ? 0 : 1;
