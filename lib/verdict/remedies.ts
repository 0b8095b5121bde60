import type { Backend, Control, FittedObjective } from '../backend/requests.js';
import { greatestOf } from '../base/extremes.js';
import type { Transitions } from '../data/transitions.js';
import { chooseInside } from '../metrics/choose-strength.js';
import {
  type EstimateTable,
  fittedObjective,
  intervalsOf,
  type Prepared,
  portion,
  ridgesOf,
  tableOf,
} from '../metrics/estimates.js';
import { foldErrors } from '../metrics/fold-errors.js';
import { answerOf, isBelow, knowsAction } from '../metrics/interval.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import { DEFAULT_RIDGE } from '../solve/of-moments.js';
import type { wholeFit } from '../solve/of-units.js';
import type { Intervals } from './sentence.js';

/** What one remedy would do on this data: its strength is chosen inside the training folds, everything else is from the folds left out. */
export interface Remedy {
  /** Kind of the objective (theory.md section 3). */
  readonly remedy: 'action-supervised' | 'exogenous-robust' | 'representation' | 'cross-exogenous';
  /** What `strength` is; null for a remedy that has none. */
  readonly parameter: 'weight' | 'gain' | null;
  readonly latentDim: number;
  /**
   * Does z then not leak, and know the action (where there is one)? `no`: it leaks all the same. `cannot-tell` where the intervals do
   * not decide.
   */
  readonly reached: 'yes' | 'no' | 'cannot-tell';
  /** Median over the folds of the least weight, or greatest gain, that brings z below the level; null for a remedy without strength. */
  readonly strength: number | null;
  /** Of each fold; the strongest tried where none is enough. */
  readonly strengths: readonly number[];
  /** Reconstruction at this latentDim, and with the remedy, on the same folds: of models with these strengths. */
  readonly before: EstimateTable;
  readonly after: EstimateTable;
  readonly note?: string;
}

export interface Remedies {
  readonly remedies: readonly Remedy[];
  readonly notes: readonly string[];
}

export interface RemedyRequest {
  readonly transitions: Transitions;
  readonly data: Prepared;
  readonly whole: ReturnType<typeof wholeFit>;
  readonly latentDim: number;
  readonly level: number;
  /** One for all folds, or null: chosen inside each. */
  readonly ridge: number | null;
  readonly actionWidth: number;
  /** Of plain reconstruction at latentDim. */
  readonly before: Intervals;
  readonly backend: Backend;
}

/** Strengths that are tried, in units of each remedy's own: from one that hardly counts to one that decides. */
const STRENGTHS = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 1000] as const;
/** What the direction that shows most of x' keeps of itself: T3's gain. */
const GAINS = [1, 0.9, 0.8, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01] as const;
/** Folds to choose inside of: with fewer, none is left to judge on. */
const FEWEST_FOLDS = 4;

const UNKNOWN =
  'what remedies would do cannot be measured without a known exogenous state: give exogenous_next, or composite one with --distractor';

/** What each remedy that the data allows would do, at one latent dimension. */
export async function remediesOf(request: RemedyRequest, control: Control): Promise<Remedies> {
  const { transitions: t, data, latentDim, actionWidth } = request;
  if (!t.exogenousNext) return { remedies: [], notes: [UNKNOWN] };
  if (greatestOf(data.fold) + 1 < FEWEST_FOLDS)
    return {
      remedies: [],
      notes: [
        `what remedies would do cannot be measured in fewer than ${FEWEST_FOLDS} folds: a strength is chosen inside the others`,
      ],
    };
  const notes: string[] = [];
  const wanted: ((control: Control) => Promise<Remedy>)[] = [];
  if (t.action && latentDim >= actionWidth) wanted.push((c) => supervision(request, c));
  else if (t.action)
    notes.push(
      `action supervision is no remedy that can be measured here: it takes a latentDim of ${actionWidth}, the width of the action`,
    );
  if (t.pairObservation && t.pairObservationNext) {
    wanted.push(
      (c) => robustness(request, c),
      (c) => crossExogenous(request, c),
    );
  }
  wanted.push((c) => suppression(request, c));
  const remedies: Remedy[] = [];
  for (const [i, measure] of wanted.entries())
    remedies.push(await measure(portion(control, i / wanted.length, (i + 1) / wanted.length)));
  return { remedies, notes };
}

async function supervision(request: RemedyRequest, control: Control): Promise<Remedy> {
  const { innovation, action } = await request.whole.variances(DEFAULT_RIDGE);
  // The weight at which the actions count as much as all of the innovation.
  const unit = action > 0 ? innovation / action : 1;
  const weights = STRENGTHS.map((s) => Number((unit * s).toPrecision(3)));
  return seek(request, weighted(request, 'action-supervised', weights), control);
}

/** In units of 1: the penalty is a covariance of the same coordinates as the innovation's. */
async function robustness(request: RemedyRequest, control: Control): Promise<Remedy> {
  return seek(request, weighted(request, 'exogenous-robust', STRENGTHS), control);
}

/** A representation that keeps less of the directions in which x' shows: every model finds them in its own training moments. */
async function suppression(request: RemedyRequest, control: Control): Promise<Remedy> {
  const seen = objectiveOf(request, {
    kind: 'representation',
    projection: identity(request.transitions.observationDim),
  });
  const objectives = GAINS.map((gain) => ({
    ...seen,
    projection: new Float64Array(0),
    projectionDim: 0,
    gain,
  }));
  return seek(
    request,
    { remedy: 'representation', parameter: 'gain', strengths: GAINS, objectives },
    control,
  );
}

function identity(n: number): number[][] {
  return Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j)));
}

const objectiveOf = (request: RemedyRequest, spec: ObjectiveSpec): FittedObjective =>
  fittedObjective(spec, request.transitions, request.data.moments);

/** One remedy at ascending strengths. */
interface Sought {
  readonly remedy: Remedy['remedy'];
  readonly parameter: 'weight' | 'gain';
  readonly strengths: readonly number[];
  readonly objectives: readonly FittedObjective[];
}

function weighted(
  request: RemedyRequest,
  remedy: 'action-supervised' | 'exogenous-robust',
  weights: readonly number[],
): Sought {
  const objectives = weights.map((weight) => objectiveOf(request, { kind: remedy, weight }));
  return { remedy, parameter: 'weight', strengths: weights, objectives };
}

/** The least strength whose leakage is below the level, chosen inside the training folds of each fold and judged on the fold. */
async function seek(
  request: RemedyRequest,
  { remedy, parameter, strengths: tried, objectives }: Sought,
  control: Control,
): Promise<Remedy> {
  const { data, latentDim, level, backend, ridge } = request;
  const isEnough = (e: Intervals) => {
    const both = [e.innovationLeakage ?? e.futureLeakage, e['latentShare.exogenous']];
    return both.every((i) => i !== undefined && isBelow(i, level));
  };
  const found = await chooseInside(data, { objectives, latentDim, ridge, isEnough }, backend, control);
  const strengths = found.chosen.map((at) => tried[at]);
  const without = found.reached.filter((reached) => !reached).length;
  return {
    ...told(request, remedy, found.intervals),
    parameter,
    strength: [...strengths].sort((a, b) => a - b)[Math.floor(strengths.length / 2)],
    strengths,
    ...(without > 0
      ? {
          note: `no ${parameter} ${parameter === 'gain' ? 'down' : 'up'} to ${tried[tried.length - 1]} is enough inside ${without} of ${strengths.length} folds`,
        }
      : {}),
  };
}

async function crossExogenous(request: RemedyRequest, control: Control): Promise<Remedy> {
  const { data, latentDim, ridge, backend } = request;
  const errors = await foldErrors(
    data,
    {
      objectives: [objectiveOf(request, { kind: 'cross-exogenous' })],
      latentDims: [latentDim],
      ridges: ridgesOf(ridge ?? undefined, greatestOf(data.fold) + 1),
    },
    backend,
    control,
  );
  return {
    ...told(request, 'cross-exogenous', intervalsOf(errors, 0, 0)),
    parameter: null,
    strength: null,
    strengths: [],
  };
}

/** What is told of every remedy alike. */
function told(
  { latentDim, level, before }: RemedyRequest,
  remedy: Remedy['remedy'],
  after: Intervals,
): Pick<Remedy, 'remedy' | 'latentDim' | 'reached' | 'before' | 'after'> {
  return {
    remedy,
    latentDim,
    reached: reachedBy(after, level),
    before: tableOf(before),
    after: tableOf(after),
  };
}

/** Clean latents may be empty ones: a remedy has done its work only where z also knows the action. */
function reachedBy(after: Intervals, level: number): Remedy['reached'] {
  const answer = answerOf(after, level);
  if (answer === 'leaks') return 'no';
  return answer === 'does-not-leak' && knowsAction(after) !== false ? 'yes' : 'cannot-tell';
}
