import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import { fingerprint } from '../scripts/stamp.mjs';

const root = packageRoot();
const lists = (
  JSON.parse(readFileSync(join(root, 'native/sources.gypi'), 'utf8')) as {
    variables: Record<string, string[]>;
  }
).variables;
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** The .cc files of a folder and its subfolders, as paths from the root. */
function onDisk(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.cc'))
    .map((file) => `${folder}/${file}`)
    .sort();
}

describe('the list of native sources', () => {
  it.each([
    ['kernel_sources', 'native/kernels'],
    ['core_sources', 'native/core'],
    ['addon_sources', 'native/addon'],
    ['wasm_sources', 'native/wasm'],
    ['test_sources', 'test/native'],
  ])('%s names every .cc of %s, in order', (list, folder) => {
    expect(onDisk(folder).length).toBeGreaterThan(0);
    expect(lists[list]).toEqual(onDisk(folder));
  });

  it('leaves no .cc of native/ out', () => {
    const listed = ['kernel_sources', 'core_sources', 'addon_sources', 'wasm_sources'].flatMap(
      (list) => lists[list] ?? [],
    );
    expect(listed.sort()).toEqual(onDisk('native'));
  });

  it('is what both builds read, and the only place with sources and flags', () => {
    for (const recipe of ['binding.gyp', 'CMakeLists.txt']) {
      const text = read(recipe);
      for (const name of Object.keys(lists)) {
        if (name === 'wasm_sources') continue;
        // node-gyp builds the product alone.
        if (recipe === 'CMakeLists.txt' || name !== 'test_sources') expect(text, recipe).toContain(name);
      }
      expect(text, recipe).not.toMatch(/-ffp-contract|-fno-math-errno|native\/core\//);
    }
    expect(read('scripts/build-wasm.mjs')).toContain('wasm_sources');
  });

  it('never asks for fast-math, which would break finiteness checks and reproducible bits', () => {
    expect(JSON.stringify(lists)).not.toMatch(/fast-math|-Ofast|-march|-ffp-contract=fast/);
    expect(lists['cxx_flags']).toContain('-ffp-contract=off');
  });
});

describe('what npm test and npm run demo build first', () => {
  const ensureBuilt = (env: Record<string, string> = {}) =>
    spawnSync(process.execPath, ['scripts/ensure-built.mjs', '--addon'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, EXOLAM_BUILDER: '', ...env },
    });

  it('is one addon, whoever built it, and nothing when that is up to date', () => {
    const nodes = () => readdirSync(join(root, 'build/Release')).filter((file) => file.endsWith('.node'));
    expect(nodes()).toEqual(['exolam.node']);
    const { status, stderr, stdout } = ensureBuilt();
    expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: '' });
    expect(nodes()).toEqual(['exolam.node']);
  });

  it('refuses a builder that it does not know', () => {
    const { status, stderr } = ensureBuilt({ EXOLAM_BUILDER: 'make' });
    expect(status).toBe(1);
    expect(stderr).toContain('EXOLAM_BUILDER: expected cmake or gyp but received "make"');
  });

  it('is told from the content of its sources, not from their dates', () => {
    const folder = mkdtempSync(join(tmpdir(), 'exolam-stamp-'));
    const file = join(folder, 'a.cc');
    const name = relative(root, file);
    try {
      writeFileSync(file, 'int a;');
      const before = fingerprint([name]);
      utimesSync(file, 1, 1);
      expect(fingerprint([name])).toBe(before);
      writeFileSync(file, 'int b;');
      expect(fingerprint([name])).not.toBe(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('native layers', () => {
  const headers = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.(h|cc)$/.test(file))
      .map((file) => `${folder}/${file}`);

  it('the core and the kernels never see the Node headers', () => {
    for (const file of [...headers('native/core'), ...headers('native/kernels')]) {
      expect(read(file), file).not.toMatch(/#include\s*[<"](napi|node_api|js_native_api|node)\.h/);
    }
  });

  it('the kernels include no standard library templates', () => {
    // cstdio and cstdlib are C: what a build that checks its scratch memory says before it aborts.
    const allowed = [
      'cstddef',
      'cstdint',
      'cstdio',
      'cstdlib',
      'cstring',
      'immintrin.h',
      'arm_neon.h',
      'wasm_simd128.h',
    ];
    for (const file of headers('native/kernels')) {
      for (const [, name] of read(file).matchAll(/#include\s*<([^>]+)>/g))
        expect(allowed, file).toContain(name);
    }
  });
});
