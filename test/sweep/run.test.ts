import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';
import { runSweep, type SweepSpec, sweep } from '../../lib/index.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const fresh = () => join(folder, String(made++));
const cli = join(packageRoot(), 'dist/cli.mjs');

/** 9,600 points in three parts. */
const spec: SweepSpec = {
  base: { mixing: 'gaussian', sensorNoise: 0.1 },
  grid: { exogenousScale: { range: [0.5, 3, 10] }, policyNoise: [0.5, 1] },
  objectives: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: [0.1, 1, 10] }],
  latentDim: [3, 4, 6],
  seeds: 40,
};
const POINTS = 10 * 2 * 4 * 3 * 40;

/** Every part by its name and content. */
function partsOf(out: string): Record<string, string> {
  const names = readdirSync(join(out, 'parts'));
  return Object.fromEntries(
    names.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(out, 'parts', name)))
        .digest('hex'),
    ]),
  );
}

async function query(out: string, sql: string): Promise<unknown[][]> {
  const connection = await (await DuckDBInstance.create()).connect();
  const reader = await connection.runAndReadAll(sql.replace('ROWS', `'${out}/parts/*.parquet'`));
  connection.closeSync();
  return reader.getRowsJson();
}

const whole = fresh();
const ran = await runSweep(spec, { out: whole });

describe('runSweep', () => {
  it('writes the rows of sweep, one row group a part, and what is the same in all beside them', async () => {
    expect(ran).toEqual({ points: POINTS, written: POINTS, before: 0, finished: true });
    const file = JSON.parse(readFileSync(join(whole, 'spec.json'), 'utf8'));
    expect(file.constants).toMatchObject({ mixing: 'gaussian', sensorNoise: 0.1, exogenousDecay: 0.8 });
    expect(file.constants).not.toHaveProperty('exogenousScale');
    expect(readdirSync(whole).sort()).toEqual(['parts', 'spec.json']);
    const losses: number[] = [];
    for await (const { columns } of sweep(spec)) losses.push(...(columns['loss'] as Float64Array));
    const rows = await query(whole, 'SELECT loss FROM ROWS');
    expect(rows.map(([loss]) => loss)).toEqual(losses);
    const [described] = await query(whole, 'SELECT list(DISTINCT row_group_id) FROM parquet_metadata(ROWS)');
    expect(described).toEqual([['0']]);
    const columns = await query(whole, 'DESCRIBE SELECT * FROM ROWS');
    expect(columns.map(([name]) => name)).toEqual(file.columns);
  });

  it('has the same files in 7 shards, with one thread, and where it is stopped and goes on', async () => {
    const [shards, single, stopped] = [fresh(), fresh(), fresh()];
    for (let index = 6; index >= 0; index--)
      await runSweep(spec, { out: shards, shard: { index, count: 7 } });
    await runSweep(spec, { out: single, threads: 1 });
    let runs = 0;
    for (let finished = false; !finished; runs++) {
      const stop = new AbortController();
      let first: number | undefined;
      const onProgress = (done: number) => {
        first ??= done;
        if (done > first) stop.abort();
      };
      ({ finished } = await runSweep(spec, { out: stopped, stop: stop.signal, onProgress }));
    }
    expect(runs).toBeGreaterThan(1);
    for (const out of [shards, single, stopped]) expect(partsOf(out)).toEqual(partsOf(whole));
  });

  it('has the same trained rows in shards, with one thread, stopped in between, and extended', async () => {
    const trained: SweepSpec = {
      ...{ latentDim: [2, 3], seeds: 6, samples: [null, 100] },
      grid: { exogenousScale: [0.5, 2] },
      train: { steps: [3, 30] },
    };
    const [plain, shards, stopped, extended] = [fresh(), fresh(), fresh(), fresh()];
    expect((await runSweep(trained, { out: plain, threads: 2 })).points).toBe(6 * 2 * 2 * 4);
    const parts = partsOf(plain);
    expect(Object.keys(parts).length).toBeGreaterThan(7);
    for (let index = 6; index >= 0; index--)
      await runSweep(trained, { out: shards, threads: 1, shard: { index, count: 7 } });
    const stop = new AbortController();
    const onProgress = (done: number) => done > 0 && stop.abort();
    await runSweep(trained, { out: stopped, stop: stop.signal, onProgress });
    expect(Object.keys(partsOf(stopped)).length).toBeLessThan(Object.keys(parts).length);
    await runSweep(trained, { out: stopped });
    for (const out of [shards, stopped]) expect(partsOf(out)).toEqual(parts);
    await runSweep({ ...trained, samples: 100, train: { steps: 30 } }, { out: extended });
    await runSweep(trained, { out: extended, extend: true });
    const rows = 'SELECT * FROM ROWS ORDER BY exogenousScale, seed, samples, steps, latentDim';
    expect(await query(extended, rows)).toEqual(await query(plain, rows));
  });

  it('extends a refined sweep by whole slices, and by nothing that its refinement would not see', async () => {
    const refined = (further: Partial<SweepSpec>): SweepSpec => ({
      grid: { exogenousScale: { range: [0.5, 3, 6] } },
      latentDim: [3],
      seeds: 2,
      base: { sensorNoise: 0.1 },
      refine: { metric: 'innovationLeakage', level: 0.1, depth: 3 },
      ...further,
    });
    const wider = refined({
      ...{ latentDim: [4, 3], seeds: 3 },
      objectives: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: [0, 1] }],
    });
    const own = refined({ objectives: [{ kind: 'action-supervised', weight: [1] }] });
    const [out, wanted] = [fresh(), fresh()];
    await runSweep(own, { out });
    await runSweep(wider, { out, extend: true });
    await runSweep(wider, { out: wanted });
    const key = 'objective, weight, seed, latentDim, exogenousScale';
    const points = `SELECT ${key}, refinement, round(loss, 9) FROM ROWS ORDER BY ${key}`;
    // One latent dimension alone or with others in one call: the same but for rounding.
    expect(await query(out, points)).toEqual(await query(wanted, points));
    await expect(
      runSweep({ ...wider, grid: { exogenousScale: { range: [0.5, 3, 7] } } }, { out, extend: true }),
    ).rejects.toThrow(
      /its refinement differs \(the ranges of reconstruction\): further seeds, .* can be added; name another/,
    );
    await expect(
      runSweep(
        { ...wider, refine: { metric: 'innovationLeakage', level: 0.2, depth: 3 } },
        {
          out,
          extend: true,
        },
      ),
    ).rejects.toThrow(/its refinement differs \(refine\.level: 0\.1 there, 0\.2 here\)/);
  });

  it('computes what is missing and what is torn, and nothing else', async () => {
    const out = fresh();
    await runSweep(spec, { out });
    const [first, second] = Object.keys(partsOf(out));
    rmSync(join(out, 'parts', first));
    writeFileSync(join(out, 'parts', second), readFileSync(join(out, 'parts', second)).subarray(0, 1000));
    writeFileSync(join(out, 'parts', `${first}.1-ab.partial`), 'half');
    const { written } = await runSweep(spec, { out });
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(POINTS);
    expect(partsOf(out)).toEqual(partsOf(whole));
    expect((await runSweep(spec, { out })).written).toBe(0);
  });

  it('refuses another spec in the same folder with the difference', async () => {
    await expect(runSweep({ ...spec, latentDim: [3, 4] }, { out: whole })).rejects.toThrow(
      /holds another sweep \(latentDim: \[3,4,6\] there, \[3,4\] here\): name another folder, or add .* --extend$/,
    );
    expect(partsOf(whole)).toEqual(partsOf(whole));
  });

  it('extends a sweep by exactly the points that it lacks', async () => {
    const out = fresh();
    const wider: SweepSpec = {
      ...spec,
      grid: { exogenousScale: [0.5, 3, 7], policyNoise: [0.5, 1, 2] },
      latentDim: [3, 5],
      seeds: 45,
      objectives: [{ kind: 'action-supervised', weight: [1, 3] }, { kind: 'cross-exogenous' }],
    };
    await runSweep(spec, { out });
    const { points, before } = await runSweep(wider, { out, extend: true });
    expect(before).toBe(POINTS);
    const key = 'objective, weight, exogenousScale, policyNoise, seed, latentDim';
    const [[rows, distinct]] = await query(
      out,
      `SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT ${key} FROM ROWS)) FROM '${out}/parts/*.parquet'`,
    );
    expect([Number(rows), Number(distinct)]).toEqual([points, points]);
    const wanted = fresh();
    await runSweep(wider, { out: wanted });
    const [[missing]] = await query(
      wanted,
      `SELECT count(*) FROM ROWS AS w ANTI JOIN '${out}/parts/*.parquet' AS h ON w.objective = h.objective AND w.weight IS NOT DISTINCT FROM h.weight AND w.exogenousScale = h.exogenousScale AND w.policyNoise = h.policyNoise AND w.seed = h.seed AND w.latentDim = h.latentDim`,
    );
    expect(Number(missing)).toBe(0);
    // Both commands go on where they were: everything is there.
    expect((await runSweep(wider, { out })).written).toBe(0);
    expect((await runSweep(spec, { out })).written).toBe(0);
    await expect(
      runSweep({ ...wider, grid: { ...wider.grid, sensorNoise: [1] } }, { out, extend: true }),
    ).rejects.toThrow(/--extend: expected .* only this one have a column sensorNoise/);
    await expect(runSweep({ ...wider, base: { mixing: 'gaussian' } }, { out, extend: true })).rejects.toThrow(
      /--extend: expected .* what no row tells differs: sensorNoise: 0.1 there, 0 here/,
    );
  });
});

describe('a folder', () => {
  it('is one run at a time for each share, and a dead run blocks nobody', async () => {
    const out = fresh();
    mkdirSync(out);
    const own = { pid: process.pid, host: hostname(), started: '', task: '', index: 0, count: 2 };
    const started = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[19];
    const claim = (owner: object) => {
      mkdirSync(join(out, 'running'), { recursive: true });
      writeFileSync(join(out, 'running/0-of-2.json'), JSON.stringify({ ...own, ...owner }));
    };
    claim({ started });
    await expect(runSweep(spec, { out })).rejects.toThrow(
      /^another run is at work in this folder: process \d+ on .* \(shard 0\/2\); wait for it/,
    );
    await expect(runSweep(spec, { out, shard: { index: 0, count: 2 } })).rejects.toThrow(
      /another run is at work/,
    );
    await runSweep(spec, { out, shard: { index: 1, count: 2 } });
    // The number of the process is used again by another one.
    claim({ started: '1' });
    await runSweep(spec, { out });
    claim({ pid: 2 ** 22 + 1 });
    expect((await runSweep(spec, { out })).written).toBe(0);
    expect(existsSync(join(out, 'running'))).toBe(false);
  });

  it('that cannot be written to is told in a sentence', async () => {
    const file = fresh();
    writeFileSync(file, '');
    await expect(runSweep(spec, { out: file })).rejects.toThrow(/expected a folder that can be written to/);
    await expect(runSweep(spec, { out: join(file, 'x') })).rejects.toThrow(
      /expected a folder that can be written to/,
    );
    const strange = fresh();
    mkdirSync(join(strange, 'parts'), { recursive: true });
    writeFileSync(join(strange, 'parts/part-000000.parquet'), '');
    await expect(runSweep(spec, { out: strange })).rejects.toThrow(
      /expected a new folder or that of a sweep, but it holds parts\/part-000000.parquet and no spec.json/,
    );
    writeFileSync(join(strange, 'spec.json'), '{"specs": 3}');
    await expect(runSweep(spec, { out: strange })).rejects.toThrow(
      /spec.json: expected the spec.json of exolam sweep/,
    );
  });

  it.skipIf(!existsSync('/dev/full') || process.getuid?.() !== 0)(
    'on a disk that is full, or read-only, keeps what is there',
    async () => {
      const disk = fresh();
      mkdirSync(disk);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=700k', 'tmpfs', disk]);
      if (mounted.status !== 0) return; // A container that may not mount.
      try {
        const out = join(disk, 'sweep');
        await expect(runSweep(spec, { out })).rejects.toThrow(
          /part-\d+\.parquet cannot be written: the disk is full$/,
        );
        const there = Object.entries(partsOf(out));
        for (const [name, hash] of there) expect(partsOf(whole)[name]).toBe(hash);
        spawnSync('mount', ['-o', 'remount,size=20m', disk]);
        await runSweep(spec, { out });
        expect(partsOf(out)).toEqual(partsOf(whole));
        spawnSync('mount', ['-o', 'remount,ro', disk]);
        await expect(runSweep(spec, { out })).rejects.toThrow(
          /sweep cannot be written: the file system is read-only$/,
        );
      } finally {
        spawnSync('umount', [disk]);
      }
    },
  );
});

describe('exolam sweep', () => {
  const path = join(folder, 'spec.json');
  writeFileSync(path, JSON.stringify(spec));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [cli, 'sweep', ...args], { encoding: 'utf8' });

  it('says what it will take, then what it has done', () => {
    const out = fresh();
    const { status, stdout, stderr } = run(path, '--out', out);
    expect(stderr).toMatch(/^9600 points, about [\d.]+ s on this machine and [\d.]+ MB of files\n$/);
    expect(stdout).toMatch(/^9600 of 9600 points are in .*, 9600 of them written in [\d.]+ s\n$/);
    expect(status).toBe(0);
    expect(partsOf(out)).toEqual(partsOf(whole));
  });

  it('prints lines of JSON as it goes on, one document at the end, or nothing', () => {
    const out = fresh();
    const { stdout, stderr } = run(path, '--out', out, '--progress', 'json', '--json', '--threads', '1');
    const last = JSON.parse(stderr.trim().split('\n').at(-1) as string);
    expect(last).toEqual({
      done: POINTS,
      total: POINTS,
      rate: expect.any(Number),
      etaSeconds: 0,
      threads: 1,
    });
    expect(JSON.parse(stdout)).toMatchObject({
      out,
      points: POINTS,
      written: POINTS,
      before: 0,
      finished: true,
    });
    const quiet = run(path, '--out', fresh(), '--quick', '--quiet');
    expect([quiet.stderr, quiet.status]).toEqual(['', 0]);
    expect(run(path, '--out', out, '--dry-run').stdout).toMatch(/^9600 points, about /);
    const long = join(folder, 'long.json');
    writeFileSync(long, JSON.stringify({ latentDim: 3, seeds: 1e5, train: { steps: 4e6 } }));
    // Thousands of hours: said in a second.
    expect(run(long, '--dry-run').stdout).toMatch(/^200000 points, about \d{3,}\.\d h on this machine/);
  });

  it('is refused in one line with code 2', () => {
    const bad = join(folder, 'bad.json');
    writeFileSync(bad, JSON.stringify({ ...spec, latentDim: [0] }));
    const { status, stderr } = run(bad, '--out', fresh());
    expect([status, stderr]).toEqual([
      2,
      `exolam: ${bad}: latentDim[0]: expected an integer from 1 but received 0\n`,
    ]);
    expect(run(path, '--out', fresh(), '--shard', '7/7').stderr).toMatch(
      /^exolam: --shard: expected an index from 0 to 6/,
    );
  });

  it('ends after the parts in flight on ctrl-C, with code 130, and the next run completes it', async () => {
    const large = join(folder, 'large.json');
    writeFileSync(large, JSON.stringify({ ...spec, seeds: 4000 }));
    const out = fresh();
    const child = spawn(process.execPath, [cli, 'sweep', large, '--out', out], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    while (!existsSync(join(out, 'parts')) || readdirSync(join(out, 'parts')).length === 0)
      await new Promise((next) => setTimeout(next, 20));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(stderr).toMatch(
      /finishing the parts in flight; once more to drop them\nthe same command goes on from here\n$/,
    );
    const [, before, points] = /^(\d+) of (\d+) points are in /.exec(stdout) ?? [];
    expect(Number(points)).toBe(100 * POINTS);
    expect(Number(before)).toBeLessThan(Number(points));
    expect(readdirSync(join(out, 'parts')).filter((name) => !name.endsWith('.parquet'))).toEqual([]);
    const [[rows]] = await query(out, 'SELECT count(*) FROM ROWS');
    expect(Number(rows)).toBe(Number(before));
  });

  it('survives ten kills at random moments without a row lost, torn or left running', () => {
    const script = join(packageRoot(), 'scripts/kill-sweep.mjs');
    const found = JSON.parse(execFileSync(process.execPath, [script, '10'], { encoding: 'utf8' }));
    expect(found).toMatchObject({ kills: 10, torn: 0, lost: 0, orphans: 0, same: true, halves: 0 });
  });
});
