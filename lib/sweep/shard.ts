import { ExolamError } from '../base/errors.js';
import { quote } from '../base/validate.js';

/** One of `count` shares of a sweep: parts index, index + count, index + 2 count and so on. */
export interface Shard {
  /** From 0 up to, not including, `count`. */
  readonly index: number;
  /** How many shares there are, from 1. */
  readonly count: number;
}

export function requireShard(shard: Shard): Shard {
  if (shard.index < shard.count) return shard;
  throw new ExolamError(
    'input',
    `shard.index: expected an integer below count (${shard.count}) but received ${shard.index}`,
  );
}

/** Where the index of a task stands that Slurm, Kubernetes or AWS Batch started, and where the number of tasks, if anywhere. */
const SCHEDULERS = [
  ['SLURM_ARRAY_TASK_ID', 'SLURM_ARRAY_TASK_COUNT'],
  ['JOB_COMPLETION_INDEX', undefined],
  ['AWS_BATCH_JOB_ARRAY_INDEX', 'AWS_BATCH_JOB_ARRAY_SIZE'],
] as const;

/** `2/8`, or `auto/8` and `auto`, whose index is that of the scheduler's task. */
export function readShard(text: string, environment: Readonly<Record<string, string | undefined>>): Shard {
  const [, index = '', count] = /^(\d+|auto)(?:\/(\d+))?$/.exec(text) ?? [];
  if (index === '' || (index !== 'auto' && count === undefined))
    throw new ExolamError(
      'input',
      `--shard: expected INDEX/COUNT with an index from 0, such as 2/8, or auto/COUNT, but received ${quote(text)}`,
    );
  const found = SCHEDULERS.find(([name]) => /^\d+$/.test(environment[name] ?? ''));
  if (index === 'auto' && !found)
    throw new ExolamError(
      'input',
      `--shard: expected the index of a task in ${SCHEDULERS.map(([name]) => name).join(', ')}, since it is auto, but none of them is set`,
    );
  const size = count ?? (found?.[1] ? environment[found[1]] : undefined);
  if (size === undefined)
    throw new ExolamError(
      'input',
      '--shard: expected auto/COUNT: this scheduler does not tell how many tasks there are',
    );
  const shard = {
    index: Number(index === 'auto' ? environment[found?.[0] ?? ''] : index),
    count: Number(size),
  };
  if (!(shard.count >= 1 && shard.index < shard.count))
    throw new ExolamError(
      'input',
      `--shard: expected an index from 0 to ${Math.max(0, shard.count - 1)} but received ${shard.index}/${shard.count}`,
    );
  return shard;
}
