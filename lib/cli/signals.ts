import { loadAddon } from '../backend/load-addon.js';
import { trackGroups } from '../base/children.js';
import { EXIT } from './run.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** What JavaScript has, in milliseconds, to end by itself: files that are half there are removed meanwhile. */
const GRACE = 800;

/**
 * Ctrl-C aborts the signal that every command gets. Where JavaScript does not answer, because it is in a loop or an eigenproblem that
 * cannot stop, the addon ends the process; a second signal ends it at once. Returns what takes the handlers away again.
 */
export function onInterrupt(interrupt: AbortController): () => void {
  const answer = () => {
    // A second signal does not wait for the work in flight.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  };
  for (const signal of SIGNALS) process.on(signal, answer);
  try {
    const addon = loadAddon();
    addon.guardSignals(GRACE);
    trackGroups((pid, running) => addon.trackGroup(pid, running));
  } catch {
    // Without the addon it is JavaScript alone that answers.
  }
  return () => {
    // One that comes while an interrupted process ends still finds it interrupted, not killed.
    if (!interrupt.signal.aborted) for (const signal of SIGNALS) process.off(signal, answer);
  };
}

/** From now on work that was begun is finished after the first ctrl-C, however long it takes; a second one ends the process. */
export function waitForWork(): void {
  try {
    loadAddon().guardSignals(-1);
  } catch {
    // Without the addon nothing ends the process but JavaScript.
  }
}
