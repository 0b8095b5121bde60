/**
 * The demonstration: records a driven arm and a free pendulum, asks what latent actions learned from the pictures encode, prints
 * the verdict and writes a page with the figures.   npm run demo [-- --out DIR] [--seed n]
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { analyze, ExolamError, type LatentRow } from 'exolam';
import { demoPage, type Series } from './page.js';
import { record, transitionsOf } from './record.js';

const { values } = parseArgs({
  options: { out: { type: 'string', default: 'exolam-demo' }, seed: { type: 'string', default: '1' } },
});
const LATENT_DIMS = [1, 2, 3, 4, 6, 8, 12];

/** A bar with ETA where someone is looking. */
async function withBar<T>(what: string, run: (onProgress: (done: number, total: number) => void) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return run(() => {});
  const bar = new SingleBar({ format: `${what} {bar} {percentage} % | ETA {eta_formatted}`, clearOnComplete: true, stream: process.stderr });
  bar.start(1000, 0);
  try {
    return await run((done, total) => bar.update(Math.round((1000 * done) / total)));
  } finally {
    bar.stop();
  }
}

const percent = (v: number | undefined) => `${Math.round(100 * Math.min(1, Math.max(0, v ?? 0)))}\u00a0%`;

function compare(arm: LatentRow, both: LatentRow, supervised: LatentRow): string {
  const k = both.latentDim;
  return (
    `With ${k} latent dimensions, one for each joint: filmed alone, z leaves ${percent(arm.metrics.actionError)} of the arm's action ` +
    `unexplained. With the pendulum in view it leaves ${percent(both.metrics.actionError)}, and carries ` +
    `${percent(both.metrics.futureLeakage)} of what is new in the pendulum instead. Action supervision brings this to ` +
    `${percent(supervised.metrics.actionError)} and ${percent(supervised.metrics.futureLeakage)}.`
  );
}

try {
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ExolamError('input', `--seed: expected a non-negative integer but received "${values.seed}"`);
  }
  const recording = await withBar('recording', (onProgress) => record({ episodes: 24, steps: 200, seed }, onProgress));
  const ask = (view: 'arm' | 'both') =>
    withBar(`analysing ${view === 'arm' ? 'the arm alone' : 'arm and pendulum'}`, (onProgress) =>
      analyze(transitionsOf(recording, view), { latentDims: LATENT_DIMS, onProgress }),
    );
  const [arm, both] = [await ask('arm'), await ask('both')];
  const series: Series[] = [
    { name: 'arm alone, reconstruction', analysis: arm, kind: 'reconstruction' },
    { name: 'arm and pendulum, reconstruction', analysis: both, kind: 'reconstruction' },
    { name: 'arm and pendulum, supervised', analysis: both, kind: 'action-supervised' },
  ];
  const row = (s: Series | undefined) =>
    s?.analysis.latent.find((r) => r.objective.kind === s.kind && r.latentDim === s.analysis.actionDim) as LatentRow;
  const verdict = compare(row(series[0]), row(series[1]), row(series[2]));

  console.log('k = latent dimensions      future leakage   action error');
  for (const s of series)
    for (const r of s.analysis.latent.filter((x) => x.objective.kind === s.kind && [2, 4, 8].includes(x.latentDim)))
      console.log(
        `${s.name.padEnd(38)} k ${r.latentDim}  ${(r.metrics.futureLeakage ?? 0).toFixed(3).padStart(6)}  ${(r.metrics.actionError ?? 0).toFixed(3).padStart(6)}`,
      );
  console.log(`\nVerdict: ${verdict}`);

  mkdirSync(values.out, { recursive: true });
  const file = join(values.out, 'index.html');
  writeFileSync(`${file}.partial`, await demoPage(recording, series, verdict));
  renameSync(`${file}.partial`, file);
  console.log(`\nFigures: ${file}`);
} catch (error) {
  process.stderr.write(`demo: ${(error as Error).message}\n`);
  process.exitCode = error instanceof ExolamError ? 2 : 1;
}
