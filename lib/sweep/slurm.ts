import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { ExolamError } from '../base/errors.js';
import { requireFolder, writeInPlace } from '../base/files.js';
import { openFolder, SPEC_FILE } from './folder.js';
import { generationsOf, placesIn } from './run.js';
import { type Checked, readSpec, type SweepSpec } from './spec.js';

/** An array job that was submitted for shards of a sweep. */
export interface SlurmJob {
  readonly job: string;
  /** How many shares the sweep is cut into; task i computes shard i. */
  readonly count: number;
  readonly shards: readonly number[];
}

export interface SubmitOptions {
  readonly out: string;
  readonly extend: boolean;
  /** How many shares. Default: as before, else one a part, 64 at most. */
  readonly array?: number | undefined;
  /** Options of sbatch, such as --partition=long. */
  readonly sbatch: readonly string[];
  /** How exolam is started: the program and its first arguments. */
  readonly command: readonly string[];
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const FOLDER = 'slurm';
const MOST_SHARDS = 64;

export const slurmFolder = (dir: string) => join(dir, FOLDER);
export const logOf = (dir: string, job: string, shard: number) =>
  join(slurmFolder(dir), `${job}_${shard}.log`);

/** The jobs that were submitted for a folder, oldest first. */
export async function slurmJobs(dir: string): Promise<readonly SlurmJob[]> {
  try {
    return JSON.parse(await readFile(join(slurmFolder(dir), 'jobs.json'), 'utf8')) as SlurmJob[];
  } catch {
    return [];
  }
}

/** Tasks of jobs that Slurm has not ended, as shard -> its state, such as RUNNING or PENDING. */
export async function slurmStates(
  jobs: readonly SlurmJob[],
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  for (const { job } of jobs) {
    // A job that Slurm has forgotten has ended.
    const lines = await slurm('squeue', ['-h', '-r', '-j', job, '-o', '%F %K %T'], signal).catch(
      (error: Error) => {
        if (/invalid job id/i.test(error.message)) return '';
        throw error;
      },
    );
    for (const line of lines.split('\n')) {
      const [own, shard, state] = line.trim().split(' ');
      if (state) states.set(`${own}_${shard}`, state);
    }
  }
  return states;
}

async function slurm(program: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, [...args], signal ? { signal } : {});
    return stdout;
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new ExolamError(
        'unsupported',
        `${program}: not found; --engine slurm submits from a machine of a Slurm cluster`,
      );
    throw new ExolamError('input', `${program}: ${(stderr?.trim() || message).split('\n').join('; ')}`, {
      cause: error,
    });
  }
}

/** Text as one word of a shell. */
const word = (text: string) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The script of one array job. A task that is stopped or whose node fails is put into the queue again, and goes on where it was. */
export function slurmScript(
  dir: string,
  count: number,
  options: Pick<SubmitOptions, 'command' | 'sbatch' | 'threads'>,
): string {
  const folder = resolve(dir);
  const run = [
    ...options.command,
    'sweep',
    join(folder, SPEC_FILE),
    '--out',
    folder,
    '--shard',
    `auto/${count}`,
    '--progress',
    'json',
  ];
  const threads = options.threads === undefined ? `"\${SLURM_CPUS_PER_TASK:-1}"` : String(options.threads);
  return `#!/bin/bash
#SBATCH --job-name=exolam-sweep
#SBATCH --output="${join(folder, FOLDER, '%A_%a.log')}"
#SBATCH --open-mode=append
#SBATCH --requeue
${options.sbatch.map((option) => `#SBATCH ${option}\n`).join('')}# Shard SLURM_ARRAY_TASK_ID of ${count}. Task and job name the shard's lock, so that a task that runs again takes over its own.
exec ${run.map(word).join(' ')} --threads ${threads}
`;
}

/** What a submission did. */
export interface Submission {
  readonly job: string | null;
  readonly shards: readonly number[];
  readonly count: number;
}

/** Writes and submits the job of the shards that lack parts and that no other job has; none where there is nothing to do. */
export async function submitSlurm(spec: SweepSpec, options: SubmitOptions): Promise<Submission> {
  const { out, signal } = options;
  const read = readSpec(spec);
  await requireFolder(out);
  const specs = await openFolder(out, read, options.extend);
  const jobs = await slurmJobs(out);
  const count = options.array ?? jobs.at(-1)?.count ?? defaultCount(specs);
  const states = await slurmStates(jobs, signal);
  if (states.size > 0 && jobs.some((job) => job.count !== count))
    throw new ExolamError(
      'input',
      `--array: expected ${jobs.at(-1)?.count}, as the tasks that are still in the queue have, but received ${count}`,
    );
  const busy = new Set(
    jobs.flatMap(({ job, shards }) => shards.filter((shard) => states.has(`${job}_${shard}`))),
  );
  const lacking = new Set<number>();
  for (const { place, isThere } of await placesIn(out, generationsOf(specs), undefined))
    if (!isThere) lacking.add(place.part % count);
  const shards = [...lacking].filter((shard) => !busy.has(shard)).sort((a, b) => a - b);
  if (shards.length === 0) return { job: null, shards, count };
  await requireFolder(slurmFolder(out));
  const script = join(slurmFolder(out), 'job.sh');
  await writeInPlace(script, (path) => writeFile(path, slurmScript(out, count, options)));
  await chmod(script, 0o755);
  const printed = await slurm('sbatch', ['--parsable', `--array=${rangesOf(shards)}`, script], signal);
  const job = printed.trim().split(';')[0];
  const all = [...jobs, { job, count, shards }];
  await writeInPlace(join(slurmFolder(out), 'jobs.json'), (path) =>
    writeFile(path, JSON.stringify(all, null, 2)),
  );
  return { job, shards, count };
}

function defaultCount(specs: readonly Checked[]): number {
  return Math.min(MOST_SHARDS, Math.max(...generationsOf(specs).map(({ parts }) => parts)));
}

/** 0,1,2,5 as 0-2,5. */
export function rangesOf(shards: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const shard of shards) {
    const last = ranges.at(-1);
    if (last && last[1] + 1 === shard) last[1] = shard;
    else ranges.push([shard, shard]);
  }
  return ranges.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}
