import { type Command, CommanderError } from 'commander';
import { program } from './commands.js';
import { inFlags } from './flags.js';
import { printable } from './outputs.js';
import { EXIT, explain, type Shell } from './run.js';
import { onInterrupt } from './signals.js';

/** Runs one command line; returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  const quiet = onInterrupt(interrupt);
  const shell: Shell = {
    out: (text) => void process.stdout.write(printable(text)),
    note: (text) => void process.stderr.write(`${printable(text)}\n`),
    signal: interrupt.signal,
    interactive: process.stderr.isTTY ?? false,
  };
  const outcome = { code: EXIT.done as number };
  const root = program(shell, outcome);
  let running: Command | undefined;
  root.hook('preAction', (_, command) => {
    running = command;
  });
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return outcome.code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.done;
      if (error.code === 'commander.help') {
        shell.note(
          `exolam: expected a command: ${root.commands.map((c) => c.name()).join(', ')}; see exolam --help`,
        );
        return EXIT.badInput;
      }
      shell.note(
        `exolam: ${error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ')}; see exolam --help`,
      );
      return EXIT.badInput;
    }
    const { line, code } = explain(running ? inFlags(error, running) : error);
    shell.note(line);
    return code;
  } finally {
    quiet();
  }
}

// A reader that stops early (head) is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  const why = error.code === 'ENOSPC' ? 'the disk is full' : error.message;
  process.stderr.write(`exolam: standard output cannot be written: ${why}\n`, () =>
    process.exit(EXIT.output),
  );
});

// Notes that cannot be written change nothing of what is done, and of the code that says so.
process.stderr.on('error', () => {});

const code = await main(process.argv.slice(2));
// Node takes its signal handlers away before it ends by itself: a second ctrl-C would then kill what is interrupted already.
if (code === EXIT.interrupted) process.exit(code);
process.exitCode = code;
