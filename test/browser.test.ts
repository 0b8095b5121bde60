import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';
import { build, transform } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import * as browser from '../lib/browser.js';
import * as node from '../lib/index.js';
import { wasm } from './support/backends.js';

const root = packageRoot();

/** lib/browser.ts and all that it needs as one ES module for a browser. */
async function bundle(entry: string): Promise<{ code: string; inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: entry, resolveDir: root, loader: 'ts' },
    bundle: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  return { code: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) };
}

/** What a page has and the engine alone has not. */
const PAGE = {
  performance,
  setTimeout,
  setInterval,
  clearInterval,
  TextEncoder,
  TextDecoder,
  AbortController,
  atob,
};

/** Runs a program that is given the bundle as `exolam`, where there is nothing but the engine and a page's globals. */
async function run(code: string, program: string, input: unknown): Promise<unknown> {
  const script = await transform(code, { format: 'iife', globalName: 'exolam' });
  const context = vm.createContext({ ...PAGE, input: JSON.stringify(input) });
  vm.runInContext(script.code, context);
  const answer: unknown = vm.runInContext(
    `(async () => JSON.stringify(await (${program})(exolam, JSON.parse(input))))()`,
    context,
  );
  return JSON.parse((await answer) as string);
}

describe('the entry for browsers', () => {
  let code: string;
  let inputs: string[];
  beforeAll(async () => {
    execFileSync(process.execPath, ['scripts/build-wasm.mjs', '--optional'], { cwd: root, stdio: 'pipe' });
    ({ code, inputs } = await bundle("export * from './lib/browser.ts';"));
  });

  it('needs nothing of Node: no module of its own, no process, no Buffer, no addon', () => {
    expect(code).not.toMatch(/["']node:/);
    expect(code).not.toMatch(/\bprocess\s*[.[?]/);
    expect(code).not.toMatch(/\bBuffer\b/);
    expect(code).not.toMatch(/\brequire\(/);
    expect(inputs).toContain('lib/solve/population.ts');
    expect(inputs).toContain('lib/backend/choose.browser.ts');
    expect(
      inputs.filter((file) => /load-addon|start-thread\.ts|lib\/(cli|report|reproduce)\//.test(file)),
    ).toEqual([]);
  });

  it('would be seen to need it: the entry for Node does not bundle', async () => {
    await expect(bundle("export * from './lib/index.ts';")).rejects.toThrow(/node:/);
  });

  it('solves a golden case outside Node to the golden figures', async () => {
    const file = join(root, 'test', 'golden', '001-exogenous-robust.json');
    const { expected, ...question } = JSON.parse(readFileSync(file, 'utf8')) as {
      expected: { loss: number; spectrum: number[]; metrics: Record<string, number> };
    };
    const solution = (await run(
      code,
      `async ({ solve, defaultBackend }, question) => {
        const { loss, spectrum, metrics } = await solve(question);
        return { loss, spectrum: [...spectrum], metrics, backend: defaultBackend().info().name };
      }`,
      question,
    )) as typeof expected & { backend: string };
    expect(solution.backend).toBe(wasm ? 'wasm' : 'reference');
    const near = (actual: number | undefined, wanted: number) =>
      expect(Math.abs((actual ?? Number.NaN) - wanted)).toBeLessThan(Math.max(1e-7 * Math.abs(wanted), 1e-9));
    near(solution.loss, expected.loss);
    expected.spectrum.forEach((value, i) => {
      near(solution.spectrum[i], value);
    });
    for (const [name, value] of Object.entries(expected.metrics)) near(solution.metrics[name], value);
  });

  it('fits a model, and hands over the bytes of its file, outside Node', async () => {
    const question = {
      world: { sensorNoise: 0.1 },
      objective: { kind: 'reconstruction' },
      latentDim: 2,
    } as const;
    const bytes = (await run(
      code,
      `async ({ fitLinearLam, LinearLam }, question) => {
        const bytes = (await fitLinearLam(question)).toBytes();
        LinearLam.fromBytes(bytes);
        return [...bytes];
      }`,
      question,
    )) as number[];
    const here = await node.fitLinearLam(question, {
      backend: wasm ?? node.referenceBackend,
    });
    expect(node.LinearLam.fromBytes(Uint8Array.from(bytes)).encoder.D.data).toEqual(here.encoder.D.data);
    expect(Array.from(here.toBytes())).toEqual(bytes);
  });

  it('says in one sentence that there are no files, and what bytes are accepted', async () => {
    const message = await run(
      code,
      `async ({ LinearLam }) => LinearLam.load('lam.safetensors').then(() => '', (error) => error.kind + ': ' + error.message)`,
      null,
    );
    expect(message).toBe(
      'unsupported: lam.safetensors: there are no files in a browser; use LinearLam.fromBytes',
    );
    expect(() => node.LinearLam.fromBytes([] as unknown as Uint8Array)).toThrow(
      'bytes: expected a Uint8Array but received []',
    );
    expect(() => node.LinearLam.fromBytes(new Uint8Array(4))).toThrow(/bytes is not a safetensors file/);
  });

  it('exports a part of what the entry for Node exports', () => {
    const missing = Object.keys(browser).filter((name) => !(name in node));
    expect(missing).toEqual([]);
    expect(Object.keys(browser)).toEqual(
      expect.arrayContaining(['solve', 'solveColumns', 'analyze', 'ExolamError']),
    );
  });
});
