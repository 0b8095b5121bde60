import { startThread } from '#start-thread';
import {
  hostFunctions,
  type Instance,
  layOut,
  openInstance,
  type PARTS,
  type Request,
  type Wasm,
} from './instance.js';
import type { Question, Reply, Thread } from './messages.js';

/** A thread's program, as text: see {@link openInstance}. `wire` is how messages come and go. */
function serve(
  open: typeof openInstance,
  parts: typeof PARTS,
  wasm: Wasm,
  post: (reply: Reply, transfer: ArrayBuffer[]) => void,
  listen: (take: (question: Question) => void) => void,
): void {
  let module: object;
  let instance: Instance | undefined;
  const isShared = (array: Int32Array) =>
    typeof SharedArrayBuffer !== 'undefined' && array.buffer instanceof SharedArrayBuffer;
  listen((question) => {
    if (question.module !== undefined) {
      module = question.module;
      post({ ready: true }, []);
      return;
    }
    const { name, request } = question;
    try {
      instance ??= open(parts, wasm, module);
      const control = request['control'] as Int32Array;
      const tell = () => post({ progress: [control[1] as number, control[2] as number] }, []);
      instance.call(name, request, isShared(control) ? undefined : tell);
      if (!isShared(control)) tell();
      const arrays = Object.entries((request['answer'] ?? {}) as Record<string, Float64Array>).filter(
        ([, a]) => ArrayBuffer.isView(a),
      );
      const answer = Object.fromEntries(
        arrays.map(([key, a]) => [key, new Uint8Array(a.buffer, a.byteOffset, a.byteLength).slice()]),
      );
      post(
        { answer },
        Object.values(answer).map((a) => a.buffer),
      );
    } catch (error) {
      instance = undefined;
      post({ error: { name: (error as Error).name, message: (error as Error).message } }, []);
    }
  });
}

/** Some tools that bundle name functions by a helper of theirs, which a text has to bring along. */
const PROGRAM = `const __name = (f) => f;
const openInstance = ${openInstance};
const PARTS = { layOut: ${layOut}, hostFunctions: ${hostFunctions} };
const serve = ${serve};
`;

/** How long, in milliseconds, a call that was cancelled may take to notice before its thread is ended. */
const GRACE = 300;
/** How often that is looked at. */
const LOOK = 50;
/** Threads that wait for work are kept, so many of them. */
const KEPT = 4;

const waiting: Thread[] = [];
/** Where threads cannot be had (a page's policy), they are not tried again. */
let refused = false;

/** A call in a thread of its own; undefined where threads cannot be had. */
export async function callInThread(module: object, name: string, request: Request): Promise<boolean> {
  const thread = waiting.pop() ?? (refused ? undefined : await started(module));
  if (thread === undefined) {
    refused = true;
    return false;
  }
  const control = request['control'] as Int32Array;
  let looking: ReturnType<typeof setInterval> | undefined;
  try {
    const reply = await new Promise<Reply>((resolve, reject) => {
      let since: number | undefined;
      looking = setInterval(() => {
        if (Atomics.load(control, 0) === 0) return;
        since ??= performance.now();
        if (performance.now() - since < GRACE) return;
        reject(new Error('cancelled'));
      }, LOOK);
      thread.listen((message) => {
        if ('progress' in message) {
          Atomics.store(control, 1, message.progress[0]);
          Atomics.store(control, 2, message.progress[1]);
        } else resolve(message);
      }, reject);
      const { watch: _, ...sent } = request;
      thread.post({ name, request: sent });
    });
    if ('error' in reply) throw Object.assign(new Error(reply.error.message), { name: reply.error.name });
    if ('answer' in reply)
      for (const [key, bytes] of Object.entries(reply.answer)) {
        const into = request[key] as Float64Array;
        new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(bytes);
      }
    rest(thread);
    return true;
  } catch (error) {
    thread.end();
    throw error;
  } finally {
    clearInterval(looking);
  }
}

function rest(thread: Thread): void {
  thread.rest();
  if (waiting.length < KEPT) waiting.push(thread);
  else thread.end();
}

async function started(module: object): Promise<Thread | undefined> {
  try {
    const thread = startThread(PROGRAM);
    await new Promise<Reply>((resolve, reject) => {
      thread.listen(resolve, reject);
      thread.post({ module });
    });
    return thread;
  } catch {
    return undefined;
  }
}
