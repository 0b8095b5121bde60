import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type AnalyzeFlags, analyzeCommand } from '../../lib/cli/analyze.js';
import { oneOrSeveral } from '../../lib/cli/numbers.js';
import { isScan, readScan } from '../../lib/report/read.js';
import { generator, noise } from '../support/generator.js';

// `exolam analyze --stride 1,3` and `--action-lag -1:1`: what is printed.
const folder = mkdtempSync(join(tmpdir(), 'exolam-scan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Eight episodes whose o moves by the action that a logger wrote one row late. */
function late(): string {
  const random = generator(4);
  const lines = ['episode,obs_0,obs_1,act_0'];
  for (let e = 0; e < 8; e++) {
    let [s, before] = [0, 0];
    for (let t = 0; t < 30; t++) {
      const [a, n] = noise(random, 2);
      lines.push([e, s, n, before].join(','));
      [s, before] = [0.9 * s + a, a];
    }
  }
  const path = join(folder, 'late.csv');
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
const path = late();

async function printed(flags: AnalyzeFlags) {
  let [out, notes] = ['', ''];
  const signal = new AbortController().signal;
  await analyzeCommand(
    path,
    { remedies: false, latentDim: '1', ...flags },
    {
      out: (text) => {
        out += text;
      },
      note: (text) => {
        notes += `${text}\n`;
      },
      signal,
      interactive: false,
    },
  );
  return { out, notes };
}

describe('numbers of a flag', () => {
  it.each([
    ['5', 5],
    ['5,5', 5],
    ['1,2,5', [1, 2, 5]],
    ['-2:1', [-2, -1, 0, 1]],
    ['1:3,7', [1, 2, 3, 7]],
    ['-3', -3],
    ['x', 'x'],
    ['1,x', '1,x'],
    ['3:1', '3:1'],
  ])('%s', (text, expected) => {
    expect(oneOrSeveral(text)).toEqual(expected);
  });
});

describe('exolam analyze of several values', () => {
  it('prints the sentence, one row a value, what changes, and each analysis', async () => {
    const { out } = await printed({ actionLag: [-1, 0, 1] });
    const [sentence, ...lines] = out.split('\n');
    expect(sentence).toMatch(/^The action is best explained by the step from o to o' at lag 1, not at lag 0/);
    const table = lines.slice(lines.findIndex((line) => line.startsWith('action lag ')));
    expect(table[0]).toMatch(/^action lag +answer +inverse dynamics .* o alone leaves +transitions$/);
    expect(table.slice(2, 5).map((line) => line.split(/ +/)[0])).toEqual(['-1', '0', '1']);
    expect(out.match(/^Whether z leaks is unknown/gm)).toHaveLength(3);
  });

  it('prints one document with the options of the scan and of each analysis', async () => {
    const { out } = await printed({ stride: [1, 3], actionLag: 1, json: true });
    const found = JSON.parse(out);
    expect(isScan(found)).toBe(true);
    expect(readScan(found, 'x').scan).toEqual({ stride: [1, 3] });
    expect(found.source).toMatchObject({ path, options: { stride: [1, 3], actionLag: 1, latentDims: [1] } });
    expect(found.analyses[1].source).toMatchObject({ path, options: { stride: 3, actionLag: 1 } });
    const alone = await printed({ stride: 3, actionLag: 1, json: true });
    expect(found.analyses[1]).toEqual(JSON.parse(alone.out));
  });

  it('says nothing of lags where none is asked for', async () => {
    const { source } = JSON.parse((await printed({ json: true })).out);
    expect(source.options).not.toHaveProperty('actionLag');
    expect(source.options).not.toHaveProperty('stride');
  });

  it.each([
    [{ stride: [1, 2], actionLag: [0, 1] }, /expected one lag beside several strides/],
    [{ actionLag: [1, 2] }, /expected 0 among the lags/],
    [
      { stride: [1, 2], save: join(folder, 'x.safetensors') },
      /--save: expected one --stride and one --action-lag/,
    ],
    [{ stride: [50, 60] }, /a stride of 50 needs at least 51/],
  ])('refuses %o', async (flags, message) => {
    await expect(printed(flags)).rejects.toThrow(message);
  });
});
