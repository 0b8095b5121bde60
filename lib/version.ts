import { createRequire } from 'node:module';

/** The package's version, from its package.json wherever this file ends up (lib/ or dist/). */
export const version: string = (createRequire(import.meta.url)('../package.json') as { version: string })
  .version;
