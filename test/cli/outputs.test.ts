import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';
import { printable } from '../../lib/cli/outputs.js';
import { readAnalysis } from '../../lib/report/read.js';

const cli = join(packageRoot(), 'dist/cli.mjs');
const folder = mkdtempSync(join(tmpdir(), 'exolam-out-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content?: string) => {
  const path = join(folder, name);
  if (content !== undefined) writeFileSync(path, content);
  return path;
};

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function exolam(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...args], { maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

const CASE = JSON.stringify({ world: {}, objective: { kind: 'reconstruction' }, latentDim: 2 });
const rows = Array.from({ length: 60 }, (_, i) => [i % 6, Math.sin(i * i), Math.cos(3 * i)].join(','));
const TABLE = `episode_index,obs_0,obs_1\n${rows.sort().join('\n')}\n`;

describe('inputs and earlier results', () => {
  test('no command writes onto its input', async () => {
    const data = file('d.csv', TABLE);
    const one = file('c.json', CASE);
    const { stdout } = await exolam('analyze', data, '--latent-dim', '1', '--no-remedies', '--json');
    const analysis = file('a.json', stdout);
    for (const [args, input, content] of [
      [['analyze', data, '--latent-dim', '1', '--no-remedies', '--save', data], data, TABLE],
      [['solve', one, '--save', one], one, CASE],
      [['solve', one, '--out', one], one, CASE],
      [['report', analysis, '--out', analysis], analysis, stdout],
    ] as const) {
      const { code, stderr } = await exolam(...args);
      expect(stderr).toMatch(/cannot be written: it is the input itself/);
      expect(code).toBe(2);
      expect(readFileSync(input, 'utf8')).toBe(content);
    }
  });

  test('an earlier result is replaced with a word about it', async () => {
    const one = file('c.json', CASE);
    const out = file('answer.jsonl');
    expect((await exolam('solve', one, '--out', out)).stderr).toBe('');
    expect((await exolam('solve', one, '--out', out)).stderr).toMatch(/is there already and is replaced/);
  });
});

describe('standard output', () => {
  test.skipIf(!existsSync('/dev/full'))('a full one is one line and exit 74', async () => {
    const one = file('c.json', CASE);
    const child = spawn('sh', ['-c', `"${process.execPath}" "${cli}" solve "${one}" > /dev/full`]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const code = await new Promise((done) => child.on('close', done));
    expect(stderr).toBe('exolam: standard output cannot be written: the disk is full\n');
    expect(code).toBe(74);
  });

  test('control characters of a file never reach the terminal', async () => {
    expect(printable('a\u001b[31mb\u0007\u009bc\td\n')).toBe('a\\x1b[31mb\\x07\\x9bc\td\n');
    expect(printable('ä→∞')).toBe('ä→∞');
    const data = file('esc.csv', TABLE.replace('obs_1', 'obs_\u001b]0;title\u0007'));
    const { stdout, stderr } = await exolam('analyze', data, '--observation', 'x*');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looked for
    expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    expect(stderr).toContain('\\x1b]0;title\\x07');
  });
});

describe('report of a malformed analysis', () => {
  test('each field of another kind is exit 2 and named', async () => {
    const { stdout } = await exolam(
      'generate',
      file('w.json', '{}'),
      '--samples',
      '60',
      '--out',
      file('g.npz'),
    ).then(() => exolam('analyze', file('g.npz'), '--latent-dim', '3', '--json'));
    const good = JSON.parse(stdout);
    expect(good.remedies.length).toBeGreaterThan(0);
    expect(() => readAnalysis(good, 'a.json')).not.toThrow();
    const ESCAPE = '<img src=x onerror=alert(1)>';
    for (const [field, change] of [
      ['remedies[0].remedy', (a: typeof good) => (a.remedies = [{}])],
      ['remedies[0]', (a: typeof good) => (a.remedies = [null])],
      ['remedies', (a: typeof good) => (a.remedies = 'x')],
      ['remedies[0].latentDim', (a: typeof good) => (a.remedies[0].latentDim = ESCAPE)],
      ['level', (a: typeof good) => (a.level = ESCAPE)],
      ['latent[0].loss', (a: typeof good) => (a.latent[0].loss = 'NaN')],
      ['latent[0].metrics.actionError', (a: typeof good) => (a.latent[0].metrics.actionError = ESCAPE)],
      ['spectrum[0]', (a: typeof good) => (a.spectrum[0] = null)],
      ['verdict', (a: typeof good) => (a.verdict = 3)],
      ['verdict.evidence[0]', (a: typeof good) => (a.verdict.evidence[0] = {})],
      ['notes[0]', (a: typeof good) => (a.notes = [{}])],
    ] as const) {
      const bad = structuredClone(good);
      change(bad);
      expect(() => readAnalysis(bad, 'a.json'), field).toThrow(
        `a.json: expected the JSON of exolam analyze, but its ${field} is`,
      );
    }
    const page = file('p.html');
    const path = file('bad.json', JSON.stringify({ ...good, level: ESCAPE }));
    const { code, stderr } = await exolam('report', path, '--out', page);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(page)).toBe(false);
    const odd = file(
      'odd.json',
      JSON.stringify({
        ...good,
        verdict: { ...good.verdict, sentence: ESCAPE, evidence: [ESCAPE] },
        notes: [ESCAPE],
        [ESCAPE]: ESCAPE,
      }),
    );
    expect((await exolam('report', odd, '--out', page)).code).toBe(0);
    expect(readFileSync(page, 'utf8')).not.toContain('<img');
  });
});
