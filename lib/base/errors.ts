/**
 * Everything this package throws is an {@link ExolamError}. `kind` says who must act:
 * - `input`: an argument or option (the message names the field, its value, and what is accepted);
 * - `data`: a file or array of the user's (missing, truncated, non-finite, constant);
 * - `numerical`: finite input for which the mathematics has no finite answer;
 * - `unsupported`: a meaningful request that this build, machine or theory cannot answer;
 * - `cancelled`: an AbortSignal fired;
 * - `internal`: a fault of exolam itself.
 */
export type ErrorKind = 'input' | 'data' | 'numerical' | 'unsupported' | 'cancelled' | 'internal';

export class ExolamError extends Error {
  override readonly name = 'ExolamError';
  constructor(
    readonly kind: ErrorKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(oneLine(message), options);
  }
}

/** Text of a file, or of a library, as part of a sentence: a line end in it would make two of one. Every message is such. */
export function oneLine(text: string): string {
  return text.replace(/[\n\r\u0085\u2028\u2029]+/g, ' ');
}
