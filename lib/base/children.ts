import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

const running = new Set<ChildProcess>();
let watching = false;
let tracked: (pid: number, running: boolean) => void = () => {};

/** Tells `track` of every group that starts and ends, for an end of the process that JavaScript has no part in. */
export function trackGroups(track: (pid: number, running: boolean) => void): void {
  tracked = track;
}

/**
 * Starts a program in a process group of its own, so that ending it ends what it has started itself: a script around the
 * program is not always replaced by it. None of them outlives this process.
 */
export function spawnGroup(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { ...options, detached: process.platform !== 'win32' });
  running.add(child);
  const { pid } = child;
  if (pid !== undefined) tracked(pid, true);
  const ended = () => {
    if (running.delete(child) && pid !== undefined) tracked(pid, false);
  };
  child.once('close', ended);
  child.once('error', ended);
  if (!watching) {
    watching = true;
    process.on('exit', killGroups);
  }
  return child;
}

/** Ends a program and all that it has started. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
  // What it started may have left the group and still hold its ends of the pipes.
  for (const stream of [child.stdout, child.stderr, child.stdin]) stream?.destroy();
}

export function killGroups(): void {
  for (const child of running) killGroup(child);
}
