/**
 * `exolam bench [--quick] [--json] [--only text] [--peers]`, or `npx tsx bench/main.ts` with the same flags. With
 * EXOLAM_BACKEND=wasm, WebAssembly stands where native does.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadAddon } from '../lib/backend/load-addon.js';
import { nativeBackend } from '../lib/backend/native.js';
import { referenceBackend } from '../lib/backend/reference/index.js';
import { wasmCore } from '../lib/backend/wasm/index.js';
import { ExolamError } from '../lib/base/errors.js';
import { packageRoot } from '../lib/base/package-root.js';
import { explain } from '../lib/cli/run.js';
import type { Case } from './case.js';
import { limits } from './limits.js';
import { accumulation, choleskySolve, eigenproblem, product } from './linear-algebra.js';
import { machine } from './machine.js';
import { measure } from './measure.js';
import { measurePeers } from './peers.js';
import { cases, configurations } from './population.js';
import { type CaseResult, type Results, resultOf } from './results.js';
import { normals, transitions, wishart } from './sampling.js';
import { report } from './table.js';
import { trainingStep } from './training.js';

// stdout is for results; benny's running commentary is a note.
console.log = console.error;

/** bench/results/latest.json and .md, or quick.*: rough figures do not replace good ones. */
function keep(results: Results): void {
  const folder = join(packageRoot(), 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, results.quick ? 'quick' : 'latest');
  writeFileSync(`${path}.json`, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(`${path}.md`, report(results));
}

async function main(): Promise<void> {
  const { values: flags } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      only: { type: 'string' },
      peers: { type: 'boolean' },
    },
  });
  const quick = flags.quick ?? false;
  // As an addon, so that every row is measured in the same way.
  const isWasm = process.env['EXOLAM_BACKEND'] === 'wasm';
  const addon = isWasm ? wasmCore() : loadAddon();
  const native = nativeBackend(addon, isWasm ? 'wasm' : 'native');
  const eigen = (n: number, own: number, script: number) =>
    eigenproblem(native, referenceBackend, n, { native: own, script });
  const all: Case[] = [
    ...configurations(native, referenceBackend),
    cases(native, referenceBackend),
    eigen(8, 2048, 512),
    eigen(16, 1024, 128),
    eigen(24, 512, 64),
    eigen(32, 256, 32),
    eigen(64, 32, 4),
    eigen(128, 4, 1),
    eigen(256, 2, 1),
    choleskySolve(native, referenceBackend, 16, 8),
    product(addon, 128, 'f64'),
    product(addon, 128, 'f32'),
    accumulation(native, referenceBackend, 256),
    normals(native, referenceBackend, 'f64'),
    normals(native, referenceBackend, 'f32'),
    wishart(native, referenceBackend, 1e3),
    wishart(native, referenceBackend, 1e9),
    transitions(native, referenceBackend, 0),
    transitions(native, referenceBackend, 0.1),
    transitions(native, referenceBackend, 0, 'f32'),
    transitions(native, referenceBackend, 0.1, 'f32'),
    trainingStep(native, referenceBackend, 'linear', 128),
    trainingStep(native, referenceBackend, 'relu', 128),
    trainingStep(native, referenceBackend, 'gelu', 128),
    trainingStep(native, referenceBackend, 'relu', 512),
    trainingStep(native, referenceBackend, 'gelu', 512),
  ];
  const chosen = all.filter(({ name }) => name.includes(flags.only ?? ''));
  if (chosen.length === 0) {
    throw new ExolamError(
      'input',
      `--only: no case is called "${flags.only}"; there are: ${all.map((c) => c.name).join('; ')}`,
    );
  }
  const measured = limits(quick);
  const found: CaseResult[] = [];
  for (const subject of chosen) found.push(resultOf(subject, await measure(subject, quick), measured));
  const beside = flags.peers ? await measurePeers(chosen, found, quick) : { cases: found };
  const results: Results = { quick, machine: machine(native), limits: measured, ...beside };

  if (flags.only === undefined) keep(results);
  process.stdout.write(flags.json ? `${JSON.stringify(results)}\n` : report(results));
}

try {
  await main();
} catch (error) {
  const { line, code } = explain(error);
  process.stderr.write(`${line}\n`);
  process.exitCode = code;
}
