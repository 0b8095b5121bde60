import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ExolamError } from '../base/errors.js';
import type { Shard } from './shard.js';

/** Who works on which share of a folder. */
interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process started, as its system counts: a number used again is not the same process. */
  readonly started: string;
  /** The task of a scheduler, which is started again under the same name. */
  readonly task: string;
  readonly index: number;
  readonly count: number;
}

/** A run of another machine shows that it lives by this many milliseconds... */
const BEAT = 5000;
/** ...and is taken for dead after so many without. */
const SILENCE = 30_000;

const FOLDER = 'running';

function startOf(pid: number): string {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold spaces.
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const taskOf = (env: NodeJS.ProcessEnv) =>
  env['SLURM_ARRAY_JOB_ID'] ? `slurm ${env['SLURM_ARRAY_JOB_ID']}_${env['SLURM_ARRAY_TASK_ID']}` : '';

/** Do two shares have a part in common? Those of one count have none; others may. */
const overlap = (a: Shard, b: Shard) => a.count !== b.count || a.index === b.index;

/** A share of a folder, held until it is released, or until its process is no more. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes a share of a folder, or throws where a living run has some of its parts. A killed run blocks nobody: on this machine its
 * process is gone, and of another machine nothing is heard any more. Two that start at the same moment write the same parts whole.
 */
export async function lockShare(dir: string, shard: Shard, note: (text: string) => void): Promise<Lock> {
  const folder = join(dir, FOLDER);
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid),
    task: taskOf(process.env),
    ...shard,
  };
  await removeDead(folder, own, note);
  const path = join(folder, `${shard.index}-of-${shard.count}.json`);
  await claim(path, own);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, BEAT);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await rm(path, { force: true });
      // Empty unless another share is at work.
      await rmdir(folder).catch(() => {});
    },
  };
}

/** Makes the file with its content at once, so that nobody reads half of it; throws where it is there. */
async function claim(path: string, own: Owner): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, JSON.stringify(own));
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      // A file system without links: the last one wins, and writes what the other one does.
      await rename(draft, path);
      return;
    }
    throw busy(await ownerOf(path), path);
  } finally {
    await rm(draft, { force: true });
  }
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function busy(owner: Owner | undefined, path: string): ExolamError {
  const who = owner ? `process ${owner.pid} on ${owner.host} (shard ${owner.index}/${owner.count})` : path;
  return new ExolamError(
    'input',
    `another run is at work in this folder: ${who}; wait for it, or give the two different shards of one count`,
  );
}

/** Clears away what dead runs left, and throws where a living one has parts of this share. */
async function removeDead(folder: string, own: Owner, note: (text: string) => void): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^\d+-of-\d+\.json$/.test(name)) continue;
    const path = join(folder, name);
    const owner = await ownerOf(path);
    if (!owner || !overlap(owner, own)) continue;
    const isSameTask = owner.task !== '' && owner.task === own.task;
    const isHere = owner.host === own.host;
    const lives = isHere
      ? isAlive(owner.pid) && startOf(owner.pid) === owner.started
      : !isSameTask && (await isHeard(path, owner, note));
    if (lives) throw busy(owner, path);
    await rm(path, { force: true });
  }
}

/** Is a run of another machine alive? Waits until it is heard of, or long enough not. */
async function isHeard(path: string, owner: Owner, note: (text: string) => void): Promise<boolean> {
  const timeOf = async () => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
  const first = await timeOf();
  if (first === 0) return false;
  note(`waiting up to ${SILENCE / 1000} s to hear whether the run of ${owner.host} is alive`);
  for (let waited = 0; waited < SILENCE; waited += 500) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const now = await timeOf();
    if (now === 0) return false;
    if (now !== first) return true;
  }
  return false;
}
/** The shares that are being worked on, as far as this machine can tell. */
export async function sharesAtWork(
  dir: string,
): Promise<(Shard & { readonly host: string; readonly pid: number })[]> {
  const folder = join(dir, FOLDER);
  const found: (Shard & { host: string; pid: number })[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = /^\d+-of-\d+\.json$/.test(name) ? await ownerOf(join(folder, name)) : undefined;
    if (!owner) continue;
    const age = Date.now() - ((await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0);
    const lives =
      owner.host === hostname() ? isAlive(owner.pid) && startOf(owner.pid) === owner.started : age < SILENCE;
    if (lives) found.push(owner);
  }
  return found;
}
