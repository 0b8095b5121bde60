import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { LinearLam } from '../../lib/lam/linear-lam.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'exolam-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line as built, as a user would from a shell. */
function exolam(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(root, 'dist/cli.mjs'), ...args],
      { cwd: root, maxBuffer: 1 << 28 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** Bad input: exit 2, nothing on stdout, one line on stderr that says all of these. */
async function expectRefused(args: string[], ...says: (string | RegExp)[]): Promise<void> {
  const { code, stdout, stderr } = await exolam(...args);
  expect(stderr.trim().split('\n'), stderr).toHaveLength(1);
  for (const text of says) expect(stderr).toMatch(text);
  expect(stdout).toBe('');
  expect(code, stderr).toBe(2);
}

const reconstruction = { kind: 'reconstruction' };

describe('exolam solve', () => {
  it('prints one JSON document for a case', async () => {
    const path = file('case.json', {
      world: { exogenousScale: 2, seed: 1 },
      objective: reconstruction,
      latentDim: 3,
    });
    const { code, stdout, stderr } = await exolam('solve', path);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const answer = JSON.parse(stdout);
    // Orthonormal and noise-free with beta = 4 > alpha = 1: three of the four exogenous directions (T2).
    expect(answer.metrics.futureLeakage).toBeCloseTo(0.75, 9);
    expect(answer.metrics.actionError).toBeCloseTo(1, 9);
    expect(answer.spectrum).toHaveLength(3);
    expect(answer.rank).toBe(7);
    expect(answer.gauge).toBe('innovation');
    expect(answer.C).toBeUndefined();
  });

  it('prints a line for each of several cases, infinities as strings, and encoders when asked', async () => {
    const a = file('a.json', { world: {}, objective: reconstruction, latentDim: 7 });
    const b = file('b.json', {
      world: {},
      objective: { kind: 'action-supervised', weight: 9 },
      latentDim: 3,
    });
    const { code, stdout } = await exolam('solve', '--encoder', a, b);
    expect(code).toBe(0);
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(first.metrics.actionInformation).toBe('Infinity');
    expect(second.C).toHaveLength(3);
    expect(second.D[0]).toHaveLength(24);
    expect(second.metrics.futureLeakage).toBeCloseTo(0, 9);
  });

  it('solves beyond the rank, reports it, and says that the rest carries nothing', async () => {
    const path = file('rank.json', { world: {}, objective: reconstruction, latentDim: 12 });
    const { code, stdout, stderr } = await exolam('solve', path);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).rank).toBe(7);
    expect(JSON.parse(stdout).spectrum.slice(7)).toEqual([0, 0, 0, 0, 0]);
    expect(stderr).toMatch(/rank 7.*carry nothing/);
  });

  it('says where the closed form of two objectives together is a lower bound alone', async () => {
    const parts = [
      { kind: 'action-supervised', weight: 2 },
      { kind: 'exogenous-robust', weight: 0.5 },
    ];
    const said = async (name: string, sensorNoise: number, objective: object) =>
      (await exolam('solve', file(name, { world: { sensorNoise }, objective, latentDim: 3 }))).stderr;
    expect(await said('bound.json', 0.1, { kind: 'composition', parts })).toMatch(
      /lower bound.*exolam train/,
    );
    expect(await said('whole.json', 0, { kind: 'composition', parts })).not.toMatch(/lower bound/);
  });

  it.each([
    ['latentDim above observationDim', { latentDim: 25 }, /latentDim.*at most observationDim \(24\).*25/],
    ['latentDim 0', { latentDim: 0 }, /latentDim: expected at least 1 but received 0/],
    ['latentDim 1.5', { latentDim: 1.5 }, /latentDim: expected an integer but received 1.5/],
    [
      'negative noise',
      { world: { sensorNoise: -1 } },
      /world\.sensorNoise: expected at least 0 but received -1/,
    ],
    ['an unknown key', { world: { sensorNoize: 1 } }, /unknown key "sensorNoize".*sensorNoise/],
    ['an unknown top-level key', { latentDimm: 2 }, /unknown key "latentDimm".*latentDim/],
    ['latentDims that is no list', { latentDim: undefined, latentDims: 2 }, /latentDims: expected an array/],
    [
      'both forms of latentDim',
      { latentDims: [2] },
      /latentDims: expected latentDim or latentDims, not both/,
    ],
    [
      'an unknown kind',
      { objective: { kind: 'reconstrution' } },
      /objective\.kind: expected one of .*"reconstruction"/,
    ],
    [
      'an unknown objective key',
      { objective: { kind: 'action-supervised', wieght: 1, weight: 1 } },
      /"wieght".*weight/,
    ],
    [
      'a missing weight',
      { objective: { kind: 'action-supervised' } },
      /objective\.weight: expected a number but received nothing/,
    ],
    [
      'correlation 1',
      { world: { actionExogenousCorrelation: 1 } },
      /actionExogenousCorrelation: expected less than 1/,
    ],
    [
      'too small an observation',
      { world: { observationDim: 5 } },
      /observationDim: expected at least .*\(9\).*5/,
    ],
    [
      'more actions than states',
      { world: { actionDim: 6 } },
      /actionDim: expected at most endogenousDim \(5\).*6/,
    ],
    [
      'no closed form',
      { objective: { kind: 'action-supervised', weight: 1 }, world: { stateFeedback: 1 }, latentDim: 2 },
      /latentDim: expected at least actionDim \(3\).*train/,
    ],
    [
      'ragged matrices',
      { world: { matrices: { endogenousMixing: [[1]], exogenousMixing: [[1]], actionEffect: [[1]] } } },
      /endogenousMixing: expected 24 rows of 5 numbers but received 1 rows of 1/,
    ],
  ])('refuses %s', async (name, change, says) => {
    const path = file(`${name.replace(/\W/g, '-')}.json`, {
      world: {},
      objective: reconstruction,
      latentDim: 3,
      ...change,
    });
    await expectRefused(['solve', path], says, path);
  });

  it('refuses what is no JSON, no file, or nothing', async () => {
    await expectRefused(['solve', file('broken.json', '{')], /broken\.json: expected JSON/);
    await expectRefused(['solve', join(folder, 'absent.json')], /absent\.json: no such file/);
    await expectRefused(['solve', file('list.json', '[]')], /list\.json/);
    await expectRefused(['solve', file('null.json', 'null')], /null\.json/);
    await expectRefused(['solve', file('huge.json', '{"world":{"seed":1e999},"latentDim":1}')], /huge\.json/);
    await expectRefused(['solve'], /missing required argument/);
    await expectRefused(['slove'], /unknown command 'slove'/);
  });
});

describe('exolam solve --save', () => {
  it('writes the model of the case, whose encoder is the one it prints', async () => {
    const path = file('saved.json', {
      world: { seed: 2, sensorNoise: 0.1 },
      objective: reconstruction,
      latentDim: 5,
    });
    const saved = join(folder, 'solve.safetensors');
    const { code, stdout, stderr } = await exolam('solve', path, '--encoder', '--save', saved);
    expect(code, stderr).toBe(0);
    expect(stderr).toBe('');
    const { C, D, loss, gauge } = JSON.parse(stdout);
    const lam = await LinearLam.load(saved);
    expect([...lam.encoder.C.data]).toEqual(C.flat());
    expect([...lam.encoder.D.data]).toEqual(D.flat());
    expect({ loss: lam.loss, gauge: lam.gauge }).toEqual({ loss, gauge });
    await expectRefused(['solve', path, path, '--save', saved], /--save: expected one case but received 2/);
    await expectRefused(
      ['solve', path, '--save', join(folder, 'no/where')],
      /where cannot be written: its folder/,
    );
  });

  it('refuses a projection that is not as wide as the observation', async () => {
    const objective = { kind: 'representation', projection: [Array(24).fill(1), [1]] };
    await expectRefused(
      ['solve', file('narrow.json', { objective, latentDim: 1 })],
      /narrow\.json: objective\.projection\[1\]: expected 24 numbers, as in row 0, but received 1/,
    );
  });
});

describe('exolam info', () => {
  it('prints one JSON document', async () => {
    const { code, stdout } = await exolam('info', '--json');
    expect(code).toBe(0);
    const info = JSON.parse(stdout);
    expect(info.version).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
    expect(info.backend).toBe('native');
    expect(info.isas).toContain(info.isa);
    expect(info.threads).toBeGreaterThanOrEqual(1);
  });
});

describe('exolam generate and analyze', () => {
  it('reads back what it wrote, and finds what the population says', async () => {
    const world = file('world.json', {
      observationDim: 12,
      exogenousScale: 1.7,
      policyNoise: 0.8,
      sensorNoise: 0.05,
      processNoise: 0.1,
      mixing: 'gaussian',
      seed: 5,
    });
    const exact = JSON.parse(
      (
        await exolam(
          'solve',
          file('exact.json', {
            world: JSON.parse(readFileSync(world, 'utf8')),
            objective: reconstruction,
            latentDim: 4,
          }),
        )
      ).stdout,
    );
    for (const name of ['data.npz', 'data.parquet']) {
      const out = join(folder, name);
      const made = await exolam('generate', world, '--samples', '40000', '--out', out);
      expect(made.code, made.stderr).toBe(0);
      const columns = name.endsWith('.parquet') ? ['--observation', 'obs_*', '--action', 'act_*'] : [];
      const { code, stdout, stderr } = await exolam(
        'analyze',
        out,
        '--latent-dim',
        '4',
        '--scale',
        'given',
        '--json',
        ...columns,
      );
      expect(code, stderr).toBe(0);
      const analysis = JSON.parse(stdout);
      expect(analysis.transitions).toBe(40000);
      const row = analysis.latent[0];
      expect(row.latentDim).toBe(4);
      // The interval of an estimate holds the exact answer, and is narrow.
      for (const name of ['actionError', 'futureLeakage']) {
        const { value, low, high } = row.metrics[name];
        expect(value, name).toBeCloseTo(exact.metrics[name], 1);
        expect(high - low, name).toBeLessThan(0.1);
      }
      expect(row.loss).toBeCloseTo(exact.loss, 1);
      expect(analysis.spectrum[0]).toBeCloseTo(exact.spectrum[0], 0);
    }
  });

  it('prints the answer first, then its evidence and tables, without --json', async () => {
    const { code, stdout } = await exolam('analyze', join(folder, 'data.npz'), '--latent-dim', '1:3');
    expect(code).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(
      /^Reconstruction leaks at latentDim 3: z carries [\d.]+ % \(95 %: [\d.]+ to [\d.]+ %\) of what is new/,
    );
    expect(stdout).toMatch(/latentDim +loss +innovation leakage +future leakage/);
    expect(stdout).toMatch(/remedies at latentDim 3: .*chosen on other episodes.*\nremedy +strength +helps/);
    expect(stdout).toMatch(/action-supervised +weight [\d.]+.* +yes +0\.\d+ \(/);
  });

  it('takes a level, and seeks no remedies where they are not wanted', async () => {
    const data = join(folder, 'data.npz');
    const analysis = async (...flags: string[]) =>
      JSON.parse((await exolam('analyze', data, '--latent-dim', '3', '--json', ...flags)).stdout);
    const [usual, tight] = [await analysis(), await analysis('--level', '0.02')];
    expect([usual.level, tight.level]).toEqual([0.1, 0.02]);
    expect(tight.remedies[0]).toMatchObject({
      remedy: 'action-supervised',
      parameter: 'weight',
      reached: 'yes',
    });
    expect(tight.remedies[0].strength).toBeGreaterThanOrEqual(usual.remedies[0].strength);
    expect((await analysis('--no-remedies')).remedies).toEqual([]);
    await expectRefused(
      ['analyze', data, '--level', '1'],
      /--level: expected a number from 0 up to.*received 1/,
    );
    await expectRefused(['analyze', data, '--level', 'low'], /--level: .*received "low"/);
  });

  it('saves the model that it printed the metrics of', async () => {
    const data = join(folder, 'data.npz');
    const saved = join(folder, 'analyze.safetensors');
    const { code, stdout, stderr } = await exolam(
      'analyze',
      data,
      '--latent-dim',
      '4',
      '--json',
      '--save',
      saved,
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(
      /analyze\.safetensors: reconstruction, latentDim 4, fitted to all 40000 transitions/,
    );
    const row = JSON.parse(stdout).latent[0];
    const lam = await LinearLam.load(saved);
    expect(lam.objective).toEqual(row.objective);
    expect(lam.latentDim).toBe(4);
    await expectRefused(
      ['analyze', data, '--save', saved],
      /--save: expected one latent dimension.*received none/,
    );
    await expectRefused(
      ['analyze', data, '--save', saved, '--latent-dim', '1:3'],
      /--save: .* received 3 of them/,
    );
    const two = ['--objective', 'reconstruction', '--objective', 'cross-exogenous'];
    await expectRefused(
      ['analyze', data, '--save', saved, '--latent-dim', '3', ...two],
      /--save: expected one --objective but received 2/,
    );
  });

  it('sees the data through the projection of a representation', async () => {
    const rows = [0, 1, 2].map((i) => Array.from({ length: 12 }, (_, j) => (j === i ? 1 : 0)));
    const flag = JSON.stringify({ kind: 'representation', projection: rows });
    const data = join(folder, 'data.npz');
    const { code, stdout, stderr } = await exolam(
      'analyze',
      data,
      '--latent-dim',
      '5',
      '--json',
      '--objective',
      flag,
    );
    expect(code, stderr).toBe(0);
    const analysis = JSON.parse(stdout);
    expect(analysis.spectrum).toHaveLength(3);
    expect(analysis.latent[0].rank).toBe(3);
    expect(analysis.latent[0].loss).toBeLessThan(1e-9);
    const narrow = JSON.stringify({ kind: 'representation', projection: [[1, 0]] });
    await expectRefused(
      ['analyze', data, '--latent-dim', '2', '--objective', narrow],
      /--objective: projection\[0\]: expected observationDim \(12\) numbers but received 2/,
    );
  });

  it('refuses bad flags', async () => {
    const data = join(folder, 'data.npz');
    await expectRefused(
      ['analyze', data, '--latent-dim', '13'],
      /--latent-dim: expected at most observationDim \(12\).*13/,
    );
    await expectRefused(
      ['analyze', data, '--latent-dim', '0:3'],
      /--latent-dim: expected an integer from 1.*0/,
    );
    await expectRefused(['analyze', data, '--latent-dim', 'x'], /--latent-dim.*"x"/);
    await expectRefused(
      ['analyze', data, '--ridge', '-1'],
      /--ridge: expected .* at least 0 but received -1/,
    );
    await expectRefused(
      ['analyze', data, '--stride', '0'],
      /--stride: expected an integer from 1 but received 0/,
    );
    await expectRefused(['analyze', data, '--objective', 'nonsense'], /--objective: kind: expected one of/);
    await expectRefused(['analyze', data, '--no-such-flag'], /no-such-flag/);
    await expectRefused(
      ['generate', join(folder, 'world.json'), '--samples', '0', '--out', 'x.npz'],
      /--samples: expected an integer from 1 but received 0/,
    );
    await expectRefused(
      ['generate', join(folder, 'world.json'), '--samples', '5', '--out', 'x.txt'],
      /--out.*x\.txt/,
    );
  });
});

describe('interruption', () => {
  const start = (out: string) =>
    spawn(
      process.execPath,
      [
        join(root, 'dist/cli.mjs'),
        'generate',
        file('big.json', { observationDim: 64 }),
        '--samples',
        '20000000',
        '--out',
        out,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
  const ended = (child: ReturnType<typeof start>) =>
    new Promise<{ code: number | null; stderr: string }>((resolve) => {
      let stderr = '';
      child.stderr?.on('data', (text: Buffer) => {
        stderr += text.toString();
      });
      child.on('exit', (code) => resolve({ code, stderr }));
    });
  const busy = () => new Promise((resolve) => setTimeout(resolve, 2500));

  it('ends with 130, one line, and no file', async () => {
    const out = join(folder, 'interrupted.npz');
    const child = start(out);
    const end = ended(child);
    await busy();
    child.kill('SIGINT');
    expect(await end).toEqual({ code: 130, stderr: 'exolam: interrupted\n' });
    expect(existsSync(out)).toBe(false);
  });

  it('killed at once, leaves nothing under the name of the result', async () => {
    const out = join(folder, 'killed.npz');
    const child = start(out);
    const end = ended(child);
    await busy();
    child.kill('SIGKILL');
    await end;
    expect(existsSync(out)).toBe(false);
  });
});
