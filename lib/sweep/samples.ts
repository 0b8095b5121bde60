import { type Control, POPULATION_METRICS } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { fitEach } from '../lam/fit.js';
import { scoreInWorld } from '../metrics/score.js';
import { drawMoments } from '../moments/drawn.js';
import { resolveObjective } from '../solve/objectives.js';
import { createWorld, type WorldSpec } from '../world/world.js';
import { objectiveAt, samplesAt, statusOf, worldAt } from './population.js';
import type { Figures, Segment } from './rows.js';
import type { Checked } from './spec.js';

/**
 * Figures for those configurations of a segment that are fitted to samples: moments of so many transitions drawn, a model fitted to
 * them, and the model judged on the population. A configuration's draw follows its own world and seed and nothing else.
 */
export async function fitSegment(
  spec: Checked,
  segment: Segment,
  figures: Figures,
  row: number,
  control: Control,
): Promise<void> {
  if (!spec.samples.some((n) => Number.isFinite(n))) return;
  const asked: number[] = [];
  for (let i = 0; i < segment.count; i++) if (Number.isFinite(samplesAt(segment, i))) asked.push(i);
  const next = asked.values();
  // Each is too small a problem to share among threads, so that each thread has one of its own.
  const own: Control = { ...control, threads: 1, onProgress: undefined };
  const worker = async () => {
    for (const i of next)
      await fitConfiguration(spec, segment, i, figures, row + i * spec.latentDims.length, own);
  };
  await Promise.all(Array.from({ length: Math.min(control.threads ?? 1, asked.length) }, worker));
}

async function fitConfiguration(
  spec: Checked,
  segment: Segment,
  i: number,
  figures: Figures,
  row: number,
  control: Control,
): Promise<void> {
  const world = worldAt(spec, segment, i) as WorldSpec;
  try {
    const objective = objectiveAt(segment, i, world);
    const { needsPair } = resolveObjective(objective);
    const moments = await drawMoments(world, {
      transitions: samplesAt(segment, i) as number,
      pairs: needsPair,
      ...control,
    });
    const models = await fitEach({ moments, objective, ridge: spec.ridge }, spec.latentDims, control);
    const made = createWorld(world);
    for (const [k, model] of models.entries()) {
      if (model instanceof ExolamError) {
        figures.status[row + k] = statusOf(model);
        continue;
      }
      const { metrics, loss } = scoreInWorld(model.encoder, model, made);
      figures.loss[row + k] = loss ?? Number.NaN;
      POPULATION_METRICS.forEach((name, m) => {
        figures.metrics[m][row + k] = metrics[name] ?? Number.NaN;
      });
      // Eigenvalues of a sample do not tie.
      figures.unique[row + k] = 1;
      figures.rank[row + k] = model.rank;
      figures.status[row + k] = 0;
    }
  } catch (error) {
    figures.status.fill(statusOf(error), row, row + spec.latentDims.length);
  }
}
