// Makes a release of the version in package.json: everything that it must hold is checked and built, packed and listed, then published.
//   node scripts/release.mjs --dry-run     all but publish
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

const unknown = process.argv.slice(2).find((arg) => arg !== '--dry-run');
if (unknown !== undefined) fail(`expected --dry-run or nothing but received ${unknown}`);
const dry = process.argv.includes('--dry-run');
const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

function fail(sentence) {
  process.stderr.write(`release: ${sentence}\n`);
  process.exit(1);
}

function npm(...args) {
  process.stderr.write(`\n== npm ${args.join(' ')}\n`);
  execFileSync('npm', args, { cwd: ROOT, stdio: 'inherit' });
}

/** The heading of the version in the changelog holds the day. */
function requireDatedChangelog() {
  const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8');
  const heading = new RegExp(`^## ${version.replaceAll('.', '\\.')} - (\\d{4}-\\d{2}-\\d{2})$`, 'm').exec(
    changelog,
  );
  if (!heading) fail(`CHANGELOG.md has no heading "## ${version} - YYYY-MM-DD"`);
  return heading[1];
}

function requireCommitted() {
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' });
  if (changed !== '') fail(`these files are not committed:\n${changed}`);
}

const day = requireDatedChangelog();
requireCommitted();
npm('ci');
npm('run', '-s', 'build:prebuilds');
npm('run', '-s', 'build:wasm');
npm('test');
npm('run', '-s', 'check:package');
npm('run', '-s', 'check:types');
npm('run', '-s', 'check:offline');
const folder = mkdtempSync(join(tmpdir(), 'exolam-release-'));
npm('pack', '--pack-destination', folder);
const tarball = join(folder, `${name}-${version}.tgz`);
const files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
for (const needed of [
  'dist/index.mjs',
  'prebuilds/linux-x64/',
  'prebuilds/linux-arm64/',
  'README.md',
  'LICENSE',
])
  if (!files.some((file) => file.startsWith(`package/${needed}`))) fail(`the tarball has no ${needed}`);
process.stdout.write(
  `${name} ${version} of ${day}: ${files.length} files, ${(statSync(tarball).size / 1e6).toFixed(1)} MB, ${tarball}\n`,
);
npm('publish', tarball, '--provenance', '--access', 'public', ...(dry ? ['--dry-run'] : []));
