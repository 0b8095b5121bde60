import { ExolamError } from '../base/errors.js';

/** Exit codes of the public contract. */
export const EXIT = { done: 0, failed: 1, badInput: 2, internal: 70, output: 74, interrupted: 130 } as const;

/** What every command gets: its streams and the signal of ctrl-C. */
export interface Shell {
  readonly out: (text: string) => void;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
  /** A progress bar on stderr may be drawn. */
  readonly interactive: boolean;
}

/** One line for a person; the stack only with EXOLAM_DEBUG=1. */
export function explain(error: unknown): { line: string; code: number } {
  const e = error instanceof Error ? error : new Error(String(error));
  const debug = process.env['EXOLAM_DEBUG'] === '1' && e.stack ? `\n${e.stack}` : '';
  const line = `exolam: ${e.message.replace(/\s*\n\s*/g, ' ')}${debug}`;
  if (!(e instanceof ExolamError))
    return { line: `${line} (this is a fault of exolam)`, code: EXIT.internal };
  if (e.kind === 'cancelled') return { line: 'exolam: interrupted', code: EXIT.interrupted };
  return { line, code: e.kind === 'internal' ? EXIT.internal : EXIT.badInput };
}
