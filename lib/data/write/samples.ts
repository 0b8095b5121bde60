import { type GenerateOptions, positive, sampleTransitions } from '../../world/sample.js';
import { createWorld, type WorldSpec } from '../../world/world.js';
import { writerOf, writeTransitions } from './write.js';

/** Sampled transitions as a `.npz` or `.parquet` file that `analyze` reads; the file appears whole or not at all. */
export async function writeSamples(spec: WorldSpec, path: string, options: GenerateOptions): Promise<void> {
  writerOf(path);
  const { observationDim, actionDim, exogenousDim } = createWorld(spec).spec;
  await writeTransitions(
    path,
    positive(options.samples, 'samples'),
    { observationDim, actionDim, exogenousDim, pair: options.pairs ?? false },
    sampleTransitions(spec, { ...options, reuse: true }),
    { signal: options.signal },
    options.precision,
  );
}
