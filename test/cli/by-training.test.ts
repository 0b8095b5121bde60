import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { analyzeCommand } from '../../lib/cli/analyze.js';
import type { Shell } from '../../lib/cli/run.js';
import { solveCommand } from '../../lib/cli/solve.js';
import { ExolamError } from '../../lib/index.js';
import { type TrainConfig, train } from '../../lib/train/index.js';

const folder = mkdtempSync(join(tmpdir(), "exolam-by-training's-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

function quiet() {
  const notes: string[] = [];
  const shell: Shell = {
    out: () => undefined,
    note: (text) => void notes.push(text),
    signal: new AbortController().signal,
    interactive: false,
  };
  return { shell, notes };
}

/** What a shell makes of the configuration that a message echoes. */
function pasted(message: string): TrainConfig {
  const echoed = /gradients: echo '(.*)' > train\.json && exolam train train\.json --out run$/.exec(message);
  if (!echoed) throw new Error(`no command in: ${message}`);
  return JSON.parse(echoed[1].replaceAll("'\\''", "'")) as TrainConfig;
}

const failure = (answer: Promise<unknown>) =>
  answer.then(
    () => '',
    (error: unknown) => {
      expect(error).toBeInstanceOf(ExolamError);
      return (error as ExolamError).message;
    },
  );

const world = { observationDim: 8, endogenousDim: 3, exogenousDim: 2, actionDim: 2, stateFeedback: 0.3 };
const supervised = { kind: 'action-supervised', weight: 2 };
const cases = [
  { world, objective: supervised, latentDim: 1 },
  { world, objective: supervised, latentDims: [2, 1] },
  { objective: { kind: 'composition', parts: [{ kind: 'cross-exogenous' }, supervised] }, latentDim: 3 },
];

it.each(cases)('solve writes out the command that trains what has no closed form: %j', async (asked) => {
  const path = file('case.json', JSON.stringify(asked));
  const config = pasted(await failure(solveCommand([path], {}, quiet().shell)));
  expect(config.model.latentDim).toBe(asked.latentDim ?? 1);
  const { result } = await train({ ...config, steps: 20 });
  expect(result.loss).toBeGreaterThan(0);
});

it('beside other cases each has its own', async () => {
  const { shell, notes } = quiet();
  await solveCommand([file('cases.json', JSON.stringify(cases))], {}, shell);
  expect(notes.map((note) => pasted(note).objective)).toEqual(cases.map(({ objective }) => objective));
});

it('analyze writes it out for the data, as it was to be read', async () => {
  const rows = Array.from({ length: 200 }, (_, i) => {
    const phase = Math.sin(i * i);
    return [Math.floor(i / 40), Math.sin(i), Math.cos(2.3 * i) + phase, phase, Math.cos(i) + Math.sin(5 * i)];
  });
  const path = file('rows.csv', ['episode,o_0,o_1,a_0,a_1', ...rows.map((row) => row.join(','))].join('\n'));
  const flags = {
    ...{ observation: 'o_*', action: 'a_*', latentDim: '1', remedies: false, stride: 2 },
    objective: [JSON.stringify(supervised)],
  };
  const config = pasted(await failure(analyzeCommand(path, flags, quiet().shell)));
  expect(config).toMatchObject({ data: { path, stride: 2 }, model: { latentDim: 1 }, objective: supervised });
  const { result } = await train({ ...config, steps: 20 });
  expect(result.loss).toBeGreaterThan(0);
});
