import { mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { trackGroups } from '../../../lib/base/children.js';
import { ExolamError } from '../../../lib/base/errors.js';
import { Random } from './mutate.js';
import type { Target } from './targets.js';

/** Longest time of an execution on a quiet machine, and the most memory of this process and of one that it has started. */
const LONGEST = 5000;
const MOST = 1 << 30;

export interface Outcome {
  readonly target: string;
  readonly seed: number;
  readonly executions: number;
  /** Inputs that were read or answered, and those that were refused as they should be. */
  readonly accepted: number;
  readonly refused: number;
  /** ms */
  readonly longest: number;
  /** MB, of this process and of the largest that it started (where the system tells). */
  readonly memory: number;
  readonly childMemory: number;
  /** What must not be: which execution, and why. */
  readonly faults: readonly { readonly execution: number; readonly why: string }[];
}

export interface Until {
  readonly executions: number;
  readonly milliseconds: number;
  readonly seed: number;
  /** The first execution: another one than 0 runs one again that was told. */
  readonly first?: number | undefined;
  /** Say each execution's number before it. */
  readonly trace?: boolean | undefined;
}

/** Runs a target again and again, each time on another input. */
export async function fuzz(target: Target, until: Until): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'exolam-fuzz-'));
  const started = new Set<number>();
  trackGroups((pid, running) => (running ? started.add(pid) : started.delete(pid)));
  let memory = 0;
  let childMemory = 0;
  const look = () => {
    memory = Math.max(memory, process.memoryUsage.rss());
    for (const pid of started) childMemory = Math.max(childMemory, residentSetOf(pid));
  };
  const watch = setInterval(look, 20);
  const faults: { execution: number; why: string }[] = [];
  let [accepted, refused, longest] = [0, 0, 0];
  const begin = performance.now();
  let execution = until.first ?? 0;
  const last = execution + until.executions;
  for (; execution < last && performance.now() - begin < until.milliseconds; execution++) {
    const start = performance.now();
    // Where an execution ends the process, this is how the one that asked knows which.
    if (until.trace) writeSync(2, `execution ${execution}\n`);
    const why = await faultOf(target, new Random(until.seed, execution), scratch);
    if (why === undefined) accepted++;
    else if (why === '') refused++;
    else faults.push({ execution, why });
    const took = performance.now() - start;
    longest = Math.max(longest, took);
    // Others may be at work: what is asked for is a time on a machine of one's own.
    if (took > LONGEST * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism()))
      faults.push({ execution, why: `took ${(took / 1000).toFixed(1)} s` });
    if (execution % 64 === 0) {
      look();
      await new Promise((done) => setImmediate(done));
    }
  }
  clearInterval(watch);
  trackGroups(() => {});
  rmSync(scratch, { recursive: true, force: true });
  if (Math.max(memory, childMemory) > MOST)
    faults.push({ execution, why: `took ${Math.max(memory, childMemory) / 1e6} MB` });
  return {
    target: target.name,
    seed: until.seed,
    executions: execution - (until.first ?? 0),
    accepted,
    refused,
    longest: Math.round(longest),
    memory: Math.round(memory / 1e6),
    childMemory: Math.round(childMemory / 1e6),
    faults,
  };
}

/** Undefined where an input was read, empty where it was refused in one sentence; else what is wrong. */
async function faultOf(target: Target, random: Random, scratch: string): Promise<string | undefined> {
  try {
    await target.run(random, join(scratch, 'd'));
    return undefined;
  } catch (error) {
    const ours = error instanceof ExolamError && error.kind !== 'internal';
    if (ours && !/\n/.test(error.message) && error.message.length < 2000) return '';
    return error instanceof Error
      ? `${error.name}: ${error.message}${ours ? '' : ` ${stackOf(error)}`}`
      : String(error);
  }
}

const stackOf = ({ stack = '' }: Error) => stack.split('\n').slice(1, 4).join(' ').replace(/\s+/g, ' ');

/** Bytes, where the system tells. */
function residentSetOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;
  } catch {
    return 0;
  }
}
