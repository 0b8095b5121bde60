import { loadAddon } from '../lib/backend/load-addon.js';

/** What this machine can do at best with one thread, as measured here and now with the instruction set in use. */
export interface Limits {
  /** Floating-point operations per second of multiply-adds in registers, f64. */
  readonly fma: number;
  /** Bytes per second: read and written by a copy of memory, and written by filling memory. */
  readonly copy: number;
  readonly write: number;
}

/** Larger than any cache of one core, and than most of those that cores share. */
const BYTES = 64 << 20;

/** The best rate of `repeat` runs by the processor time that this process took, so that other processes do not count. */
function rate(amount: () => number, repeat: number): number {
  let best = 0;
  for (let i = 0; i < repeat; i++) {
    const before = process.cpuUsage();
    const done = amount();
    const { user, system } = process.cpuUsage(before);
    best = Math.max(best, done / ((user + system) * 1e-6));
  }
  return best;
}

export function limits(quick: boolean): Limits {
  const addon = loadAddon();
  const repeat = quick ? 5 : 40;
  const from = new Float64Array(BYTES / 8).fill(1);
  const to = new Float64Array(BYTES / 8).fill(2);
  return {
    fma: rate(() => addon.fmaPeak({ rounds: 50_000 }), 10 * repeat),
    copy: rate(() => {
      to.set(from);
      return 2 * BYTES;
    }, repeat),
    write: rate(() => {
      to.fill(3);
      return BYTES;
    }, repeat),
  };
}
