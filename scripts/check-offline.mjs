// The package as a stranger gets it: packed, installed into an empty folder and used there, with no network, no compiler, no Python and
// no ffmpeg; natively, and with the prebuilt binary removed, through WebAssembly. Every number of the answers is compared.
//   node scripts/check-offline.mjs
// Linux: `unshare` takes the network away. Only npm's cache is filled beforehand, in build/offline, with what package.json names.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';

import { addonFingerprint } from './build-addon.mjs';
import { ensureDist } from './build-dist.mjs';
import { ensureWasm } from './build-wasm.mjs';
import { differences } from './differences.mjs';
import { locked } from './lock.mjs';
import { pack } from './pack.mjs';
import { ROOT } from './paths.mjs';
import { run, runLogged } from './run.mjs';
import { readStamp } from './stamp.mjs';

const CACHE = join(ROOT, 'build', 'offline', 'cache');
/** docs/data.md tells to install these where there is no ffmpeg. */
const CODECS = ['@napi-rs/webcodecs@1.3.1', 'mediabunny', 'fast-png'];
const QUIET = ['--no-fund', '--no-audit', '--loglevel', 'error'];
const DATA = join(ROOT, '..', 'shared', 'data');

const failures = [];
const say = (line) => process.stdout.write(`${line}\n`);
function expect(holds, sentence) {
  if (!holds) failures.push(sentence);
  say(`${holds ? 'ok  ' : 'FAIL'} ${sentence}`);
}

/** npm as a script, which needs no shell on the PATH. */
function npmScript() {
  const own = process.env.npm_execpath;
  if (own?.endsWith('.js')) return own;
  return execFileSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], { encoding: 'utf8' }).trim();
}

const npm = npmScript();
const folder = mkdtempSync(join(tmpdir(), 'exolam-offline-'));
const project = join(folder, 'project');

/** Runs Node in the project where nothing but Node is found and nothing outside can be reached. */
function sealed(args, env = {}) {
  const began = performance.now();
  const answer = spawnSync('/usr/bin/unshare', ['-rn', process.execPath, ...args], {
    cwd: project,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { HOME: folder, PATH: join(folder, 'bin'), npm_config_cache: CACHE, ...env },
  });
  if (answer.error) throw answer.error;
  return { ...answer, seconds: (performance.now() - began) / 1000 };
}

async function build() {
  ensureWasm();
  await locked(() => ensureDist());
  if (
    readStamp(`prebuild-${arch()}`).fingerprint !== addonFingerprint('cmake') ||
    !existsSync(join(ROOT, 'prebuilds'))
  )
    if (run(process.execPath, ['scripts/prebuild.mjs', arch()]) !== 0) throw new Error('no prebuilt binary');
}

/** The one step with a network: what an installation will ask for, into the cache. */
function fillCache(tarball) {
  const filling = join(folder, 'filling');
  mkdirSync(filling);
  writeFileSync(join(filling, 'package.json'), '{ "private": true }\n');
  runLogged(
    'check-offline',
    process.execPath,
    [npm, 'install', '--prefer-offline', '--cache', CACHE, ...QUIET, tarball, ...CODECS],
    { cwd: filling },
  );
  rmSync(filling, { recursive: true });
}

function install(...names) {
  const { status, stderr, seconds } = sealed([npm, 'install', '--offline', ...QUIET, ...names]);
  expect(
    status === 0,
    `npm install ${names.map((name) => name.split('/').at(-1)).join(' ')}, offline (${seconds.toFixed(1)} s)${status ? `: ${stderr}` : ''}`,
  );
}

/** Only Node is on the PATH, and no address can be reached. */
function requireSeal() {
  const program = `const { connect } = require('node:net');
    const found = ['sh', 'cc', 'c++', 'gcc', 'clang', 'make', 'cmake', 'python3', 'ffmpeg'].filter((name) => !require('node:child_process').spawnSync(name, ['--version']).error);
    connect(443, '192.0.2.1').on('error', ({ code }) => console.log(JSON.stringify({ code, found })));`;
  const { status, stdout, stderr } = sealed(['-e', program]);
  if (status !== 0)
    throw new Error(`unshare: this machine does not let a program go without network: ${stderr}`);
  const { code, found } = JSON.parse(stdout);
  expect(
    code === 'ENETUNREACH' && found.length === 0,
    `nothing can be reached (${code}), and of compilers, Python and ffmpeg nothing is found`,
  );
}

/** Worlds without ties, whose encoders are determined, and one with them: there the vectors are anybody's, not their space. */
const OVERLAPPING = { mixing: 'gaussian', processNoise: 0.1, sensorNoise: 0.02 };
const ORTHONORMAL = { sensorNoise: 0.1 };
const casesIn = (world) =>
  [
    { kind: 'reconstruction' },
    { kind: 'reconstruction', decoder: 'identity' },
    { kind: 'action-supervised', weight: 2, labelFraction: 0.1 },
    { kind: 'cross-exogenous' },
    { kind: 'exogenous-robust', weight: 3 },
    { kind: 'augmented', encoderNoise: 0.1, decoderNoise: 0.1 },
  ].map((objective) => ({ world, objective, latentDim: 3 }));
const SPEC = {
  grid: { exogenousScale: { range: [0.5, 3, 51] }, sensorNoise: [0, 0.1] },
  objectives: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: { range: [0, 8, 41] } }],
  latentDim: [1, 3],
  seeds: 5,
  samples: [null, 1000],
};

/** A vector data set and a video data set: real ones where they lie beside the repository, else made here. */
function data() {
  const real = { vector: join(DATA, 'so101-v3'), video: join(DATA, 'unitree-g1') };
  const analyze = (path, ...rest) => ['analyze', path, ...rest, '--json'];
  if (existsSync(real.vector) && existsSync(real.video))
    return {
      'analyze (SO-101)': analyze(real.vector, '--observation', 'observation.state'),
      'analyze (G1, video)': analyze(
        real.video,
        '--observation',
        'observation.images.cam_high',
        ...['--resize', '16x12', '--stride', '5', '--latent-dim', '1:4'],
      ),
    };
  writeFileSync(join(project, 'world.json'), JSON.stringify({ mixing: 'gaussian', sensorNoise: 0.02 }));
  expect(
    exolam(['generate', 'world.json', '--samples', '2000', '--pairs', '--out', 'made.npz']).status === 0,
    'generate',
  );
  const made = { 'analyze (generated)': analyze('made.npz', '--latent-dim', '1:4') };
  mkdirSync(join(project, 'videos'));
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const life = `life=size=64x48:rate=10:ratio=0.3:mold=10:seed=${seed}`;
    const { status } = spawnSync('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      life,
      '-t',
      '5',
      '-pix_fmt',
      'yuv420p',
      join(project, 'videos', `${seed}.mp4`),
    ]);
    if (status !== 0) {
      say('skip analyze (video): no ffmpeg here to make a video with');
      return made;
    }
  }
  return { ...made, 'analyze (made, video)': analyze('videos', '--resize', '8x6', '--latent-dim', '1:4') };
}

const exolam = (args, env) => sealed([join('node_modules', '.bin', 'exolam'), ...args], env);

/** What a command answers: its documents, and of a sweep its rows. */
async function answers(tasks, way, env) {
  const all = {};
  for (const [name, args] of Object.entries(tasks)) {
    const out = join(project, `${way}-out`);
    const isFolder = name.startsWith('sweep') || name.startsWith('reproduce');
    const { status, stdout, stderr, seconds } = exolam(
      [...args, ...(isFolder ? ['--out', `${way}-out`] : [])],
      env,
    );
    const told = (stderr.match(/native addon did not load/g) ?? []).length;
    expect(
      status === 0,
      `${way}: ${name} (${seconds.toFixed(1)} s)${status ? `: exit ${status}: ${stderr}` : ''}`,
    );
    if (way === 'WebAssembly') expect(told === 1, `${way}: ${name}: says once that the addon is not there`);
    else if (told > 0) expect(false, `${way}: ${name}: ran natively`);
    if (/warning/i.test(stderr)) expect(false, `${way}: ${name}: warns: ${stderr}`);
    all[name] = name.startsWith('solve')
      ? stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : JSON.parse(stdout || 'null');
    if (name.startsWith('sweep')) all[name] = await rowsOf(join(out, 'parts'));
    if (isFolder) rmSync(out, { recursive: true, force: true });
  }
  return all;
}

async function rowsOf(parts) {
  const rows = [];
  for (const part of readdirSync(parts).sort())
    rows.push(...(await parquetReadObjects({ file: await asyncBufferFromFile(join(parts, part)) })));
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, v]) => [key, typeof v === 'bigint' ? Number(v) : v])),
  );
}

function compared(sentence, { lines, numbers, apart }) {
  const some = lines.slice(0, 5).map((line) => `\n     ${line}`);
  const left = apart > 0 ? `, ${apart} left to rounding` : '';
  expect(
    lines.length === 0 && numbers > 0,
    `${sentence}: ${numbers} numbers, ${lines.length} differ${left}${some.join('')}`,
  );
}

try {
  await build();
  const tarball = pack(folder);
  fillCache(tarball);
  mkdirSync(project);
  mkdirSync(join(folder, 'bin'));
  symlinkSync(process.execPath, join(folder, 'bin', 'node'));
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  requireSeal();
  install(tarball);
  install(...CODECS);
  writeFileSync(join(project, 'cases.json'), JSON.stringify(casesIn(ORTHONORMAL)));
  writeFileSync(join(project, 'unique.json'), JSON.stringify(casesIn(OVERLAPPING)));
  writeFileSync(join(project, 'spec.json'), JSON.stringify(SPEC));
  const tasks = {
    solve: ['solve', 'cases.json'],
    'solve --encoder': ['solve', 'unique.json', '--encoder'],
    ...data(),
    'sweep --quick': ['sweep', 'spec.json', '--quick', '--json'],
    'reproduce --quick': ['reproduce', '--quick', '--json'],
  };
  const native = await answers(tasks, 'native');
  const baseline = await answers(tasks, 'native, baseline', { EXOLAM_ISA: 'baseline' });
  const { isa } = JSON.parse(exolam(['info', '--json']).stdout);
  rmSync(join(project, 'node_modules', 'exolam', 'prebuilds'), { recursive: true });
  const wasm = await answers(tasks, 'WebAssembly');
  for (const name of Object.keys(tasks)) {
    const bits = differences(baseline[name], wasm[name]);
    compared(`${name}: WebAssembly has the bits of native baseline`, bits);
    const near = differences(native[name], wasm[name], { rounding: true });
    compared(`${name}: WebAssembly agrees with native ${isa} to 1e-10`, near);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
say(
  `check:offline: ${failures.length === 0 ? `everything holds on ${platform()}-${arch()}` : `${failures.length} failed`}`,
);
if (failures.length > 0) process.exitCode = 1;
