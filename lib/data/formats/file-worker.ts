import { parentPort } from 'node:worker_threads';
import { answer, type FileRequest } from './file-request.js';

/** What a worker answers: numbers and bytes are handed over, not copied. */
export type WorkerAnswer =
  | { readonly answer: unknown }
  | {
      readonly error: {
        readonly kind: string | undefined;
        readonly code: string | undefined;
        readonly message: string;
      };
    };

/** Every buffer in an answer, once. */
function buffersOf(answer: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>();
  const visit = (value: unknown): void => {
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer) found.add(value.buffer);
    } else if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  visit(answer);
  return [...found];
}

const port = parentPort;
port?.on('message', async (request: FileRequest) => {
  try {
    const found = await answer(request);
    port.postMessage({ answer: found } satisfies WorkerAnswer, buffersOf(found));
  } catch (error) {
    const { kind, code, message } = error as { kind?: string; code?: string; message: string };
    port.postMessage({ error: { kind, code, message } } satisfies WorkerAnswer);
  }
});
port?.postMessage('ready');
