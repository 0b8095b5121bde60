import { describe, expect, it } from 'vitest';
import { render } from '../../lib/cli/analysis-table.js';
import type { Transitions } from '../../lib/data/transitions.js';
import { analysisPage } from '../../lib/report/analysis.js';
import { analyze } from '../../lib/verdict/analyze.js';
import { type LabelPoint, labelCurve } from '../../lib/verdict/label-curve.js';
import { enoughLabels } from '../../lib/verdict/labels.js';
import { enoughOf, spreadOf } from '../../lib/verdict/table-words.js';
import type { WorldSpec } from '../../lib/world/world.js';
import { native } from '../support/backends.js';
import { transitionsOf } from '../support/transitions.js';

const leaky: WorldSpec = {
  observationDim: 6,
  endogenousDim: 2,
  exogenousDim: 2,
  actionDim: 2,
  mixing: 'gaussian',
  exogenousScale: 2,
  sensorNoise: 0.02,
  seed: 1,
};

async function inEpisodes(count: number, episodes: number): Promise<Transitions> {
  const t = await transitionsOf(leaky, count);
  return { ...t, episode: Int32Array.from({ length: count }, (_, i) => Math.floor((i * episodes) / count)) };
}

describe('the labels of an analysis', () => {
  it('are the curve of labelCurve on the same folds, at the latent dimension of the verdict', async () => {
    const t = await inEpisodes(600, 12);
    const a = await analyze(t, { latentDims: [1, 2, 3], backend: native });
    const { labels } = a;
    if (!labels) throw new Error('no labels');
    const [weight] = a.latent.flatMap(({ objective: o }) =>
      o.kind === 'action-supervised' ? [o.weight] : [],
    );
    expect(labels.latentDim).toBe(a.verdict.latentDim);
    expect(labels).toEqual(
      await labelCurve(t, { latentDim: 2, weight: weight as number, folds: a.folds, backend: native }),
    );
    // With every label it is the supervised objective: the same leakage, but for another ridge.
    const supervised = a.latent.find((r) => r.objective.kind === 'action-supervised' && r.latentDim === 2);
    expect(labels.transitions.at(-1)?.leakage?.mean).toBeCloseTo(
      supervised?.metrics.innovationLeakage?.value as number,
      2,
    );
    const [text, page] = [render(a), await analysisPage(a, 'here')];
    for (const point of [...labels.transitions, ...labels.episodes])
      for (const written of [text, page]) expect(written).toContain(spreadOf(point.leakage, null));
    expect(page).toContain('href="#how-many-labels-would-do"');
  });

  it('are left out where remedies are, where there are no actions, and where z is as wide as the observation', async () => {
    const t = await inEpisodes(200, 10);
    const ask = async (data: Transitions, latentDim: number, remedies = true) =>
      analyze(data, { latentDims: [latentDim], remedies, backend: native });
    expect((await ask(t, 2, false)).labels).toBeNull();
    const { action: _, ...silent } = t;
    expect((await ask({ ...silent, actionDim: 0 }, 2)).labels).toBeNull();
    const whole = await ask(t, 6);
    expect(whole.labels).toBeNull();
    expect(whole.notes.join()).toContain('labels change nothing at latentDim 6');
    expect(render(whole)).not.toContain('labelled');
  });

  it('tell no leakage where nothing is new in the exogenous state, as the table beside them', async () => {
    const t = await inEpisodes(300, 10);
    const still = { ...t, exogenousNext: t.exogenous as Float64Array };
    const a = await analyze(still, { latentDims: [2], backend: native });
    expect(a.latent[0].metrics.innovationLeakage?.reason).toBe('nothing is left to explain');
    for (const point of [...(a.labels?.transitions ?? []), ...(a.labels?.episodes ?? [])])
      expect(point).toMatchObject({ leakage: null, reasons: { leakage: 'nothing is left to explain' } });
    expect(render(a)).toContain('cannot be told: leakage is not measurable (nothing is left to explain)');
    expect(render(a)).not.toContain('z leaks less');
  });

  it('speak of the action alone where the exogenous state is not known', async () => {
    const { exogenous: _, exogenousNext: __, ...t } = await inEpisodes(300, 10);
    const a = await analyze({ ...t, exogenousDim: 0 }, { latentDims: [2], backend: native });
    expect(a.labels?.metric).toBeNull();
    expect(a.labels?.transitions.at(-1)?.actionError?.mean).toBeLessThan(0.1);
    expect(render(a)).not.toContain('z leaks less');
  });
});

it('what cannot be measured is said to be, and is no number of labels that would do', async () => {
  // More coordinates than transitions, without a ridge: the probes fit what they are trained on.
  const t = await transitionsOf({ ...leaky, observationDim: 60, sensorNoise: 0.5 }, 60);
  const curve = await labelCurve(t, { latentDim: 2, weight: 10, draws: 2, ridge: 1e-6, backend: native });
  for (const point of curve.transitions) {
    expect(point.actionError).toBeNull();
    expect(point.leakage).toBeNull();
    expect(spreadOf(point.leakage, point.reasons.leakage)).toMatch(
      /^not measurable \((worse than without the latent|what was fitted does not carry over)\)$/,
    );
  }
  const told = enoughOf(curve, 0.1);
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(
    /^whether a number of labelled transitions brings .* cannot be told: leakage is not measurable \(.*\), the action error is not/,
  );
  // A measured failure is one, whatever else is not measurable.
  const point = curve.transitions[0];
  const leaking = { ...point, leakage: { mean: 0.5, low: 0.4, high: 0.6 } };
  expect(enoughOf({ ...curve, transitions: [leaking] }, 0.1)[0]).toMatch(
    /^no number of labelled transitions/,
  );
  // Below 1 is something, and may be next to nothing: how much stands beside it.
  const faint = {
    ...leaking,
    leakage: { mean: 0, low: 0, high: 0 },
    actionError: { mean: 0.994, low: 0.99, high: 0.998 },
  };
  expect(enoughOf({ ...curve, transitions: [faint] }, 0.1)[0]).toMatch(
    /knows something of the action in 95 of 100 draws; action error with these: 0\.994 \(0\.990 to 0\.998\)$/,
  );
  const wide = enoughOf({ ...curve, exogenousDim: 40 }, 0.1);
  expect(wide).toEqual([
    '2 latents can carry no more than about 0.05 of 40 exogenous coordinates: a leakage below 0.1 does not tell how many labels would do',
  ]);
});

it('labels are enough from where every larger number is', () => {
  const point = (transitions: number, high: number, knows = 0.6): LabelPoint => ({
    transitions,
    episodes: null,
    leakage: { mean: high / 2, low: 0, high },
    actionError: { mean: 0.5, low: 0.4, high: knows },
    reasons: { leakage: null, actionError: null },
    converged: 1,
  });
  const points = [point(10, 0.05), point(20, 0.2), point(50, 0.09), point(100, 0.01)];
  expect(enoughLabels(points, 0.1)?.transitions).toBe(50);
  expect(enoughLabels(points, 0.001)).toBeNull();
  expect(enoughLabels(points, 0.3)?.transitions).toBe(10);
  // Latents that know nothing of the action leak nothing either.
  expect(enoughLabels([point(10, 0.05, 1.02), ...points.slice(2)], 0.1)?.transitions).toBe(50);
  expect(enoughLabels([point(50, 0.05), point(100, 0.01, 1)], 0.1)).toBeNull();
});
