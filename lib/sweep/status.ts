import { open } from 'node:fs/promises';
import { ExolamError } from '../base/errors.js';
import { PARTS, readSweepFile, SPEC_FILE } from './folder.js';
import { sharesAtWork } from './lock.js';
import { generationsOf, placesIn } from './run.js';
import { logOf, slurmJobs, slurmStates } from './slurm.js';
import { readSpec } from './spec.js';

export interface ShardStatus {
  readonly shard: number;
  readonly count: number;
  /** Parts that the shard has, and how many of them are there. */
  readonly parts: number;
  readonly done: number;
  /** failed: a job had it and has ended; missing: nobody has begun it. */
  readonly state: 'done' | 'running' | 'queued' | 'failed' | 'missing';
  /** The last line of its log; null where there is none. */
  readonly log: string | null;
}

export interface SweepStatus {
  readonly points: number;
  readonly done: number;
  readonly shards: readonly ShardStatus[];
}

/** How far the sweep of a folder is: shard by shard where it was submitted to Slurm or is being computed in shards. */
export async function sweepStatus(dir: string, signal?: AbortSignal): Promise<SweepStatus> {
  const file = await readSweepFile(dir);
  if (!file)
    throw new ExolamError('input', `${dir}: expected the folder of a sweep, with ${SPEC_FILE} and ${PARTS}/`);
  const generations = generationsOf(
    file.specs.map((spec, i) => readSpec(spec, `${dir}/${SPEC_FILE}: specs[${i}]`)),
  );
  const places = await placesIn(dir, generations, undefined);
  const jobs = await slurmJobs(dir);
  const states = await slurmStates(jobs, signal);
  const atWork = await sharesAtWork(dir);
  const count = jobs.at(-1)?.count ?? atWork[0]?.count ?? 1;
  const shards: ShardStatus[] = [];
  for (let shard = 0; shard < count; shard++) {
    const own = places.filter(({ place }) => place.part % count === shard);
    if (own.length === 0) continue;
    const done = own.filter(({ isThere }) => isThere).length;
    const last = jobs.filter((job) => job.count === count && job.shards.includes(shard)).at(-1);
    const slurm = last && states.get(`${last.job}_${shard}`);
    const runs = atWork.some((other) => other.index === shard && other.count === count);
    const state = done === own.length ? 'done' : stateOf(slurm, runs, last !== undefined);
    const log = last ? await lastLine(logOf(dir, last.job, shard)) : null;
    shards.push({ shard, count, parts: own.length, done, state, log });
  }
  const sum = (of: readonly { readonly rows: number }[]) => of.reduce((total, { rows }) => total + rows, 0);
  return { points: sum(places), done: sum(places.filter(({ isThere }) => isThere)), shards };
}

function stateOf(slurm: string | undefined, runs: boolean, wasSubmitted: boolean): ShardStatus['state'] {
  if (slurm === 'PENDING' || slurm === 'REQUEUED' || slurm === 'REQUEUE_HOLD' || slurm === 'SUSPENDED')
    return 'queued';
  if (slurm !== undefined || runs) return 'running';
  return wasSubmitted ? 'failed' : 'missing';
}

/** A log grows without end: its last few kilobytes hold its last line. */
const TAIL = 4096;

async function lastLine(path: string): Promise<string | null> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return null;
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL), 0, TAIL, from);
    return buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n').at(-1) || null;
  } finally {
    await file.close();
  }
}
