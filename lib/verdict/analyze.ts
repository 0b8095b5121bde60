import { z } from 'zod';
import { backendField, controlFields } from '../backend/control.js';
import type { Backend, Control } from '../backend/requests.js';
import { RELATIVE_TOLERANCE } from '../backend/requests.js';
import { defaultBackend } from '../backend/select.js';
import { requireOk } from '../backend/status.js';
import { boundary } from '../base/boundary.js';
import { ExolamError } from '../base/errors.js';
import { describes, integer, numberThat, parseOptions } from '../base/validate.js';
import { requireTransitions } from '../data/accept.js';
import { splitOf } from '../data/split.js';
import type { Transitions } from '../data/transitions.js';
import { ONLY_LEAKAGE, probeAll } from '../metrics/probes.js';
import { meanOf, secondMoments, type Variables, variablesOf } from '../moments/of-data.js';
import {
  type ObjectiveSpec,
  objectiveSchema,
  type ResolvedObjective,
  requireProjection,
  resolveObjective,
} from '../solve/objectives.js';
import { levelField, requireVariables, ridgeField } from '../solve/of-moments.js';
import { inputOf } from '../solve/whitening.js';
import type { Analysis, LatentRow } from './analysis.js';
import { DEFAULT_LEVEL, remediesOf } from './remedies.js';
import { recommend } from './words.js';

export interface AnalyzeOptions extends Control {
  /** Latent dimensions to report, 1 to observationDim each, in any order. Default 1 to 16, as far as the observation is wide. */
  readonly latentDims?: readonly number[] | undefined;
  /** Objectives to answer for, one at least. Default: reconstruction, and action supervision where the data has actions. */
  readonly objectives?: readonly ObjectiveSpec[] | undefined;
  /** Share of the episodes (of the transitions, where there is one episode) held out for the metrics, between 0 and 1. Default 0.3. */
  readonly heldOut?: number | undefined;
  /** Ridge of every regression, relative to the regressors' mean variance, at least 0. Default 1e-3. */
  readonly ridge?: number | undefined;
  /** Reconstruct in whitened observations (each direction of variance above the tolerance counts alike). Default false. */
  readonly whiten?: boolean | undefined;
  /** futureLeakage that is small enough, from 0 up to, not including, 1: what each remedy is to bring it down to. Default 0.1. */
  readonly level?: number | undefined;
  /** Also seek what each remedy would cost: some 50 eigenproblems as wide as the observation. Default true. */
  readonly remedies?: boolean | undefined;
  /** What computes. Default: {@link defaultBackend}. */
  readonly backend?: Backend | undefined;
}
export const DEFAULT_HELD_OUT = 0.3;

/** {@link AnalyzeOptions}, checked and with the defaults that the data does not decide. */
export const analyzeOptionsSchema = describes<AnalyzeOptions>()(
  z.strictObject({
    ...controlFields,
    latentDims: z.array(integer(1)).min(1).optional(),
    objectives: z.array(objectiveSchema).min(1).optional(),
    heldOut: numberThat('a share between 0 and 1', (v) => v > 0 && v < 1).default(DEFAULT_HELD_OUT),
    ridge: ridgeField,
    whiten: z.boolean().default(false),
    level: levelField.default(DEFAULT_LEVEL),
    remedies: z.boolean().default(true),
    backend: backendField,
  }),
);
type Checked = z.output<typeof analyzeOptionsSchema>;

/** How much the default action supervision weighs: variance of the weighted actions over that of the innovation. */
const SUPERVISION = 10;

function traceOf(s: Float64Array, width: number, begin: number, cols: number): number {
  let sum = 0;
  for (let i = begin; i < begin + cols; i++) sum += s[i * width + i];
  return sum;
}

/** The latent dimensions asked for, ascending and each once, as far as the observation is wide. */
function latentDimsOf({ observationDim }: Transitions, asked: readonly number[] | undefined): number[] {
  const latentDims = asked ?? Array.from({ length: Math.min(16, observationDim) }, (_, i) => i + 1);
  const sorted = [...new Set(latentDims)].sort((a, b) => a - b);
  const widest = sorted[sorted.length - 1];
  if (widest <= observationDim) return sorted;
  throw new ExolamError(
    'input',
    `latentDim: expected at most observationDim (${observationDim}) but received ${widest}`,
  );
}

/** The verdict on a user's own transitions: theory.md sections 2 to 4 from second moments. Throws {@link ExolamError}. */
export function analyze(data: Transitions, options: AnalyzeOptions = {}): Promise<Analysis> {
  return boundary('analyze', async () => {
    const checked = parseOptions(analyzeOptionsSchema, options);
    requireTransitions(data, 'data');
    return analyzeChecked(data, checked);
  });
}

async function analyzeChecked(t: Transitions, options: Checked): Promise<Analysis> {
  const { heldOut, ridge, level, whiten } = options;
  const latentDims = latentDimsOf(t, options.latentDims);
  const backend = options.backend ?? defaultBackend();
  const notes = [...t.notes];
  const split = splitOf(t, heldOut);
  if (split.train.length < 2 || split.heldOut.length < 2) {
    throw new ExolamError(
      'data',
      `${t.count} transitions are too few to train on some and hold out others; at least 2 of each are needed`,
    );
  }
  const variables = variablesOf(t);
  const { width, layout } = variables;
  const d = t.observationDim;
  if (split.train.length <= d) {
    notes.push(
      `${split.train.length} training transitions for ${d} observation coordinates: the regressions lean on the ridge`,
    );
  }

  // Progress over the whole call: moments are about half of the work, solving and probing the rest.
  let share = 0;
  const within = (part: number): Control => {
    const from = share;
    share += part;
    return { ...options, onProgress: (done, total) => options.onProgress?.(from + (part * done) / total, 1) };
  };
  const mean = meanOf(t, split.train);
  const train = await secondMoments(t, split.train, mean, backend, within(0.3));
  const held = await secondMoments(t, split.heldOut, mean, backend, within(0.2));

  const specs = options.objectives ?? (await defaultObjectives(train, variables, ridge, backend));
  const latent: LatentRow[] = [];
  let spectrum: number[] | undefined;
  const part = 0.4 / specs.length;
  /** The best k latents for one objective on the training split. */
  const answerOf = async (objective: ResolvedObjective, k: number, control: Control) => {
    const seen = await inputOf(objective, whiten, train, variables, backend);
    const answer = await backend.solveMoments(
      {
        count: 1,
        width,
        moments: train,
        layout,
        objective: seen.rows,
        coefficients: Float64Array.from(objective.coefficients),
        projection: seen.projection?.data ?? new Float64Array(0),
        projectionDim: seen.projection?.rows ?? 0,
        latentDim: k,
        ridge,
        relativeTolerance: RELATIVE_TOLERANCE,
      },
      control,
    );
    requireOk(answer.status[0], 'analyze');
    return answer;
  };
  for (const spec of specs) {
    const objective = resolveObjective(spec);
    requireVariables(objective, t);
    requireProjection(objective, d, 'objective');
    const usable = objective.supervised ? latentDims.filter((k) => k >= t.actionDim) : latentDims;
    if (usable.length < latentDims.length) {
      notes.push(
        `${objective.spec.kind} is answered from latentDim ${t.actionDim} (actionDim) on: below it there is no closed form for a policy that reacts to the observation`,
      );
    }
    if (usable.length === 0) continue;
    const k = usable[usable.length - 1];
    const answer = await answerOf(objective, k, within(part / 2));
    const probing = within(part / 2);
    const metrics = await probeAll(t, variables, train, held, answer, k, usable, ridge, backend, probing);
    spectrum ??= Array.from(answer.spectrum);
    const rank = answer.rank[0];
    if (rank < k) {
      notes.push(`${objective.spec.kind}: the problem has rank ${rank}; latents beyond it carry nothing`);
    }
    usable.forEach((latentDim, i) => {
      let loss = answer.trace[0];
      for (let j = 0; j < Math.min(latentDim, answer.spectrum.length); j++) loss -= answer.spectrum[j];
      // A sum of squares: below zero only by rounding.
      latent.push({
        latentDim,
        objective: objective.spec,
        loss: Math.max(0, loss),
        rank,
        metrics: metrics[i],
      });
    });
  }
  const plain = await inputOf(
    resolveObjective({ kind: 'reconstruction' }),
    whiten,
    train,
    variables,
    backend,
  );
  const seek = options.remedies ? remediesOf : async () => ({ remedies: [], notes: [] });
  const { remedies, notes: about } = await seek(
    {
      transitions: t,
      variables,
      train,
      heldOut: held,
      rows: split.train,
      mean,
      whitening: plain.projection,
      latentDims,
      level,
      ridge,
      backend,
      crossExogenous: async (latentDim) => {
        const quiet = { ...options, onProgress: undefined };
        const answer = await answerOf(resolveObjective({ kind: 'cross-exogenous' }), latentDim, quiet);
        const dims = [latentDim];
        const found = await probeAll(
          t,
          variables,
          train,
          held,
          answer,
          latentDim,
          dims,
          ridge,
          backend,
          quiet,
          ONLY_LEAKAGE,
        );
        const { futureLeakage = Number.NaN, actionError } = found[0];
        return { futureLeakage, ...(actionError === undefined ? {} : { actionError }) };
      },
    },
    within(0.1),
  );
  notes.push(...about);
  options.onProgress?.(1, 1);
  const analysis = {
    transitions: t.count,
    observationDim: d,
    actionDim: t.actionDim,
    episodes: new Set(t.episode).size,
    absentEpisodes: t.episodes.absent.length,
    split: {
      train: split.train.length,
      heldOut: split.heldOut.length,
      heldOutEpisodes: split.heldOutEpisodes,
    },
    ridge,
    whiten,
    spectrum: spectrum ?? [],
    latent,
    level,
    remedies,
    notes,
  };
  return { ...analysis, recommendation: recommend(analysis) };
}

/** Reconstruction, and action supervision with a weight that makes the actions count as much as stated at SUPERVISION. */
async function defaultObjectives(
  train: Float64Array,
  v: Variables,
  ridge: number,
  backend: Backend,
): Promise<ObjectiveSpec[]> {
  const reconstruction: ObjectiveSpec = { kind: 'reconstruction' };
  const { actionDim, action, observation, observationNext, observationDim: d } = v.layout;
  if (action < 0) return [reconstruction];
  const probe = await backend.probe({
    width: v.width,
    train,
    heldOut: train,
    observation,
    observationNext,
    observationDim: d,
    encoderC: new Float64Array(0),
    encoderD: new Float64Array(0),
    rows: 0,
    latentDims: new Int32Array(0),
    targets: Int32Array.of(observationNext, d, action, actionDim),
    ridge,
    pairObservation: -1,
    pairObservationNext: -1,
  });
  const [innovation, unexplained] = probe.remaining as unknown as [number, number];
  if (!(unexplained > RELATIVE_TOLERANCE * traceOf(train, v.width, action, actionDim)))
    return [reconstruction];
  const weight = Number(((SUPERVISION * innovation) / unexplained).toPrecision(3));
  return [reconstruction, { kind: 'action-supervised', weight, labelFraction: 1 }];
}
