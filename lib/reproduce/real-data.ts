/** The user's data, ready to train nonlinear models on: scaled, its episodes in groups, what probes are asked about. */
import type { z } from 'zod';
import type { Backend, Control } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import { openData } from '../data/open.js';
import type { Transitions } from '../data/transitions.js';
import { leadingComponents } from '../metrics/judged-rows.js';
import { permutation } from '../random/permutation.js';
import { scaledTransitions } from '../train/setting.js';
import { mostGroups, type RealSpec, realSteps, type reproduceDataSchema } from './real-spec.js';

export interface RealData {
  readonly spec: RealSpec;
  /** In the network's units. */
  readonly rows: Transitions;
  /** (N): the group of each row's episode; groups are numbered in the order in which rows show them. */
  readonly group: Int32Array;
  /** (N, exogenousDim): x and x', in their leading components where they are many. */
  readonly exogenous: Float64Array;
  readonly exogenousNext: Float64Array;
}

const FEWEST_EPISODES = 4;
const LATENT_DIM = 8;
/** Leading principal components that stand for a wider exogenous state: it has to be given to probes, and told by them. */
const EXOGENOUS = 8;

/** Reads the data and checks that the claims can be asked of it. Throws {@link ExolamError}: `input` or `data`. */
export async function openReal(
  data: z.output<typeof reproduceDataSchema>,
  { seed, quick }: { readonly seed: number; readonly quick: boolean },
  backend: Backend,
  control: Control,
): Promise<RealData> {
  const { path, scale, latentDim, ...options } = data;
  const transitions = await openData(path, options, control);
  const quiet = { signal: control.signal, threads: control.threads };
  const groups = groupsOf(path, transitions, seed, mostGroups(quick));
  const { scaled: rows } = await scaledTransitions(transitions, scale, quiet);
  const { exogenous, exogenousNext, exogenousDim } = await leading(rows, backend, quiet);
  const place = new Map(groups.flatMap((episodes, g) => episodes.map((e) => [e, g])));
  const d = rows.observationDim;
  return {
    spec: {
      data,
      scale: scale ?? (transitions.sharedUnit ? 'given' : 'standard'),
      latentDim: latentDim ?? Math.min(LATENT_DIM, Math.ceil(d / 2)),
      ...{ steps: realSteps(quick), residual: true },
      ...{ transitions: rows.count, observationDim: d, actionDim: rows.actionDim, exogenousDim, groups },
      notes: transitions.notes,
    },
    rows,
    group: rows.episode.map((e) => place.get(e) as number),
    ...{ exogenous, exogenousNext },
  };
}

/** Episodes dealt to groups, as evenly as can be: one each where they are few. */
function groupsOf(path: string, { episode, action }: Transitions, seed: number, most: number): number[][] {
  if (!action)
    throw new ExolamError(
      'data',
      `${path}: expected actions, which latents are judged by and one of the remedies learns from, but there are none`,
    );
  const episodes = [...new Set(episode)];
  if (episodes.length < FEWEST_EPISODES)
    throw new ExolamError(
      'data',
      `${path}: expected at least ${FEWEST_EPISODES} episodes, of which two are held out of every model, but there ${episodes.length === 1 ? 'is 1' : `are ${episodes.length}`}`,
    );
  const groups = Math.min(episodes.length, most);
  const dealt = permutation(episodes.length, seed);
  const all = Array.from({ length: groups }, (_, g) => episodes.filter((_, i) => dealt[i] % groups === g));
  return all.sort((a, b) => episodes.indexOf(a[0]) - episodes.indexOf(b[0]));
}

/** x and x' as they are, or in the leading principal components of both. */
async function leading(rows: Transitions, backend: Backend, control: Control) {
  const { count, exogenousDim: width } = rows;
  const [exogenous, exogenousNext] = [rows.exogenous as Float64Array, rows.exogenousNext as Float64Array];
  if (width <= EXOGENOUS) return { exogenous, exogenousNext, exogenousDim: width };
  const both = new Float64Array(2 * count * width);
  both.set(exogenous);
  both.set(exogenousNext, count * width);
  const found = await leadingComponents(both, 2 * count, width, EXOGENOUS, backend, control);
  const half = count * found.width;
  return {
    exogenous: found.values.slice(0, half),
    exogenousNext: found.values.slice(half),
    exogenousDim: found.width,
  };
}
