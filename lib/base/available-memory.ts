import { totalmem } from 'node:os';

/** Bytes that this process may hold: the machine's, or what a container allows where that is less. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
