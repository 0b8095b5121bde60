import { existsSync } from 'node:fs';
import { requireOutput } from '../base/files.js';
import type { Shell } from './run.js';

/** Before any work is done: no output is one of the inputs or no file at all, and an earlier result is not replaced in silence. */
export function checkOutput(out: string | undefined, inputs: readonly string[], shell: Shell): void {
  if (out === undefined) return;
  requireOutput(out, inputs);
  if (existsSync(out)) shell.note(`${out} is there already and is replaced`);
}

/** Text for a terminal: what would move its cursor, colour it or set its title is written out instead. */
export function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t\n]/gu,
    (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
