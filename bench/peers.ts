import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

import { packageRoot } from '../lib/base/package-root.js';
import { type Case, call, type Peer, type PeerTask } from './case.js';
import { checkAgreement, type Measurement } from './measure.js';
import type { CaseResult, Results } from './results.js';

/** One way in which a library was timed on a case, as a program of bench/peers/ prints it. */
export interface PeerLine {
  readonly case: string;
  readonly peer: Peer;
  readonly detail: string;
  /** Processor time of one item in the best sample, in seconds; then the least and the median by the clock. */
  readonly seconds: number;
  readonly wall: number;
  readonly wallMedian: number;
  readonly items: number;
  readonly samples: number;
  /** Of the first few items, what native's figures are compared with; null where there is nothing to compare. */
  readonly figures: readonly number[] | null;
}

interface Program {
  readonly source: string;
  readonly peers: readonly Peer[];
  /** What brings it, as one types it. */
  readonly brought: string;
  /** Of a program in Python: the module that the interpreter must have. */
  readonly module?: string;
  /** Of a program in JavaScript: the packages that must resolve from here. */
  readonly packages?: readonly string[];
  /** Of one in C++: arguments of the compiler. */
  readonly link?: readonly string[];
  readonly slow?: true;
}

const PROGRAMS: readonly Program[] = [
  {
    source: 'numpy_peer.py',
    peers: ['NumPy', 'SciPy'],
    module: 'numpy',
    brought: 'apt install python3-numpy python3-scipy',
  },
  { source: 'torch_peer.py', peers: ['PyTorch'], module: 'torch', brought: 'apt install python3-torch' },
  { source: 'jax_peer.py', peers: ['JAX'], module: 'jax', brought: 'pip install jax' },
  {
    source: 'tfjs_peer.mjs',
    peers: ['TensorFlow.js'],
    packages: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    brought: 'npm install --no-save @tensorflow/tfjs @tensorflow/tfjs-backend-wasm',
  },
  {
    source: 'blas_peer.cc',
    peers: ['LAPACK', 'OpenBLAS'],
    brought: 'apt install g++ libopenblas-dev',
    link: ['-lopenblas'],
  },
  {
    source: 'eigen_peer.cc',
    peers: ['Eigen'],
    brought: 'apt install g++ libeigen3-dev',
    link: ['/usr', '/usr/local', '/opt/homebrew'].map((prefix) => `-I${prefix}/include/eigen3`),
    slow: true,
  },
];

/** Items whose figures are compared; FEW of the programs. */
const FEW = 8;

/** Cases of sampling.ts: of a seed and sizes, nothing need be handed over, and streams differ. */
function drawn({ name }: Case): PeerTask | undefined {
  if (name === 'normals, f64' || name === 'normals, f32')
    return {
      kind: name.endsWith('f64') ? 'normals-f64' : 'normals-f32',
      n: 16_384,
      items: 1 << 18,
    };
  const moments = /^moments of (\S+) transitions, width (\d+)$/.exec(name);
  if (!moments) return undefined;
  const [, transitions, width] = moments.map(Number);
  return {
    kind: 'wishart',
    n: 16,
    m: width,
    items: 1024,
    input: () => Float64Array.of(transitions),
  };
}

/**
 * The environment in which a library uses one thread. A kernel or cache size that someone set for one OpenBLAS is not for
 * the one that NumPy brings: with it, that one is slow.
 */
function environment(): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _cache, ...rest } = process.env;
  return { ...rest, OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
}

/** Thrown and caught here: why a program cannot run. */
class Absent extends Error {}

function run(command: string, args: readonly string[], input = ''): string {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    input,
    env: environment(),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  if (error) throw new Absent(`${command} does not start (${(error as NodeJS.ErrnoException).code})`);
  if (status !== 0) {
    const lines = stderr.trim().split('\n');
    const said = lines.find((line) => line.includes('error:')) ?? lines.at(-1) ?? '';
    throw new Absent(`${command} ends with ${signal ?? `code ${status}`}: ${said}`);
  }
  return stdout;
}

/**
 * Of the interpreters that EXOLAM_PYTHON names, as PATH names folders, all that have a module: two versions of a library are two
 * ways of it. Else the first of the usual ones that has it.
 */
function pythonsWith(module: string): string[] {
  const named = process.env['EXOLAM_PYTHON'];
  const interpreters = named ? named.split(delimiter) : ['python3', '/usr/bin/python3'];
  const program = 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)';
  const has = (python: string) => spawnSync(python, ['-c', program, module]).status === 0;
  const found = named ? interpreters.filter(has) : interpreters.filter(has).slice(0, 1);
  if (found.length === 0)
    throw new Absent(`no ${module} in ${interpreters.join(' or ')} (EXOLAM_PYTHON names others)`);
  return found;
}

type Command = readonly [string, ...string[]];

/** The commands that run a program: one, or one for each interpreter. */
function commandsOf(program: Program, folder: string, quick: boolean): Command[] {
  const source = join(folder, program.source);
  if (program.module !== undefined) return pythonsWith(program.module).map((python) => [python, source]);
  if (program.link) return [[compiled(source, program, quick)]];
  const { resolve } = createRequire(source);
  for (const name of program.packages ?? []) {
    try {
      resolve(name);
    } catch {
      throw new Absent(`${name} does not resolve from ${folder}`);
    }
  }
  return [[process.execPath, source]];
}

/** A program in C++, compiled once for each source, compiler and processor, in build/peers. */
function compiled(source: string, { source: name, link = [], slow }: Program, quick: boolean): string {
  const compiler = process.env['CXX'] ?? 'c++';
  const flags = ['-std=c++17', '-O3', '-march=native', source, ...link];
  const key = createHash('sha256');
  for (const file of [source, join(dirname(source), 'peer.h')]) key.update(readFileSync(file));
  key.update(JSON.stringify([run(compiler, ['--version']), flags, cpus()[0]?.model]));
  const build = join(packageRoot(), 'build', 'peers');
  const binary = join(build, `${name.replace('.cc', '')}-${key.digest('hex').slice(0, 16)}`);
  if (!existsSync(binary)) {
    if (quick && slow) throw new Absent('it takes half a minute to compile: one run without --quick does');
    mkdirSync(build, { recursive: true });
    run(compiler, [...flags, '-o', binary]);
  }
  return binary;
}

/** All that one program measures, and the versions that it announces. */
function measureBy(commands: readonly Command[], tasks: string, quick: boolean) {
  const versions: Record<string, string> = {};
  const found: PeerLine[] = [];
  for (const [name, ...args] of commands) {
    const lines = run(name, [...args, quick ? '0.03' : '0.5'], tasks)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as PeerLine | { peer: Peer; version: string });
    const own: Record<string, string> = {};
    for (const line of lines) {
      if ('version' in line) own[line.peer] = line.version;
      else if (commands.length === 1) found.push(line);
      else found.push({ ...line, detail: `${line.detail} (${own[line.peer]})` });
    }
    for (const [peer, version] of Object.entries(own))
      versions[peer] = peer in versions ? `${versions[peer]} and ${version}` : version;
  }
  return { versions, lines: found };
}

/** Native's figures of the first few items beside those of every library, for one case. */
export async function checkPeers(subject: Case, lines: readonly PeerLine[]): Promise<void> {
  const native = subject.contenders[0];
  const others = lines.flatMap(({ peer, items, figures }) =>
    figures
      ? [
          {
            name: peer,
            threads: 1,
            items: Math.min(FEW, items),
            prepare: () =>
              call(
                () => figures,
                (f) => f,
              ),
          },
        ]
      : [],
  );
  if (others.length > 0) await checkAgreement({ ...subject, contenders: [native, ...others] });
}

const microseconds = (seconds: number): string => `${Number((seconds * 1e6).toPrecision(3))} us`;

/** A case's result with its peers among the contenders: of several ways of one library, the fastest stands for it. */
export function withPeers(result: CaseResult, lines: readonly PeerLine[]): CaseResult {
  const best = new Map<Peer, Measurement>();
  const sorted = lines.filter((line) => line.case === result.name).sort((a, b) => a.seconds - b.seconds);
  for (const { peer, detail, seconds, wall, wallMedian, items, samples } of sorted) {
    const faster = best.get(peer);
    best.set(
      peer,
      faster
        ? { ...faster, detail: `${faster.detail}; ${detail} ${microseconds(seconds)}` }
        : { name: peer, threads: 1, items, samples, cpu: seconds, wall, wallMedian, detail },
    );
  }
  const ratios = Object.fromEntries([...best].map(([peer, { cpu }]) => [peer, cpu / result.native]));
  return {
    ...result,
    contenders: [...result.contenders, ...best.values()],
    ratios: { ...result.ratios, ...ratios },
  };
}

/** The peers on every case that has a task for them, each program in a process of its own, one after another. */
export async function measurePeers(
  cases: readonly Case[],
  results: readonly CaseResult[],
  quick: boolean,
): Promise<Pick<Results, 'cases' | 'peers'>> {
  const source = join(packageRoot(), 'bench', 'peers');
  const data = mkdtempSync(join(tmpdir(), 'exolam-peers-'));
  try {
    const tasks = cases.map((subject, index) => {
      const task = subject.peers ?? drawn(subject);
      if (!task) return '';
      const items = Math.max(1, quick ? task.items >> 2 : task.items);
      const input = task.input?.(items) ?? new Float64Array();
      const path = join(data, `${index}.${input instanceof Float64Array ? 'bin' : 'json'}`);
      writeFileSync(path, input instanceof Float64Array ? input : JSON.stringify(input));
      return `${[subject.name, task.kind, task.n, task.m ?? 0, items, path].join('\t')}\n`;
    });
    const versions: Record<string, string> = {};
    const absent: string[] = [];
    const lines: PeerLine[] = [];
    for (const program of PROGRAMS) {
      let reason = 'it is not there';
      try {
        const found = measureBy(commandsOf(program, source, quick), tasks.join(''), quick);
        Object.assign(versions, found.versions);
        lines.push(...found.lines);
      } catch (error) {
        if (!(error instanceof Absent)) throw error;
        reason = error.message;
      }
      const missing = program.peers.filter((peer) => !(peer in versions));
      if (missing.length > 0)
        absent.push(`${missing.join(' and ')}: ${reason}. To have it: ${program.brought}`);
    }
    for (const subject of cases)
      await checkPeers(
        subject,
        lines.filter((line) => line.case === subject.name),
      );
    return { cases: results.map((result) => withPeers(result, lines)), peers: { versions, absent } };
  } finally {
    rmSync(data, { recursive: true });
  }
}
