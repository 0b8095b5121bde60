import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { scanTransitions, transitions } from '../../lib/data/index.js';
import { normals } from '../../lib/random/philox.js';
import { analysisPage, scanPage, sweepPage, trainingPage } from '../../lib/report/index.js';
import { runSweep } from '../../lib/sweep/index.js';
import { analyze, analyzeScan } from '../../lib/verdict/index.js';

// exolam/report: what a call answered, as a page, without a file between.
const folder = mkdtempSync(join(tmpdir(), 'exolam-pages-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rows = (n: number, d: number, stream: number) => {
  const values = normals(3, stream, 0, n * d);
  return Array.from({ length: n }, (_, i) => Array.from(values.subarray(i * d, (i + 1) * d)));
};

describe('exolam/report', () => {
  it('an analysis becomes the page of its verdict, from the call and from its JSON', async () => {
    const n = 120;
    const data = transitions({
      observation: rows(n, 4, 1),
      observationNext: rows(n, 4, 2),
      actions: rows(n, 2, 3),
      exogenous: rows(n, 1, 4),
      exogenousNext: rows(n, 1, 5),
      episode: Array.from({ length: n }, (_, i) => Math.floor(i / 10)),
    });
    const analysis = await analyze(data, { latentDims: [1, 2] });
    const html = await analysisPage(analysis, 'my <data>');
    expect(html).toMatch(/^<!doctype html>/i);
    expect(html).toContain(analysis.verdict.sentence.replaceAll("'", '&#39;').slice(0, 40));
    expect(html).toContain('my &#60;data&#62;');
    expect(html).not.toContain('my <data>');
    expect(html).toContain('<svg');
    expect(await analysisPage(JSON.parse(JSON.stringify(analysis)), 'my <data>')).toBe(html);
  });

  it.each([{ stride: [1, 3] }, { actionLag: [-1, 0, 1] }])('a scan of %o becomes its page', async (axes) => {
    const scan = scanTransitions({
      observations: rows(120, 3, 1),
      actions: rows(120, 2, 2),
      exogenous: rows(120, 1, 3),
      episode: Array.from({ length: 120 }, (_, i) => Math.floor(i / 20)),
      ...axes,
    });
    const found = await analyzeScan(scan, { latentDims: [2], remedies: false });
    const html = await scanPage(JSON.parse(JSON.stringify(found)), 'my <data>');
    expect(html).toContain(found.sentence.replaceAll("'", '&#39;').slice(0, 30));
    expect(html).toContain('my &#60;data&#62;');
    // One figure, a panel a metric, and every value in the table.
    expect(html.match(/<figure/g)).toHaveLength(1);
    expect(html).toContain('aria-label="What changes with the');
    for (const { value } of found.rows)
      expect(html).toContain(`<td data-name="${'stride' in axes ? 'stride' : 'action lag'}">${value}</td>`);
    expect(html).not.toMatch(/NaN|undefined/);
    expect(await scanPage(found, 'my <data>')).toBe(html);
    await expect(scanPage({ ...found, rows: [] }, 'x')).rejects.toThrow(
      /its rows is missing or not of its kind/,
    );
    await expect(scanPage({ ...found, analyses: [] }, 'x')).rejects.toThrow(
      /its analyses is missing or not of its kind: expected as many as rows/,
    );
  });

  it("a sweep's folder becomes its page and its figures", async () => {
    const out = join(folder, 'sweep');
    await runSweep({ grid: { exogenousScale: [0.5, 1.5] }, latentDim: 3 }, { out });
    const { html, figures } = await sweepPage(out);
    expect(html).toContain('What a sweep found');
    for (const svg of Object.values(figures)) expect(svg).toMatch(/^<svg/);
  });

  it('a training run is told with its own share of labels, and of one point no line is drawn', async () => {
    const run = join(folder, 'run');
    mkdirSync(run);
    const config = {
      ...{ data: { path: 'x' }, model: { kind: 'mlp', latentDim: 2 }, labelFraction: 0.1 },
      objective: { kind: 'action-supervised', weight: 2 },
    };
    writeFileSync(join(run, 'config.json'), JSON.stringify(config));
    const metrics = [{ actionError: 0.9, futureLeakage: 0.3 }, { actionError: 0.5 }];
    const log = metrics.map((own, i) => JSON.stringify({ step: 10 * i, loss: 2 - i, metrics: own }));
    writeFileSync(join(run, 'log.jsonl'), log.join('\n'));
    const html = await trainingPage(run);
    expect(html).toContain('trained for action-supervised (weight 2, labelFraction 0.1).');
    expect(html).toContain('Action error: ');
    expect(html).not.toContain('Leakage: ');
  });

  it('a run on data has the optimum of its training rows beside it, and may be below that on held-out rows', async () => {
    const out = join(folder, 'on-data');
    mkdirSync(out);
    const estimate = (value: number) => ({ value, low: value, high: value, reason: null });
    const figures = (loss: number, error: number) => ({
      ...{ loss, metrics: { actionError: error } },
      estimates: { linear: { actionError: estimate(error) }, answer: 'unknown', reason: null },
    });
    const write = (name: string, ...rows: object[]) =>
      writeFileSync(join(out, name), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    write('config.json', { data: { path: 'x.npz' }, model: { kind: 'linear', latentDim: 2 } });
    write('log.jsonl', { step: 0, ...figures(3, 0.9) }, { step: 100, ...figures(1.9, 0.31) });
    write('result.json', {
      ...{ steps: 100, ...figures(1.9, 0.31), exact: { ...figures(2, 0.27), unique: null } },
      ...{ stopped: 'early', seconds: 1, stepsPerSecond: 100, version: '0' },
    });
    const html = await trainingPage(out);
    expect(html).toContain(
      'the loss is on held-out rows 5 % below that of the exact optimum over the training rows',
    );
    expect(html).toContain('exact optimum of the training rows');
    expect(html).toContain('exact optimum, linear probe');
    expect(html).toContain('0.270');
    expect(html).not.toContain('tie');
  });

  it('says what it takes where it is given something else', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    await expect(analysisPage({ verdict: 1 } as never)).rejects.toThrow(
      /expected the JSON of exolam analyze/,
    );
    await expect(analysisPage(undefined as never)).rejects.toMatchObject({ name: 'ExolamError' });
    await expect(sweepPage(7 as never)).rejects.toThrow('folder: expected the path of a file or folder');
    await expect(sweepPage(empty)).rejects.toMatchObject({ name: 'ExolamError' });
    await expect(trainingPage(empty)).rejects.toThrow(/expected the folder of a training run/);
  });
});
