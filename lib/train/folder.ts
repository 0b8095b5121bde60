import { appendFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readTensors, writeTensors } from '#tensor-files';
import { ExolamError } from '../base/errors.js';
import { requireFolder, writeWhole } from '../base/files.js';
import { quote } from '../base/validate.js';
import { version } from '../base/version.js';
import type { Tensor } from '../lam/safetensors.js';
import type { TrainConfig } from './config.js';
import type { Evaluation } from './evaluate.js';

const FORMAT = 'exolam.checkpoint';
/** What one read can take on every platform. */
const LARGEST_FILE = 2 ** 31 - 1;
const NAMES = { config: 'config.json', log: 'log.jsonl', result: 'result.json' } as const;
const CHECKPOINT = join('checkpoint', 'state.safetensors');

/** Where a run had come to when its checkpoint was written. */
export interface Resumed {
  readonly step: number;
  readonly state: ReadonlyMap<string, Tensor>;
  /** Evaluations up to that step. */
  readonly log: readonly Evaluation[];
  /** Seconds that it had run. */
  readonly seconds: number;
}

/** JSON as every other file of exolam has it: infinite values as strings. */
function json(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    v === Infinity ? 'Infinity' : v === -Infinity ? '-Infinity' : v,
  );
}

/**
 * The folder of a run: config.json, log.jsonl (an evaluation a line), checkpoint/state.safetensors (one file, so that it is whole
 * or the one before) and result.json once it has ended.
 */
export class RunFolder {
  private constructor(private readonly path: string) {}

  /** Makes the folder ready. With `resume` it may hold a run of the same configuration; else it holds none. */
  static async open(
    path: string,
    config: TrainConfig,
    resume: boolean,
    steps: number,
  ): Promise<{ readonly folder: RunFolder; readonly resumed: Resumed | null }> {
    await requireFolder(path);
    const folder = new RunFolder(path);
    const before = await textOf(join(path, NAMES.config));
    if (before === null) {
      const others = await readdir(path);
      if (others.length > 0)
        throw new ExolamError(
          'input',
          `${path}: expected an empty folder or one of a run, but it holds ${quote(others[0])}`,
        );
    } else {
      if (!resume)
        throw new ExolamError(
          'input',
          `${path}: it holds a run already; --resume (resume: true) goes on with it, another folder begins anew`,
        );
      requireSame(path, parsed(before, join(path, NAMES.config)), JSON.parse(json(config)));
    }
    const resumed = before === null ? null : await folder.checkpoint();
    if (resumed && resumed.step > steps)
      throw new ExolamError(
        'input',
        `${path}: steps: expected at least ${resumed.step}, as many as the run that it holds has done, but received ${steps}`,
      );
    await writeWhole(path, { [NAMES.config]: `${json(config)}\n` });
    const log = resumed?.log ?? [];
    await writeWhole(path, { [NAMES.log]: log.map((row) => `${json(row)}\n`).join('') });
    return { folder, resumed };
  }

  /** A line of the log, then the state that a later run goes on from. */
  async evaluated(row: Evaluation, state: ReadonlyMap<string, Tensor>, seconds: number): Promise<void> {
    await appendFile(join(this.path, NAMES.log), `${json(row)}\n`);
    await mkdir(join(this.path, 'checkpoint'), { recursive: true });
    const metadata = {
      format: FORMAT,
      exolam_version: version,
      step: String(row.step),
      seconds: String(seconds),
    };
    await writeTensors(join(this.path, CHECKPOINT), { metadata, tensors: state });
  }

  async finished(result: unknown): Promise<void> {
    await writeWhole(this.path, { [NAMES.result]: `${json(result)}\n` });
  }

  /** Where the trained model is to be saved. */
  get modelPath(): string {
    return join(this.path, 'model.safetensors');
  }

  private async checkpoint(): Promise<Resumed | null> {
    const file = join(this.path, CHECKPOINT);
    if (!(await stat(file).catch(() => null))) return null;
    const { metadata, tensors } = await readTensors(file, LARGEST_FILE);
    const [step, seconds] = [Number(metadata['step']), Number(metadata['seconds'])];
    if (metadata['format'] !== FORMAT || !Number.isSafeInteger(step) || !Number.isFinite(seconds))
      throw new ExolamError('data', `${file}: expected a checkpoint of exolam`);
    const text = (await textOf(join(this.path, NAMES.log))) ?? '';
    // A line that was cut short, or whose checkpoint was not written any more, is computed again.
    const log = text
      .split('\n')
      .flatMap((line) => rowOf(line) ?? [])
      .filter((row) => row.step <= step);
    return { step, state: tensors, log, seconds };
  }
}

function rowOf(line: string): Evaluation | null {
  try {
    const row = JSON.parse(line, (_, v: unknown) => (v === 'Infinity' ? Infinity : v)) as Evaluation;
    return typeof row?.step === 'number' && typeof row.loss === 'number' ? row : null;
  } catch {
    return null;
  }
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new ExolamError('input', `${path} cannot be read (${code})`, { cause: error });
  }
}

function parsed(text: string, path: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw new ExolamError('data', `${path}: expected JSON, but ${(error as Error).message}`);
  }
}

/** A run goes on with its own configuration; only more steps may be asked for, where the rate does not depend on them. */
function requireSame(path: string, before: Record<string, unknown>, now: Record<string, unknown>): void {
  const falls = ((now['optimizer'] as { finalShare?: number } | undefined)?.finalShare ?? 1) < 1;
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (key === 'steps' && !falls) continue;
    if (JSON.stringify(before[key]) === JSON.stringify(now[key])) continue;
    throw new ExolamError(
      'input',
      `${path}: ${key}: expected ${quote(before[key])}, as the run that it holds has, but received ${quote(now[key])}`,
    );
  }
}
