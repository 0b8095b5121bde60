import { Algebra } from '../backend/algebra.js';
import type { Backend, Control } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../backend/requests.js';
import type { Transitions } from '../data/transitions.js';
import {
  block,
  type Matrix,
  matrix,
  plus,
  scaleColumns,
  scaleRows,
  symmetric,
  trace,
  vstack,
} from '../linalg/matrix.js';
import { labelledMoments } from '../moments/labels.js';
import type { Variables } from '../moments/of-data.js';
import { type Innovation, innovationOf, type Judgement, judge } from '../solve/innovation.js';
import { seekStrength } from '../solve/strength-search.js';

/** futureLeakage that is small enough, where nothing else is said. */
export const DEFAULT_LEVEL = 0.1;

/** What one remedy would cost on this data: everything but `strength` is measured on held-out episodes. */
export interface Remedy {
  /** Kind of the objective (theory.md section 3). */
  readonly remedy: 'action-supervised' | 'exogenous-robust' | 'cross-exogenous' | 'representation';
  /** What `strength` is: a weight, a number of labelled transitions, or the gain left to the exogenous part; null for none. */
  readonly parameter: 'weight' | 'labels' | 'gain' | null;
  readonly latentDim: number;
  /** Is futureLeakage at most the level there? */
  readonly reached: boolean;
  /**
   * The least weight or number of labels, the greatest gain, at which futureLeakage is at most the level; where it is out of
   * reach, the one that leaks least. Null for a remedy without strength. Found to 5 %.
   */
  readonly strength: number | null;
  /** With parameter `labels`: the weight that is held. */
  readonly weight?: number;
  /** Plain reconstruction at this latentDim, and with the remedy; actionError is absent without actions. */
  readonly before: RemedyMetrics;
  readonly after: RemedyMetrics;
  readonly note?: string;
}

export interface RemedyMetrics {
  readonly futureLeakage: number;
  readonly actionError?: number;
}

/** Strengths of the first grid, in units of each remedy's scale, and how finely the answer is found. */
const RANGE = [1e-2, 1e4] as const;
const POINTS = [7, 3] as const;
const TOLERANCE = 0.05;
/** Labels are counted with the weight held at this many times the least one, so that labels decide and not the weight. */
const HELD = 10;
/** Least number of labels that is tried: below, an estimate of a covariance says nothing. */
const FEWEST_LABELS = 4;
/** A leakage this far below 0 is a probe that does worse than none: chance, and no measurement. */
const CHANCE = -0.1;
/** Numbers in the eigenproblems of one batch, at most. */
const BATCH_NUMBERS = 2_000_000;

/** Latents (k, dim) on the innovation for every strength of one remedy. */
type Encode = (strengths: readonly number[]) => Promise<Matrix[]>;

export interface RemedyRequest {
  readonly transitions: Transitions;
  readonly variables: Variables;
  readonly train: Float64Array;
  readonly heldOut: Float64Array;
  /** Rows of the training split, and means that its moments are about. */
  readonly rows: Int32Array;
  readonly mean: Float64Array;
  readonly whitening: Matrix | null;
  readonly latentDims: readonly number[];
  readonly level: number;
  readonly ridge: number;
  readonly backend: Backend;
  /** futureLeakage and actionError of cross-exogenous reconstruction. */
  readonly crossExogenous: (latentDim: number) => Promise<RemedyMetrics>;
}

export interface Remedies {
  readonly remedies: readonly Remedy[];
  readonly notes: readonly string[];
}

/**
 * For each remedy that the data allows, the strength at which held-out futureLeakage falls to `level`: a search over exact
 * solutions, all from the same moments given the present observation.
 */
export async function remediesOf(request: RemedyRequest, control: Control): Promise<Remedies> {
  const { transitions: t, variables, ridge, level } = request;
  if (!t.exogenousNext) {
    return {
      remedies: [],
      notes: [
        'what remedies would cost cannot be measured without a known exogenous state: give exogenous_next, or composite one with --distractor',
      ],
    };
  }
  const algebra = new Algebra(request.backend, { signal: control.signal, threads: control.threads });
  const innovation = await innovationOf(
    algebra,
    request,
    variables,
    t.exogenousDim,
    request.whitening,
    ridge,
  );
  if (Number.isNaN(innovation.targets[0]?.left)) {
    return {
      remedies: [],
      notes: [
        'what remedies would cost cannot be measured: the next exogenous state follows exactly from the present observation',
      ],
    };
  }
  const spectrum = await whitener(algebra, innovation.rr);
  if (spectrum.values.length === 0) {
    return {
      remedies: [],
      notes: [
        'what remedies would cost cannot be measured: the next observation follows exactly from the present one',
      ],
    };
  }
  const latentDim = await latentDimOf(algebra, request, innovation, spectrum);
  const setting: Setting = { algebra, innovation, spectrum, latentDim, level };
  const [before] = await judge(algebra, await reconstruction(setting), innovation);
  if (before.futureLeakage < CHANCE) {
    return {
      remedies: [],
      notes: [
        `what remedies would cost cannot be measured: fitted on ${request.rows.length} transitions, probes of the next exogenous state do worse than none on the others`,
      ],
    };
  }
  const search = new Search(setting, before);
  const found: Remedy[] = [];
  const report = (share: number) => control.onProgress?.(share, 1);

  if (innovation.ra && latentDim >= t.actionDim) {
    const hh = await gramOf(algebra, spectrum, innovation.ra);
    const weighted = await search.seek(
      { remedy: 'action-supervised', parameter: 'weight' },
      supervision(setting, hh),
      // The weight at which what r holds of the action counts as much as r.
      { scale: trace(hh) > 0 ? trace(innovation.rr) / trace(hh) : 1 },
    );
    found.push(weighted);
    report(0.25);
    found.push(await labels(request, setting, search, weighted));
    report(0.5);
  }
  if (innovation.moves) {
    found.push(
      await search.seek(
        { remedy: 'exogenous-robust', parameter: 'weight' },
        await consistency(setting, innovation.moves),
        { scale: 1 },
      ),
    );
    report(0.7);
    const after = await request.crossExogenous(latentDim);
    found.push({
      remedy: 'cross-exogenous',
      parameter: null,
      latentDim,
      reached: after.futureLeakage <= level,
      strength: null,
      before: metricsOf(before),
      after,
      ...noted(after, true),
    });
    report(0.8);
  }
  found.push(
    gainOf(
      await search.seek({ remedy: 'representation', parameter: 'gain' }, await representation(setting), {
        scale: 1,
      }),
    ),
  );
  report(1);
  const notes =
    t.action && latentDim < t.actionDim
      ? [
          `action supervision is no remedy that can be measured here: it takes a latentDim of actionDim (${t.actionDim}), and the observation is ${t.observationDim} wide`,
        ]
      : [];
  return { remedies: found, notes };
}

interface Setting {
  readonly algebra: Algebra;
  readonly innovation: Innovation;
  /** W with W S_rr W^T = I, and the eigenvalues of S_rr that it divides by. */
  readonly spectrum: Whitener;
  readonly latentDim: number;
  readonly level: number;
}

interface Whitener {
  readonly values: Float64Array;
  /** (rank, n) */
  readonly whiten: Matrix;
}

/** What is to be said of a measurement. */
function noted({ futureLeakage }: RemedyMetrics, isMonotone: boolean): { note?: string } {
  const notes = [
    ...(futureLeakage < CHANCE
      ? [
          'the probes of the next exogenous state do worse than none here: the leakage is small, but measured by chance',
        ]
      : []),
    ...(isMonotone ? [] : ['the leakage rises above the level again at some greater strength']),
  ];
  return notes.length > 0 ? { note: notes.join('; ') } : {};
}

function metricsOf({ futureLeakage, actionError }: Judgement): RemedyMetrics {
  return { futureLeakage, ...(Number.isNaN(actionError) ? {} : { actionError }) };
}

async function whitener(algebra: Algebra, s: Matrix): Promise<Whitener> {
  const { values, vectors } = await algebra.eigen(s);
  const rank = values.filter((v) => v > RELATIVE_TOLERANCE * Math.max(values[0], 0)).length;
  const kept = values.slice(0, rank);
  return {
    values: kept,
    whiten: scaleRows(
      block(vectors, 0, rank, 0, s.cols),
      kept.map((v) => 1 / Math.sqrt(v)),
    ),
  };
}

/**
 * Where a remedy shows: just wide enough for the action, that is the least latentDim asked for that is, or actionDim itself.
 * Without actions, the least at which reconstruction leaks more than the level, or the greatest.
 */
async function latentDimOf(
  algebra: Algebra,
  { transitions: t, latentDims, level }: RemedyRequest,
  innovation: Innovation,
  spectrum: Whitener,
): Promise<number> {
  if (t.action) {
    return latentDims.find((k) => k >= t.actionDim) ?? Math.min(t.actionDim, t.observationDim);
  }
  for (const latentDim of latentDims) {
    const latents = await reconstruction({ algebra, innovation, spectrum, latentDim, level });
    const [judged] = await judge(algebra, latents, innovation);
    if (judged.futureLeakage > level) return latentDim;
  }
  return latentDims[latentDims.length - 1];
}

/** The k strongest directions of r; rows beyond the rank are zero. */
async function reconstruction({ spectrum, latentDim, innovation }: Setting): Promise<Matrix[]> {
  const { values, whiten } = spectrum;
  const rows = Math.min(latentDim, values.length);
  const g = matrix(latentDim, innovation.dim);
  g.data.set(scaleRows(block(whiten, 0, rows, 0, whiten.cols), values.map(Math.sqrt)).data);
  return [g];
}

/** Symmetric eigenproblems of one size; `scales` (n) where latents of a problem act on scaled coordinates. */
interface Problems {
  readonly count: number;
  readonly fill: (index: number, into: Float64Array) => void;
  readonly scales?: (index: number) => Float64Array;
}

/**
 * G = root(L) V X of the k leading eigenpairs (L, V) of each problem, X = diag(scales) `onto` turning them into maps of r; with
 * `plain`, G = V X (theory.md section 2: where y = e).
 */
async function latentsOf(
  { algebra, latentDim: k }: Setting,
  { count, fill, scales }: Problems,
  onto: Matrix,
  plain = false,
): Promise<Matrix[]> {
  const n = onto.rows;
  const batch = Math.max(1, Math.floor(BATCH_NUMBERS / (n * n)));
  const leading: Matrix[] = [];
  for (let first = 0; first < count; first += batch) {
    const here = Math.min(batch, count - first);
    const spectra = await algebra.eigenOfMany(here, n, (i, into) => fill(first + i, into));
    spectra.forEach(({ values, vectors }, i) => {
      const cutAt = RELATIVE_TOLERANCE * Math.max(values[0], 0);
      const rank = Math.min(k, values.filter((v) => v > cutAt).length);
      const kept = block(vectors, 0, rank, 0, n);
      const scaled = plain ? kept : scaleRows(kept, values.map(Math.sqrt));
      const rows = matrix(k, n);
      rows.data.set((scales ? scaleColumns(scaled, scales(first + i)) : scaled).data);
      leading.push(rows);
    });
  }
  const all = await algebra.times(vstack(leading, n), onto);
  const size = k * all.cols;
  return leading.map((_, i) => matrix(k, all.cols, all.data.subarray(i * size, (i + 1) * size)));
}

/** into = diag(values) + weight s */
function onDiagonal(values: Float64Array, s: Matrix, weight: number, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = weight * s.data[i];
  values.forEach((v, i) => {
    into[i * (s.cols + 1)] = into[i * (s.cols + 1)] + v;
  });
}

/** into = diag(scales) s diag(scales) */
function scaled(s: Matrix, scales: Float64Array, into: Float64Array): void {
  const n = s.rows;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) into[i * n + j] = scales[i] * scales[j] * s.data[i * n + j];
}

/** M of [r; root(w) a] in whitened r: diag(eigenvalues of S_rr) + w H H^T with H = W S_ra. */
function supervision(setting: Setting, hh: Matrix): Encode {
  const { values, whiten } = setting.spectrum;
  return (weights) =>
    latentsOf(
      setting,
      { count: weights.length, fill: (i, into) => onDiagonal(values, hh, weights[i], into) },
      whiten,
    );
}

/** H H^T; its trace is the variance of the action that r explains. */
async function gramOf(algebra: Algebra, { whiten }: Whitener, ra: Matrix): Promise<Matrix> {
  const h = await algebra.times(whiten, ra);
  return symmetric(await algebra.timesTransposed(h, h));
}

/**
 * M of r under S_rr + mu P: in coordinates Z that make S_rr = diag(a) and a multiple of P = diag(1 - a) at once,
 * S_rr + mu P = diag(t), and every mu costs one eigenproblem.
 */
async function consistency(setting: Setting, moves: Matrix): Promise<Encode> {
  const { algebra, innovation } = setting;
  const { rr } = innovation;
  const size = trace(moves) > 0 ? trace(rr) / trace(moves) : 1;
  const both = await whitener(algebra, symmetric(plus(rr, moves, size)));
  const half = await algebra.times(both.whiten, rr);
  const { values, vectors } = await algebra.eigen(
    symmetric(await algebra.timesTransposed(half, both.whiten)),
  );
  const a = values.map((v) => Math.min(1, Math.max(0, v)));
  const z = await algebra.times(vectors, both.whiten);
  const zs = await algebra.times(vectors, half);
  const k = symmetric(await algebra.timesTransposed(zs, zs));
  return (weights) => {
    const scales = weights.map((weight) => a.map((v) => 1 / Math.sqrt(v + (weight / size) * (1 - v))));
    return latentsOf(setting, scaledProblems(k, scales), z);
  };
}

function scaledProblems(s: Matrix, scales: readonly Float64Array[]): Problems {
  const of = (i: number) => scales[i];
  return { count: scales.length, fill: (i, into) => scaled(s, of(i), into), scales: of };
}

/**
 * Reconstruction in h = P o, P = (I + s S)^(-1/2), where S is what x' explains of the innovation, its greatest eigenvalue 1: the
 * direction in which x' shows most is left the gain 1 / root(1 + s), one in which it does not show is left alone.
 */
async function representation(setting: Setting): Promise<Encode> {
  const { algebra, innovation } = setting;
  const { rr, rx, xx, ridge } = innovation;
  const { values, vectors } = await algebra.eigen(xx);
  const add = (ridge * trace(xx)) / xx.rows;
  const largest = values[0] + add;
  const half = scaleRows(
    await algebra.timesTransposed(vectors, rx),
    values.map((v) => (v + add > RELATIVE_TOLERANCE * largest ? 1 / Math.sqrt(v + add) : 0)),
  );
  const shows = await algebra.eigen(symmetric(await algebra.transposedTimes(half, half)));
  const most = Math.max(shows.values[0], 0);
  const share = shows.values.map((v) => (most > 0 ? Math.max(v, 0) / most : 0));
  const turned = symmetric(
    await algebra.timesTransposed(await algebra.times(shows.vectors, rr), shows.vectors),
  );
  return (strengths) => {
    const scales = strengths.map((s) => share.map((v) => 1 / Math.sqrt(1 + s * v)));
    return latentsOf(setting, scaledProblems(turned, scales), shows.vectors, true);
  };
}

/** A strength of suppression s as the gain 1 / root(1 + s). */
function gainOf(remedy: Remedy): Remedy {
  return { ...remedy, strength: 1 / Math.sqrt(1 + (remedy.strength as number)) };
}

/**
 * The least number of labels, from which alone the action's moments come, that does what the least weight does with all of them:
 * leaks no more than the level and leaves no more of the action. Few labels make z noise, which leaks little and tells nothing.
 */
async function labels(
  { transitions, variables, rows, mean }: RemedyRequest,
  setting: Setting,
  search: Search,
  weighted: Remedy,
): Promise<Remedy> {
  const { algebra, innovation, spectrum } = setting;
  const weight = HELD * (weighted.strength as number);
  const what = { remedy: 'action-supervised', parameter: 'labels', weight } as const;
  const most = rows.length;
  if (!weighted.reached) return { ...weighted, ...what, weight: weighted.strength as number, strength: most };
  if (weight === 0) return { ...weighted, ...what };
  const moments = labelledMoments(algebra, transitions, variables, rows, mean, innovation.map);
  const encode: Encode = async (counts) => {
    const grams: Matrix[] = [];
    for (const withAction of await moments(counts.map(Math.round)))
      grams.push(await gramOf(algebra, spectrum, await innovation.actionGiven(withAction)));
    const fill = (i: number, into: Float64Array) => onDiagonal(spectrum.values, grams[i], weight, into);
    return latentsOf(setting, { count: grams.length, fill }, spectrum.whiten);
  };
  const target = weighted.after.actionError ?? 1;
  const sought = await search.seek(what, encode, {
    scale: 1,
    range: [Math.min(FEWEST_LABELS, most), most],
    accept: ({ actionError }) => actionError <= target,
    settles: true,
  });
  return { ...sought, strength: Math.round(sought.strength as number) };
}

interface SearchOptions {
  readonly scale: number;
  readonly range?: readonly [number, number];
  /** Else a strength is not enough, however little leaks. */
  readonly accept?: (judgement: Judgement) => boolean;
  /** A strength counts as enough where all greater ones are, since luck plays a part; out of reach, the greatest is told. */
  readonly settles?: boolean;
}

/** Seeks one remedy's strength, and keeps what was measured on the way. */
class Search {
  constructor(
    private readonly setting: Setting,
    private readonly before: Judgement,
  ) {}

  async seek(
    what: Pick<Remedy, 'remedy' | 'parameter' | 'weight'>,
    encode: Encode,
    { scale, range = RANGE, accept = () => true, settles = false }: SearchOptions,
  ): Promise<Remedy> {
    const { algebra, innovation, latentDim, level } = this.setting;
    const measured = new Map<number, Judgement>([[0, this.before]]);
    const leakages = async (strengths: readonly number[]): Promise<number[]> => {
      const asked = strengths.filter((s) => !measured.has(s));
      const judged = asked.length > 0 ? await judge(algebra, await encode(asked), innovation) : [];
      asked.forEach((s, i) => {
        measured.set(s, judged[i]);
      });
      const leaks = strengths.map((s) => {
        const judgement = measured.get(s) as Judgement;
        return accept(judgement) ? judgement.futureLeakage : Math.max(1, judgement.futureLeakage);
      });
      if (settles) for (let i = leaks.length - 2; i >= 0; i--) leaks[i] = Math.max(leaks[i], leaks[i + 1]);
      return leaks;
    };
    const { critical, least } = await seekStrength(leakages, {
      what: what.remedy,
      level,
      relativeTolerance: TOLERANCE,
      scale,
      range,
      points: POINTS,
    });
    const strength = critical ? critical.value : settles ? range[1] * scale : least.value;
    const after = metricsOf(measured.get(strength) as Judgement);
    return {
      ...what,
      latentDim,
      reached: critical !== null,
      strength,
      before: metricsOf(this.before),
      after,
      ...noted(after, critical?.isMonotone ?? true),
    };
  }
}
