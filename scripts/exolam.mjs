// The command line of a clone, as built: npm run -s exolam -- ARGS
import { ensureBuilt } from './ensure-built.mjs';

// npm runs scripts in the root; paths are meant from where the user stands.
if (process.env.INIT_CWD && process.env.npm_lifecycle_event === 'exolam') process.chdir(process.env.INIT_CWD);
try {
  await ensureBuilt({ optional: true });
} catch (error) {
  process.stderr.write(`exolam: the build failed\n${error.message}\n`);
  process.exit(1);
}
await import('../dist/cli.mjs');
