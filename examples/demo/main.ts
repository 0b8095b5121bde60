/**
 * The demo: record a driven arm and a swinging pendulum, ask what a latent action would hold with and without the pendulum
 * in view, print the verdict and write a page.   npm run demo [-- --out DIR] [--seed n]
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Progress } from '../../lib/cli/progress.js';
import { explain, type Shell } from '../../lib/cli/run.js';
import { table } from '../../lib/cli/table.js';
import { analyze, defaultBackend, ExolamError, type ObjectiveSpec, version } from '../../lib/index.js';
import { shareOf } from '../../lib/verdict/figures.js';
import { demoPage } from './page.js';
import { type RecordSettings, record, SETTINGS } from './record.js';
import { type Demo, LATENT_DIMS, rowsOf, verdict, WEIGHT, WEIGHTS } from './story.js';
import { views as viewsOf } from './transitions.js';

const shell: Shell = {
  out: (text) => process.stdout.write(text),
  note: (text) => process.stderr.write(`${text}\n`),
  signal: new AbortController().signal,
  interactive: process.stderr.isTTY === true,
};

async function run(settings: RecordSettings): Promise<Demo> {
  const progress = new Progress(shell);
  shell.note(
    `Recording ${settings.episodes} episodes of an arm and a pendulum in MuJoCo (seed ${settings.seed}) and filming them ...`,
  );
  const episodes = await record(settings, progress.of('recording'));
  progress.end();
  const views = viewsOf(episodes);
  shell.note(
    `Analysing ${views.both.count} transitions of ${views.both.observationDim} pixels, without and with the pendulum ...`,
  );
  const labelled = WEIGHTS.map((weight): ObjectiveSpec => ({ kind: 'action-supervised', weight }));
  const ask = (what: string, objectives: ObjectiveSpec[]) => ({
    latentDims: LATENT_DIMS,
    remedies: false,
    objectives: [{ kind: 'reconstruction' } as const, ...objectives],
    onProgress: progress.of(what),
  });
  const arm = await analyze(views.arm, ask('arm alone', []));
  progress.end();
  const both = await analyze(views.both, ask('with the pendulum', labelled));
  progress.end();
  return { settings, episodes, views, arm, both, made: madeWith() };
}

function madeWith(): Record<string, string> {
  const { name, isa } = defaultBackend().info();
  const mujoco = createRequire(import.meta.url).resolve('@mujoco/mujoco/mujoco.wasm');
  const { version: mujocoVersion } = JSON.parse(readFileSync(join(dirname(mujoco), 'package.json'), 'utf8'));
  return { exolam: `${version}, ${name} backend (${isa})`, mujoco: mujocoVersion, node: process.version };
}

function summary(demo: Demo): string {
  const columns = [rowsOf(demo.arm), rowsOf(demo.both), rowsOf(demo.both, WEIGHT)];
  const at = (column: number, k: number) => columns[column]?.find((row) => row.latentDim === k)?.metrics;
  const header = ['latent dimensions', 'arm alone', 'with pendulum', 'leakage', 'with labels', 'leakage'];
  const rows = LATENT_DIMS.map((k) => [
    String(k),
    shareOf(at(0, k)?.actionError),
    shareOf(at(1, k)?.actionError),
    shareOf(at(1, k)?.innovationLeakage),
    shareOf(at(2, k)?.actionError),
    shareOf(at(2, k)?.innovationLeakage),
  ]);
  return [
    'Share of the action that the latent misses, and (leakage) of the pendulum that it carries; held-out episodes:',
    '',
    table(header, rows),
    '',
    ...verdict(demo),
    '',
  ].join('\n');
}

function optionsOf(args: string[]): { out: string; settings: RecordSettings } {
  const options = {
    out: { type: 'string', default: 'exolam-demo' },
    seed: { type: 'string', default: String(SETTINGS.seed) },
  } as const;
  try {
    const { out, seed: text } = parseArgs({ args, options }).values;
    const seed = text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isSafeInteger(seed) && seed >= 0) return { out, settings: { ...SETTINGS, seed } };
    throw new Error(`--seed: expected an integer of at least 0 but received "${text}"`);
  } catch (error) {
    throw new ExolamError('input', (error as Error).message, { cause: error });
  }
}

try {
  const { out, settings } = optionsOf(process.argv.slice(2));
  const demo = await run(settings);
  const path = join(out, 'index.html');
  await mkdir(out, { recursive: true });
  // Written whole, then named: an interrupted run leaves no half page.
  await writeFile(`${path}.partial`, await demoPage(demo));
  await rename(`${path}.partial`, path);
  shell.out(`${summary(demo)}\nThe page with the figures: ${path}\n`);
} catch (error) {
  const { line, code } = explain(error);
  shell.note(line);
  process.exitCode = code;
}
