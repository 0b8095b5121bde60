import { execFile, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { referenceBackend } from '../../lib/backend/reference/index.js';
import { defaultBackend } from '../../lib/backend/select.js';
import { openData } from '../../lib/data/open.js';
import { writeSamples } from '../../lib/data/write/samples.js';
import { analysisPage } from '../../lib/report/analysis.js';
import { readAnalysis } from '../../lib/report/read.js';
import {
  readReproduction,
  reproductionPage,
  resultsJson,
  writeReproduction,
} from '../../lib/reproduce/index.js';
import { suppression } from '../../lib/reproduce/remedies.js';
import { type Reproduction, reproduce, STUDIES } from '../../lib/reproduce/reproduce.js';
import { cellsOf, reproduceSpec } from '../../lib/reproduce/spec.js';
import { need } from '../../lib/reproduce/study.js';
import { csv, type Row, rowsOf, spread, type Table, tableOf } from '../../lib/reproduce/table.js';
import type { ObjectiveSpec } from '../../lib/solve/objectives.js';
import { solveBatch } from '../../lib/solve/population.js';
import { analyze } from '../../lib/verdict/analyze.js';
import type { WorldSpec } from '../../lib/world/world.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'exolam-reproduce-'));
let done: Reproduction;
const rows = (table: string): Row[] => rowsOf(need(done.tables, table));
const num = (row: Row, name: string): number => row[name] as number;

beforeAll(async () => {
  done = await reproduce({ quick: true, seed: 3 });
});

/** Runs the command line as built. */
function exolam(
  args: string[],
  nodeArgs: string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [...nodeArgs, join(root, 'dist/cli.mjs'), ...args],
      { cwd: root, maxBuffer: 1 << 28 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

// alpha = policyNoise = 1; three action and four exogenous directions; k = 3. Formulas written out again on purpose.
describe('what is measured', () => {
  it.each([
    ['phase-representation', (ratio: number, gain: number) => gain ** 2 * ratio > 1],
    ['phase-action-supervised', (ratio: number, weight: number) => ratio > 1 + weight],
    ['phase-exogenous-robust', (ratio: number, penalty: number) => ratio / (1 + 2 * penalty) > 1],
  ])(
    '%s: without overlap a cell leaks all or nothing, as theory says; with overlap leakage is monotone',
    (name, leaks) => {
      const exact = rows(name).filter((row) => row['mixing'] === 'orthonormal');
      expect(exact.length).toBe(99);
      for (const row of exact) {
        const expected = leaks(num(row, 'ratio'), num(row, 'strength')) ? 3 / 4 : 0;
        expect(num(row, 'futureLeakage'), JSON.stringify(row)).toBeCloseTo(expected, 8);
      }
      const overlapping = rows(name).filter((row) => row['mixing'] === 'gaussian');
      expect(overlapping.length).toBe(99);
      // More exogenous motion never leaks less, more of the remedy never leaks more.
      const sign = name === 'phase-representation' ? 1 : -1;
      const near = (row: Row, axis: string, other: string) =>
        overlapping
          .filter((r) => r[other] === row[other] && num(r, axis) > num(row, axis))
          .sort((a, b) => num(a, axis) - num(b, axis))[0];
      for (const row of overlapping) {
        const [further, stronger] = [near(row, 'ratio', 'strength'), near(row, 'strength', 'ratio')];
        const own = num(row, 'futureLeakage');
        if (further) expect(num(further, 'futureLeakage')).toBeGreaterThan(own - 1e-9);
        if (stronger) expect(sign * (num(stronger, 'futureLeakage') - own)).toBeGreaterThan(-1e-9);
      }
    },
  );

  it('scale: each remedy holds up to its own exogenous scale, cross-exogenous reconstruction always', () => {
    const { gain, weight, penalty } = done.spec.strengths;
    const limits: Record<string, number> = {
      reconstruction: 1,
      representation: 1 / gain,
      'action-supervised': Math.sqrt(1 + weight),
      'exogenous-robust': Math.sqrt(1 + 2 * penalty),
      'cross-exogenous': Number.POSITIVE_INFINITY,
    };
    const all = rows('scale');
    expect(all.length).toBe(2 * 5 * 12 * 4);
    for (const row of all.filter((r) => r['mixing'] === 'orthonormal')) {
      const leaks = num(row, 'exogenousScale') > limits[row['remedy'] as string];
      expect(num(row, 'futureLeakage'), JSON.stringify(row)).toBeCloseTo(leaks ? 0.75 : 0, 8);
      expect(num(row, 'actionError'), JSON.stringify(row)).toBeCloseTo(leaks ? 1 : 0, 8);
    }
    for (const row of all.filter((r) => r['remedy'] === 'cross-exogenous')) {
      expect(Math.abs(num(row, 'futureLeakage'))).toBeLessThan(1e-12);
    }
    const means = spread(all, ['mixing', 'remedy', 'exogenousScale'], ['futureLeakage']);
    const plain = means.filter((r) => r['mixing'] === 'gaussian' && r['remedy'] === 'reconstruction');
    plain.slice(1).forEach((row, i) => {
      expect(num(row, 'futureLeakage')).toBeGreaterThan(num(plain[i], 'futureLeakage'));
    });
  });

  it('spectrum: the variances of the innovation, each mode with its owner', () => {
    const strong = rows('spectrum').filter((r) => r['mixing'] === 'orthonormal' && r['exogenousScale'] === 2);
    expect(strong.map((r) => Math.round(1e9 * num(r, 'eigenvalue')) / 1e9)).toEqual([4, 4, 4, 4, 1, 1, 1]);
    expect(strong.map((r) => Math.round(num(r, 'exogenousShare')))).toEqual([1, 1, 1, 1, 0, 0, 0]);
    expect(strong.map((r) => Math.round(1e9 * num(r, 'loss')) / 1e9)).toEqual([15, 11, 7, 3, 2, 1, 0]);
  });

  it('samples: the share of leaks is the predicted probability within chance, and goes to 0 and to 1', () => {
    for (const row of rows('samples')) {
      const p = num(row, 'predicted');
      const deviation = Math.sqrt(Math.max(p * (1 - p), 1 / num(row, 'fits')) / num(row, 'fits'));
      // Five standard deviations: a false alarm in a million.
      expect(Math.abs(num(row, 'leakProbability') - p), JSON.stringify(row)).toBeLessThan(5 * deviation);
    }
    const last = rows('samples-large').filter((r) => r['transitions'] === 2048);
    for (const row of last) {
      if (num(row, 'ratio') < 0.6) expect(num(row, 'futureLeakage')).toBeLessThan(0.02);
      if (num(row, 'ratio') > 1.9) expect(num(row, 'futureLeakage')).toBeGreaterThan(0.74);
    }
  });

  it('order: descent follows the predicted curves, the exogenous first', () => {
    for (const row of rows('order')) {
      // Descent with steps of 1 % of a time constant trails the flow by about as much.
      expect(Math.abs(num(row, 'action') - num(row, 'actionPredicted'))).toBeLessThan(0.03);
      expect(Math.abs(num(row, 'exogenous') - num(row, 'exogenousPredicted'))).toBeLessThan(0.03);
    }
    expect(Math.max(...rows('order').map((r) => num(r, 'exogenous') - num(r, 'action')))).toBeGreaterThan(
      0.9,
    );
    for (const row of rows('order-modes'))
      expect(num(row, 'halfTime') / num(row, 'predicted')).toBeCloseTo(1, 3);
  });

  it('every statement is there and holds', () => {
    const all = rows('statements');
    expect(all.map((r) => r['statement'])).toEqual(Array.from({ length: 11 }, (_, i) => `T${i + 1}`));
    expect(all.filter((r) => r['verdict'] !== 'holds')).toEqual([]);
  });

  it('does not depend on the number of threads', async () => {
    const study = STUDIES.find(({ name }) => name === 'consistency');
    const run = { spec: done.spec, backend: defaultBackend(), advance: () => {} };
    const [one, two] = [
      await study?.measure({ ...run, threads: 1 }),
      await study?.measure({ ...run, threads: 2 }),
    ];
    expect(one).toEqual(two);
    expect(one).toEqual([need(done.tables, 'consistency')]);
  });

  it('reports progress to the end, and stops where asked', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const onProgress = (at: number, total: number) => {
      seen.push(at / total);
      if (at / total > 0.02) stop.abort();
    };
    await expect(reproduce({ quick: true, signal: stop.signal, onProgress })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
    expect(seen.at(-1)).toBeLessThan(0.5);
  });
});

describe('grids', () => {
  it.each([true, false])('avoid every tie of the theory (quick: %s)', (quick) => {
    const spec = reproduceSpec({ quick });
    const ties = [
      1,
      1 / spec.strengths.gain,
      Math.sqrt(1 + spec.strengths.weight),
      Math.sqrt(1 + 2 * spec.strengths.penalty),
    ];
    for (const scale of spec.exogenousScales)
      for (const tie of ties) expect(Math.abs(scale / tie - 1)).toBeGreaterThan(0.01);
    for (const ratio of [...spec.samples.ratios, ...spec.samples.largeRatios]) expect(ratio).not.toBe(1);
  });

  // Written out again: where alpha = 1 equals what beta becomes under the remedy.
  const tie = {
    gain: (level: number) => 1 / level ** 2,
    weight: (level: number) => 1 + level,
    penalty: (level: number) => 1 + 2 * level,
  } as const;

  it.each([true, false])('of phase diagrams have no centre on a tie (quick: %s)', (quick) => {
    const { phase } = reproduceSpec({ quick });
    const ratios = cellsOf(phase.ratio).map(({ middle }) => middle);
    for (const ratio of ratios) expect(Math.abs(ratio - 1)).toBeGreaterThan(0.01);
    for (const [name, ratioAt] of Object.entries(tie))
      for (const { middle } of cellsOf(phase[name as keyof typeof tie]))
        for (const ratio of ratios) expect(Math.abs(ratio / ratioAt(middle) - 1)).toBeGreaterThan(1e-4);
  });

  it.each([
    ['phase-representation', 'gain', (ratio: number, level: number) => ratio > tie.gain(level)],
    ['phase-action-supervised', 'weight', (ratio: number, level: number) => ratio > tie.weight(level)],
    ['phase-exogenous-robust', 'penalty', (ratio: number, level: number) => ratio > tie.penalty(level)],
  ] as const)(
    'of %s have 10,000 cells, every one all or nothing without overlap',
    async (name, edges, leaks) => {
      const full = reproduceSpec();
      const spec = { ...full, phase: { ...full.phase, worlds: 1 } };
      const study = STUDIES.find((s) => s.name === name);
      const [table] = (await study?.measure({ spec, backend: defaultBackend(), advance: () => {} })) ?? [];
      const exact = rowsOf(table as Table).filter((row) => row['mixing'] === 'orthonormal');
      expect(exact).toHaveLength(100 * 100);
      expect(spec.phase.ratio.cells * spec.phase[edges].cells).toBe(exact.length);
      const wrong = exact.filter((row) => {
        const expected = leaks(num(row, 'ratio'), num(row, 'strength')) ? 3 / 4 : 0;
        return Math.abs(num(row, 'futureLeakage') - expected) > 1e-8;
      });
      expect(wrong).toEqual([]);
    },
  );

  it('are solved in columns as one by one by the reference', async () => {
    const { world, seed, latentDim, phase } = done.spec;
    const of = (name: string, objectiveOf: (strength: number, setting: WorldSpec) => ObjectiveSpec) =>
      rows(name)
        .filter((row, i) => row['mixing'] === 'gaussian' && i % 17 === 0)
        .map((row) => {
          const cases = Array.from({ length: phase.worlds }, (_, i) => {
            const exogenousScale = Math.sqrt(num(row, 'ratio'));
            const setting = { ...world, mixing: 'gaussian' as const, exogenousScale, seed: seed + i };
            return { world: setting, objective: objectiveOf(num(row, 'strength'), setting), latentDim };
          });
          return { row, cases };
        });
    const asked = [
      ...of('phase-action-supervised', (weight) => ({ kind: 'action-supervised', weight })),
      ...of('phase-exogenous-robust', (weight) => ({ kind: 'exogenous-robust', weight })),
      ...of('phase-representation', (gain, setting) => ({
        kind: 'representation',
        projection: suppression(setting, gain),
      })),
    ];
    expect(asked.length).toBeGreaterThan(12);
    const solutions = await solveBatch(
      asked.flatMap(({ cases }) => cases),
      { backend: referenceBackend },
    );
    for (const [n, { row }] of asked.entries()) {
      const leaks = solutions
        .slice(n * phase.worlds, (n + 1) * phase.worlds)
        .map(({ metrics }) => metrics.futureLeakage as number);
      expect(num(row, 'futureLeakage'), JSON.stringify(row)).toBeCloseTo(
        leaks.reduce((x, y) => x + y, 0) / phase.worlds,
        9,
      );
      expect(num(row, 'least')).toBeCloseTo(Math.min(...leaks), 9);
      expect(num(row, 'greatest')).toBeCloseTo(Math.max(...leaks), 9);
    }
  });
});

describe('tables', () => {
  it('are CSV that quotes what needs it, with every digit', () => {
    const table = tableOf('t', 'a table', { who: ['name'], value: ['a number', 'm'] }, [
      { who: 'a, "b"', value: 0.1 + 0.2 },
      { who: 'c', value: Number.POSITIVE_INFINITY },
    ]);
    expect(csv(table)).toBe('who,value\n"a, ""b""",0.30000000000000004\nc,Infinity\n');
  });

  it('give mean, least and greatest of each group', () => {
    const [first] = spread(
      [
        { k: 'a', v: 1 },
        { k: 'a', v: 4 },
        { k: 'b', v: 9 },
      ],
      ['k'],
      ['v'],
    );
    expect(first).toEqual({ k: 'a', v: 2.5, vLeast: 1, vGreatest: 4 });
  });
});

/** Fails on a tag that is not closed in order: what an XML reader would refuse. */
function expectWellFormed(xml: string): void {
  const open: string[] = [];
  for (const [, close, name, self] of xml.matchAll(/<(\/?)([a-zA-Z][\w:-]*)[^<>]*?(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name);
    else if (!self) open.push(name);
  }
  expect(open).toEqual([]);
  expect(xml.replaceAll(/<[^<>]*>/g, '')).not.toMatch(/[<>]|&(?!#\d+;|\w+;)/);
}

/** Nothing that a browser would fetch or run. */
function expectSelfContained(html: string): void {
  expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\ssrc=|\shref=(?!"#)|javascript:/i);
  expect(html.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:/);
}

function idsOf(html: string): string[] {
  return [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
}

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** Measures a page in a frame of a telephone's width and in one of a desk's. */
function measured(html: string): {
  width: number;
  scroll: number;
  tables: number[];
  svgs: { width: number; height: number; text: number }[];
}[] {
  const page = html.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  const frames = [390, 1200].map(
    (w) => `<iframe style="width:${w}px;height:4000px;border:0" srcdoc="${page}"></iframe>`,
  );
  const script = `addEventListener('load', () => {
    const out = [...document.querySelectorAll('iframe')].map((f) => {
      const d = f.contentDocument;
      const svgs = [...d.querySelectorAll('figure svg[role=img]')].map((s) => {
        const box = s.getBoundingClientRect();
        const label = s.querySelector('text');
        return { width: box.width, height: box.height, text: label ? label.getBoundingClientRect().height : 0 };
      });
      d.querySelectorAll('details').forEach((e) => { e.open = true; });
      const tables = [...d.querySelectorAll('.scroll')].map((t) => t.scrollWidth - t.clientWidth);
      return { width: f.contentWindow.innerWidth, tables, scroll: d.documentElement.scrollWidth, svgs };
    });
    document.body.innerHTML = ''; document.title = JSON.stringify({ out, errors: window.failed });
  });`;
  const wrapper = join(folder, 'frames.html');
  const head = `<!doctype html><meta charset="utf-8"><script>window.failed=[];addEventListener('error',(e)=>failed.push(e.message));${script}</script>`;
  writeFileSync(wrapper, `${head}<body>${frames.join('')}</body>`);
  const profile = mkdtempSync(join(folder, 'profile-'));
  const flags =
    '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync --window-size=1600,1200';
  const { stdout } = spawnSync(
    chromium as string,
    [...flags.split(' '), `--user-data-dir=${profile}`, '--dump-dom', pathToFileURL(wrapper).href],
    { encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28 },
  );
  rmSync(profile, { recursive: true, force: true });
  const title = /<title>(.*?)<\/title>/s.exec(stdout)?.[1] ?? '';
  const { out, errors } = JSON.parse(title.replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
  expect(errors).toEqual([]);
  return out;
}

function expectReadable(html: string, drawings: number): void {
  const [phone, desk] = measured(html) as [ReturnType<typeof measured>[0], ReturnType<typeof measured>[0]];
  expect(phone.width).toBe(390);
  for (const frame of [phone, desk]) {
    expect(frame.scroll).toBeLessThanOrEqual(frame.width);
    expect(frame.svgs.length).toBe(drawings);
    for (const svg of frame.svgs) {
      expect(svg.width).toBeGreaterThan(300);
      expect(svg.height).toBeGreaterThan(150);
      // Labels of the axes, in CSS pixels.
      expect(svg.text).toBeGreaterThan(9);
    }
  }
}

describe('the page of a reproduction', () => {
  let html: string;
  let figures: Readonly<Record<string, string>>;
  beforeAll(async () => {
    ({ html, figures } = await reproductionPage(done));
  });

  it('is self-contained, with every figure, its caption and its key, light and dark', () => {
    expectSelfContained(html);
    const ids = idsOf(html);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(Object.keys(figures)));
    expect(Object.keys(figures).length).toBe(13);
    expect(html.match(/<figcaption>[^<]{80,}<\/figcaption>/g)?.length).toBe(13);
    expect(html.match(/<ul class="key"><li>/g)?.length).toBe(13);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html).not.toMatch(/undefined|NaN|\[object/);
  });

  it('says which statement serves which claim, and whose the claims are', () => {
    for (const claim of ['C1', 'C2', 'C3', 'C4']) expect(html).toContain(`<h2>Claim ${claim}</h2>`);
    for (const study of STUDIES)
      expect(html).toContain(
        study.theorems.length > 0
          ? `${study.theorems.join(', ')} → ${study.claims.join(', ')}`
          : `>${study.claims.join(', ')}<`,
      );
    expect(html).toContain('only the abstract was at hand');
    expect(html).toContain('exolam&#39;s own formalisation'.replace('&#39;', "'"));
    expect(html).toContain('exolam reproduce --out DIR --seed 3 --quick');
    for (const sentence of Object.values(done.readings)) expect(sentence.length).toBeGreaterThan(20);
  });

  it('has figures that stand alone: well-formed, sized, with their colours', () => {
    for (const svg of Object.values(figures)) {
      expectWellFormed(svg);
      expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" width="\d+" height="\d+"/);
      expect(svg).toContain('--text:');
      const ids = idsOf(svg);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });

  it('is the same from saved results', async () => {
    const saved = readReproduction(JSON.parse(resultsJson(done)), 'results.json');
    expect(saved.tables['scale']).toEqual(done.tables['scale']);
    expect((await reproductionPage(saved)).html).toBe(html);
  });

  it.skipIf(!chromium)('shows every figure at a readable size on a telephone and on a desk', () => {
    expectReadable(html, 28);
  });

  it.skipIf(!chromium)('has tables that need no scrolling on a telephone', () => {
    const [phone] = measured(html);
    expect(phone.tables).toEqual([0, 0, 0, 0]);
  });

  it('answers first, then says what follows, then shows it', () => {
    const places = done.claims.map(({ claim, verdict, sentence }) => {
      // Three worlds and a few hundred steps are not enough for C4 to be sure.
      expect(claim === 'C4' ? ['holds', 'cannot tell'] : ['holds']).toContain(verdict);
      const said = verdict === 'holds' ? 'holds' : 'is open: this page cannot tell';
      expect(html).toContain(`<strong>${claim} ${said}.</strong>`);
      return html.indexOf(sentence);
    });
    expect(places).toHaveLength(4);
    const contents = html.indexOf('<ul class="contents">');
    for (const place of places) expect(place > 0 && place < contents).toBe(true);
    expect(contents).toBeLessThan(html.indexOf('<figure'));
    const links = [...html.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    expect(links.length).toBe(11);
    for (const id of links) expect(html).toContain(`<section id="${id}"><h2>`);
  });

  it('says of the claims what the table of remedies says', () => {
    const nearest = Math.min(...done.spec.exogenousScales.map((scale) => Math.abs(scale - 2)));
    const told = rows('scale').filter(
      (row) => row['mixing'] === 'gaussian' && Math.abs(num(row, 'exogenousScale') - 2) === nearest,
    );
    const mean = (remedy: string, metric: string) => {
      const values = told.filter((row) => row['remedy'] === remedy).map((row) => num(row, metric));
      expect(values).toHaveLength(done.spec.worlds);
      return values.reduce((a, b) => a + b, 0) / values.length;
    };
    const plain = mean('reconstruction', 'futureLeakage');
    const [c1, c2, c3] = done.claims;
    expect(c1.value).toBeCloseTo(plain, 12);
    expect(c2.value).toBeCloseTo(plain - mean('representation', 'futureLeakage'), 12);
    const least = ['action-supervised', 'exogenous-robust', 'cross-exogenous'].map(
      (id) => mean('reconstruction', 'consistencyError') - mean(id, 'consistencyError'),
    );
    expect(c3.value).toBeCloseTo(Math.min(...least), 12);
  });
});

describe('the sentences', () => {
  it('of samples count the fits of the table', () => {
    const { ratios, counts, fits } = done.spec.samples;
    const most = counts.at(-1);
    const leaking = (ratio: number | undefined) => {
      const row = rows('samples').find((r) => r['ratio'] === ratio && r['transitions'] === most);
      return Math.round(num(row as Row, 'leakProbability') * fits);
    };
    expect(done.readings['samples']).toContain(
      `Of ${fits} fits on ${most} transitions each, ${leaking(ratios[0])} leak for β = ${ratios[0]} α and ${leaking(ratios.at(-1))} for`,
    );
  });

  it('of the order of learning tell times at which the measured curves of the table pass one half', () => {
    const [exogenous, action] = [...(done.readings['order'] ?? '').matchAll(/time ([\d.]+)|by ([\d.]+) \(/g)]
      .map((m) => Number(m[1] ?? m[2]))
      .filter((v) => !Number.isNaN(v));
    for (const [name, time] of [
      ['exogenous', exogenous],
      ['action', action],
    ] as const) {
      const before = rows('order').filter((row) => num(row, 'time') < time - 0.006);
      const after = rows('order').filter((row) => num(row, 'time') > time + 0.006);
      expect(num(before.at(-1) as Row, name), name).toBeLessThan(0.5);
      expect(num(after[0], name), name).toBeGreaterThan(0.5);
    }
  });

  it('follow their tables: other numbers, other sentences', () => {
    const noisy = rows('sensor').map(
      (row): Row => ({ ...row, futureLeakage: num(row, 'futureLeakage') + 0.01 }),
    );
    const { columns, ...about } = need(done.tables, 'sensor');
    const changed = { ...about, columns, rows: noisy.map((row) => columns.map(({ name }) => row[name])) };
    const study = STUDIES.find(({ name }) => name === 'sensor');
    const said = (table: Table) => study?.read({ ...done.tables, sensor: table }, done.spec).sentence ?? '';
    expect(said(need(done.tables, 'sensor'))).toMatch(/\(rounding\).*\(rounding\).*power 4\.00 .*as 2\.00\./);
    expect(said(changed as Table)).not.toMatch(/rounding|power 4\.00/);
  });
});

describe('saved results', () => {
  it('are written whole, and leave what else is in the folder', async () => {
    const out = join(folder, 'whole');
    mkdirSync(out);
    writeFileSync(join(out, 'notes.txt'), 'mine');
    const files = await writeReproduction(out, done);
    expect(files).toEqual(
      expect.arrayContaining(['results.json', 'index.html', 'tables/scale.csv', 'figures/scale.svg']),
    );
    for (const file of files) expect(statSync(join(out, file)).size).toBeGreaterThan(100);
    expect(readdirSync(out).sort()).toEqual(['figures', 'index.html', 'notes.txt', 'results.json', 'tables']);
    const { spec, versions, readings } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
    expect(spec).toEqual(JSON.parse(JSON.stringify(done.spec)));
    expect(spec.seed).toBe(3);
    expect(versions).toEqual(done.versions);
    expect(readings).toEqual(done.readings);
    const lines = readFileSync(join(out, 'tables/scale.csv'), 'utf8').trim().split('\n');
    expect(lines.length).toBe(1 + need(done.tables, 'scale').rows.length);
  });

  it.each([
    [
      'an older format',
      (r: Record<string, unknown>) => ({ ...r, formatVersion: 0 }),
      /expected formatVersion 1/,
    ],
    ['no spec', (r: Record<string, unknown>) => ({ ...r, spec: undefined }), /expected an object for spec/],
    [
      'a spec with a list of words',
      (r: Record<string, unknown>) => ({ ...r, spec: { ...(r['spec'] as object), exogenousScales: ['a'] } }),
      /expected a number for spec.exogenousScales\[0\]/,
    ],
    [
      'a half specification of data',
      (r: Record<string, unknown>) => ({ ...r, spec: { ...(r['spec'] as object), real: { data: {} } } }),
      /expected a string for spec.real.data.path/,
    ],
    [
      'a ragged table',
      (r: Record<string, unknown>) => ({
        ...r,
        tables: { ...(r['tables'] as object), scale: { columns: [{ name: 'a' }], rows: [[1, 2]] } },
      }),
      /expected tables.scale to have rows as wide as its columns/,
    ],
  ])('with %s are refused in one sentence', (_, change, says) => {
    const saved = JSON.parse(resultsJson(done));
    expect(() => readReproduction(change(saved), 'results.json')).toThrow(says);
  });

  it('without a table that a figure needs are refused', async () => {
    const { scale: _, ...tables } = done.tables;
    await expect(reproductionPage({ ...done, tables })).rejects.toThrow('expected a table "scale"');
  });
});

describe('the page of an analysis', () => {
  it('shows verdict, figures and numbers', async () => {
    const data = join(folder, 'data.npz');
    await writeSamples({ exogenousScale: 2, observationDim: 12, mixing: 'gaussian' }, data, {
      samples: 2000,
      pairs: true,
    });
    const analysis = await analyze(await openData(data), { latentDims: [1, 2, 3, 4, 5] });
    const saved = JSON.parse(JSON.stringify(analysis));
    const html = await analysisPage(readAnalysis(saved, 'analysis.json'), 'analysis.json');
    expectSelfContained(html);
    expect(html).toContain(analysis.verdict.sentence);
    for (const line of analysis.verdict.evidence) expect(html).toContain(line);
    expect(html.indexOf(analysis.verdict.sentence)).toBeLessThan(html.indexOf('<figure'));
    expect(html.indexOf('<h2>What z is made of</h2>')).toBeLessThan(html.indexOf('<h2>What z holds</h2>'));
    for (const text of ['cross-exogenous', 'exogenous-robust', 'weight '])
      expect(html.slice(html.indexOf('<h2>What remedies would do'))).toContain(text);
    for (const name of html.matchAll(/<a href="#([a-z-]+)"/g))
      expect(html).toContain(`<section id="${name[1]}">`);
    expect(html).not.toMatch(/undefined|NaN|\[object/);
    if (chromium) expectReadable(html, 8);
    // What cannot be measured is left out of figures and named in tables.
    saved.latent[0].metrics.futureLeakage = {
      ...saved.latent[0].metrics.futureLeakage,
      value: null,
      low: null,
      high: null,
      reason: 'too uncertain',
    };
    const gap = await analysisPage(readAnalysis(saved, 'analysis.json'), 'a');
    expect(gap).toContain('<td>not measurable</td>');
    expect(gap).toContain('futureLeakage is not measurable at some latent dimensions: too uncertain');
  });

  it('refuses what no analysis is', () => {
    expect(() => readAnalysis({ latent: [], verdict: {} }, 'a.json')).toThrow(
      'a.json: expected the JSON of exolam analyze, but its source is missing',
    );
  });
});

describe('the commands', () => {
  async function expectRefused(args: string[], says: RegExp, nodeArgs: string[] = []): Promise<void> {
    const { code, stdout, stderr } = await exolam(args, nodeArgs);
    expect(stderr.trim().split('\n'), stderr).toHaveLength(1);
    expect(stderr).toMatch(says);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  }

  it('report draws a folder of saved results again', async () => {
    const out = join(folder, 'again');
    mkdirSync(out);
    writeFileSync(join(out, 'results.json'), resultsJson(done));
    const { code, stdout, stderr } = await exolam(['report', out]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toBe(`${join(out, 'index.html')}\n`);
    expect(readFileSync(join(out, 'index.html'), 'utf8')).toContain('<h2>Claim C2</h2>');
    const page = join(folder, 'elsewhere', 'page.html');
    expect((await exolam(['report', join(out, 'results.json'), '--out', page])).stdout).toBe(`${page}\n`);
    expect(readFileSync(page, 'utf8')).toBe(readFileSync(join(out, 'index.html'), 'utf8'));
  });

  it('refuse what they cannot use, in one sentence', async () => {
    const file = join(folder, 'other.json');
    writeFileSync(file, '{"loss": 1}');
    await expectRefused(
      ['report', join(folder, 'nowhere')],
      /no such file or folder; expected a folder with results.json/,
    );
    await expectRefused(['report', mkdtempSync(join(folder, 'empty-'))], /but it holds none of them/);
    await expectRefused(['report', file], /this JSON is none of these/);
    await expectRefused(['reproduce'], /--out/);
    await expectRefused(
      ['reproduce', '--out', join(file, 'dir')],
      /expected a folder that can be written to.*ENOTDIR/,
    );
    await expectRefused(['reproduce', '--out', folder, '--seed', 'x'], /expected an integer/);
  });

  it('say what to install where the figures cannot be drawn, before any work', async () => {
    const hooks =
      "export const resolve = (s, c, next) => { if (s.startsWith('vega')) throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' }); return next(s, c); }";
    const file = join(folder, 'hooks.mjs');
    writeFileSync(file, hooks);
    const register = `import { register } from 'node:module'; register(${JSON.stringify(pathToFileURL(file).href)});`;
    const out = join(folder, 'without');
    const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(register)}`];
    await expectRefused(['reproduce', '--out', out], /npm install vega/, nodeArgs);
    await expectRefused(['report', folder], /npm install vega/, nodeArgs);
    expect(existsSync(out)).toBe(false);
  });
});
