import { writeSamples } from '../data/write/samples.js';
import type { AnyWorldSpec } from '../world/any-world.js';
import { readJson } from './json.js';
import { withOutput } from './outputs.js';
import { Progress } from './progress.js';
import type { Shell } from './run.js';

export interface GenerateFlags {
  readonly samples: number;
  readonly out: string;
  readonly pairs?: boolean;
  readonly force?: boolean;
  readonly precision?: 'f64' | 'f32';
  readonly threads?: number;
}

/** `exolam generate WORLD.json --samples n --out DATA`: sampled transitions as .npz or .parquet. */
export async function generateCommand(file: string, flags: GenerateFlags, shell: Shell): Promise<void> {
  await withOutput({ out: flags.out, inputs: [file], force: flags.force }, shell, async (path) => {
    const read = await readJson(file);
    // A case file holds its world under "world".
    const inner = (read as { world?: unknown } | null)?.world;
    const spec = (inner && typeof inner === 'object' ? inner : read) as AnyWorldSpec;
    const progress = new Progress(shell);
    await writeSamples(spec, path as string, {
      samples: flags.samples,
      pairs: flags.pairs,
      precision: flags.precision,
      threads: flags.threads,
      signal: shell.signal,
      onProgress: progress.of('sampling'),
    });
    progress.end();
  });
  shell.note(`${flags.samples} transitions in ${flags.out}`);
}
