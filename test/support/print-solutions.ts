/** Prints every number of a few solutions as JSON: run with different EXOLAM_ISA. */
import { POPULATION_METRICS } from '../../lib/backend/requests.js';
import { solveBatch } from '../../lib/solve/population.js';

const solutions = await solveBatch(
  Array.from({ length: 21 }, (_, i) => ({
    world: {
      observationDim: 14,
      mixing: 'gaussian' as const,
      exogenousScale: 0.3 + i / 10,
      sensorNoise: 0.1,
      processNoise: 0.1,
      stateFeedback: 0.3,
      seed: i,
    },
    objective: { kind: 'action-supervised' as const, weight: 1 + i },
    latentDim: 5,
  })),
);
process.stdout.write(
  JSON.stringify(
    solutions.flatMap((s) => [s.loss, ...s.spectrum, ...POPULATION_METRICS.map((m) => s.metrics[m] ?? null)]),
  ),
);
