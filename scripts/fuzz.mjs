// Damaged and hostile inputs without an end: each target in a process of its own, on seeds of its own.
//   npm run fuzz -- [--minutes N] [--executions N] [--target NAME] [--seed S] [--first I]
// Default: a minute, shared by the targets. Exit 1 where anything but an answer or a sentence of exolam's came back; --seed, --first and
// --executions 1 run the execution that is told again.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { ensureBuilt } from './ensure-built.mjs';
import { ROOT } from './paths.mjs';

const TARGETS = [
  ...[
    'npz',
    'zip',
    'csv',
    'parquet',
    'safetensors',
    'hdf5',
    'zarr',
    'lerobot',
    'model',
    'case',
    'analysis',
    'report',
  ],
  'calls',
];
const text = (name) => ({ [name]: { type: 'string' } });
const { values } = parseArgs({
  options: Object.assign({}, ...['minutes', 'executions', 'target', 'seed', 'first'].map(text)),
});
if (values.target !== undefined && !TARGETS.includes(values.target)) {
  process.stderr.write(
    `fuzz: expected --target to be one of ${TARGETS.join(', ')} but received ${values.target}\n`,
  );
  process.exit(2);
}
const targets = values.target ? [values.target] : TARGETS;
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const executions = Number(values.executions ?? 1e9);
const minutes = Number(values.minutes ?? (values.executions ? 1e6 : 1)) / targets.length;

await ensureBuilt({ dist: false });
let failed = false;
process.stdout.write('target       executions  accepted  refused  longest ms  MB  MB of the parser\n');
for (const target of targets) {
  const main = join(ROOT, 'test/support/fuzz/main.ts');
  const args = [target, executions, 60_000 * minutes, seed, values.first ?? 0].map(String);
  const { stdout, stderr, status, signal } = spawnSync(process.execPath, ['--import', 'tsx', main, ...args], {
    encoding: 'utf8',
    cwd: ROOT,
    maxBuffer: 1 << 28,
  });
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (status !== 0 || !line.startsWith('{')) {
    failed = true;
    const last = [...stderr.matchAll(/^execution (\d+)$/gm)].at(-1)?.[1];
    const said = stderr.replace(/^execution \d+\n/gm, '').slice(-2000);
    const how = signal ?? `exit ${status}`;
    process.stdout.write(`${target}: ended by ${how} (seed ${seed}, execution ${last})\n${said}\n`);
    continue;
  }
  const o = JSON.parse(line);
  const cells = [o.executions, o.accepted, o.refused, o.longest, o.memory, o.childMemory];
  process.stdout.write(`${target.padEnd(12)} ${cells.map((cell) => String(cell).padStart(9)).join('')}\n`);
  for (const { execution, why } of o.faults.slice(0, 20))
    process.stdout.write(`  seed ${seed}, execution ${execution}: ${why}\n`);
  failed ||= o.faults.length > 0;
}
process.exitCode = failed ? 1 : 0;
