import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'dist/cli.mjs');
const folder = mkdtempSync(join(tmpdir(), 'exolam-train-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function exolam(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}
const file = (name: string, content: unknown) => {
  writeFileSync(join(folder, name), JSON.stringify(content));
  return join(folder, name);
};
const world = { observationDim: 9, endogenousDim: 3, exogenousDim: 2, actionDim: 2 };
const config = { world, model: { kind: 'linear', latentDim: 2 }, steps: 200, evaluateEvery: 100 };

describe('exolam train', () => {
  it('trains, prints result.json, and its folder is drawn by report', async () => {
    const out = join(folder, 'run');
    const { code, stdout, stderr } = await exolam('train', file('c.json', config), '--out', out, '--json');
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout) as { steps: number; exact: { loss: number }; loss: number };
    expect(result).toMatchObject({ steps: 200, stopped: 'steps' });
    expect(result.loss).toBeGreaterThan(result.exact.loss);
    expect(stderr).toMatch(/step 100: loss .*, actionError .*, futureLeakage/);
    expect(JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'))).toMatchObject({ steps: 200 });
    const rows = readFileSync(join(out, 'log.jsonl'), 'utf8').trim().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { step: number }).step)).toEqual([0, 100, 200]);
    const report = await exolam('report', out);
    expect(report.code, report.stderr).toBe(0);
    const page = readFileSync(join(out, 'index.html'), 'utf8');
    expect(page).toContain('exact optimum');
    expect(page.match(/<svg/g)?.length).toBeGreaterThan(3);
    expect(page).not.toContain('<script');
  });

  it('is interrupted within a second, says how to go on, and goes on', async () => {
    const out = join(folder, 'long');
    const path = file('long.json', { ...config, steps: 3_000_000, evaluateEvery: 500 });
    const child = spawn(process.execPath, [cli, 'train', path, '--out', out], { cwd: root });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += String(text);
    });
    while (!existsSync(join(out, 'checkpoint', 'state.safetensors')) && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 50));
    const since = performance.now();
    child.kill('SIGINT');
    const code = await new Promise((resolve) => child.on('exit', resolve));
    expect(code, stderr).toBe(130);
    // A second on a machine that is not shared; here others work beside.
    expect(performance.now() - since).toBeLessThan(3000);
    expect(stderr).toMatch(/exolam train .* --out .* --resume goes on from the last checkpoint/);
    const begun = (
      JSON.parse(readFileSync(join(out, 'log.jsonl'), 'utf8').trim().split('\n').pop() as string) as {
        step: number;
      }
    ).step;
    const steps = begun + 500;
    writeFileSync(path, JSON.stringify({ ...config, steps, evaluateEvery: 500 }));
    const again = await exolam('train', path, '--out', out, '--resume', '--json');
    expect(again.code, again.stderr).toBe(0);
    expect((JSON.parse(again.stdout) as { steps: number }).steps).toBe(steps);
  });

  it.each([
    [['train', '/nowhere.json', '--out', 'x'], /no such file/],
    [['train', 'CONFIG'], /required option '--out/],
    [['train', 'CONFIG', '--out', 'RUN'], /holds a run already; --resume/],
  ])('%j ends with one line', async (args, message) => {
    const given = args.map((a) =>
      a === 'CONFIG' ? file('d.json', config) : a === 'RUN' ? join(folder, 'run') : a,
    );
    const { code, stdout, stderr } = await exolam(...given);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
  });

  it('an unknown key of the configuration is named', async () => {
    const { code, stderr } = await exolam(
      'train',
      file('bad.json', { ...config, stepz: 3 }),
      '--out',
      join(folder, 'bad'),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/^exolam: config: unknown key "stepz"; did you mean "steps"\?/);
    expect(existsSync(join(folder, 'bad'))).toBe(false);
  });
});
