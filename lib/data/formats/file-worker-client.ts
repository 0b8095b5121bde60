import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type ErrorKind, ExolamError } from '../../base/errors.js';
import { cancelled } from '../progress.js';
import { answer, type FileRequest, formatOf } from './file-request.js';
import type { WorkerAnswer } from './file-worker.js';

/** Heap of the worker, in MB: what a row group of numbers as objects can take, and far from what a machine has. */
const HEAP = 1536;

interface Running {
  readonly worker: Worker;
  readonly ready: Promise<void>;
}

let running: Running | undefined;
/** Requests follow each other: one worker answers them all. */
let before: Promise<unknown> = Promise.resolve();

/** Asks the worker; gives it up where it takes longer than `seconds`, and where the caller no longer wants the answer. */
export function ask<T>(request: FileRequest, seconds: number, signal: AbortSignal | undefined): Promise<T> {
  const turn = before.then(() => answered(request, seconds, signal));
  before = turn.catch(() => {});
  return turn as Promise<T>;
}

async function answered(
  request: FileRequest,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (signal?.aborted) throw cancelled();
  running ??= start();
  // Without the worker's file (in someone's bundle) the answer is made here.
  if (!running) return answer(request);
  const { worker, ready } = running;
  worker.ref();
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  try {
    return await new Promise((resolve, reject) => {
      stop = () => giveUp(worker, cancelled(), reject);
      signal?.addEventListener('abort', stop, { once: true });
      worker.once('error', (error) => giveUp(worker, failure(request, error), reject));
      ready.then(() => {
        const late = new ExolamError(
          'data',
          `${request.path} cannot be read as ${formatOf(request)} (damaged?): it gave no answer within ${Math.ceil(seconds)} s`,
        );
        timer = setTimeout(() => giveUp(worker, late, reject), 1000 * seconds);
        worker.once('message', (message: WorkerAnswer) => {
          if ('answer' in message) resolve(message.answer);
          else reject(errorOf(message.error));
        });
        worker.postMessage(request);
      }, reject);
    });
  } finally {
    clearTimeout(timer);
    if (stop) signal?.removeEventListener('abort', stop);
    worker.removeAllListeners('error');
    worker.on('error', () => {});
    worker.unref();
  }
}

/** Ends the worker, whatever it is doing; the next request starts another. */
function giveUp(worker: Worker, error: unknown, reject: (error: unknown) => void): void {
  if (running?.worker === worker) running = undefined;
  void worker.terminate();
  reject(error);
}

/** From source, TypeScript has to be made JavaScript first: a worker of its own does that. */
const FROM_SOURCE = `const { workerData } = require('node:worker_threads');
globalThis.importHdf5 = () => import('h5wasm/node');
const loader = 'tsx/esm/api';
import(loader).then(({ tsImport }) => tsImport(workerData.url, workerData.url));`;

function start(): Running | undefined {
  const own = import.meta.url;
  const source = own.endsWith('.ts');
  const url = new URL(source ? './file-worker.ts' : './file-worker.mjs', own);
  if (!existsSync(fileURLToPath(url))) return undefined;
  const settings = { resourceLimits: { maxOldGenerationSizeMb: HEAP } };
  const worker = source
    ? new Worker(FROM_SOURCE, {
        eval: true,
        workerData: { url: url.href },
        ...settings,
      })
    : new Worker(url, settings);
  const ready = new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
  });
  ready.catch(() => {});
  return { worker, ready };
}

function failure(request: FileRequest, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') return error;
  return new ExolamError(
    'data',
    `${request.path} cannot be read as ${formatOf(request)} (damaged?): it would take more than ${HEAP} MB`,
    { cause: error },
  );
}

function errorOf({ kind, code, message }: Extract<WorkerAnswer, { error: unknown }>['error']): Error {
  return kind === undefined
    ? Object.assign(new Error(message), { code })
    : new ExolamError(kind as ErrorKind, message);
}
