/**
 * Median widths of the intervals beside those of an independent implementation, on the same worlds, each with its own folds:
 * npx tsx bench/coverage/oracle.ts ORACLE.py [worlds a cell]. Needs python3 with NumPy and SciPy.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openData } from '../../lib/data/open.js';
import { estimate } from '../../lib/metrics/estimates.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { COVERED, medianOf } from './coverage.js';

interface World {
  readonly file: string;
  readonly episodes: number;
  readonly latentDim: number;
  readonly objective: ObjectiveSpec;
  readonly seed: number;
  readonly metrics: Record<string, { low: number; high: number; reason: string | null }>;
}

const [oracle, worlds = '100'] = process.argv.slice(2);
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import numpy, scipy']).status === 0,
);
if (!oracle) console.log('skipped: give the file of the other implementation');
else if (!python) console.log('skipped: no python3 here has NumPy and SciPy');
else await compare(oracle, python);

async function compare(oracle: string, python: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'exolam-widths-'));
  const script = fileURLToPath(new URL('oracle_widths.py', import.meta.url));
  const widths = new Map<string, { other: number[]; own: number[]; ratios: number[] }>();
  try {
    const lines = execFileSync(python, [script, oracle, folder, worlds], {
      encoding: 'utf8',
      maxBuffer: 2 ** 30,
    });
    for (const line of lines.trim().split('\n')) {
      const world: World = JSON.parse(line);
      const t = await openData(world.file);
      rmSync(world.file);
      const { latentDim, objective, seed } = world;
      const { latent } = await estimate(t, { latentDims: [latentDim], objectives: [objective], seed });
      for (const metric of COVERED) {
        const key = `${world.episodes} episodes  ${metric}`;
        if (!widths.has(key)) widths.set(key, { other: [], own: [], ratios: [] });
        const both = widths.get(key) as { other: number[]; own: number[]; ratios: number[] };
        const [other, own] = [world.metrics[metric], latent[0].metrics[metric]];
        if (other.reason === null) both.other.push(other.high - other.low);
        if (!own || own.low === null || own.high === null) continue;
        both.own.push(own.high - own.low);
        if (other.reason === null) both.ratios.push((own.high - own.low) / (other.high - other.low));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(
    `median widths of ${worlds} worlds a cell: the other implementation's, this one's, their ratio, and the median ratio of one world`,
  );
  for (const [key, { other, own, ratios }] of widths) {
    const [theirs, ours] = [medianOf(other), medianOf(own)];
    console.log(
      `${key.padEnd(34)} ${theirs.toFixed(4)}  ${ours.toFixed(4)}  ${(ours / theirs).toFixed(3)}  ${medianOf(ratios).toFixed(3)}  [${other.length} and ${own.length} measurable]`,
    );
  }
}
