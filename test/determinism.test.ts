import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { POPULATION_METRICS } from '../lib/backend/requests.js';
import { type Case, solve, solveBatch } from '../lib/solve/population.js';
import { native, reference } from './support/backends.js';

const cases: Case[] = Array.from({ length: 37 }, (_, i) => ({
  world: {
    observationDim: 14 + (i % 3),
    mixing: 'gaussian',
    exogenousScale: 0.3 + i / 10,
    sensorNoise: i % 2 ? 0.1 : 0.05,
    processNoise: 0.1,
    stateFeedback: 0.3,
    seed: i,
  },
  objective: { kind: 'action-supervised', weight: 1 + i },
  latentDim: 5,
}));

const numbers = (s: Awaited<ReturnType<typeof solve>>): number[] => [
  s.loss,
  ...s.spectrum,
  ...POPULATION_METRICS.map((m) => s.metrics[m] ?? Number.NaN),
  ...(s.encoder?.C.data ?? []),
  ...(s.encoder?.D.data ?? []),
];

describe('determinism', () => {
  it('gives the same bits for every number of threads', async () => {
    const one = await solveBatch(cases, { backend: native, threads: 1, encoder: true });
    const many = await solveBatch(cases, { backend: native, threads: 5, encoder: true });
    expect(many.map(numbers)).toEqual(one.map(numbers));
  });

  it('gives a problem the same bits whatever its neighbours in the batch are', async () => {
    const together = await solveBatch(cases, { backend: native, encoder: true });
    const backwards = (await solveBatch([...cases].reverse(), { backend: native, encoder: true })).reverse();
    const alone = await Promise.all(cases.map((c) => solve(c, { backend: native, encoder: true })));
    expect(backwards.map(numbers)).toEqual(together.map(numbers));
    expect(alone.map(numbers)).toEqual(together.map(numbers));
  });

  it.each(['reconstruction', 'action-supervised', 'cross-exogenous', 'exogenous-robust'] as const)(
    'gives a noise-free %s the same bits beside worlds whose observation does not determine the state',
    async (kind) => {
      const mixed: Case[] = Array.from({ length: 19 }, (_, i) => ({
        world: {
          endogenousDim: 4,
          exogenousDim: 3,
          exogenousScale: 0.4 + i / 7,
          exogenousInitialScale: i % 3 === 1 ? 0 : 1,
          stateFeedback: 0.2,
          seed: 5,
        },
        objective:
          kind === 'action-supervised' || kind === 'exogenous-robust' ? { kind, weight: 0.7 } : { kind },
        latentDim: 3,
      }));
      const together = await solveBatch(mixed, { backend: native, encoder: true });
      const alone = await Promise.all(mixed.map((c) => solve(c, { backend: native, encoder: true })));
      expect(alone.map(numbers)).toEqual(together.map(numbers));
    },
  );

  it('agrees with the reference to 1e-9, encoders included', async () => {
    const a = await solveBatch(cases, { backend: native, encoder: true });
    const b = await solveBatch(cases, { backend: reference, encoder: true });
    a.forEach((s, i) => {
      const [x, y] = [numbers(s), numbers(b[i])];
      expect(x.length).toBe(y.length);
      x.forEach((v, j) => {
        if (v === y[j]) return;
        expect(Math.abs(v - y[j]), `case ${i}, number ${j}: ${v} and ${y[j]}`).toBeLessThan(
          1e-9 * Math.max(1, Math.abs(v)),
        );
      });
    });
  });

  it('agrees across instruction sets to 1e-10', () => {
    const script = fileURLToPath(new URL('support/print-solutions.ts', import.meta.url));
    const run = (isa: string): number[] => {
      const child = spawnSync(process.execPath, ['--import', 'tsx', script], {
        env: { ...process.env, EXOLAM_ISA: isa },
        encoding: 'utf8',
      });
      expect(child.stderr).toBe('');
      return JSON.parse(child.stdout) as number[];
    };
    const isas = native.info().isas;
    const first = run(isas[0]);
    expect(first.length).toBeGreaterThan(100);
    for (const isa of isas.slice(1)) {
      const other = run(isa);
      first.forEach((v, i) => {
        expect(Math.abs(v - other[i]), `${isa}, number ${i}`).toBeLessThan(1e-10 * Math.max(1, Math.abs(v)));
      });
    }
  });

  it('refuses an instruction set that is not there, and says which are', () => {
    const script = fileURLToPath(new URL('support/print-solutions.ts', import.meta.url));
    const child = spawnSync(process.execPath, ['--import', 'tsx', script], {
      env: { ...process.env, EXOLAM_ISA: 'vax' },
      encoding: 'utf8',
    });
    expect(child.status).not.toBe(0);
    expect(child.stderr).toMatch(/EXOLAM_ISA is "vax".*accept: .*baseline/);
  });
});
