import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Material that lies beside the repository where its developers work; a stranger's clone has none. */
const root = fileURLToPath(new URL('../../../shared/', import.meta.url));

export const hasShared = existsSync(root);
export const shared = (path: string): string => root + path;
