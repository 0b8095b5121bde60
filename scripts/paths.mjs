import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with package.json. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Files below `folder` (from the root) whose name matches, as sorted paths from the root with forward slashes. */
export function filesBelow(folder, pattern) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
