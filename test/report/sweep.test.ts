import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runSweep, type SweepSpec } from '../../lib/index.js';
import { sweepPage } from '../../lib/report/sweep.js';
import { enoughOf, enoughSentence } from '../../lib/report/sweep-enough.js';
import { findingsOf, mainAxis, regimesOf } from '../../lib/report/sweep-findings.js';
import { readSweepData } from '../../lib/report/sweep-settings.js';
import { pointsOf } from '../../lib/sweep/points.js';
import { readSpec } from '../../lib/sweep/spec.js';

const folder = mkdtempSync(join(tmpdir(), 'exolam-sweep-page-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the page of a sweep', async () => {
  const out = join(folder, 'exact');
  await runSweep(
    {
      grid: { exogenousScale: { range: [0.5, 3, 11] } },
      objectives: [
        { kind: 'reconstruction' },
        { kind: 'action-supervised', weight: { range: [0, 9.5, 20] } },
        { kind: 'representation', gain: [0.2, 0.5, 1] },
      ],
      latentDim: [3, 4],
      seeds: 2,
    },
    { out },
  );
  const data = await readSweepData(out);

  it('goes by the parameter of the world that matters, and counts every row', () => {
    expect(mainAxis(data)).toBe('exogenousScale');
    expect(data.rows).toBe(11 * (1 + 20 + 3) * 2 * 2);
    expect(data.settings).toHaveLength(data.rows / 2);
    expect(data.seeds).toBe(2);
  });

  it('says who does best where, as T4 has it', () => {
    const regimes = regimesOf(data);
    expect(regimes.map(({ name }) => name)).toEqual([
      'exogenousScale 0.5',
      'exogenousScale 1',
      'exogenousScale 1.5',
      'exogenousScale 2',
      'exogenousScale 2.5',
      'exogenousScale 3',
    ]);
    // Above 1, reconstruction holds clutter; enough weight, or a small gain, is the action.
    for (const { best, worst } of regimes.slice(2)) {
      expect(best.actionError).toBeLessThan(1e-9);
      expect(worst.actionError).toBeGreaterThan(0.5);
    }
    const [first, ...others] = findingsOf(data);
    expect(first).toMatch(/^Over all settings .* does best: on average z carries [\d.]+ % of what is new/);
    expect(others.join(' ')).toMatch(
      /exogenousScale matters most for the leak: [\d.]+ % on average at 0\.5, [\d.]+ % at 3\./,
    );
  });

  it('says how much of a remedy is enough, as T4 and T3 have it', () => {
    const [supervised, projected, ...others] = enoughOf(data);
    expect(others).toEqual([]);
    expect([supervised.strength, projected.strength]).toEqual(['weight', 'gain']);
    const at = (lines: typeof supervised.lines, dim: number) =>
      lines.filter(({ latentDim }) => latentDim === dim).flatMap(({ least }) => least);
    let [some, none] = [0, 0];
    for (const { at: scale, strength } of at(supervised.lines, 3)) {
      const critical = scale ** 2 - 1;
      // On the boundary itself the two tie.
      if (supervised.tried.includes(critical)) continue;
      expect(strength).toBe(supervised.tried.find((weight) => weight > critical) ?? null);
      some++;
    }
    for (const { at: scale, strength } of at(projected.lines, 3)) {
      const clean = [1, 0.5, 0.2].find((gain) => gain < 1 / scale);
      if (![1, 0.5, 0.2].includes(1 / scale)) expect(strength).toBe(clean ?? null);
    }
    // A fourth coordinate of z has no action left to hold.
    for (const { strength } of at(supervised.lines, 4)) {
      expect(strength).toBe(null);
      none++;
    }
    expect([some, none]).toEqual([8, 11]);
    expect(enoughSentence(supervised)).toMatch(
      /from this weight on: at latentDim 3 0 \(exogenousScale 0\.5\) to 8\.5 \(exogenousScale 3\); at latentDim 4 no weight up to 9\.5 is enough\.$/,
    );
  });

  it('leads with the findings, draws the boundary where there is one, and needs nothing else', async () => {
    const { html, figures } = await sweepPage(out);
    expect(Object.keys(figures).sort()).toEqual([
      'enough-action-supervised',
      'enough-representation',
      'leakage',
      'phase-action-supervised',
      'phase-representation',
    ]);
    expect(html.indexOf('z is clean')).toBeLessThan(html.indexOf('<figure'));
    expect(figures['phase-action-supervised']).toMatch(/T4: the boundary where latentDim is actionDim/);
    expect(figures['phase-representation']).toMatch(/T3: the boundary/);
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it('holds no more settings than it may, the same in any order, and brings draws together', async () => {
    const few = await readSweepData(out, 100);
    expect(few.thinned).toBeGreaterThan(1);
    expect(few.settings.length).toBeLessThanOrEqual(100);
    expect(few.settings.length).toBeGreaterThan(100 / 4);
    expect(few.rows).toBe(data.rows);
    const whole = new Map(data.settings.map((setting) => [JSON.stringify(setting.parameters), setting]));
    for (const setting of few.settings)
      expect(setting).toEqual(whole.get(JSON.stringify(setting.parameters)));
    expect(findingsOf(few).at(-1)).toMatch(new RegExp(`goes by one in ${few.thinned}, chosen at random\\.$`));
    const random = join(folder, 'random');
    await runSweep(
      { grid: { exogenousScale: { logRange: [0.5, 4] } }, latentDim: 3, random: 2000, seeds: 2 },
      { out: random },
    );
    const drawn = await readSweepData(random);
    expect(drawn.rows).toBe(4000);
    expect(drawn.settings).toHaveLength(16);
    expect(drawn.settings.every(({ seeds }) => seeds.length === 64)).toBe(true);
    expect(await sweepPage(random)).toHaveProperty('figures.leakage');
  });

  it('is refused where nothing can be told', async () => {
    await expect(readSweepData(folder)).rejects.toThrow(/expected the folder of a sweep/);
  });
});

describe("the README's sweep", () => {
  const readme = readFileSync('README.md', 'utf8');
  it('is the spec whose figure the README shows', async () => {
    const { parse } = await import('yaml');
    const spec = parse(/```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? '');
    const out = join(folder, 'readme');
    const { points } = await runSweep(spec, { out });
    expect(readme).toContain(`# ${points} exact points`);
    expect(existsSync('docs/sweep.svg') && readme.includes('(docs/sweep.svg)')).toBe(true);
    const { figures } = await sweepPage(out);
    expect(figures['phase-action-supervised']).toBe(readFileSync('docs/sweep.svg', 'utf8'));
  });
});

describe('the tutorial of a sweep', () => {
  const tutorial = readFileSync('docs/tutorials/sweep.md', 'utf8');
  const [question, sharper] = [...tutorial.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);

  it('asks what it says, and its specs run', async () => {
    const { parse } = await import('yaml');
    const spec = parse(question) as SweepSpec;
    expect(tutorial).toContain(`${pointsOf(readSpec(spec)).count} points`);
    const [tried, refined] = [join(folder, 'tried'), join(folder, 'refined')];
    // Seeds and transitions that leave the answer as it is, in a second.
    await runSweep({ ...spec, seeds: 2, samples: [1e5] }, { out: tried });
    const data = await readSweepData(tried);
    const [enough] = enoughOf(data);
    const least = (latentDim: number) =>
      enough.lines.find((line) => line.latentDim === latentDim)?.least ?? [];
    for (const { at, strength } of least(3))
      expect(strength).toBe(enough.tried.find((weight) => weight > at ** 2 - 1));
    for (const latentDim of [4, 8, 16])
      expect(least(latentDim).every((own) => own.strength === null)).toBe(true);
    expect(findingsOf(data).at(-1)).toMatch(
      /without figures: 112 unsupported \(no closed form: supervision with latentDim below/,
    );
    await runSweep(parse(sharper) as SweepSpec, { out: refined });
    expect(await sweepPage(refined)).toHaveProperty('figures.enough-action-supervised');
  });
});
