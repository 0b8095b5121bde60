import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/native.js';

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
    ['test_sources', 'test/native'],
  ])('%s names every .cc of %s, in order', (list, folder) => {
    expect(onDisk(folder).length).toBeGreaterThan(0);
    expect(lists[list]).toEqual(onDisk(folder));
  });

  it('leaves no .cc of native/ out', () => {
    const listed = ['kernel_sources', 'core_sources', 'addon_sources'].flatMap((list) => lists[list] ?? []);
    expect(listed.sort()).toEqual(onDisk('native'));
  });

  it('is what both builds read, and the only place with sources and flags', () => {
    for (const recipe of ['binding.gyp', 'CMakeLists.txt']) {
      const text = read(recipe);
      for (const name of Object.keys(lists)) {
        // node-gyp builds the product alone.
        if (recipe === 'CMakeLists.txt' || name !== 'test_sources') expect(text, recipe).toContain(name);
      }
      expect(text, recipe).not.toMatch(/-ffp-contract|-fno-math-errno|native\/core\//);
    }
  });

  it('never asks for fast-math, which would break finiteness checks and reproducible bits', () => {
    expect(JSON.stringify(lists)).not.toMatch(/fast-math|-Ofast|-march|-ffp-contract=fast/);
    expect(lists['cxx_flags']).toContain('-ffp-contract=off');
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
    const allowed = ['cstddef', 'cstdint', 'cstring', 'immintrin.h', 'arm_neon.h'];
    for (const file of headers('native/kernels')) {
      for (const [, name] of read(file).matchAll(/#include\s*<([^>]+)>/g))
        expect(allowed, file).toContain(name);
    }
  });
});
