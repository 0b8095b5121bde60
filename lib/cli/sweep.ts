import { type Command, Option } from 'commander';
import { z } from 'zod';
import { defaultBackend } from '../backend/select.js';
import { ExolamError } from '../base/errors.js';
import { gigabytes } from '../base/memory.js';
import { integer, parseOptions } from '../base/validate.js';
import { costOf, type SweepCost } from '../sweep/estimate.js';
import { readSpecFile } from '../sweep/file.js';
import { pointsOf } from '../sweep/points.js';
import { quickSpec } from '../sweep/quick.js';
import { runSweep } from '../sweep/run.js';
import { readShard } from '../sweep/shard.js';
import { rangesOf, submitSlurm } from '../sweep/slurm.js';
import { readSpec, type SweepSpec } from '../sweep/spec.js';
import { toJson } from './json.js';
import { EXIT, type Shell } from './run.js';
import { waitForWork } from './signals.js';
import { SweepProgress } from './sweep-progress.js';
import { sweepStatusCommand } from './sweep-status.js';

export interface SweepFlags {
  readonly out?: string;
  readonly shard?: string;
  readonly extend?: boolean;
  readonly quick?: boolean;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly progress?: 'bar' | 'json';
  readonly threads?: number;
  readonly json?: boolean;
  readonly engine?: 'local' | 'slurm';
  readonly array?: number;
  readonly sbatchOption?: readonly string[];
}

/** `exolam sweep SPEC --out DIR`: every point of a spec as a row of DIR/parts/*.parquet. Returns the exit code. */
export async function sweepCommand(path: string, flags: SweepFlags, shell: Shell): Promise<number> {
  const given = await readSpecFile(path);
  readSpec(given, path);
  const spec = flags.quick ? quickSpec(given as SweepSpec) : (given as SweepSpec);
  const out = flags.out ?? '';
  // Not commander's to require: `sweep status DIR` has none.
  if (out === '' && !flags.dryRun)
    throw new ExolamError('input', '--out: expected a folder for spec.json and parts/ but received nothing');
  if (flags.engine === 'slurm' && !flags.dryRun) return submit(spec, out, flags, shell);
  const shard = flags.shard === undefined ? undefined : readShard(flags.shard, process.env);
  const note = flags.quiet ? () => {} : shell.note;
  const points = pointsOf(readSpec(spec, path));
  const threads = flags.threads ?? defaultBackend().info().threads;
  if (!flags.quiet || flags.dryRun) {
    const cost = await costOf(points, { signal: shell.signal, threads });
    if (flags.dryRun) {
      shell.out(flags.json ? `${toJson(cost)}\n` : `${expected(cost)}\n`);
      return EXIT.done;
    }
    note(expected(cost));
  }
  // The first ctrl-C lets the parts in flight end, the second does not.
  waitForWork();
  const progress = new SweepProgress(shell, flags.quiet ? 'none' : (flags.progress ?? 'bar'), threads);
  const began = performance.now();
  shell.signal.addEventListener(
    'abort',
    () => note('finishing the parts in flight; once more to drop them'),
    { once: true },
  );
  const run = await runSweep(spec, {
    out,
    ...(shard ? { shard } : {}),
    extend: flags.extend ?? false,
    threads,
    stop: shell.signal,
    onNote: note,
    onProgress: progress.update,
  }).finally(() => progress.end());
  const seconds = (performance.now() - began) / 1e3;
  if (flags.json) shell.out(`${toJson({ out, ...run, seconds })}\n`);
  else
    shell.out(
      `${run.before + run.written} of ${run.points} points are in ${out}, ${run.written} of them written in ${seconds.toFixed(1)} s\n`,
    );
  if (run.finished) return EXIT.done;
  note('the same command goes on from here');
  return EXIT.interrupted;
}

/** `--engine slurm`: the shards that lack parts, as one array job. */
async function submit(spec: SweepSpec, out: string, flags: SweepFlags, shell: Shell): Promise<number> {
  const { job, shards, count } = await submitSlurm(spec, {
    out,
    extend: flags.extend ?? false,
    array: flags.array === undefined ? undefined : parseOptions(arraySchema, flags).array,
    sbatch: flags.sbatchOption ?? [],
    command: [process.execPath, process.argv[1]],
    threads: flags.threads,
    signal: shell.signal,
  });
  const ranges = rangesOf(shards);
  const text = job
    ? `job ${job}: shards ${ranges} of ${count}; exolam sweep status ${out} shows how far they are`
    : 'nothing to submit: every part is there, or a task in the queue has it';
  shell.out(flags.json ? `${toJson({ job, shards, count })}\n` : `${text}\n`);
  return EXIT.done;
}

const arraySchema = z.looseObject({ array: integer(1, 100_000) });

function expected({ points, seconds, bytes }: SweepCost): string {
  return `${points} points, about ${duration(seconds)} on this machine and ${gigabytes(bytes)} of files`;
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? Math.max(0.1, seconds).toFixed(1) : Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

const collect = (value: string, before: string[] = []) => [...before, value];

/** The command and its options. */
export function addSweepCommand(
  root: Command,
  shell: Shell,
  outcome: { code: number },
  threads: () => Option,
): void {
  const command = root
    .command('sweep')
    .description(
      'every point of a spec (JSON or YAML) as rows of DIR/parts/*.parquet; stops and resumes without loss',
    )
    .argument('<spec>', 'a grid of worlds, objectives, latent dimensions and seeds; - is standard input')
    .option('--out <dir>', 'folder for spec.json and parts/ (required, but for --dry-run)')
    .option(
      '--shard <i/n>',
      'one of n shares, i from 0; auto/n takes i from Slurm, Kubernetes or AWS Batch (default: all)',
    )
    .option('--extend', 'add the points of this spec to those of another sweep in the folder')
    .option(
      '--quick',
      'at most three values of each key, two seeds, a hundredth of the training steps: a try in seconds',
    )
    .option('--dry-run', 'print the number of points, the time and the bytes expected, and end')
    .option('--quiet', 'no notes and no progress')
    .addOption(
      new Option('--progress <how>', 'a bar, or a line of JSON a second, on stderr (default: bar)').choices([
        'bar',
        'json',
      ]),
    )
    .addOption(
      new Option('--engine <name>', 'this machine, or an array job of Slurm')
        .choices(['local', 'slurm'])
        .default('local'),
    )
    .addOption(new Option('--array <n>', 'tasks of the array job (default: 64 at most)').argParser(Number))
    .option(
      '--sbatch-option <text>',
      'a line of the job script, such as --partition=long; may be repeated (default: none)',
      collect,
    )
    .option('--json', 'print one JSON document')
    .addOption(threads())
    .action(async (path: string, flags: SweepFlags) => {
      outcome.code = await sweepCommand(path, flags, shell);
    });
  command
    .command('status')
    .description('what of a sweep is there, and what each of its shards does')
    .argument('<dir>', 'the folder of a sweep')
    .option('--json', 'print one JSON document')
    // `sweep` has a --json as well, and takes it first.
    .action((dir: string, _flags: object, own: Command) =>
      sweepStatusCommand(dir, own.optsWithGlobals<{ json?: boolean }>(), shell),
    );
}
