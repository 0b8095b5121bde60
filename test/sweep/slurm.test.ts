import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';
import { runSweep, type SweepSpec } from '../../lib/index.js';
import { rangesOf, slurmScript } from '../../lib/sweep/slurm.js';
import { pidOfTask, Slurm, whyNoSlurm } from '../support/slurm.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-sbatch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Shards of 16 parts, each a second or so of one core. */
const spec: SweepSpec = {
  base: { mixing: 'gaussian', endogenousDim: 8, exogenousDim: 8, actionDim: 8 },
  grid: { exogenousScale: { range: [0.5, 4, 40] } },
  objectives: [{ kind: 'exogenous-robust', weight: { logRange: [0.1, 10, 16] } }],
  latentDim: [2, 4, 8, 12, 16],
  seeds: 80,
};
const path = join(folder, 'spec.json');
writeFileSync(path, JSON.stringify(spec));

function partsOf(out: string): Record<string, string> {
  const names = readdirSync(join(out, 'parts')).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(out, 'parts', name)))
        .digest('hex'),
    ]),
  );
}

describe('the job script', () => {
  it('takes the index of its task, and what sbatch is to be told', () => {
    const script = slurmScript('/data/my sweep', 7, {
      command: ['/usr/bin/node', "/o'pt/cli.mjs"],
      sbatch: ['--partition=long', '--mem=2G'],
    });
    expect(script).toContain('\n#SBATCH --partition=long\n#SBATCH --mem=2G\n');
    expect(script).toContain(
      "exec /usr/bin/node '/o'\\''pt/cli.mjs' sweep '/data/my sweep/spec.json' --out '/data/my sweep' --shard auto/7 ",
    );
    expect(spawnSync('bash', ['-n'], { input: script }).status).toBe(0);
    expect(rangesOf([0, 1, 2, 5, 7, 8])).toBe('0-2,5,7-8');
  });
});

const why = whyNoSlurm();
if (why) console.log(`the tests on Slurm are left out: ${why}`);

describe.skipIf(why !== null)('exolam sweep --engine slurm', () => {
  const out = join(folder, 'on slurm');
  let slurm: Slurm;
  const exolam = (...args: string[]) =>
    spawnSync(process.execPath, [join(packageRoot(), 'dist/cli.mjs'), 'sweep', ...args], {
      encoding: 'utf8',
      env: slurm.environment,
    });
  const submit = () => {
    const { stdout, stderr } = exolam(path, '--out', out, '--engine', 'slurm', '--array', '4', '--json');
    expect(stderr).toBe('');
    return JSON.parse(stdout) as { job: string; shards: number[]; count: number };
  };
  const status = () =>
    JSON.parse(exolam('status', out, '--json').stdout) as {
      done: number;
      points: number;
      shards: { state: string; log: string | null; parts: number; done: number }[];
    };
  const states = () => status().shards.map(({ state }) => state);

  beforeAll(async () => {
    slurm = await Slurm.start();
  });
  afterAll(async () => slurm?.stop());

  it('computes every shard; a killed task is submitted again, a requeued one goes on, a drained node gets none', async () => {
    const whole = join(folder, 'whole');
    await runSweep(spec, { out: whole });
    const { job, shards, count } = submit();
    expect([shards, count]).toEqual([[0, 1, 2, 3], 4]);
    // Two nodes of a core: two tasks run, two wait.
    await slurm.until(
      () =>
        pidOfTask(out, 'SLURM_ARRAY_TASK_ID=0') !== undefined &&
        pidOfTask(out, 'SLURM_ARRAY_TASK_ID=1') !== undefined,
      'two tasks',
    );
    expect(states()).toEqual(['running', 'running', 'queued', 'queued']);
    // While they are in the queue they are nobody else's.
    expect(submit()).toEqual({ job: null, shards: [], count: 4 });
    const node = slurm.ask('squeue', '-h', '-r', '-j', `${job}_0`, '-o', '%N').trim();
    const other = node === 'one' ? 'two' : 'one';

    // A node is drained: its task ends, and no other comes.
    slurm.ask('scontrol', 'update', `NodeName=${other}`, 'State=DRAIN', 'Reason=test');
    // One task is requeued midway, the next one killed outright.
    await slurm.until(
      () => readdirSync(join(out, 'parts')).some((name) => name.endsWith('.parquet')),
      'a part',
    );
    slurm.ask('scontrol', 'requeue', `${job}_0`);
    await slurm.until(() => pidOfTask(out, 'SLURM_ARRAY_TASK_ID=2') !== undefined, 'task 2');
    // Slurm would let it wait two minutes.
    slurm.ask('scontrol', 'update', `JobId=${job}_0`, 'StartTime=now');
    process.kill(pidOfTask(out, 'SLURM_ARRAY_TASK_ID=2') as number, 'SIGKILL');
    await slurm.until(
      () => slurm.ask('squeue', '-h', '-r', '-t', 'RUNNING', '-w', other).trim() === '',
      'an empty node',
    );
    await slurm.until(() => slurm.ask('squeue', '-h', '-r', '-j', job).trim() === '', 'an end', 120);
    expect(slurm.ask('sinfo', '-h', '-n', other, '-o', '%T')).toMatch(/drained/);
    expect(states()).toEqual(['done', 'done', 'failed', 'done']);
    const { points, done } = status();
    expect(done).toBeLessThan(points);

    // Only what is missing is submitted again.
    const again = submit();
    expect(again.shards).toEqual([2]);
    await slurm.until(() => slurm.ask('squeue', '-h', '-r', '-j', again.job).trim() === '', 'an end', 120);
    expect(states()).toEqual(['done', 'done', 'done', 'done']);
    expect(status().shards[2].log).toMatch(/points are in /);
    expect(partsOf(out)).toEqual(partsOf(whole));
    expect(submit()).toEqual({ job: null, shards: [], count: 4 });
    const text = exolam('status', out).stdout;
    expect(text).toMatch(/^256000 of 256000 points are there\nshard +state +parts +last line of its log\n/);
  }, 300_000);
});
