import { describe, expect, it } from 'vitest';
import { claimsOf } from '../../lib/reproduce/claims.js';
import { comparisonsOf, nonlinear } from '../../lib/reproduce/nonlinear.js';
import { withoutExogenous } from '../../lib/reproduce/nonlinear-representation.js';
import { NONLINEAR_REMEDIES, trainTogether } from '../../lib/reproduce/nonlinear-runs.js';
import { reproduceSpec } from '../../lib/reproduce/spec.js';
import { type Row, tableOf } from '../../lib/reproduce/table.js';
import { native } from '../support/backends.js';

const spec = reproduceSpec({ quick: true });
const SEEDS = [0, 1, 2, 3, 4];

/** Tables in which every remedy does what C1 to C3 say, but for what is put in their place. */
function tablesOf(other: Readonly<Record<string, Partial<Row>>> = {}) {
  const rows = ['mlp', 'sprites'].flatMap((world) =>
    NONLINEAR_REMEDIES.flatMap(({ id }) =>
      SEEDS.map((seed): Row => {
        const plain = id === 'reconstruction';
        const noise = 0.01 * seed;
        return {
          world,
          remedy: id,
          seed,
          leakage: (plain ? 0.5 : 0.05) + noise,
          actionError: (plain ? 0.9 : 0.2) + noise,
          consistencyError: (plain ? 0.8 : 0.1) + noise,
          ...(other[`${world} ${id}`] as Row),
        };
      }),
    ),
  );
  const columns = Object.fromEntries(Object.keys(rows[0]).map((name) => [name, [name] as const]));
  const scale = [
    'reconstruction',
    'representation',
    'action-supervised',
    'exogenous-robust',
    'cross-exogenous',
  ].flatMap((remedy) =>
    SEEDS.map((seed) => ({
      mixing: 'gaussian',
      exogenousScale: spec.exogenousScales.reduce((a, b) => (Math.abs(b - 2) < Math.abs(a - 2) ? b : a)),
      remedy,
      seed,
      futureLeakage: remedy === 'reconstruction' ? 0.5 : 0.1,
      consistencyError: remedy === 'reconstruction' ? 0.5 : 0.1,
    })),
  );
  return {
    scale: tableOf(
      'scale',
      '',
      Object.fromEntries(Object.keys(scale[0]).map((n) => [n, [n] as const])),
      scale,
    ),
    nonlinear: tableOf('nonlinear', '', columns, rows),
    codebooks: tableOf('codebooks', '', { size: [''], used: [''] }, [{ size: 16, used: 15 }]),
  };
}
const c4 = (other?: Parameters<typeof tablesOf>[0]) => claimsOf(tablesOf(other), spec)[3];

describe('C4', () => {
  it('holds where every interval is apart from that of reconstruction', () => {
    expect(c4()).toMatchObject({ claim: 'C4', verdict: 'holds' });
    expect(c4()?.sentence).toContain('52');
    expect(comparisonsOf(tablesOf()).filter((c) => c.leaksLess && c.knowsMore && c.steadier)).toHaveLength(8);
  });

  it('does not where reconstruction leaks next to nothing in one of the worlds', () => {
    expect(c4({ 'sprites reconstruction': { leakage: 0.01 } })?.verdict).toBe('does not hold');
  });

  it('is open where a remedy is no better, and says which and where', () => {
    const open = c4({ 'mlp representation': { leakage: 0.55 } });
    expect(open?.verdict).toBe('cannot tell');
    expect(open?.sentence).toContain('representation where a random network shows the states');
    const unsteady = c4({ 'sprites cross-exogenous': { consistencyError: 0.85 } });
    expect(unsteady?.sentence).toContain('cross-exogenous reconstruction where a small video shows sprites');
  });

  it('says of a remedy that leaks as much that it does, and of one that does nothing that it does not help', () => {
    const read = (other: Parameters<typeof tablesOf>[0]) => nonlinear.read(tablesOf(other), spec).sentence;
    expect(read({ 'mlp exogenous-robust': { leakage: 0.55 } })).toContain(
      'exogenous-robust penalty knows the action better, but does not leak less',
    );
    expect(read({ 'mlp exogenous-robust': { leakage: 0.55, actionError: 0.95 } })).toContain(
      'exogenous-robust penalty does not help',
    );
    expect(read({})).toContain('Codes that are used in the video: 15 of 16.');
  });
});

describe('the representation', () => {
  it('dims the distractor and keeps the agent', async () => {
    const world = { kind: 'sprites' as const, size: 8, seed: 3 };
    const { rows, data } = await withoutExogenous(world, 2000, native, {});
    expect(rows).toBeGreaterThan(2);
    const energy = async (moving: object) => {
      const source = (await import('../../lib/world/batch-source.js')).worldSource({ ...world, ...moving });
      const needs = { pair: false, later: 0, states: false };
      const { observation: o, observationNext: next } = await native.drawRows({
        source,
        seed: 1,
        first: 0,
        count: 300,
        needs,
      });
      let sum = 0;
      for (let r = 0; r < 300; r++)
        for (let i = 0; i < rows; i++) {
          let h = 0;
          for (let j = 0; j < 64; j++)
            h += (data[i * 64 + j] as number) * ((next[r * 64 + j] as number) - (o[r * 64 + j] as number));
          sum += h * h;
        }
      return sum;
    };
    const agent = await energy({ distractorSpeed: 0 });
    expect(await energy({ agentSpeed: 0, distractorSpeed: 1 })).toBeLessThan(0.3 * agent);
  });
});

describe('training', () => {
  it('is the same again, and refuses a loss that is not finite in one sentence', async () => {
    const world = { name: 'mlp', spec: { kind: 'mlp' as const, observationDim: 9 }, latentDim: 2, steps: 20 };
    const own = { ...spec, nonlinear: { ...spec.nonlinear, rows: 256, hidden: [8] } };
    const run = { spec: own, backend: native, advance: () => {} };
    const runs = NONLINEAR_REMEDIES.map(({ id }) => ({ world, remedy: id, seed: 2, codebook: null }));
    const once = await trainTogether(runs, run);
    expect(once).toHaveLength(5);
    const again = await trainTogether(runs.slice(2), { ...run, threads: 1 });
    expect(again.map(({ judgement }) => judgement)).toEqual(once.slice(2).map(({ judgement }) => judgement));
    const wild = { ...run, spec: { ...own, nonlinear: { ...own.nonlinear, learningRate: 1e30 } } };
    await expect(trainTogether(runs.slice(0, 1), wild)).rejects.toThrow(
      /^mlp, reconstruction: the loss was not finite at step \d+$/,
    );
  });
});
