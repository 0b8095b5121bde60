import type { Command } from 'commander';
import { ExolamError } from '../base/errors.js';

/** Fields of the calls that one flag stands for, where their names differ. */
const SINGULAR: Readonly<Record<string, string>> = { latentDims: 'latentDim', objectives: 'objective' };

/** A message about a field of a call's options, `heldOut: expected ...`, in the words of the command line: `--held-out: expected ...`. */
export function inFlags(error: unknown, command: Pick<Command, 'options'>): unknown {
  if (!(error instanceof ExolamError) || error.kind !== 'input') return error;
  const found = /^([a-z]\w*)(?:\[\d+\])?(?:\.([\w.[\]]+))?: (?=expected )/.exec(error.message);
  const name = found?.[1] ?? '';
  const flagOf = (field: string) => command.options.find((o) => o.attributeName() === field);
  // A field of a group of options, data.stride, has a flag of its own.
  const own = name === 'data' && found?.[2] ? flagOf(found[2]) : undefined;
  const option = own ?? flagOf(SINGULAR[name] ?? name);
  if (!found || !option?.long) return error;
  const inner = own || found[2] === undefined ? '' : `${found[2]}: `;
  return new ExolamError('input', `${option.long}: ${inner}${error.message.slice(found[0].length)}`, {
    cause: error,
  });
}
