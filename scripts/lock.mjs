import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { ROOT } from './paths.mjs';

const FILE = join(ROOT, 'build', 'lock');

/** Runs `work` while no other process builds in this checkout. The lock of a process that has ended is taken over. */
export async function locked(work) {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  for (let said = false; !acquire(); await sleep(100)) {
    if (!said) process.stderr.write('exolam: waiting for another build in this checkout\n');
    said = true;
  }
  try {
    return await work();
  } finally {
    rmSync(FILE, { force: true });
  }
}

function acquire() {
  try {
    writeFileSync(FILE, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!holderLives()) rmSync(FILE, { force: true });
    return false;
  }
}

function holderLives() {
  let pid;
  try {
    pid = Number(readFileSync(FILE, 'utf8'));
  } catch {
    return false; // released in between
  }
  if (!(pid > 0)) return true; // created, its number not written yet
  try {
    process.kill(pid, 0); // sends nothing: asks whether the process exists
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
