// A sweep that is killed (SIGKILL, its whole process group) at random moments and started again until it is done, beside one that runs
// through: no part is torn or lost, no process is left, every file is the same.
//   node scripts/kill-sweep.mjs [KILLS] [SEED]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from './paths.mjs';

const kills = Number(process.argv[2] ?? 100);
let state = Number(process.argv[3] ?? 1);
/** In [0, 1): a moment of the run, the same for the same seed. */
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

const folder = mkdtempSync(join(tmpdir(), 'exolam-kill-'));
const cli = join(ROOT, 'dist/cli.mjs');
const spec = join(folder, 'spec.json');
// Parts of some 4,000 points, each a few hundredths of a second.
writeFileSync(
  spec,
  JSON.stringify({
    grid: { exogenousScale: { range: [0.5, 4, 25] }, policyNoise: { range: [0.5, 2, 16] } },
    base: { mixing: 'gaussian', endogenousDim: 8, exogenousDim: 8, actionDim: 8 },
    objectives: [{ kind: 'reconstruction' }, { kind: 'exogenous-robust', weight: [0.1, 1, 10] }],
    latentDim: [2, 4, 8, 12, 16],
    seeds: 20,
  }),
);
const command = (out) => [cli, 'sweep', spec, '--out', out, '--quiet'];

/** Every finished part by its name. */
function partsOf(out) {
  try {
    return new Map(
      readdirSync(join(out, 'parts'))
        .filter((name) => name.endsWith('.parquet'))
        .map((name) => [
          name,
          createHash('sha256')
            .update(readFileSync(join(out, 'parts', name)))
            .digest('hex'),
        ]),
    );
  } catch {
    return new Map();
  }
}

const alive = (pid) => {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
};

try {
  const whole = join(folder, 'whole');
  const began = performance.now();
  if (spawnSync(process.execPath, command(whole), { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0)
    throw new Error('the run failed');
  const takes = performance.now() - began;
  const expected = partsOf(whole);
  let [done, rounds, torn, lost, orphans, most] = [0, 0, 0, 0, 0, 0];
  let out = join(folder, 'killed');
  let before = new Map();
  while (done < kills) {
    const child = spawn(process.execPath, command(out), { detached: true, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
    // Most of a start is Node's own: as often in it as behind it.
    const how = await Promise.race([ended, sleep(50 + random() * Math.max(300, takes / 2))]);
    if (how === undefined) {
      process.kill(-child.pid, 'SIGKILL');
      await ended;
      done++;
      if (alive(child.pid)) orphans++;
    }
    const now = partsOf(out);
    for (const [name, hash] of now) if (expected.get(name) !== hash) torn++;
    for (const name of before.keys()) if (!now.has(name)) lost++;
    most = Math.max(most, now.size - before.size);
    before = now;
    if (how === 0 && now.size !== expected.size) lost++;
    if (now.size === expected.size && done < kills) {
      rounds++;
      rmSync(out, { recursive: true });
      out = join(folder, `killed-${rounds}`);
      before = new Map();
    }
  }
  if (spawnSync(process.execPath, command(out), { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0)
    throw new Error('the last run failed');
  const last = partsOf(out);
  const same = last.size === expected.size && [...expected].every(([name, hash]) => last.get(name) === hash);
  const halves = readdirSync(join(out, 'parts')).filter((name) => !name.endsWith('.parquet'));
  const result = {
    kills: done,
    finished: rounds + 1,
    parts: expected.size,
    torn,
    lost,
    orphans,
    same,
    halves: halves.length,
  };
  console.log(JSON.stringify(result));
  process.exitCode = torn + lost + orphans + halves.length === 0 && same ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
