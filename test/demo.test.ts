import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { CAMERA, render } from '../examples/demo/camera.js';
import { type RecordedEpisode, record, SETTINGS } from '../examples/demo/record.js';
import { armOf, pendulumOf, views } from '../examples/demo/transitions.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const SHORT = { ...SETTINGS, episodes: 2, frames: 31 };

describe('the recording', () => {
  let episodes: RecordedEpisode[];
  beforeAll(async () => {
    episodes = await record(SHORT);
  });

  it('is the same bits for the same seed, and another recording for another', async () => {
    expect(await record(SHORT)).toEqual(episodes);
    const other = await record({ ...SHORT, seed: SHORT.seed + 1 });
    expect(other[0]?.arm).not.toEqual(episodes[0]?.arm);
    expect(other[0]?.swing).not.toEqual(episodes[0]?.swing);
  });

  it('has episodes of the asked size, each different from the others', () => {
    expect(episodes.length).toBe(2);
    for (const episode of episodes) {
      expect(episode.frames).toBe(31);
      expect(episode.action.length).toBe(31 * 2);
      expect(episode.arm.length).toBe(31 * 3 * 3);
      expect(episode.pendulum.length).toBe(31 * 3 * 3);
      expect(episode.swing.length).toBe(31 * 2);
    }
    expect(episodes[0]?.action).not.toEqual(episodes[1]?.action);
    expect(episodes[0]?.swing).not.toEqual(episodes[1]?.swing);
  });

  it('has an exogenous pendulum: neither knows of the other', async () => {
    const calm = await record({ ...SHORT, gust: 0 });
    expect(calm.map((e) => [e.arm, e.action])).toEqual(episodes.map((e) => [e.arm, e.action]));
    expect(calm[0]?.swing.every((angle) => angle === 0)).toBe(true);
    const still = await record({ ...SHORT, policyNoise: 0 });
    expect(still.map((e) => e.pendulum)).toEqual(episodes.map((e) => e.pendulum));
    expect(still[0]?.arm).not.toEqual(episodes[0]?.arm);
  });

  it('has an action that moves the arm: the hand goes where the joint speeds send it', () => {
    const { arm, action, frames } = episodes[0];
    const seconds = SETTINGS.stepsPerFrame * 0.01;
    const angle = (frame: number) => {
      const at = frame * 9;
      return Math.atan2(arm[at + 3] - arm[at], arm[at + 5] - arm[at + 2]);
    };
    let [error, moved] = [0, 0];
    for (let f = 0; f + 1 < frames; f++) {
      const turned = angle(f + 1) - angle(f);
      error += (turned - seconds * action[2 * f]) ** 2;
      moved += turned ** 2;
    }
    // The servo lags by some 15 ms (inertia over gain: 3 kg m^2 / 200 N m s) in steps of 100 ms, and white commands ask
    // for a new speed in each: about 2 (15 / 100)^2 = 4.5 % of the variance. Ten is half as much lag again.
    expect(error / moved).toBeLessThan(0.1);
  });

  it('has a pendulum that swings', () => {
    const swing = episodes[0].swing;
    const meanSquare = swing.reduce((sum, angle) => sum + angle * angle, 0) / swing.length;
    expect(Math.sqrt(meanSquare)).toBeGreaterThan(0.05);
    const { motion } = views(episodes);
    expect(motion.pendulum).toBeGreaterThan(0.1 * motion.arm);
  });
});

describe('the camera', () => {
  let episodes: RecordedEpisode[];
  beforeAll(async () => {
    episodes = await record(SHORT);
  });

  it('shows the arm bit for bit the same wherever the pendulum is not', () => {
    const episode = episodes[0];
    const [arm, pendulum] = [armOf(episode, 7), pendulumOf(episode, 7)];
    const [alone, behind, both] = [render([arm]), render([pendulum]), render([pendulum, arm])];
    let [clear, covered] = [0, 0];
    both.forEach((value, p) => {
      if (behind[p] === 0) {
        clear++;
        expect(value).toBe(alone[p]);
      } else if (value !== alone[p]) covered++;
    });
    expect(clear).toBeGreaterThan(both.length / 4);
    expect(covered).toBeGreaterThan(5);
  });

  it('gives 8-bit grey levels of its size', () => {
    const image = render([armOf(episodes[0], 0)]);
    expect(image.length).toBe(CAMERA.width * CAMERA.height);
    for (const value of image) {
      const level = Math.round(value * 255);
      expect(level >= 0 && level <= 255 && value === level / 255).toBe(true);
    }
  });

  it('is not linear: the picture of the middle is not the middle of the pictures', () => {
    const episode = episodes[0];
    const [a, b] = [armOf(episode, 0), armOf(episode, 9)];
    const middle = { ...a, points: a.points.map((v, i) => (v + b.points[i]) / 2) };
    const [first, second, between] = [render([a]), render([b]), render([middle])];
    const bend = between.map((v, p) => v - (first[p] + second[p]) / 2);
    expect(Math.max(...bend.map(Math.abs))).toBeGreaterThan(0.02);
  });

  it('gives transitions whose rows belong together', () => {
    const { arm, both } = views(episodes);
    const d = CAMERA.width * CAMERA.height;
    expect(both.count).toBe(60);
    expect([both.observationDim, both.actionDim, both.exogenousDim]).toEqual([d, 2, 9]);
    const row = (values: Float64Array | undefined, i: number) => values?.slice(i * d, (i + 1) * d);
    for (const i of [0, 12, 28, 30, 58]) {
      expect(row(both.observationNext, i)).toEqual(row(both.observation, i + 1));
    }
    // Rows 29 and 30 are of different episodes.
    expect(row(both.observationNext, 29)).not.toEqual(row(both.observation, 30));
    expect([both.episode[29], both.episode[30]]).toEqual([0, 1]);
    const second = episodes[1];
    expect(row(both.observation, 33)).toEqual(render([pendulumOf(second, 3), armOf(second, 3)]));
    expect(both.exogenous?.slice(33 * 9, 34 * 9)).toEqual(pendulumOf(second, 3).points);
    expect(both.exogenousNext?.slice(33 * 9, 34 * 9)).toEqual(pendulumOf(second, 4).points);
    expect(row(both.endogenousNext, 33)).toEqual(render([armOf(second, 4)]));
    expect(row(both.endogenousNext, 33)).toEqual(row(arm.observationNext, 33));
    expect(both.action?.slice(66, 68)).toEqual(second.action.slice(6, 8));
  });
});

describe('the command', () => {
  const demo = ['--import', 'tsx', 'examples/demo/main.ts'];

  it('prints the verdict, and writes a page that holds the same figures and needs nothing else', () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'exolam-demo-')), 'deep');
    const printed = execFileSync(process.execPath, [...demo, '--out', folder], {
      cwd: root,
      encoding: 'utf8',
    });
    const path = join(folder, 'index.html');
    expect(printed).toContain(path);
    expect(existsSync(`${path}.partial`)).toBe(false);

    // latent dimensions, arm alone, with pendulum, leakage, with labels, leakage
    const rows = printed
      .split('\n')
      .filter((line) => /^\d+ +[\d.]/.test(line))
      .map((line) => line.trim().split(/ {2,}/));
    expect(rows.length).toBe(12);
    const [two, four] = [rows[1], rows[3]].map((row) => row.map((cell) => Number.parseFloat(cell)));
    expect(four[1]).toBeLessThan(0.1);
    expect(four[2]).toBeGreaterThan(0.3);
    expect(four[3]).toBeGreaterThan(0.5);
    expect(two[4]).toBeLessThan(0.1);
    expect(two[5]).toBeLessThan(0.05);

    const page = readFileSync(path, 'utf8');
    for (const row of rows) for (const cell of row.slice(1, 4)) expect(page).toContain(`<td>${cell}</td>`);
    for (const line of printed
      .split('\n')
      .filter((l) => /^(Arm alone|Pendulum in view|With action labels)/.test(l)))
      expect(page).toContain(line);
    const figures = page.match(/<figure>[\s\S]*?<\/figure>/g) ?? [];
    expect(figures.length).toBe(6);
    for (const figure of figures) expect(figure).toMatch(/<svg [\s\S]*<\/svg>[\s\S]*<figcaption>[^<]{80,}/);
    // Five charts, three strips of six frames.
    expect(page.match(/<svg [^>]*aria-label/g)?.length).toBe(5 + 18);
    expect(page).not.toMatch(/<script|<link|<img|\ssrc=|@import|url\(["']?http/);
    expect(page).not.toMatch(/NaN|undefined/);
    expect(page).toContain('&#34;seed&#34;: 1');
    expect(page).toContain('arXiv:2605.20223');
  }, 240_000);

  it('answers a bad seed with one sentence', () => {
    const { status, stderr } = spawnSync(process.execPath, [...demo, '--seed=-3'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toBe('exolam: --seed: expected an integer of at least 0 but received "-3"\n');
  });

  it('answers an unknown option with one sentence', () => {
    const { status, stderr } = spawnSync(process.execPath, [...demo, '--sed', '3'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^exolam: [^\n]*--sed[^\n]*\n$/);
  });
});
