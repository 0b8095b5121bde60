/**
 * Median widths of the intervals beside those of an independent implementation, on the same worlds: on its folds, where the two must
 * agree, and on folds of our own over several seeds, which says how much of a difference the draw of the folds alone makes:
 * npx tsx bench/coverage/oracle.ts ORACLE.py [worlds a cell] [episodes: that cell alone]. Needs python3 with NumPy and SciPy.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EstimatedMetric } from '../../lib/backend/requests.js';
import { openData } from '../../lib/data/open.js';
import { type EstimateTable, estimate } from '../../lib/metrics/estimates.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { COVERED, medianOf } from './coverage.js';
import { uniforms } from './worlds.js';

interface World {
  readonly file: string;
  readonly episodes: number;
  readonly latentDim: number;
  readonly objective: ObjectiveSpec;
  readonly seed: number;
  readonly folds: readonly number[];
  readonly metrics: Record<string, { low: number; high: number; reason: string | null }>;
}

/** Of one world and metric: widths, NaN where not measurable. */
interface Widths {
  readonly other: number;
  readonly sameFolds: number;
  /** By seed of the folds. */
  readonly own: readonly number[];
}

/** Seeds of our own folds, beside the world's. */
const SEEDS = 5;
const RESAMPLES = 1000;

const [oracle, worlds = '100', only] = process.argv.slice(2);
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import numpy, scipy']).status === 0,
);
if (!oracle) console.log('skipped: give the file of the other implementation');
else if (!python) console.log('skipped: no python3 here has NumPy and SciPy');
else await compare(oracle, python);

function widthOf(metric: EstimatedMetric, table: EstimateTable): number {
  const e = table[metric];
  return e && e.low !== null && e.high !== null ? e.high - e.low : Number.NaN;
}

async function compare(oracle: string, python: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'exolam-widths-'));
  const script = fileURLToPath(new URL('oracle_widths.py', import.meta.url));
  const args = [script, oracle, folder, worlds, ...(only ? [only] : [])];
  const other = spawn(python, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve) => other.on('close', resolve));
  console.log(
    `median widths of ${worlds} worlds a cell: the other implementation's; the greatest relative difference on its folds; ours and the ratio, with its standard error over worlds; the ratio by seed of our folds`,
  );
  let cell = 0;
  let found = new Map<EstimatedMetric, Widths[]>();
  try {
    // Each world is judged as it comes, each cell told as it ends: a run that is stopped has said what it knew.
    for await (const line of createInterface({ input: other.stdout })) {
      const world: World = JSON.parse(line);
      if (world.episodes !== cell) {
        tell(cell, found);
        [cell, found] = [world.episodes, new Map(COVERED.map((metric) => [metric, []]))];
      }
      await judge(world, found);
      rmSync(world.file);
    }
    tell(cell, found);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const code = await ended;
  if (code !== 0) throw new Error(`${python} ended with ${code}`);
}

async function judge(world: World, found: ReadonlyMap<EstimatedMetric, Widths[]>): Promise<void> {
  const t = await openData(world.file);
  const { latentDim, objective, seed, folds } = world;
  const asked = { latentDims: [latentDim], objectives: [objective] };
  const same = await estimate(t, { ...asked, folds });
  const own = [];
  for (let s = 0; s < SEEDS; s++) own.push(await estimate(t, { ...asked, seed: seed + 1000 * s }));
  for (const [metric, all] of found) {
    const { low, high, reason } = world.metrics[metric];
    all.push({
      other: reason === null ? high - low : Number.NaN,
      sameFolds: widthOf(metric, same.latent[0].metrics),
      own: own.map(({ latent }) => widthOf(metric, latent[0].metrics)),
    });
  }
}

/** The ratio of medians over those that are measurable. */
function ratioOf(all: readonly Widths[], seed: number): number {
  const median = (widths: readonly number[]) => medianOf(widths.filter((w) => !Number.isNaN(w)));
  return median(all.map(({ own }) => own[seed])) / median(all.map(({ other }) => other));
}

/** Of the ratio, over resampled worlds. */
function standardError(all: readonly Widths[]): number {
  const uniform = uniforms(1);
  const ratios = Array.from({ length: RESAMPLES }, () =>
    ratioOf(
      all.map(() => all[Math.floor(uniform() * all.length)]),
      0,
    ),
  );
  const mean = ratios.reduce((sum, r) => sum + r, 0) / RESAMPLES;
  return Math.sqrt(ratios.reduce((sum, r) => sum + (r - mean) ** 2, 0) / RESAMPLES);
}

function tell(episodes: number, found: ReadonlyMap<EstimatedMetric, Widths[]>): void {
  for (const [metric, all] of found) {
    const measurable = all.map(({ other }) => other).filter((w) => !Number.isNaN(w));
    const apart = all.map(({ other, sameFolds }) => Math.abs(sameFolds / other - 1));
    const theirs = medianOf(measurable);
    const seeds = Array.from({ length: SEEDS }, (_, s) => ratioOf(all, s));
    const differ = Math.max(...apart.filter((v) => !Number.isNaN(v)));
    console.log(
      `${episodes} episodes  ${metric.padEnd(22)} ${theirs.toFixed(4)}  ${differ.toExponential(1)}  ${(theirs * seeds[0]).toFixed(4)}  ${seeds[0].toFixed(3)} +- ${standardError(all).toFixed(3)}  by seed ${seeds.map((r) => r.toFixed(3)).join(' ')}  [${measurable.length} measurable]`,
    );
  }
}
