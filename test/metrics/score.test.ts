import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  type Case,
  drawMoments,
  fitLinearLam,
  sampleTransitions,
  score,
  solve,
  transitions,
  type WorldSpec,
} from '../../lib/browser.js';
import { hasKind } from '../../lib/solve/objectives.js';
import { shared } from '../support/shared.js';

/** 1e-7 relative, absolute below 1e-9. */
function expectClose(actual: number | undefined, wanted: number | undefined, what: string): void {
  if (Object.is(actual, wanted)) return;
  const error = Math.abs((actual ?? Number.NaN) - (wanted ?? Number.NaN));
  expect(error, `${what}: ${actual} should be ${wanted}`).toBeLessThanOrEqual(
    Math.max(1e-7 * Math.abs(wanted ?? 0), 1e-9),
  );
}

const own = fileURLToPath(new URL('../golden/', import.meta.url));
const folders = [own, ...(existsSync(shared('fixtures/solve')) ? [shared('fixtures/solve/')] : [])];
const cases = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file): [string, Case] => [
      `${folder === own ? 'own' : 'shared'} ${file}`,
      JSON.parse(readFileSync(folder + file, 'utf8')) as Case,
    ]),
);

describe('score: what solve says of its own encoder', () => {
  it('has every kind of objective, sensor noise among them', () => {
    const kinds = new Set(cases.map(([, { objective }]) => objective.kind));
    expect(kinds.size).toBeGreaterThanOrEqual(6);
    const noisy = cases.filter(([, { world }]) => (world?.sensorNoise ?? 0) > 0);
    expect(new Set(noisy.map(([, { objective }]) => objective.kind)).size).toBeGreaterThanOrEqual(6);
  });

  it.each(cases)('%s', async (_, { expected, ...question }) => {
    const solution = await solve(question, { encoder: true });
    const { metrics } = await score(solution.encoder!, { world: question.world! });
    if (solution.unique) {
      expect(Object.keys(metrics).sort()).toEqual(Object.keys(solution.metrics).sort());
      for (const [name, value] of Object.entries(metrics))
        expectClose(value, solution.metrics[name as keyof typeof solution.metrics], name);
      const golden = (expected as { metrics: Record<string, number | 'Infinity'> }).metrics;
      for (const [name, value] of Object.entries(golden))
        if (value === 'Infinity') expect(metrics[name as keyof typeof metrics]).toBe(Infinity);
    }
    if (hasKind(question.objective, 'exogenous-robust')) return;
    if (hasKind(question.objective, 'augmented') || hasKind(question.objective, 'action-supervised')) return;
    const lam = await fitLinearLam(question);
    expectClose((await score(lam, { world: question.world! })).loss, solution.loss, 'loss');
  });
});
