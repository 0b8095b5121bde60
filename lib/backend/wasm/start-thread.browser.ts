import type { Reply, Thread } from './messages.js';

/** What a page has for threads. */
interface PageWorker {
  onmessage: ((event: { readonly data: Reply }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  postMessage(message: object): void;
  terminate(): void;
}
interface Page {
  readonly Worker?: new (url: string) => PageWorker;
  readonly Blob: new (parts: string[], options: object) => object;
  readonly URL: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void };
}

/** On a page. Throws where there are no threads, or where its policy does not let one start. */
export function startThread(program: string): Thread {
  const { Worker, Blob, URL } = globalThis as unknown as Page;
  if (Worker === undefined) throw new Error('there are no workers here');
  const wire = `serve(openInstance, PARTS, WebAssembly, (m, t) => postMessage(m, t), (f) => { onmessage = (e) => f(e.data); });`;
  const url = URL.createObjectURL(new Blob([program + wire], { type: 'text/javascript' }));
  const worker = new Worker(url);
  return {
    post: (message) => worker.postMessage(message),
    listen(take, fail) {
      worker.onmessage = (event) => {
        URL.revokeObjectURL(url);
        take(event.data);
      };
      worker.onerror = (event) => fail(new Error(event.message ?? 'the worker did not start'));
    },
    rest() {},
    end: () => worker.terminate(),
  };
}
