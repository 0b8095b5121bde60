import { execFile, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Case, call, PEERS } from '../bench/case.js';
import { filled } from '../bench/docs.js';
import { checkPeers, type PeerLine, withPeers } from '../bench/peers.js';
import { type CaseResult, doubts, type Results } from '../bench/results.js';
import { duration, report } from '../bench/table.js';
import { native } from './support/backends.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'exolam-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hasNumPy = spawnSync('python3', ['-c', 'import numpy']).status === 0;

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

function bench(at: string, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(at, 'dist/cli.mjs'), 'bench', ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** The package as installed, with dependencies for which `has` holds. */
function installed(name: string, has: (dependency: string) => boolean, ...more: string[]): string {
  const at = join(folder, name);
  mkdirSync(join(at, 'node_modules'), { recursive: true });
  for (const part of ['dist', 'package.json', ...more])
    cpSync(join(root, part), join(at, part), { recursive: true });
  for (const dependency of readdirSync(join(root, 'node_modules')).filter(has))
    symlinkSync(join(root, 'node_modules', dependency), join(at, 'node_modules', dependency));
  return at;
}

describe('exolam bench --quick', () => {
  let results: Results;
  const find = (name: string): CaseResult => {
    const found = results.cases.find((c) => c.name === name);
    if (!found) throw new Error(`no case is called ${name}`);
    return found;
  };

  beforeAll(async () => {
    const { code, stdout, stderr } = await bench(root, '--quick', '--json', '--peers');
    expect(code, stderr).toBe(0);
    results = JSON.parse(stdout) as Results;
  });

  it('says where it ran, with which kernels, and what the machine could do at best', () => {
    expect(results.machine.isa).toBe(native.info().isa);
    expect(results.machine.node).toBe(process.version);
    expect(results.machine.cpu).not.toBe('');
    // Anything that runs Node does a hundred million operations a second, and nothing does a hundred thousand times that.
    for (const limit of [results.limits.fma, results.limits.copy, results.limits.write]) {
      expect(limit).toBeGreaterThan(1e8);
      expect(limit).toBeLessThan(1e13);
    }
  });

  it('has every case, each with the contenders it is meant for and times that are times', () => {
    const eigen = [8, 16, 24, 32, 64, 128, 256].map((n) => `symmetric eigenproblem, n = ${n}`);
    const withMlMatrix = [
      ...eigen,
      'configuration to metrics, every effect',
      'Cholesky and 8 right sides, n = 16',
      'moment accumulation, d = 256',
      'product 128, f64',
    ];
    const without = [
      'configuration to metrics',
      'solveBatch: cases to solutions',
      'product 128, f32',
      'normals, f64',
      'normals, f32',
      'moments of 1e3 transitions, width 55',
      'moments of 1e9 transitions, width 55',
      'transitions, observationDim 128',
      'transitions, observationDim 128, sensor noise',
      'transitions, observationDim 128, f32',
      'transitions, observationDim 128, sensor noise, f32',
      'training step, linear, batch 128',
    ];
    const nativeAlone = ['relu, batch 128', 'gelu, batch 128', 'relu, batch 512', 'gelu, batch 512'].map(
      (of) => `training step, MLP ${of}`,
    );
    expect(results.cases.map((c) => c.name).sort()).toEqual(
      [...withMlMatrix, ...without, ...nativeAlone].sort(),
    );
    for (const found of results.cases) {
      const names = new Set(found.contenders.map((c) => c.name));
      expect(names, found.name).toContain('native');
      expect(names.has('reference'), found.name).toBe(!nativeAlone.includes(found.name));
      expect(names.has('ml-matrix'), found.name).toBe(withMlMatrix.includes(found.name));
      for (const { cpu, wall, wallMedian, samples } of found.contenders) {
        for (const time of [cpu, wall]) expect(time, found.name).toBeGreaterThan(0);
        for (const time of [cpu, wall]) expect(time, found.name).toBeLessThan(10);
        expect(wallMedian).toBeGreaterThanOrEqual(wall);
        expect(samples).toBeGreaterThan(0);
      }
      if (found.limit) expect(found.limit.seconds, found.name).toBeGreaterThan(0);
    }
    for (const name of ['configuration to metrics', 'solveBatch: cases to solutions'])
      expect(
        find(name)
          .contenders.filter((c) => c.name === 'native')
          .map((c) => c.threads),
      ).toEqual([1, 2]);
  });

  it('finds native faster than pure JavaScript where the work is large', () => {
    for (const name of [
      'configuration to metrics',
      'configuration to metrics, every effect',
      'symmetric eigenproblem, n = 128',
      'symmetric eigenproblem, n = 256',
      'moment accumulation, d = 256',
    ]) {
      const { reference, 'ml-matrix': mlMatrix } = find(name).ratios;
      for (const ratio of [reference, mlMatrix ?? Number.POSITIVE_INFINITY])
        expect(ratio, name).toBeGreaterThan(1);
    }
  });

  it('has a version or a note for every peer', () => {
    for (const peer of PEERS) {
      const noted = results.peers?.absent.some((note) => note.split(':')[0]?.split(' and ').includes(peer));
      expect(noted, peer).toBe(!(peer in (results.peers?.versions ?? {})));
    }
  });

  it.skipIf(!hasNumPy)('times NumPy on the same numbers (skipped where python3 has no NumPy)', () => {
    const measured = results.cases.filter((c) => 'NumPy' in c.ratios);
    expect(measured.map((c) => c.name)).toEqual(
      expect.arrayContaining([
        'configuration to metrics, every effect',
        ...[8, 16, 24, 32, 64, 128, 256].map((n) => `symmetric eigenproblem, n = ${n}`),
        'Cholesky and 8 right sides, n = 16',
        'moment accumulation, d = 256',
        'product 128, f64',
        'product 128, f32',
        'normals, f64',
      ]),
    );
    for (const { name, native, ratios, contenders } of measured) {
      const found = contenders.filter((c) => c.name === 'NumPy');
      expect(found, name).toHaveLength(1);
      expect(ratios['NumPy'], name).toBe((found[0]?.cpu ?? 0) / native);
    }
    // Those that draw are found by their names.
    for (const { name, ratios } of results.cases) {
      if (name.startsWith('normals')) expect(ratios, name).toHaveProperty('NumPy');
      if (name.startsWith('moments of') && results.peers?.versions['SciPy'])
        expect(ratios, name).toHaveProperty('SciPy');
    }
    const text = report(results);
    const row = text.slice(text.indexOf('Peers:')).match(/^\| product 128, f32 .*$/m)?.[0];
    expect(row).toContain(
      ` ${duration(find('product 128, f32').contenders.find((c) => c.name === 'NumPy')?.cpu ?? 0)}, `,
    );
  });

  it('prints a table that a Markdown reader takes, one line for a case', () => {
    const lines = report(results).split('\n');
    expect(lines[0]).toMatch(/^Native \(.*, one thread, beside plain TypeScript: [\d.]+x to [\d.]+x, half/);
    for (const { name } of results.cases) {
      const cells = lines.find((line) => line.startsWith(`| ${name} `))?.split('|');
      expect(cells, name).toHaveLength(11);
    }
    expect(lines.some((line) => line.includes(`kernels ${results.machine.isa}`))).toBe(true);
  });
});

describe('the tables of docs/performance.md', () => {
  const page = readFileSync(join(root, 'docs/performance.md'), 'utf8');
  const own = { threads: 1, items: 8, samples: 9, wall: 3e-6, wallMedian: 4e-6 };
  const step: CaseResult = {
    name: 'training step, of a test',
    unit: 'step',
    contenders: [
      { ...own, name: 'native', cpu: 2e-6 },
      { ...own, name: 'native', threads: 2, cpu: 2e-6, wall: 1.5e-6 },
      { ...own, name: 'JAX', cpu: 4e-6 },
    ],
    native: 2e-6,
    ratios: { JAX: 2 },
    operations: 1e5,
    precision: 'f32',
    limit: { seconds: 1e-6, by: 'fma' },
  };
  const results: Results = {
    quick: false,
    machine: {
      ...{
        cpu: 'a processor',
        cores: 2,
        isa: 'avx512',
        isas: ['avx512', 'avx2'],
        node: 'v20.0.0',
        platform: 'linux-x64',
      },
      ...{ version: '0.0.0', commit: 'abcdef0', load: 0.1, date: '2026-01-02T03:04:05.678Z' },
    },
    limits: { fma: 5e10, copy: 2e10, write: 3e10 },
    cases: [step, { ...step, name: 'product 128, f32', ratios: { NumPy: 1.5 } }],
    peers: { versions: { NumPy: '1.2.3' }, absent: [] },
  };

  it('are made of results, each in its place, and nothing else moves', () => {
    const narrow = {
      ...results,
      machine: { ...results.machine, isa: 'avx2' },
      cases: [{ ...step, name: 'product 128, f32', native: 3e-6 }],
    };
    const made = filled(page, results, narrow);
    for (const row of [
      /^exolam 0\.0\.0 at abcdef0, 2026-01-02: a processor with 2 cores/m,
      /^\| multiply-adds in registers, f64 \/ f32 +\| +50 \/ 100 GFLOP\/s \|$/m,
      /^\| product 128, f32 +\| +2 us +\| +3 us +\| +100 k f32 +\| +1 us fma +\| +50 % \| packing +\|$/m,
      /^\| product 128, f32 +\| +1\.5x \|$/m,
      /^\| of a test +\| +100 k \| 2 us, 50 % \| 2\.0x: 4 us, 25 % \|$/m,
      /^\| training step, of a test +\| +333,333 +\| +666,667 +\| 2\.00x \|$/m,
    ])
      expect(made).toMatch(row);
    const words = (text: string) =>
      text.replace(/(<!-- bench: \w+ -->)[\s\S]*?(<!-- bench: end -->)/g, '$1$2');
    expect(words(made)).toBe(words(page));
    expect(filled(made, results, narrow)).toBe(made);
  });

  it('are all there, and none that nothing fills', () => {
    expect(() => filled(page.replace('<!-- bench: peers -->', ''), results)).toThrow(
      'no place for the tables peers',
    );
    expect(() => filled(page.replace('bench: peers', 'bench: pears'), results)).toThrow('a table pears');
  });
});

describe('peers', () => {
  const line = (peer: PeerLine['peer'], detail: string, seconds: number): PeerLine => ({
    case: 'a case',
    peer,
    detail,
    seconds,
    wall: 2 * seconds,
    wallMedian: 3 * seconds,
    items: 4,
    samples: 5,
    figures: [1, 2],
  });

  it('joins a case by the fastest way of each, with its ratio to native; the other ways are named', () => {
    const own = { threads: 1, items: 8, samples: 9, wall: 3e-6, wallMedian: 4e-6 };
    const result: CaseResult = {
      name: 'a case',
      unit: 'item',
      contenders: [
        { ...own, name: 'native', cpu: 2e-6 },
        { ...own, name: 'reference', cpu: 20e-6 },
      ],
      native: 2e-6,
      ratios: { reference: 10 },
      limit: null,
    };
    const joined = withPeers(result, [
      line('NumPy', 'slowly', 8e-6),
      line('NumPy', 'fast', 5e-6),
      { ...line('Eigen', 'elsewhere', 1e-6), case: 'another case' },
      line('LAPACK', 'dposv', 1e-6),
    ]);
    expect(joined.contenders.map((c) => c.name)).toEqual(['native', 'reference', 'LAPACK', 'NumPy']);
    expect(joined.contenders[3]).toEqual({
      name: 'NumPy',
      threads: 1,
      items: 4,
      samples: 5,
      cpu: 5e-6,
      wall: 10e-6,
      wallMedian: 3 * 5e-6,
      detail: 'fast; slowly 8 us',
    });
    expect(joined.ratios).toEqual({ reference: 10, LAPACK: 1e-6 / 2e-6, NumPy: 5e-6 / 2e-6 });
    expect(joined.native).toBe(result.native);
  });

  it('must give the figures of native', async () => {
    const prepare = () =>
      call(
        () => [1, 2],
        (f) => f,
      );
    const subject: Case = {
      name: 'a case',
      unit: 'item',
      contenders: [{ name: 'native', threads: 1, items: 8, prepare }],
    };
    const wrong = { ...line('NumPy', 'wrongly', 1e-6), figures: [1, 2.000001] };
    const fewer = { ...line('Eigen', 'half', 1e-6), figures: [1] };
    const unseen = { ...line('SciPy', 'draws', 1e-6), figures: null };
    await checkPeers(subject, [line('NumPy', 'well', 1e-6), unseen]);
    await expect(checkPeers(subject, [wrong])).rejects.toThrow('a case: NumPy gives 2.000001 for figure 1');
    await expect(checkPeers(subject, [fewer])).rejects.toThrow('Eigen gives undefined for figure 1');
  });

  it('that are absent are a note each, with what brings them, and no error', async () => {
    // Interpreters that have torch alone: those before them in EXOLAM_PYTHON do not hide them.
    const python = join(folder, 'python-with-torch');
    const version = '{"peer":"PyTorch","version":"of a test"}';
    writeFileSync(
      python,
      `#!/bin/sh\nif [ "$1" = -c ]; then [ "$3" = torch ]; else cat > /dev/null; echo '${version}'; fi\n`,
      {
        mode: 0o755,
      },
    );
    const named = ['no-python', python, python];
    const { CXX, EXOLAM_PYTHON } = process.env;
    Object.assign(process.env, { CXX: 'no-such-compiler', EXOLAM_PYTHON: named.join(delimiter) });
    try {
      const { code, stdout, stderr } = await bench(root, '--quick', '--json', '--peers', '--only', 'n = 8');
      expect(code, stderr).toBe(0);
      const results = JSON.parse(stdout) as Results;
      expect(results.peers?.versions).toMatchObject({ PyTorch: 'of a test and of a test' });
      expect(results.peers?.absent.filter((note) => !note.startsWith('TensorFlow.js'))).toEqual([
        `NumPy and SciPy: no numpy in ${named.join(' or ')} (EXOLAM_PYTHON names others). To have it: apt install python3-numpy python3-scipy`,
        `JAX: no jax in ${named.join(' or ')} (EXOLAM_PYTHON names others). To have it: pip install jax`,
        'LAPACK and OpenBLAS: no-such-compiler does not start (ENOENT). To have it: apt install g++ libopenblas-dev',
        'Eigen: no-such-compiler does not start (ENOENT). To have it: apt install g++ libeigen3-dev',
      ]);
      expect(results.cases.map((c) => c.name)).toEqual(['symmetric eigenproblem, n = 8']);
      expect(Object.keys(results.cases[0]?.ratios ?? {})).toEqual(['reference', 'ml-matrix']);
      expect(report(results)).toContain('\nAbsent: Eigen: no-such-compiler');
    } finally {
      for (const [name, value] of Object.entries({ CXX, EXOLAM_PYTHON }))
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }
  });
});

describe('exolam bench', () => {
  it('runs the cases that are asked for, on the instruction set that is asked for', async () => {
    process.env['EXOLAM_ISA'] = 'baseline';
    try {
      const { code, stdout } = await bench(root, '--quick', '--json', '--only', 'n = 8');
      expect(code).toBe(0);
      const results = JSON.parse(stdout) as Results;
      expect(results.machine.isa).toBe('baseline');
      expect(results.cases.map((c) => c.name)).toEqual(['symmetric eigenproblem, n = 8']);
    } finally {
      delete process.env['EXOLAM_ISA'];
    }
  });

  it('refuses a name that no case has, and lists those there are', async () => {
    const { code, stdout, stderr } = await bench(root, '--only', 'nothing');
    expect(stderr).toMatch(/^exolam: --only: no case is called "nothing"; there are: .*n = 8;.*\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('needs a clone: one sentence where the benchmarks are not', async () => {
    const { code, stderr } = await bench(installed('published', () => true));
    expect(stderr).toMatch(
      /^exolam: bench: expected a clone of exolam's repository, but .*bench\/main\.ts.*\n$/,
    );
    expect(code).toBe(2);
  });

  it('needs the development packages: one sentence that names the first that is absent', async () => {
    const at = installed('production', (name) => name !== 'benny', 'bench');
    const { code, stderr } = await bench(at);
    expect(stderr).toMatch(/^exolam: bench: expected the development package benny, .*npm ci\n$/);
    expect(code).toBe(2);
  });
});

describe('doubts', () => {
  const one = { threads: 1, items: 8, samples: 9, wallMedian: 9e-6 };
  const result = (cpu: number, wall: number, limit: number): CaseResult => ({
    name: 'a case',
    unit: 'item',
    contenders: [
      { ...one, name: 'native', cpu, wall },
      { ...one, name: 'native', threads: 2, cpu: 4e-6, wall: 8e-6 },
      { ...one, name: 'NumPy', cpu: 7e-6, wall: 7.1e-6 },
    ],
    native: cpu,
    ratios: {},
    limit: { seconds: limit, by: 'fma' },
  });

  it('are none where both clocks agree and the limit holds', () => {
    expect(doubts(result(5e-6, 5.1e-6, 3e-6))).toEqual([]);
  });

  it('name whose processor time is far below its wall time, or below what the machine can do', () => {
    expect(doubts(result(5e-6, 6.25e-6, 3e-6))).toEqual(['native 80 %']);
    expect(doubts(result(5e-6, 5.1e-6, 6e-6))).toEqual(['native is faster than the limit']);
  });
});

describe('duration', () => {
  it('has three digits in the unit that fits', () => {
    expect([2.3456e-9, 4.5678e-6, 0.0123456, 2].map(duration)).toEqual([
      '2.35 ns',
      '4.57 us',
      '12.3 ms',
      '2 s',
    ]);
  });
});
