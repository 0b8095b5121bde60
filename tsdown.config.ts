import { fileURLToPath } from 'node:url';
import { defineConfig } from 'tsdown';

/** A bundle holds the WebAssembly module itself (scripts/build-wasm.mjs). */
const alias = { '#wasm-bytes': fileURLToPath(new URL('build/wasm/bytes.mjs', import.meta.url)) };
/** `exolam/NAME` is lib/NAME/index.ts. One build with index.ts: what they share is there once. */
const subpaths = Object.fromEntries(
  ['data', 'report', 'solve', 'sweep', 'train', 'verdict'].map((name) => [name, `lib/${name}/index.ts`]),
);
const shared = { alias, platform: 'node', target: 'node20.19', hash: false } as const;

export default defineConfig([
  {
    ...shared,
    entry: { index: 'lib/index.ts', ...subpaths },
    format: ['esm', 'cjs'],
    dts: true,
    // zod is in the bundle, without what is not used of it: its own hundred files take longer to load than all of ours.
    copy: { from: 'node_modules/zod/LICENSE', to: 'dist', rename: 'zod.LICENSE' },
  },
  {
    ...shared,
    entry: { cli: 'lib/cli/main.ts' },
    format: 'esm',
    dts: false,
    clean: false,
    banner: { js: '#!/usr/bin/env node' },
  },
  {
    ...shared,
    entry: { 'file-reader': 'lib/data/formats/file-reader.ts' },
    format: 'esm',
    dts: false,
    clean: false,
  },
  {
    ...shared,
    entry: { 'frame-decoder': 'lib/data/video/frame-decoder.ts' },
    format: 'esm',
    dts: false,
    clean: false,
  },
  {
    entry: { browser: 'lib/browser.ts' },
    alias,
    platform: 'browser',
    target: 'es2022',
    hash: false,
    format: 'esm',
    dts: true,
    clean: false,
    outExtensions: () => ({ js: '.mjs', dts: '.d.mts' }),
  },
]);
