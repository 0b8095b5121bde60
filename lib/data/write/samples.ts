import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { boundary } from '../../base/boundary.js';
import { ExolamError } from '../../base/errors.js';
import { gigabytes } from '../../base/memory.js';
import { parse, pathField } from '../../base/validate.js';
import { type AnyWorldSpec, createAnyWorld } from '../../world/any-world.js';
import { type GenerateOptions, generateOptions, sampleTransitions } from '../../world/sample.js';
import { writerOf, writeTransitions } from './write.js';

/** Refuses a file that the disk has no room for; `bytes` is about its size. A folder that is not there is for the writer to tell. */
async function requireRoom(path: string, bytes: number): Promise<void> {
  const disk = await statfs(dirname(path)).catch(() => undefined);
  const room = disk && disk.bavail * disk.bsize;
  if (room === undefined || bytes <= room) return;
  throw new ExolamError(
    'input',
    `samples: expected fewer, because they would take ${gigabytes(bytes)} of disk and ${dirname(path)} has room for ${gigabytes(room)}`,
  );
}

/** Sampled transitions as a `.npz` or `.parquet` file that `analyze` reads; the file appears whole or not at all. */
export function writeSamples(spec: AnyWorldSpec, path: string, options: GenerateOptions): Promise<void> {
  return boundary('writeSamples', async () => {
    writerOf(parse(pathField, path, 'path'));
    const checked = generateOptions(options);
    const { observationDim, actionDim, exogenousDim } = createAnyWorld(spec);
    const numbers = (checked.pairs ? 4 : 2) * observationDim + actionDim + exogenousDim;
    await requireRoom(path, checked.samples * numbers * (checked.precision === 'f32' ? 4 : 8));
    await writeTransitions(
      path,
      checked.samples,
      { observationDim, actionDim, exogenousDim, pair: checked.pairs },
      sampleTransitions(spec, { ...checked, reuse: true }),
      { signal: checked.signal },
      checked.precision,
    );
  });
}
