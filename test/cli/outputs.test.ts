import { execFile, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
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

describe.skipIf(process.platform === 'win32')('what is no file of its own', () => {
  const LINE = /^\{"case":/;

  test('a link and a pipe are refused, and left as they are', async () => {
    const one = file('c.json', CASE);
    const target = file('target.jsonl', 'mine');
    symlinkSync(target, file('link.jsonl'));
    execFileSync('mkfifo', [file('pipe.jsonl')]);
    const link = await exolam('solve', one, '--out', file('link.jsonl'));
    expect([link.code, link.stderr]).toEqual([2, expect.stringMatching(/it is a symbolic link/)]);
    expect(readFileSync(target, 'utf8')).toBe('mine');
    const pipe = await exolam('solve', one, '--out', file('pipe.jsonl'));
    expect([pipe.code, pipe.stderr]).toEqual([2, expect.stringMatching(/a device, a pipe or a socket/)]);
  });

  test('--force writes through a link, there or not, and into a pipe', async () => {
    const one = file('c.json', CASE);
    symlinkSync('elsewhere.jsonl', file('dangling.jsonl'));
    for (const [link, target] of [
      ['link.jsonl', 'target.jsonl'],
      ['dangling.jsonl', 'elsewhere.jsonl'],
    ] as const) {
      expect(await exolam('solve', one, '--force', '--out', file(link))).toMatchObject({
        code: 0,
        stderr: '',
      });
      expect(lstatSync(file(link)).isSymbolicLink()).toBe(true);
      expect(readFileSync(file(target), 'utf8')).toMatch(LINE);
    }
    const reader = new Promise<string>((done) =>
      execFile('cat', [file('pipe.jsonl')], (_, stdout) => done(stdout)),
    );
    expect((await exolam('solve', one, '--force', '--out', file('pipe.jsonl'))).code).toBe(0);
    expect(await reader).toMatch(LINE);
    expect(lstatSync(file('pipe.jsonl')).isFIFO()).toBe(true);
  });

  test('--force writes over an input, and over an earlier result without a word', async () => {
    const one = file('c.json', CASE);
    const model = file('m.safetensors', 'old');
    expect(await exolam('solve', one, '--force', '--save', model)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(model).length).toBeGreaterThan(100);
    expect((await exolam('solve', one, '--force', '--out', one)).code).toBe(0);
    expect(readFileSync(one, 'utf8')).toMatch(LINE);
    const folder = await exolam('solve', file('c.json', CASE), '--force', '--out', file('.'));
    expect([folder.code, folder.stderr]).toEqual([2, expect.stringMatching(/it is a folder/)]);
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

  test.skipIf(!existsSync('/dev/full'))(
    'standard error that is full leaves the exit code as it is',
    async () => {
      const missing = `"${process.execPath}" "${cli}" solve "${file('absent.json')}" 2> /dev/full`;
      const child = spawn('sh', ['-c', missing]);
      expect(await new Promise((done) => child.on('close', done))).toBe(2);
    },
  );

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

describe('a JSON file', () => {
  test.skipIf(!existsSync('/dev/zero'))('that has no end is refused at once', async () => {
    for (const args of [
      ['solve', '/dev/zero'],
      ['generate', '/dev/zero', '--samples', '1', '--out', file('z.npz')],
    ])
      expect(await exolam(...args)).toMatchObject({
        code: 2,
        stderr: 'exolam: /dev/zero: expected a file but it is a device\n',
      });
  });

  test('that fits into no string is refused unread', async () => {
    const path = file('holes.json', '');
    truncateSync(path, 2 ** 32);
    const { code, stderr } = await exolam('solve', path);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/at most 537 MB of JSON but the file has 4\.29 GB/),
    ]);
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
