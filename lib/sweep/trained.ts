import { type Control, POPULATION_METRICS } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { ExolamError } from '../base/errors.js';
import type { TrainConfig } from '../train/config.js';
import { trainEach } from '../train/drive.js';
import { objectiveAt, statusOf, trainedAt, worldAt } from './population.js';
import { DIVERGED, type Figures, type Segment } from './rows.js';
import type { Checked } from './spec.js';
import { configOf } from './train-spec.js';

/**
 * Figures for those configurations of a segment that are trained: gradient steps on fresh transitions of the point's own world, the
 * model judged on the population. A run's bits follow from its own configuration alone.
 */
export async function trainSegment(
  spec: Checked,
  segment: Segment,
  figures: Figures,
  row: number,
  control: Control,
): Promise<void> {
  const { train } = spec;
  if (!train) return;
  const rows: number[] = [];
  const configs: TrainConfig[] = [];
  for (let i = 0; i < segment.count; i++) {
    const point = trainedAt(segment, i);
    if (!point) continue;
    const world = worldAt(spec, segment, i);
    const objective = objectiveAt(segment, i, world);
    for (const [k, latentDim] of spec.latentDims.entries()) {
      rows.push(row + i * spec.latentDims.length + k);
      configs.push(configOf(train, point, { world, objective, seed: world.seed }, latentDim));
    }
  }
  if (configs.length === 0) return;
  const outcomes = await trainEach(configs, defaultBackend(), control);
  for (const [n, outcome] of outcomes.entries()) {
    const at = rows[n];
    if (outcome instanceof ExolamError) figures.status[at] = statusOf(outcome);
    else if (outcome === 'diverged' || !Number.isFinite(outcome.loss)) figures.status[at] = DIVERGED;
    else {
      figures.loss[at] = outcome.loss;
      POPULATION_METRICS.forEach((name, m) => {
        figures.metrics[m][at] = outcome.metrics[name] ?? Number.NaN;
      });
      // Figures of the model that it came to, whatever else minimises the loss.
      figures.unique[at] = 1;
      figures.status[at] = 0;
    }
  }
}
