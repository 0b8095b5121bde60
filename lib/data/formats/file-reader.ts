import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { partsOf } from './file-answer.js';
import {
  answer,
  type FileAnswer,
  type FileOrder,
  LIBRARY_FAILED,
  TOO_LONG,
  TOO_MUCH,
} from './file-request.js';

/**
 * The process that parses files. Requests come as lines of JSON on its standard input; it ends with it. A damaged file may make a
 * library run on, or fill the memory until V8 ends the process: it is this one that ends.
 */

/** Where answers go: beside standard output, on which a library may print. */
const ANSWERS = 3;

/**
 * Looks at what this process takes, from a thread of its own: that of the parser may be in a loop. It needs nobody else, so that
 * a process whose parent has ended ends too.
 */
const GUARD = `
const { limits, tooLong, tooMuch } = require('node:worker_threads').workerData;
const [SECONDS, BYTES] = [0, 1];
setInterval(() => {
  const { user, system } = process.cpuUsage();
  if ((user + system) / 1e6 > limits[SECONDS]) process.kill(process.pid, tooLong);
  if (process.memoryUsage.rss() > limits[BYTES]) process.kill(process.pid, tooMuch);
}, 10);`;

const limits = new Float64Array(new SharedArrayBuffer(16)).fill(Number.POSITIVE_INFINITY);

function allow({ seconds, bytes }: { seconds: number; bytes: number }): void {
  const { user, system } = process.cpuUsage();
  limits[0] = (user + system) / 1e6 + seconds;
  limits[1] = process.memoryUsage.rss() + bytes;
}

async function answerOf({ request }: FileOrder): Promise<FileAnswer> {
  try {
    return { answer: await answer(request) };
  } catch (error) {
    const { kind, code, message, cause } = error as Error & { kind?: string; code?: string };
    // A library that has given up would answer nothing more.
    if (((cause ?? error) as Error).name === 'RuntimeError') process.exit(LIBRARY_FAILED);
    return { error: { kind, code, message } };
  }
}

function send(message: FileAnswer): void {
  for (const part of partsOf(message))
    for (let at = 0; at < part.length; ) {
      try {
        at += writeSync(ANSWERS, part, at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') process.exit();
        if (code !== 'EAGAIN') throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
      }
    }
}

const guard = new Worker(GUARD, {
  eval: true,
  workerData: { limits, tooLong: TOO_LONG, tooMuch: TOO_MUCH },
});
guard.once('online', () => {
  guard.unref();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const order = JSON.parse(line) as FileOrder;
    allow(order);
    const message = await answerOf(order);
    limits.fill(Number.POSITIVE_INFINITY);
    send(message);
  });
  lines.on('close', () => process.exit());
  send({ answer: 'ready' });
});
