// What npm would publish, judged by publint and by are-the-types-wrong.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ensureBuilt } from './ensure-built.mjs';
import { pack } from './pack.mjs';
import { commandOf, run } from './run.mjs';

await ensureBuilt({ addon: false });
const folder = mkdtempSync(join(tmpdir(), 'exolam-package-'));
try {
  const tarball = pack(folder);
  const failed = [
    run(process.execPath, [commandOf('publint'), 'run', tarball, '--strict']) !== 0 && 'publint',
    // exolam/browser is for bundlers, which read ES modules.
    run(process.execPath, [
      commandOf('@arethetypeswrong/cli', 'attw'),
      tarball,
      '--no-emoji',
      '--exclude-entrypoints',
      'browser',
      // Resolution as of Node 10 knows no exports, and so no exolam/solve.
      '--profile',
      'node16',
    ]) !== 0 && 'attw',
  ].filter(Boolean);
  if (failed.length > 0) {
    process.stderr.write(`check:package: failed: ${failed.join(', ')}\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
