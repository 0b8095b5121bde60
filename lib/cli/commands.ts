/** The commands of the command line: what each is called, its options with their defaults, its examples. */
import { Command, Option } from 'commander';
import { version } from '../base/version.js';
import { type AnalyzeFlags, analyzeCommand } from './analyze.js';
import { type BenchFlags, benchCommand } from './bench.js';
import { buildAddonCommand } from './build-addon.js';
import { numeric, withDataOptions } from './data-flags.js';
import { examplesText } from './examples.js';
import { type GenerateFlags, generateCommand } from './generate.js';
import { infoCommand } from './info.js';
import { addQueryCommand } from './query.js';
import { type ReportFlags, reportCommand } from './report.js';
import { type ReproduceFlags, reproduceCommand } from './reproduce.js';
import type { Shell } from './run.js';
import { type SolveFlags, solveCommand } from './solve.js';
import { addSweepCommand } from './sweep.js';
import { type TrainFlags, trainCommand } from './train.js';
import { type VerifyFlags, verifyCommand } from './verify.js';

const collect = (value: string, before: string[] = []) => [...before, value];

/** `outcome.code` is the exit code of a command that ends without an error. */
export function program(shell: Shell, outcome: { code: number }): Command {
  const root = new Command('exolam')
    .description('Exact answers about latent action models in the presence of exogenous state.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: shell.out, writeErr: () => {} })
    .showSuggestionAfterError()
    .helpCommand(true);
  addSolveCommand(root, shell, outcome);
  addSweepCommand(root, shell, outcome, threads);
  addQueryCommand(root, shell);
  addAnalyzeCommand(root, shell);
  addGenerateCommand(root, shell);
  addClaimCommands(root, shell, outcome);
  addTrainCommand(root, shell);
  addToolCommands(root, shell, outcome);
  for (const command of root.commands) {
    finish(command, command.name());
    for (const part of command.commands) finish(part, `${command.name()} ${part.name()}`);
  }
  return root;

  /** What all commands have in common. */
  function finish(command: Command, name: string): void {
    command.exitOverride().configureOutput({ writeOut: shell.out, writeErr: () => {} });
    command.addHelpText('after', examplesText(name).trimEnd());
  }
}

const FORCE = 'write onto an input, through a link, into a device, or over an earlier result without a word';

function threads(): Option {
  return new Option('--threads <n>', 'worker threads (default: all cores)').argParser(numeric);
}

/** What answers about a world. */
function addSolveCommand(root: Command, shell: Shell, outcome: { code: number }): void {
  root
    .command('solve')
    .description('exact solutions: a world, an objective, a latent dimension; one JSON document a line')
    .argument(
      '<case...>',
      'files of cases: a JSON object, an array of them, or JSON Lines; - is standard input',
    )
    .option('--encoder', "add the encoder's matrices C and D")
    .addOption(
      new Option('--format <f>', 'jsonl, or flat columns such as world.exogenousScale, metrics.actionError')
        .choices(['jsonl', 'csv', 'parquet'])
        .default('jsonl'),
    )
    .option('--out <file>', 'write there (default: standard output)')
    .option('--save <file>', 'write the model of the one case as .safetensors (default: do not)')
    .option('--force', FORCE)
    .option('--json', 'print JSON (what --format jsonl does)')
    .addOption(threads())
    .action(async (files: string[], flags: SolveFlags) => {
      outcome.code = await solveCommand(files, flags, shell);
    });
}

/** What analyses data. */
function addAnalyzeCommand(root: Command, shell: Shell): void {
  const command = root
    .command('analyze')
    .description('how much exogenous future a linear LAM of each latent dimension would encode on your data')
    .argument('<data>', 'a LeRobot folder, or a file such as .npz, .parquet or .csv');
  withDataOptions(command, 'none')
    .option('--latent-dim <dims>', 'latent dimensions: 8, 1,2,4 or 1:16 (default 1:16)')
    .option('--whiten', 'reconstruct whitened observations: every direction counts alike')
    .option(
      '--folds <file>',
      'a JSON array: the fold of each episode in order of appearance (default: 5, seeded)',
    )
    .addOption(new Option('--seed <s>', 'seed of the default folds (default 0)').argParser(numeric))
    .option(
      '--continuous-actions',
      'read few distinct whole values of one action column as a quantity, not as categories',
    )
    .addOption(
      new Option(
        '--ridge <r>',
        "ridge of every regression on o, relative to each regressor's own variance (default: chosen inside each fold)",
      ).argParser(numeric),
    )
    .addOption(
      new Option('--level <share>', 'share below which a leakage counts as none (default 0.1)').argParser(
        numeric,
      ),
    )
    .option('--no-remedies', 'do not measure what each remedy would do')
    .option(
      '--objective <kind|json>',
      'an objective; may be repeated (default: reconstruction and, with actions, action-supervised)',
      collect,
    )
    .option(
      '--save <file>',
      'write the model of one latent dimension as .safetensors (of reconstruction, unless --objective is given; default: do not)',
    )
    .option('--force', FORCE)
    .option('--json', 'print one JSON document')
    .addOption(threads())
    .action((path: string, flags: AnalyzeFlags) => analyzeCommand(path, flags, shell));
}

/** What makes data. */
function addGenerateCommand(root: Command, shell: Shell): void {
  root
    .command('generate')
    .description('sampled transitions of a world')
    .argument('<world>', 'a world or case file (JSON)')
    .addOption(new Option('--samples <n>', 'how many transitions').argParser(numeric).makeOptionMandatory())
    .requiredOption('--out <file>', 'a .npz or .parquet file')
    .addOption(
      new Option(
        '--precision <p>',
        'of the observations: f64, or f32, which takes half the space (default f64)',
      ),
    )
    .option('--pairs', 'add the paired view: the same s and a, the exogenous state drawn again')
    .option('--force', FORCE)
    .addOption(threads())
    .action((file: string, flags: GenerateFlags) => generateCommand(file, flags, shell));
}

/** What checks and shows the claims. */
function addClaimCommands(root: Command, shell: Shell, outcome: { code: number }): void {
  root
    .command('verify')
    .description('the theorem checks T1-T11 on random worlds: predicted against measured')
    .addOption(new Option('--trials <n>', 'random worlds per check (default 50)').argParser(numeric))
    .addOption(new Option('--seed <s>', 'seed of the random worlds (default 0)').argParser(numeric))
    .option('--only <ids>', 'these checks alone, e.g. T4,T6 (default: all)')
    .option('--json', 'print one JSON document')
    .addOption(threads())
    .action(async (flags: VerifyFlags) => {
      outcome.code = await verifyCommand(flags, shell);
    });

  const reproduction = root
    .command('reproduce')
    .description('the claims C1-C4 as numbers, tables and figures')
    .requiredOption('--out <dir>', 'folder for index.html, results.json, figures/ and tables/')
    .option('--quick', 'coarse grids, few worlds and short training: seconds instead of minutes')
    .addOption(new Option('--seed <s>', 'seed of every world and draw (default 0)').argParser(numeric))
    .option(
      '--data <data>',
      'what analyze reads, at least 4 recorded episodes with actions: nonlinear models are trained on it too, under a distractor (default: worlds alone)',
    );
  withDataOptions(reproduction, '1')
    .addOption(
      new Option(
        '--latent-dim <k>',
        'of the models trained on the data (default: 8, or half of what o has where that is less)',
      ).argParser(numeric),
    )
    .option('--force', 'over earlier results without a word')
    .option('--json', 'print results.json')
    .addOption(threads())
    .action(async (flags: ReproduceFlags) => {
      outcome.code = await reproduceCommand(flags, shell);
    });

  root
    .command('report')
    .description('a self-contained HTML page from a reproduction, an analysis, a sweep or a training run')
    .argument(
      '<dir>',
      'a folder with results.json, analysis.json, spec.json or a training run, or such a file',
    )
    .option('--out <file>', 'the page (default: index.html in the folder, or beside the file)')
    .option('--force', FORCE)
    .action((path: string, flags: ReportFlags) => reportCommand(path, flags, shell));
}

/** What trains. */
function addTrainCommand(root: Command, shell: Shell): void {
  root
    .command('train')
    .description('gradient training of a linear or nonlinear latent action model, beside its exact optimum')
    .argument('<config>', 'a configuration (JSON): world or data, model, objective, optimizer, steps')
    .requiredOption('--out <dir>', 'folder for log.jsonl, checkpoint/, model.safetensors and result.json')
    .option('--resume', 'go on with the run that the folder holds')
    .option('--json', 'print result.json')
    .addOption(threads())
    .action((file: string, flags: TrainFlags) => trainCommand(file, flags, shell));
}

/** What is about this machine. */
function addToolCommands(root: Command, shell: Shell, outcome: { code: number }): void {
  root
    .command('bench')
    .description('native against pure JavaScript on this machine, beside its measured limits (in a clone)')
    .option('--quick', 'every case, a few seconds in all; rough figures')
    .option('--only <text>', 'the cases whose name contains this (default: all)')
    .option(
      '--peers',
      'NumPy, SciPy, LAPACK, OpenBLAS, Eigen, PyTorch, JAX and TensorFlow.js beside them, where they are installed',
    )
    .option('--json', 'print one JSON document')
    .action(async (flags: BenchFlags) => {
      outcome.code = await benchCommand(flags, shell);
    });

  root
    .command('build-addon')
    .description(
      'build the native addon for this machine, where none is shipped (needs CMake 3.20, a C++17 compiler)',
    )
    .action(() => buildAddonCommand(shell));

  root
    .command('info')
    .description(
      'version, instruction set in use, threads, and what computes: native addon, WebAssembly or plain JavaScript',
    )
    .option('--json', 'print one JSON document')
    .action((flags: { json?: boolean }) => infoCommand(flags, shell));
}
