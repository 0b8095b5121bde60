import { Worker } from 'node:worker_threads';
import type { Reply } from './threads.js';

/** A thread of computation, and its messages. */
export interface Thread {
  post(message: object): void;
  /** From now on, until the next call of listen or rest. The process does not end meanwhile. */
  listen(take: (reply: Reply) => void, fail: (error: Error) => void): void;
  /** It waits: a process may end. */
  rest(): void;
  end(): void;
}

/** In Node. `program` defines openInstance and serve. */
export function startThread(program: string): Thread {
  const wire = `const { parentPort } = require('node:worker_threads');
serve(openInstance, WebAssembly, (m, t) => parentPort.postMessage(m, t), (f) => parentPort.on('message', f));`;
  const worker = new Worker(program + wire, { eval: true, execArgv: [], stdin: false });
  worker.unref();
  const quiet = () => {
    worker.removeAllListeners('message');
    worker.removeAllListeners('error');
    worker.on('error', () => {});
  };
  quiet();
  return {
    post: (message) => worker.postMessage(message),
    listen(take, fail) {
      quiet();
      worker.ref();
      worker.on('message', take);
      worker.on('error', fail);
    },
    rest() {
      quiet();
      worker.unref();
    },
    end() {
      quiet();
      worker.unref();
      void worker.terminate();
    },
  };
}
