import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

/** Packs the package as npm would publish it; returns the tarball's path in `folder`. dist/ must be built. */
export function pack(folder) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const answer = execFileSync('npm', args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return join(folder, JSON.parse(answer)[0].filename);
}
