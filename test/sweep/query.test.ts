import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../lib/base/package-root.js';
import { runSweep } from '../../lib/index.js';
import { querySweep } from '../../lib/sweep/query.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-query-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const out = join(folder, "a 'quoted' sweep");
await runSweep(
  {
    grid: { exogenousScale: [0.5, 2] },
    objectives: [{ kind: 'reconstruction' }, { kind: 'action-supervised', weight: [1, 10] }],
    latentDim: 3,
    samples: [null, 1000],
  },
  { out },
);
const query = (...args: string[]) =>
  spawnSync(process.execPath, [join(packageRoot(), 'dist/cli.mjs'), 'query', out, ...args], {
    encoding: 'utf8',
  });

describe('querySweep', () => {
  it('answers about the rows and about what is the same in all', async () => {
    const { columns, rows } = await querySweep(
      out,
      'SELECT objective, weight, max(samples) AS most, count(*) AS n FROM sweep GROUP BY ALL ORDER BY ALL',
    );
    expect(columns).toEqual(['objective', 'weight', 'most', 'n']);
    expect(rows).toEqual([
      ['action-supervised', 1, Number.POSITIVE_INFINITY, 4],
      ['action-supervised', 10, Number.POSITIVE_INFINITY, 4],
      ['reconstruction', null, Number.POSITIVE_INFINITY, 4],
    ]);
    expect((await querySweep(out, 'SELECT mixing, actionScale FROM constants')).rows).toEqual([
      ['orthonormal', 1],
    ]);
  });

  it('says what is wrong in a sentence', async () => {
    await expect(querySweep(folder, 'SELECT 1')).rejects.toThrow(
      /expected the folder of a sweep, with spec.json and parts\/$/,
    );
    await expect(querySweep(out, 'SELECT nothing FROM sweep')).rejects.toMatchObject({
      kind: 'input',
      message: expect.stringMatching(/^SQL: Binder Error: .*nothing/),
    });
  });
});

describe('exolam query', () => {
  const sql = 'SELECT objective, weight, max(samples) AS most FROM sweep GROUP BY ALL ORDER BY ALL LIMIT 1';
  it.each([
    [
      'table',
      'objective          weight  most\n-----------------  ------  ----\naction-supervised       1   inf\n',
    ],
    ['csv', 'objective,weight,most\naction-supervised,1,inf\n'],
    ['json', '[{"objective":"action-supervised","weight":1,"most":"Infinity"}]\n'],
  ])('prints a %s', (format, expected) => {
    expect(query(sql, '--format', format).stdout).toBe(expected);
  });

  it('says in a line what to install where DuckDB is absent', () => {
    const hook =
      "export const resolve = (s, c, next) => { if (s.startsWith('@duckdb')) throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' }); return next(s, c); }";
    const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        ...['--import', `data:text/javascript,${encodeURIComponent(register)}`],
        ...[join(packageRoot(), 'dist/cli.mjs'), 'query', out, 'SELECT 1'],
      ],
      { encoding: 'utf8' },
    );
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe('exolam: sweeps are queried by DuckDB: npm install @duckdb/node-api\n');
  });

  it('is refused in one line', () => {
    const { status, stderr } = query('SELEC 1');
    expect([status, stderr]).toEqual([2, expect.stringMatching(/^exolam: SQL: Parser Error: [^\n]+\n$/)]);
  });
});
