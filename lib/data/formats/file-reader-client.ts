import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { killGroup, spawnGroup } from '../../base/children.js';
import { type ErrorKind, ExolamError } from '../../base/errors.js';
import { gigabytes } from '../../base/memory.js';
import { ownEnvironment, ownProgram } from '../../base/own-program.js';
import { cancelled } from '../progress.js';
import { answersFrom } from './file-answer.js';
import {
  answer,
  type FileAnswer,
  type FileOrder,
  type FileRequest,
  formatOf,
  LIBRARY_FAILED,
  TOO_LONG,
  TOO_MUCH,
} from './file-request.js';

/** Heap of the process, in MB: what a row group of numbers as objects can take, and far from what a machine has. */
const HEAP = 1536;
/** Memory that every request may take, beside what it says that it needs. */
const LEAST_BYTES = 5e8;
/** A request is given up after this many times its budget of processor time: what takes so long waits for what never comes. */
const PATIENCE = 20;

/** What a request may take. */
export interface Budget {
  /** Processor time. */
  readonly seconds: number;
  /** Memory: more than an honest file needs. */
  readonly bytes: number;
}

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<unknown>;
  /** Where the next answer goes, and the news that there will be none. */
  next: { resolve(answer: FileAnswer): void; reject(ended: Ended): void } | undefined;
}

/** The process has ended by a signal, or with an exit code, or it did not start. */
interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  readonly failed?: Error;
}

let running: Running | undefined;
/** Requests follow each other: one process answers them all. */
let before: Promise<unknown> = Promise.resolve();

/** Asks the process; ends it where it takes more than its budget, and where the caller no longer wants the answer. */
export function ask<T>(request: FileRequest, budget: Budget, signal: AbortSignal | undefined): Promise<T> {
  const turn = before.then(() => answered(request, budget, signal));
  before = turn.catch(() => {});
  return turn as Promise<T>;
}

async function answered(
  request: FileRequest,
  budget: Budget,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (signal?.aborted) throw cancelled();
  running ??= start();
  // Without the process's file (in someone's bundle), or where none may be started, the answer is made here.
  if (!running) return answer(request);
  const reader = running;
  const bytes = LEAST_BYTES + budget.bytes;
  const order: FileOrder = { request, seconds: budget.seconds, bytes };
  hold(reader, true);
  const end = () => giveUp(reader);
  signal?.addEventListener('abort', end, { once: true });
  let timer: NodeJS.Timeout | undefined;
  try {
    await reader.ready;
    const message = await new Promise<FileAnswer>((resolve, reject) => {
      reader.next = { resolve, reject };
      timer = setTimeout(() => reject({ signal: TOO_LONG, code: null }), 1000 * PATIENCE * budget.seconds);
      reader.child.stdin?.write(`${JSON.stringify(order)}\n`);
    });
    if ('answer' in message) return message.answer;
    throw errorOf(message.error);
  } catch (error) {
    if (error instanceof Error) throw error;
    giveUp(reader);
    if (signal?.aborted) throw cancelled();
    const ended = error as Ended;
    if (ended.failed) return answer(request);
    throw new ExolamError(
      'data',
      `${request.path} cannot be read as ${formatOf(request)} (damaged?): ${whyEnded(ended, budget.seconds, bytes)}`,
    );
  } finally {
    clearTimeout(timer);
    reader.next = undefined;
    signal?.removeEventListener('abort', end);
    hold(reader, false);
  }
}

function whyEnded({ signal, code }: Ended, seconds: number, bytes: number): string {
  if (signal === TOO_LONG) return `it gave no answer within ${Math.ceil(seconds)} s`;
  if (signal === TOO_MUCH) return `it would take more than ${gigabytes(bytes)}`;
  if (signal === 'SIGABRT' || signal === 'SIGTRAP' || signal === 'SIGILL')
    return `it would take more than ${HEAP} MB, or an array longer than there can be`;
  if (code === LIBRARY_FAILED) return 'the library that reads it gave up';
  return `the process that parsed it ended (${signal ?? `exit ${code}`})`;
}

/** Ends the process, whatever it is doing; the next request starts another. */
function giveUp(reader: Running): void {
  if (running === reader) running = undefined;
  killGroup(reader.child);
}

/** Keeps this process waiting for that one, or not. */
function hold({ child }: Running, wait: boolean): void {
  const streams = [child.stdin, child.stdio[3]] as (Socket | null | undefined)[];
  for (const one of [child, ...streams]) {
    if (wait) one?.ref();
    else one?.unref();
  }
}

function start(): Running | undefined {
  const program = ownProgram(import.meta.url, 'file-reader');
  if (!program) return undefined;
  const child = spawnGroup(process.execPath, [`--max-old-space-size=${HEAP}`, ...program], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: ownEnvironment(),
    windowsHide: true,
  });
  let opened: ((answer: unknown) => void) | undefined;
  let refused: ((ended: Ended) => void) | undefined;
  const reader: Running = {
    child,
    ready: new Promise((resolve, reject) => {
      opened = resolve;
      refused = reject;
    }),
    next: undefined,
  };
  reader.ready.catch(() => {});
  const ended = (how: Ended): void => {
    if (running === reader) running = undefined;
    refused?.(how);
    reader.next?.reject(how);
  };
  child.once('error', (failed) => ended({ signal: null, code: null, failed }));
  child.once('exit', (code, signal) => ended({ signal, code }));
  child.stdin?.on('error', () => {});
  const receive = answersFrom((message) => {
    opened?.(message);
    reader.next?.resolve(message as FileAnswer);
  });
  child.stdio[3]?.on('error', () => {});
  child.stdio[3]?.on('data', receive);
  return reader;
}

function errorOf({ kind, code, message }: Extract<FileAnswer, { error: unknown }>['error']): Error {
  return kind === undefined
    ? Object.assign(new Error(message), { code })
    : new ExolamError(kind as ErrorKind, message);
}
