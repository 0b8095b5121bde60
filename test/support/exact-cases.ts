import { exactCase } from './exact-worlds.js';

/** Prints the worlds of test/golden/exact/answers.json, one a line, as exact.py reads them. */
const [many = 200, wide = 40] = process.argv.slice(2).map(Number);
for (const [extreme, count] of [
  [false, many],
  [true, wide],
] as const)
  for (let index = 0; index < count; index++) {
    const { world, objective, latentDim } = exactCase(index, extreme);
    console.log(JSON.stringify({ name: { index, extreme }, world, objective, latentDim }));
  }
