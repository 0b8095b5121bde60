import { describe, expect, it } from 'vitest';

import { POPULATION_METRICS, type PopulationAnswer } from '../../lib/backend/requests.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { type Case, type Prepared, prepare, requestOf, solve } from '../../lib/solve/population.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { native, reference } from '../support/backends.js';

/** The states as they are, whatever is seen of them. */
function unturned(prepared: Prepared): Prepared {
  const { spec, actionEffect, stateFeedback, exogenousFeedback } = prepared.world;
  const { endogenousDim, exogenousDim } = spec;
  const { mixing } = prepared;
  const matrices = { mixing, actionEffect, stateFeedback, exogenousFeedback };
  return { ...prepared, states: { endogenousDim, exogenousDim, hiddenExogenousDim: 0, ...matrices } };
}

function numbersOf(answer: PopulationAnswer, size: number): Record<string, number> {
  const metrics = POPULATION_METRICS.map((name, m) => [name, answer.metrics[m]]);
  const spectrum = Array.from({ length: size }, (_, i) => [`spectrum.${i}`, answer.spectrum[i]]);
  return Object.fromEntries([
    ['loss', answer.loss[0]],
    ['status', answer.status[0]],
    ...metrics,
    ...spectrum,
  ]);
}

/** Many states, few of which are seen. */
const WORLD: WorldSpec = {
  observationDim: 4,
  endogenousDim: 15,
  exogenousDim: 40,
  actionDim: 2,
  mixing: 'gaussian',
  stateFeedback: 0.4,
  exogenousFeedback: 0.3,
  actionExogenousCorrelation: 0.5,
  exogenousInitialScale: 0.7,
  processNoise: 0.2,
};
const composition: ObjectiveSpec = {
  kind: 'composition',
  parts: [
    { kind: 'reconstruction' },
    { kind: 'action-supervised', weight: 1, labelFraction: 0.5 },
    { kind: 'exogenous-robust', weight: 0.3 },
  ],
};

describe('a world of which little is seen', () => {
  it.each([
    ['noisy sensors', { sensorNoise: 0.1 }, composition],
    ['no noise', {}, { kind: 'reconstruction' }],
    ['no exogenous step', { exogenousScale: 0 }, { kind: 'cross-exogenous' }],
    ['states alone', { exogenousDim: 3, sensorNoise: 0.2 }, { kind: 'cross-exogenous' }],
    ['no feedback', { stateFeedback: 0, exogenousFeedback: 0 }, composition],
  ] as const)('%s: the turned states have the answers of all of them', async (_, odd, objective) => {
    const question: Case = { world: { ...WORLD, ...odd }, objective, latentDim: 2 };
    const prepared = prepare(question, '');
    expect(prepared.states.endogenousDim).toBe(6);
    expect(prepared.states.exogenousDim + prepared.states.hiddenExogenousDim).toBe(
      prepared.world.spec.exogenousDim,
    );
    for (const backend of [native, reference]) {
      const asked = [prepared, unturned(prepared)].map((p) => requestOf([p], false));
      const [turned, whole] = await Promise.all(asked.map((request) => backend.solvePopulation(request)));
      const expected = numbersOf(whole, 2);
      for (const [name, value] of Object.entries(numbersOf(turned, 2)))
        if (Number.isFinite(expected[name])) expect(value, name).toBeCloseTo(expected[name], 9);
        else expect(value, name).toBe(expected[name]);
    }
  });

  it('answers thousands of exogenous coordinates as soon as a dozen', async () => {
    const world = { observationDim: 8, exogenousDim: 4096, endogenousDim: 2, actionDim: 1, seed: 3 };
    const { exogenousDim, hiddenExogenousDim } = prepare(
      { world: { ...world, mixing: 'gaussian' }, objective: composition, latentDim: 2 },
      '',
    ).states;
    expect([exogenousDim, hiddenExogenousDim]).toEqual([10, 4086]);
    const { metrics } = await solve({
      world: { ...world, mixing: 'gaussian' },
      objective: composition,
      latentDim: 2,
    });
    expect(metrics.futureLeakage).toBeLessThan(2 / 4096);
  });
});
