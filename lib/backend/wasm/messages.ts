import type { Request } from './instance.js';

/** What a thread is sent: the module once, then requests. */
export interface Question {
  readonly module?: object;
  readonly name: string;
  readonly request: Request;
}

/** What comes back: that the thread is ready, how far it is, the arrays, or what went wrong. */
export type Reply =
  | { readonly ready: true }
  | { readonly progress: readonly [done: number, total: number] }
  | { readonly answer: Readonly<Record<string, Uint8Array>> }
  | { readonly error: { readonly name: string; readonly message: string } };

/** A thread of computation, and its messages. */
export interface Thread {
  post(message: object): void;
  /** From now on, until the next call of listen or rest. The process does not end meanwhile. */
  listen(take: (reply: Reply) => void, fail: (error: Error) => void): void;
  /** It waits: a process may end. */
  rest(): void;
  end(): void;
}
