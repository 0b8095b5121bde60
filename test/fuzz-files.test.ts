import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../lib/base/package-root.js';
import { calls } from './support/fuzz/calls.js';
import { fuzz } from './support/fuzz/loop.js';
import { mutate, Random } from './support/fuzz/mutate.js';
import { TARGETS } from './support/fuzz/targets.js';

/** Executions of each target here; `npm run fuzz` runs as many as there is time for. */
const EXECUTIONS: Readonly<Record<string, number>> = { hdf5: 60, zarr: 60, parquet: 60, lerobot: 60 };
const USUAL = 150;
const SEED = 15;

describe('damaged and hostile inputs: an answer or a sentence, in time and memory', () => {
  test.each(TARGETS.map((target) => [target.name, target] as const))('%s', async (name, target) => {
    const executions = EXECUTIONS[name] ?? USUAL;
    const outcome = await fuzz(target, { executions, milliseconds: Infinity, seed: SEED });
    expect(outcome.faults).toEqual([]);
    expect(outcome.executions).toBe(executions);
    // Changed too much, no input would come further than the first check; too little, none would be refused.
    expect(Math.min(outcome.accepted, outcome.refused)).toBeGreaterThan(0);
  });

  // Inputs that longer runs have found, each of which stands for a kind that is mended.
  test.each([
    ['case', 1, 677, 'a line end where JSON is broken'],
    ['lerobot', 1, 6524, 'the same in the metadata'],
    ['npz', 1, 1158, 'a line end in the name of a type'],
    ['parquet', 1, 16993, 'a line end in the name of a column'],
    ['hdf5', 1, 2453, 'the library aborts'],
    ['zarr', 1, 1340, 'a million chunks, of which one is there'],
    ['zarr', 1, 13834, 'sixteen million columns'],
  ])('%s, seed %i, execution %i: %s', async (name, seed, first) => {
    const target = TARGETS.find((one) => one.name === name) as (typeof TARGETS)[number];
    const outcome = await fuzz(target, { executions: 1, milliseconds: Infinity, seed, first });
    expect(outcome.faults).toEqual([]);
    expect(outcome.refused).toBe(1);
    expect(outcome.longest).toBeLessThan(5000);
  });

  test('calls of the native core', async () => {
    const target = await calls();
    const outcome = await fuzz(target, { executions: 400, milliseconds: Infinity, seed: SEED });
    expect(outcome.faults).toEqual([]);
    expect(Math.min(outcome.accepted, outcome.refused)).toBeGreaterThan(0);
  });

  test('an execution is what its seed and number say, and no other', () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ a: [1, 2, { b: 'c' }] }));
    const all = Array.from({ length: 50 }, (_, i) =>
      Buffer.from(mutate(bytes, new Random(3, i))).toString('hex'),
    );
    expect(all).toEqual(
      Array.from({ length: 50 }, (_, i) => Buffer.from(mutate(bytes, new Random(3, i))).toString('hex')),
    );
    expect(new Set(all).size).toBeGreaterThan(40);
  });

  test('a fault is told, with the execution that has it', async () => {
    const wrong = {
      name: 'wrong',
      run: async (random: Random) => void (random.chance(0.2) && JSON.parse('x')),
    };
    const { faults, accepted } = await fuzz(wrong, { executions: 40, milliseconds: Infinity, seed: 1 });
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.length + accepted).toBe(40);
    expect(faults[0]?.why).toMatch(/SyntaxError/);
    const again = { executions: 1, milliseconds: Infinity, seed: 1, first: faults[0]?.execution };
    expect((await fuzz(wrong, again)).faults).toEqual([faults[0]]);
  });

  test('npm run fuzz knows the targets', () => {
    const script = readFileSync(join(packageRoot(), 'scripts/fuzz.mjs'), 'utf8');
    for (const { name } of TARGETS) expect(script).toContain(`'${name}'`);
  });
});
