import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './paths.mjs';

// A build is fresh when its stamp holds the hash of what it was made from. Times would not do: a checkout, a copy or a
// restored cache changes them without changing a line.

/** Hash of the names and contents of `files` (from the root) and of this machine's kind. */
export function fingerprint(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}\n`);
  for (const file of files) hash.update(`${file}\n`).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}

const stampFile = (name) => join(ROOT, 'build', `${name}.stamp.json`);

/** What the last build of `name` wrote, or an empty object. */
export function readStamp(name) {
  try {
    return JSON.parse(readFileSync(stampFile(name), 'utf8'));
  } catch {
    return {};
  }
}

export function writeStamp(name, stamp) {
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  writeFileSync(stampFile(name), `${JSON.stringify(stamp)}\n`);
}
