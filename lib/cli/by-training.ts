/** The command that answers by training what has no closed form, written out so that it can be pasted. */
import { ExolamError } from '../base/errors.js';
import { BY_TRAINING } from '../solve/objectives.js';
import { toJson } from './json.js';

/** What is trained: a world or data, one objective, one latent dimension. */
export interface Untrained {
  readonly world?: object | undefined;
  readonly data?: object | undefined;
  readonly objective: object;
  readonly latentDim: number;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function commandOf({ world, data, objective, latentDim }: Untrained): string {
  const model = { kind: 'linear', latentDim };
  const config = { ...(data ? { data } : { world }), model, objective, optimizer: { kind: 'lbfgs' } };
  return `echo ${quoted(toJson(config))} > train.json && exolam train train.json --out run`;
}

/** The error, with a command in the place of what it says of commands in general: then what was asked has been accepted. */
export function withCommand(error: ExolamError, asked: () => Untrained): ExolamError {
  if (!error.message.includes(BY_TRAINING)) return error;
  const message = error.message.replace(
    BY_TRAINING,
    () => `this minimises it by exact gradients: ${commandOf(asked())}`,
  );
  return new ExolamError(error.kind, message, { cause: error });
}
