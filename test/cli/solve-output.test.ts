import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import { casesOf } from '../../lib/cli/cases.js';
import { columnsOf, flatten, toCsv, toParquet } from '../../lib/cli/flat.js';
import { toJson } from '../../lib/cli/json.js';
import type { Shell } from '../../lib/cli/run.js';
import { solveCommand } from '../../lib/cli/solve.js';
import { ExolamError, solve, solveBatch, version } from '../../lib/index.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-solve-output-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

/** Runs `exolam solve` in this process; what it printed, and its exit code. */
async function run(files: readonly string[], flags: Parameters<typeof solveCommand>[1] = {}) {
  const out: string[] = [];
  const notes: string[] = [];
  const shell: Shell = {
    out: (text) => void out.push(text),
    note: (text) => void notes.push(text),
    signal: new AbortController().signal,
    interactive: false,
  };
  const code = await solveCommand(files, flags, shell);
  return { code, stdout: out.join(''), notes };
}

const reconstruction = { kind: 'reconstruction' } as const;
const strong = { exogenousScale: 2, seed: 3 };

describe('the input of exolam solve', () => {
  it('is an object, an array or JSON Lines; every case has a name', () => {
    expect(casesOf('{"a":1}', 'x.json')).toEqual([{ name: 'x.json', value: { a: 1 } }]);
    expect(casesOf('[{"a":1},{"a":2}]', 'x.json').map((c) => c.name)).toEqual(['x.json[0]', 'x.json[1]']);
    expect(casesOf('{"a":1}\n\n{"a":2}\n', '-')).toEqual([
      { name: 'stdin:1', value: { a: 1 } },
      { name: 'stdin:3', value: { a: 2 } },
    ]);
  });

  it('names the line that is no JSON, and a broken document as a whole', () => {
    expect(() => casesOf('{"a":1}\n{"a":\n', 'x.jsonl')).toThrow(/x\.jsonl:2: expected JSON/);
    expect(() => casesOf('{\n"a": 1,,\n}', 'x.json')).toThrow(/^x\.json: expected JSON/);
  });
});

describe('a line of exolam solve', () => {
  it('says what it answers, with every default', async () => {
    const path = file(
      'case.json',
      JSON.stringify({ world: strong, objective: reconstruction, latentDim: 3 }),
    );
    const { stdout, code } = await run([path]);
    expect(code).toBe(0);
    const line = JSON.parse(stdout);
    expect(line).toMatchObject({ case: path, latentDim: 3, objective: reconstruction, version });
    expect(line.world).toMatchObject({
      exogenousScale: 2,
      seed: 3,
      endogenousDecay: 1,
      mixing: 'orthonormal',
    });
    // What it says it answers gives the answer again.
    const again = await solve({ world: line.world, objective: line.objective, latentDim: line.latentDim });
    expect(JSON.parse(toJson(again.metrics))).toEqual(line.metrics);
    expect(again.loss).toBe(line.loss);
  });

  it('is there for each of latentDims, with the numbers of each alone', async () => {
    const path = file(
      'dims.json',
      JSON.stringify({ world: strong, objective: reconstruction, latentDims: [5, 2, 3] }),
    );
    const lines = (await run([path])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.latentDim)).toEqual([5, 2, 3]);
    for (const line of lines) {
      const alone = await solve({ world: strong, objective: reconstruction, latentDim: line.latentDim });
      expect(line.spectrum).toHaveLength(line.latentDim);
      expect(line.loss).toBeCloseTo(alone.loss, 12);
      for (const [name, value] of Object.entries(alone.metrics))
        if (Number.isFinite(value)) expect(line.metrics[name], name).toBeCloseTo(value, 10);
    }
  });

  it('stands beside a case without an answer, which says why', async () => {
    const cases = [
      { world: strong, objective: reconstruction, latentDim: 3 },
      { world: { policyNoize: 1 }, objective: reconstruction, latentDim: 3 },
      { world: strong, objective: reconstruction, latentDim: 2 },
    ];
    const path = file('some.json', JSON.stringify(cases));
    const { stdout, code, notes } = await run([path]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map((line) => line.case)).toEqual([`${path}[0]`, `${path}[1]`, `${path}[2]`]);
    expect(lines[1].error).toMatch(/unknown key "policyNoize".*policyNoise/);
    expect(lines[1].metrics).toBeUndefined();
    expect(lines[2].metrics.futureLeakage).toBeCloseTo(0.5, 9);
    expect(code).toBe(2);
    expect(notes.join('\n')).toMatch(/some\.json\[1\]/);
  });
});

describe('flat output', () => {
  const cases = [
    { world: strong, objective: { kind: 'action-supervised', weight: 9 }, latentDim: 3 },
    { world: strong, objective: reconstruction, latentDim: 7 },
  ];

  it('has a column a value, in CSV with inf and empty cells', async () => {
    const { stdout } = await run([file('flat.json', JSON.stringify(cases))], { format: 'csv' });
    const [header, first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    const at = (row: string[], name: string) => row[header.indexOf(name)];
    expect(at(first, 'world.exogenousScale')).toBe('2');
    expect(at(first, 'objective.weight')).toBe('9');
    expect(at(second, 'objective.weight')).toBe('');
    expect(at(second, 'metrics.actionInformation')).toBe('inf');
    expect(Number(at(first, 'metrics.futureLeakage'))).toBeCloseTo(0, 9);
    expect(header.every((name) => name !== '')).toBe(true);
  });

  it('is the same in Parquet, with infinite doubles', async () => {
    const out = join(folder, 'flat.parquet');
    const path = file('flat2.json', JSON.stringify(cases));
    await run([path], { format: 'parquet', out });
    const bytes = readFileSync(out);
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length),
    });
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ case: `${path}[0]`, 'world.exogenousScale': 2, 'objective.weight': 9 });
    expect(rows[1]).toMatchObject({
      'metrics.actionInformation': Number.POSITIVE_INFINITY,
      'objective.weight': null,
    });
    await expect(run([path], { format: 'parquet' })).rejects.toThrow(/--out FILE/);
  });

  it('quotes what CSV would split, and keeps matrices in one cell', async () => {
    const row = flatten({
      a: 'x,"y"',
      world: { matrices: { m: [[1, 2]] } },
      list: Float64Array.of(1, 2),
      none: null,
    });
    expect(columnsOf([row])).toEqual(['a', 'world.matrices', 'list.0', 'list.1', 'none']);
    expect(toCsv([row])).toBe('a,world.matrices,list.0,list.1,none\n"x,""y""","{""m"":[[1,2]]}",1,2,\n');
    expect((await toParquet([row])).length).toBeGreaterThan(100);
  });
});

describe('solveBatch', () => {
  it('throws the first failure unless asked to answer the others', async () => {
    const cases = [
      { objective: reconstruction, latentDim: 1 },
      { objective: reconstruction, latentDim: 99 },
    ];
    await expect(solveBatch(cases)).rejects.toThrow(/case 1: latentDim: expected at most/);
    const [first, second] = await solveBatch(cases, { throwOnFailure: false });
    expect('loss' in first && first.case).toBe(0);
    expect('error' in second && second.error).toBeInstanceOf(ExolamError);
  });

  it('takes time in proportion to the number of cases', async () => {
    const time = async (n: number) => {
      const cases = Array.from({ length: n }, (_, i) => ({
        objective: reconstruction,
        latentDim: 1 + (i % 5),
      }));
      const before = performance.now();
      expect(await solveBatch(cases)).toHaveLength(n);
      return performance.now() - before;
    };
    await time(1000);
    const [few, many] = [await time(16_000), await time(64_000)];
    // Four times the cases; growth with the square would be sixteen times.
    expect(many / few).toBeLessThan(9);
  });
});

it('a tie is as flat as any answer: unique, next and both ends of every range', async () => {
  const tied = { actionScale: 1, exogenousScale: 1, seed: 0 };
  const line = JSON.parse(toJson(await solve({ world: tied, objective: reconstruction, latentDim: 3 })));
  expect(line.unique).toBe(false);
  const row = flatten(line);
  expect(row.get('unique')).toBe(false);
  expect(row.get('next')).toBe(line.next);
  for (const [metric, [most, least]] of Object.entries(line.ranges as Record<string, [unknown, unknown]>)) {
    expect(row.get(`ranges.${metric}.0`)).toBe(most);
    expect(row.get(`ranges.${metric}.1`)).toBe(least);
  }
  // Beside a unique answer, whose row has no ranges.
  const plain = flatten(
    JSON.parse(toJson(await solve({ world: strong, objective: reconstruction, latentDim: 4 }))),
  );
  const [header, first, second] = toCsv([row, plain]).split('\n');
  const column = header.split(',').indexOf('ranges.futureLeakage.1');
  const cells = (text: string) => text.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
  expect(Number(cells(first)[column])).toBe(line.ranges.futureLeakage[1]);
  expect(cells(second)[column]).toBe('');
  const bytes = await toParquet([row, plain]);
  const [a, b] = await parquetReadObjects({
    file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer,
  });
  expect(a).toMatchObject({
    unique: false,
    next: line.next,
    'ranges.futureLeakage.1': line.ranges.futureLeakage[1],
  });
  expect(b).toMatchObject({ unique: true, 'ranges.futureLeakage.1': null });
});
