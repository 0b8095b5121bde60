// One target for scripts/fuzz.mjs: node --import tsx main.ts TARGET EXECUTIONS MILLISECONDS SEED FIRST; prints its outcome as JSON.
import { calls } from './calls.js';
import { fuzz } from './loop.js';
import { TARGETS } from './targets.js';

const [name, executions, milliseconds, seed, first] = process.argv.slice(2);
const target = name === 'calls' ? await calls() : TARGETS.find((one) => one.name === name);
if (!target) throw new Error(`no target ${name}`);
const outcome = await fuzz(target, {
  executions: Number(executions),
  milliseconds: Number(milliseconds),
  seed: Number(seed),
  first: Number(first),
  trace: true,
});
process.stdout.write(`${JSON.stringify(outcome)}\n`);
process.exit();
