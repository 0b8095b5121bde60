import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The oldest C library, and the libstdc++ of the same time, that a prebuilt binary must load with: Debian 10, RHEL 8. */
const FLOOR = { GLIBC: '2.28', GLIBCXX: '3.4.25', CXXABI: '1.3.11' };

const number = (version) => version.split('.').reduce((sum, part) => sum * 1000 + Number(part), 0);
const comparable = (version) => number([...version.split('.'), '0', '0'].slice(0, 3).join('.'));

/** A sentence for each symbol of the binaries in `folder` that only a newer library has. */
export function glibcFaults(folder, objdump = 'objdump') {
  const files = readdirSync(folder).filter((name) => name.endsWith('.node'));
  if (files.length === 0) return [`${folder}: holds no binary`];
  return files.flatMap((name) => {
    const { status, stdout, stderr } = spawnSync(objdump, ['-T', join(folder, name)], { encoding: 'utf8' });
    if (status !== 0) return [`${name}: ${objdump} failed: ${stderr}`];
    return newerSymbols(stdout).map((symbol) => `${join(folder, name)}: ${symbol}`);
  });
}

/** Of objdump -T: what is needed beyond the floor. */
export function newerSymbols(table) {
  return [...table.matchAll(/\((GLIBC|GLIBCXX|CXXABI)_([\d.]+)\)\s+(\S+)/g)]
    .filter(([, library, version]) => comparable(version) > comparable(FLOOR[library]))
    .map(([, library, version, symbol]) => `${symbol} needs ${library}_${version}, above ${FLOOR[library]}`);
}
