import { type SweepStatus, sweepStatus } from '../sweep/status.js';
import { toJson } from './json.js';
import type { Shell } from './run.js';
import { table } from './table.js';

/** Characters of a log's line that a table shows. */
const LINE = 80;

/** `exolam sweep status DIR`: what is there, and what each shard does. */
export async function sweepStatusCommand(
  dir: string,
  flags: { readonly json?: boolean },
  shell: Shell,
): Promise<void> {
  const status = await sweepStatus(dir, shell.signal);
  shell.out(flags.json ? `${toJson(status)}\n` : textOf(status));
}

function textOf({ points, done, shards }: SweepStatus): string {
  const head = `${done} of ${points} points are there\n`;
  if (shards.length === 1 && shards[0].log === null) return `${head}${shards[0].state}\n`;
  const rows = shards.map(({ shard, count, parts, done: own, state, log }) => [
    `${shard}/${count}`,
    state,
    `${own} of ${parts}`,
    (log ?? '').slice(0, LINE),
  ]);
  return `${head}${table(['shard', 'state', 'parts', 'last line of its log'], rows)}\n`;
}
