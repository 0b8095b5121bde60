import type { Backend, Control } from '../backend/requests.js';
import { greatestOf } from '../base/extremes.js';
import { unitsOf } from '../data/units.js';
import { NOT_MEASURABLE } from '../metrics/interval.js';
import type { EstimatedData, Scale } from '../moments/of-units.js';
import {
  DEFAULT_LABEL_RIDGE,
  type LabelCurve,
  type LabelPoint,
  labelCurve,
  roundCounts,
} from './label-curve.js';
import type { Intervals } from './sentence.js';

/** What a label curve is asked of: the data of an analysis, its folds and the latent dimension of its verdict. */
export interface LabelsRequest {
  readonly transitions: EstimatedData;
  readonly latentDim: number;
  /** Of the labelled actions beside o': that of the analysis' own supervised objective. */
  readonly weight: number;
  readonly actionWidth: number;
  readonly scale: Scale;
  readonly seed: number;
  /** Of the estimates, the middle of its folds: more than the curve's own where observations are wide for their number. */
  readonly ridge: number;
  readonly folds: readonly number[];
  readonly discreteActions: boolean;
  /** Of plain reconstruction at latentDim, with the folds' own ridges. */
  readonly before: Intervals;
  readonly backend: Backend;
}

export interface Labels {
  /** Null where the question has no answer on this data; `notes` say why. */
  readonly labels: LabelCurve | null;
  readonly notes: readonly string[];
}

/** Numbers of z's weights times coordinates, k d^2: what one step of a training costs. */
const NARROW = 20_000;
const WIDEST = 1_000_000;
/** This much beyond narrow, numbers of labels go by decades. */
const WIDE = 10;
/** Beyond so many labels, single ones make no difference. */
const MANY = 10_000;
const DRAWS = 20;
const FEWEST_DRAWS = 3;
const ITERATIONS = 2000;
const FEWEST_ITERATIONS = 100;

/**
 * How much is spent on a curve: twenty draws of labels and trainings to the end on narrow observations, fewer and shorter ones as
 * they get wide, so that it stays a matter of seconds. `converged` tells what was stopped.
 */
function effortOf(latentDim: number, observationDim: number, transitions: number) {
  const excess = Math.max(1, (latentDim * observationDim ** 2) / NARROW);
  return {
    draws: Math.max(FEWEST_DRAWS, Math.round(DRAWS / excess)),
    iterations: Math.max(FEWEST_ITERATIONS, Math.round(ITERATIONS / excess)),
    starts: excess > 1 ? 0 : 2,
    counts: countsUpTo(transitions, excess > WIDE),
  };
}

/** Numbers of labels: 1, 2, 5, .. or decades up to what a pass over rows takes no time for, then all. */
function countsUpTo(most: number, isWide: boolean): number[] {
  const steps = isWide ? [10, 100, 1000] : roundCounts(10, MANY).filter((n) => n < MANY);
  return [...steps.filter((n) => n < most), most];
}

/** Transitions of the smallest training set. */
function smallestTraining({ episode, count }: EstimatedData, folds: readonly number[]): number {
  const { unit } = unitsOf(episode);
  const held = new Array<number>(greatestOf(folds) + 1).fill(0);
  for (const u of unit) held[folds[u]]++;
  return count - Math.max(...held);
}

/** Leakage and action error against the number of labels, at the latent dimension of the verdict. */
export async function labelsOf(r: LabelsRequest, control: Control): Promise<Labels> {
  const { transitions: t, latentDim, weight, actionWidth, scale, seed, folds, discreteActions, backend } = r;
  const ridge = Math.max(DEFAULT_LABEL_RIDGE, r.ridge);
  const none = (...notes: string[]): Labels => ({ labels: null, notes });
  // Below the action's width the supervised objectives have said so already.
  if (!t.action || latentDim < actionWidth) return none();
  if (latentDim >= t.observationDim)
    return none(
      `labels change nothing at latentDim ${latentDim}: z is as wide as the observation and holds all of what is new in it`,
    );
  if (latentDim * t.observationDim ** 2 > WIDEST)
    return none(
      `how many labels would do was left out: at latentDim ${latentDim} of ${t.observationDim} coordinates it takes minutes; labelCurve in the library answers it`,
    );
  const labels = await labelCurve(t, {
    latentDim,
    weight,
    scale,
    seed,
    ridge,
    folds,
    discreteActions,
    backend,
    ...effortOf(latentDim, t.observationDim, smallestTraining(t, folds)),
    ...control,
  });
  const known = labels.metric && r.before[labels.metric];
  return {
    labels: known?.reason === NOT_MEASURABLE.nothingLeft ? withoutLeakage(labels) : labels,
    notes: [],
  };
}

/** Nothing is new in x': what the curve, with a greater ridge, sees left of it is what that ridge leaves. */
function withoutLeakage(curve: LabelCurve): LabelCurve {
  const without = (points: readonly LabelPoint[]) =>
    points.map((point) => ({
      ...point,
      leakage: null,
      reasons: { ...point.reasons, leakage: NOT_MEASURABLE.nothingLeft },
    }));
  return { ...curve, transitions: without(curve.transitions), episodes: without(curve.episodes) };
}

/**
 * The least number of labels from which on, in 95 of 100 draws, leakage is below the level and z knows something of the action:
 * latents that carry nothing leak nothing. Null where none does.
 */
export function enoughLabels(points: readonly LabelPoint[], level: number): LabelPoint | null {
  let enough: LabelPoint | null = null;
  for (const point of [...points].reverse()) {
    const { leakage, actionError } = point;
    if (!leakage || !(leakage.high < level) || !actionError || !(actionError.high < 1)) return enough;
    enough = point;
  }
  return enough;
}
