import { Worker } from 'node:worker_threads';
import type { Thread } from './messages.js';

/** In Node. `program` defines openInstance, PARTS and serve. */
export function startThread(program: string): Thread {
  const wire = `const { parentPort } = require('node:worker_threads');
serve(openInstance, PARTS, WebAssembly, (m, t) => parentPort.postMessage(m, t), (f) => parentPort.on('message', f));`;
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
