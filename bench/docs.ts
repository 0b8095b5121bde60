/**
 * The tables of docs/performance.md from results of `exolam bench --json --peers`: what stands between <!-- bench: NAME --> and
 * <!-- bench: end --> is written anew, and the words around them stay.
 *
 * npm run performance                       measures (a quarter of an hour; the machine should be idle), then writes
 * npm run performance -- WIDE [NARROW]      writes from saved results; NARROW, of half the vector width, fills a column
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { packageRoot } from '../lib/base/package-root.js';
import type { Contender } from './case.js';
import type { CaseResult, Results } from './results.js';
import { count, doubtful, duration, markdown, ratio, threads } from './table.js';

/** Why a path is not at its limit: the last column, which no measurement tells. */
const LOSSES: Readonly<Record<string, string>> = {
  'symmetric eigenproblem, n = 8': 'chains of dependent operations; lanes that wait for their neighbours',
  'symmetric eigenproblem, n = 16': 'the same',
  'symmetric eigenproblem, n = 24': 'the same',
  'symmetric eigenproblem, n = 32': 'the same',
  'symmetric eigenproblem, n = 128': 'one at a time: matrix times vector in the tridiagonal reduction',
  'Cholesky and 8 right sides, n = 16': '30 % transposing in and out, 40 ns of call and memory',
  'product 128, f64': 'packing; 94 % in the kernel alone',
  'product 128, f32': 'packing',
  'moment accumulation, d = 256': '85 % in the kernel; centring and memory',
  'normals, f64': 'ten rounds of Philox, logarithm, sine and cosine',
  'normals, f32': 'the same',
  'transitions, observationDim 128': '32 normals (57 ns), memory',
  'transitions, observationDim 128, sensor noise': '288 normals: 527 ns',
  'transitions, observationDim 128, sensor noise, f32': '256 normals in f32: 195 ns',
  'moments of 1e9 transitions, width 55': '1540 normals and 55 gamma variates; the same for every N',
};

const PEERS_OF_TRAINING = ['PyTorch', 'JAX', 'TensorFlow.js'] as const;
const OTHERS = ['NumPy', 'SciPy', 'LAPACK', 'Eigen', 'OpenBLAS', 'ml-matrix', 'reference'] as const;

const isTraining = ({ name }: CaseResult): boolean => name.startsWith('training step, ');
const percent = (part: number): string => `${Math.round(100 * part)} %`;
const found = (result: CaseResult, name: Contender['name']) =>
  result.contenders.find((contender) => contender.name === name);

/** When, where and of what state the figures are. */
function provenance({ machine, quick, peers }: Results): string {
  const versions = Object.entries(peers?.versions ?? {}).map(([peer, version]) => `${peer} ${version}`);
  return [
    `exolam ${machine.version} at ${machine.commit}, ${machine.date.slice(0, 10)}: ${machine.cpu} with ${machine.cores} cores, kernels ${machine.isa},`,
    `Node ${machine.node.slice(1)}, load ${machine.load} at the end${quick ? ', quick, so rough' : ''}. Peers: ${versions.join('; ') || 'none'}.`,
  ].join('\n');
}

function limits({ limits }: Results): string {
  const giga = (perSecond: number) => Number((perSecond * 1e-9).toPrecision(3));
  return markdown(
    ['limit of one core', 'measured'],
    [
      ['multiply-adds in registers, f64 / f32', `${giga(limits.fma)} / ${giga(2 * limits.fma)} GFLOP/s`],
      ['memory, copy / write', `${giga(limits.copy)} / ${giga(limits.write)} GB/s`],
    ],
  );
}

function paths(wide: Results, narrow: Results | undefined): string {
  const rows = wide.cases
    .filter((result) => !isTraining(result))
    .map((result) => {
      const { name, native, limit } = result;
      const other = narrow?.cases.find((c) => c.name === name)?.native;
      return [
        name,
        duration(native),
        ...(narrow ? [other === undefined ? '' : duration(other)] : []),
        count(result),
        limit ? `${duration(limit.seconds)} ${limit.by}` : '',
        limit ? percent(limit.seconds / native) : '',
        LOSSES[name] ?? '',
      ];
    });
  const widths = [wide.machine.isa, ...(narrow ? [narrow.machine.isa] : [])];
  const last = 'where the rest goes';
  return markdown(['path', ...widths, 'operations', 'limit', 'reached', last], rows, [last]);
}

/** Times of the others over native's, one column for each that has any. */
function peers({ cases }: Results): string {
  const rest = cases.filter((result) => !isTraining(result));
  const present = OTHERS.filter((name) => rest.some((result) => name in result.ratios));
  const rows = rest.map((result) => [result.name, ...present.map((name) => ratio(result.ratios[name]))]);
  const header = present.map((name) => (name === 'reference' ? 'plain TypeScript' : name));
  return markdown(['path', ...header], rows);
}

/** A training step: time, ratio to native's and share of the peak of f32, for each library. */
function training({ cases }: Results): string {
  const steps = cases.filter(isTraining);
  const present = PEERS_OF_TRAINING.filter((name) => steps.some((result) => name in result.ratios));
  const share = ({ limit }: CaseResult, seconds: number) =>
    limit ? `, ${percent(limit.seconds / seconds)}` : '';
  const rows = steps.map((result) => [
    result.name.replace('training step, ', ''),
    count(result).replace(' f32', ''),
    `${duration(result.native)}${share(result, result.native)}`,
    ...present.map((name) => {
      const other = found(result, name);
      return other ? `${ratio(result.ratios[name])}: ${duration(other.cpu)}${share(result, other.cpu)}` : '';
    }),
  ]);
  return markdown(['step', 'operations', 'native', ...present], rows);
}

/** The page with its tables made of these results. Each table that is there must be one that is known, and the other way round. */
export function filled(page: string, wide: Results, narrow?: Results): string {
  const tables: Record<string, () => string> = {
    provenance: () => provenance(wide),
    limits: () => limits(wide),
    paths: () => paths(wide, narrow),
    peers: () => peers(wide),
    training: () => training(wide),
    threads: () =>
      markdown(['items per second by the clock', '1 thread', '2 threads', ''], wide.cases.flatMap(threads)),
  };
  const written = new Set<string>();
  const result = page.replace(
    /(<!-- bench: (?!end)(\S+) -->\n)[\s\S]*?(<!-- bench: end -->)/g,
    (_, start: string, name: string, end: string) => {
      const table = tables[name];
      if (!table)
        throw new Error(`docs/performance.md asks for a table ${name}, which bench/docs.ts does not make`);
      written.add(name);
      return `${start}\n${table()}\n\n${end}`;
    },
  );
  const absent = Object.keys(tables).filter((name) => !written.has(name));
  if (absent.length > 0)
    throw new Error(`docs/performance.md has no place for the tables ${absent.join(', ')}`);
  return result;
}

function measured(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Results {
  const json = execFileSync(
    process.execPath,
    ['--import', 'tsx', join(packageRoot(), 'bench', 'main.ts'), '--json', ...args],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 30,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    },
  );
  return JSON.parse(json) as Results;
}

function main(files: readonly string[]): void {
  const saved = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results);
  const wide = saved[0] ?? measured(['--peers']);
  // All cases, by a flag with which bench/results/latest.* stays that of the first.
  const narrow =
    saved[1] ??
    (files.length === 0 && wide.machine.isa === 'avx512'
      ? measured(['--only='], { EXOLAM_ISA: 'avx2' })
      : undefined);
  // Tables of a machine that was not idle: said, since nobody sees it in the page.
  process.stderr.write(doubtful(wide.cases).join('\n'));
  const page = join(packageRoot(), 'docs', 'performance.md');
  writeFileSync(page, filled(readFileSync(page, 'utf8'), wide, narrow));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
