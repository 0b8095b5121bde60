import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Case, solve } from '../../lib/solve/population.js';
import { sampleTransitions } from '../../lib/world/sample.js';
import { backends } from '../support/backends.js';

/** Cases that once had wrong answers: latents that a cut dropped, a loss by subtraction, an "exact" that was not. 40 digits. */
const folder = fileURLToPath(new URL('../golden/truth', import.meta.url));
const cases = readdirSync(folder).map((file) => {
  const { right, ...question } = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Case & {
    right: { loss?: number; metrics?: Record<string, number> };
  };
  return [file, question, right] as const;
});

/** As far as a value is written out. */
function expectRight(actual: number | undefined, right: number): void {
  const digits = (String(right).split('.')[1] ?? '').length;
  expect(actual).toBeCloseTo(right, digits - 1);
}

describe.each(backends)('%s: cases that once were wrong', (_name, backend) => {
  it.each(cases)('%s', async (_file, question, right) => {
    const answer = await solve(question, { backend });
    expect(answer.unique).toBe(true);
    if (right.loss !== undefined) expectRight(answer.loss, right.loss);
    for (const [name, value] of Object.entries(right.metrics ?? {}))
      expectRight(answer.metrics[name as keyof typeof answer.metrics], value);
  });

  it('exogenousInitialScale scales x before the transition, in samples as in loadings', async () => {
    const world = { observationDim: 10, sensorNoise: 0, exogenousFeedback: 0.5, mixing: 'gaussian' } as const;
    const draw = async (exogenousInitialScale: number) => {
      for await (const batch of sampleTransitions(
        { ...world, exogenousInitialScale },
        { samples: 50, pairs: true, backend },
      ))
        return batch;
      throw new Error('no batch');
    };
    const [whole, half, none] = [await draw(1), await draw(0.5), await draw(0)];
    half.exogenous.forEach((x, i) => {
      expect(x).toBeCloseTo(0.5 * whole.exogenous[i], 14);
      expect(half.exogenousNext[i] - whole.exogenousNext[i]).toBeCloseTo(0.8 * (x - whole.exogenous[i]), 13);
    });
    expect(none.exogenous.every((x) => x === 0)).toBe(true);
    // o = Es s without x: what the three draws of o differ by is linear in the scale.
    half.observation.forEach((o, i) => {
      expect(o).toBeCloseTo(0.5 * (whole.observation[i] + none.observation[i]), 13);
      expect(half.pairObservation[i]).toBeCloseTo(
        0.5 * (whole.pairObservation[i] + none.pairObservation[i]),
        13,
      );
    });
    half.action.forEach((a, i) => {
      expect(a).toBeCloseTo(0.5 * (whole.action[i] + none.action[i]), 13);
    });
  });
});
