import { defaultBackend } from '../backend/select.js';
import { version } from '../base/version.js';
import { toJson } from './json.js';
import type { Shell } from './run.js';

const NAMES = {
  native: 'the native addon',
  wasm: 'WebAssembly (where the addon cannot load)',
  reference: 'plain JavaScript (the slow fallback)',
} as const;

/** `exolam info`: version, instruction set in use, threads, and what computes: the addon, WebAssembly or plain JavaScript. */
export function infoCommand(flags: { readonly json?: boolean }, shell: Shell): void {
  const machine = defaultBackend().info();
  const info = {
    version,
    backend: machine.name,
    ...machine,
    name: undefined,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
  if (flags.json) {
    shell.out(`${toJson(info)}\n`);
    return;
  }
  shell.out(
    [
      `exolam ${version} computes by ${NAMES[machine.name]}`,
      `kernels  ${machine.isa}; this CPU and build have ${machine.isas.join(', ')}`,
      `threads  ${machine.threads}`,
      `runtime  node ${process.version} on ${process.platform}-${process.arch}`,
      '',
    ].join('\n'),
  );
}
