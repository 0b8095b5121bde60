import { ExolamError } from '../base/errors.js';
import type { Control } from './requests.js';

/** Longest stretch of work, in milliseconds, before other tasks get a turn, where the work can be divided. */
const STRETCH = 15;

/** Resolves once everything else that waits has had its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    // A browser has no setImmediate; a timer there waits a few milliseconds longer than it must.
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve);
  });
}

/** Keeps long work on the main thread polite: lets the event loop run, reports progress, ends when the caller cancels. */
export class Pace {
  private last = performance.now();
  private done = 0;

  constructor(
    private readonly control: Control | undefined,
    private readonly total: number,
  ) {
    this.throwIfCancelled();
  }

  /** To be awaited between units of work; costs a clock reading where nothing is due. */
  async rest(): Promise<void> {
    if (performance.now() - this.last < STRETCH) return;
    await turn();
    this.throwIfCancelled();
    this.control?.onProgress?.(this.done, this.total);
    this.last = performance.now();
  }

  /** A unit of work is done. */
  async advance(): Promise<void> {
    this.done++;
    await this.rest();
  }

  finish(): void {
    this.throwIfCancelled();
    this.control?.onProgress?.(this.total, this.total);
  }

  private throwIfCancelled(): void {
    const signal = this.control?.signal;
    if (signal?.aborted) {
      throw new ExolamError('cancelled', 'cancelled by the caller', { cause: signal.reason as unknown });
    }
  }
}
