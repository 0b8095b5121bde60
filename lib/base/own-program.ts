import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** From source, TypeScript has to be made JavaScript first. */
const FROM_SOURCE = `globalThis.importLibrary = (name) => import(name);
const loader = 'tsx/esm/api';
import(loader).then(({ tsImport }) => tsImport(process.argv[1], process.argv[1]));`;

/**
 * What Node is started with to run a program of ours that stands beside `own` (an `import.meta.url`), as source or in a build;
 * undefined where its file is not there, as in someone's bundle.
 */
export function ownProgram(own: string, name: string): string[] | undefined {
  const source = own.endsWith('.ts');
  const url = new URL(`./${name}.${source ? 'ts' : 'mjs'}`, own);
  if (!existsSync(fileURLToPath(url))) return undefined;
  return source ? ['--input-type=commonjs', '-e', FROM_SOURCE, url.href] : [fileURLToPath(url)];
}

/** The environment of such a program: a debugger of this process is none of that one, and an Electron is to be a Node. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NODE_OPTIONS: (process.env['NODE_OPTIONS'] ?? '').replace(/--inspect\S*/g, ''),
    ELECTRON_RUN_AS_NODE: '1',
  };
}
