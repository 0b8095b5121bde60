import type { Control, PopulationAnswer } from '../backend/requests.js';
import { ExolamError } from '../base/errors.js';
import {
  type ColumnName,
  type ColumnsSolution,
  type Configurations,
  solveColumnsAgain,
} from '../solve/columns.js';
import { representations } from '../solve/critical.js';
import type { ObjectiveSpec } from '../solve/objectives.js';
import type { AnyWorldSpec } from '../world/any-world.js';
import { createWorld, type WorldSpec } from '../world/world.js';
import { placed } from './gain.js';
import type { Key, SweepAxis } from './points.js';
import { EMPTY, type Figures, type Segment, UNSUPPORTED } from './rows.js';
import type { Checked } from './spec.js';

/** Keys that decide the shape of a problem, or a matrix of it: configurations that differ in them are asked about apart. */
const isShape = ({ of, key }: { readonly of: Key['of']; readonly key?: string }) =>
  of === 'samples' ||
  of === 'train' ||
  (of === 'world' && (key === 'mixing' || (key?.endsWith('Dim') ?? false))) ||
  key === 'representation.gain';

/** Configurations of one segment that go to the solver together. */
interface Group {
  /** Places in the segment; null: all of it, in order. */
  readonly members: Int32Array | null;
  /** Any one of them. */
  readonly first: number;
  /** The policy reacts and the supervision counts: no closed form below actionDim. */
  readonly reacts: boolean;
}

/** Exact figures for those configurations of a segment that ask for the population; `row` is where the segment begins. */
export async function solveSegment(
  spec: Checked,
  segment: Segment,
  figures: Figures,
  row: number,
  control: Control,
): Promise<void> {
  if (!spec.samples.includes(Number.POSITIVE_INFINITY)) return;
  for (const group of groupsOf(spec, segment)) {
    const world = worldAt(spec, segment, group.first) as WorldSpec;
    if (samplesAt(segment, group.first) !== Number.POSITIVE_INFINITY) continue;
    const asked = latentDimsFor(spec, world, group.reacts);
    if (asked.length === 0) continue;
    try {
      const { objective, columns } = columnsOf(segment, group);
      const questions: Configurations = {
        world,
        objective: withGain(objective, segment, group.first, world),
        latentDims: asked.map(({ latentDim }) => latentDim),
        columns,
      };
      const places = asked.map(({ at }) => at);
      const answer = await solveColumnsAgain(questions, control, spareOf(spec));
      place(answer, group, places, spec.latentDims.length, figures, row);
    } catch (error) {
      // Where this objective has no closed form, or leaves nothing to encode, the rows say so; nobody else's are touched.
      const why = statusOf(error);
      for (let i = 0; i < (group.members?.length ?? segment.count); i++) {
        const begin = row + (group.members?.[i] ?? i) * spec.latentDims.length;
        figures.status.fill(why, begin, begin + spec.latentDims.length);
      }
    }
  }
}

/** Arrays of answers that have been read, for those of the sweep's next parts. */
const spareArrays = new WeakMap<Checked, PopulationAnswer[]>();

function spareOf(spec: Checked): PopulationAnswer[] {
  const known = spareArrays.get(spec) ?? [];
  spareArrays.set(spec, known);
  return known;
}

/** The status of a point whose question is refused; throws what is no property of the point. */
export function statusOf(error: unknown): number {
  if (error instanceof ExolamError && error.kind === 'unsupported') return UNSUPPORTED;
  if (error instanceof ExolamError && error.kind === 'numerical') return EMPTY;
  throw error;
}

/** The latent dimensions that have an answer, ascending as the solver wants them, and their places in the spec. */
function latentDimsFor(
  spec: Checked,
  world: WorldSpec,
  reacts: boolean,
): { latentDim: number; at: number }[] {
  const least = reacts ? createWorld(world).spec.actionDim : 1;
  return spec.latentDims
    .map((latentDim, at) => ({ latentDim, at }))
    .filter(({ latentDim }) => latentDim >= least)
    .sort((a, b) => a.latentDim - b.latentDim);
}

function groupsOf(spec: Checked, segment: Segment): Group[] {
  const { branch, places, count } = segment;
  const shapes = branch.axes.flatMap((axis, a) =>
    axis.length > 1 && axis.keys.some(({ key }) => isShape(key) || dependsOnSeed(key, branch)) ? [a] : [],
  );
  const reacts = reactionOf(spec, segment);
  if (shapes.length === 0 && !reacts) return [{ members: null, first: 0, reacts: false }];
  const found = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    let code = reacts ? reacts[i] : 0;
    for (const a of shapes) code = code * branch.axes[a].length + places[a][i];
    const members = found.get(code);
    if (members) members.push(i);
    else found.set(code, [i]);
  }
  return [...found.values()].map((members) => ({
    members: members.length === count ? null : Int32Array.from(members),
    first: members[0],
    reacts: reacts ? reacts[members[0]] === REACTS + COUNTS : false,
  }));
}

/** A gain's projection is made of the world's matrices, which its seed decides. */
const dependsOnSeed = (key: Key, { objective }: Segment['branch']) =>
  key.of === 'world' &&
  key.key === 'seed' &&
  objective.strengths.some((s) => s.strength === 'representation.gain');

/** The policy reacts, and the supervision counts. */
const [REACTS, COUNTS] = [1, 2];

/**
 * For each configuration whether its policy reacts and its supervision counts; null where none does both. Configurations that differ
 * in either are asked about apart: the solver takes a column for what the values in it make possible together.
 */
function reactionOf({ base }: Checked, segment: Segment): Uint8Array | null {
  if (!segment.branch.objective.supervised) return null;
  const value = (of: Key['of'], key: string, fallback: number) => valuesOf(segment, of, key) ?? fallback;
  const at = (column: Float64Array | number, i: number) => (typeof column === 'number' ? column : column[i]);
  const { stateFeedback = 0, exogenousFeedback = 0 } = base as WorldSpec;
  const onState = value('world', 'stateFeedback', stateFeedback);
  const onExogenous = value('world', 'exogenousFeedback', exogenousFeedback);
  const weight = value('objective', 'action-supervised.weight', 1);
  const labels = value('objective', 'action-supervised.labelFraction', 1);
  const found = new Uint8Array(segment.count);
  for (let i = 0; i < found.length; i++)
    found[i] =
      (at(onState, i) !== 0 || at(onExogenous, i) !== 0 ? REACTS : 0) +
      (at(weight, i) * at(labels, i) > 0 ? COUNTS : 0);
  return found.includes(REACTS + COUNTS) ? found : null;
}

/** A number by configuration, where an axis has it. */
export function valuesOf(
  { branch, places, count }: Segment,
  of: Key['of'],
  name: string,
): Float64Array | null {
  for (const [a, { keys }] of branch.axes.entries())
    for (const { key, values } of keys)
      if (key.of === of && (key as { key?: string }).key === name) {
        return valuesAt(values as readonly number[], places[a], null, count);
      }
  return null;
}

/** The value that an axis gives configuration i. */
const valueOn = (axis: SweepAxis, place: number, k: number) => axis.keys[k].values[place];

/** The world of configuration i. */
export function worldAt(spec: Checked, { branch, places }: Segment, i: number): AnyWorldSpec {
  const world: Record<string, unknown> = { ...spec.base };
  branch.axes.forEach((axis, a) => {
    axis.keys.forEach(({ key }, k) => {
      if (key.of === 'world') world[key.key] = valueOn(axis, places[a][i], k);
    });
  });
  return world as AnyWorldSpec;
}

/** The axis of how a model comes about. */
const modelAxis = ({ branch }: Segment) =>
  branch.axes.findIndex(({ keys }) => keys.some(({ key }) => key.of === 'samples'));

/** How many transitions configuration i is fitted to; Infinity is the population, null a model that is trained. */
export function samplesAt(segment: Segment, i: number): number | null {
  const a = modelAxis(segment);
  return valueOn(segment.branch.axes[a], segment.places[a][i], 0) as number | null;
}

/** The numbers of configuration i's training, in the order of the plan's keys; null where it is not trained. */
export function trainedAt(segment: Segment, i: number): readonly number[] | null {
  if (samplesAt(segment, i) !== null) return null;
  const a = modelAxis(segment);
  const [, ...keys] = segment.branch.axes[a].keys;
  return keys.map(({ values }) => values[segment.places[a][i]] as number);
}

/** The objective of configuration i, whole. */
export function objectiveAt(segment: Segment, i: number, world: AnyWorldSpec): ObjectiveSpec {
  let objective = segment.branch.objective.spec;
  segment.branch.axes.forEach((axis, a) => {
    axis.keys.forEach(({ key }, k) => {
      if (key.of === 'objective')
        objective = placed(objective, key.key, valueOn(axis, segment.places[a][i], k) as number);
    });
  });
  return withGain(objective, segment, i, world);
}

function withGain(objective: ObjectiveSpec, segment: Segment, i: number, world: AnyWorldSpec): ObjectiveSpec {
  for (const [a, axis] of segment.branch.axes.entries())
    for (const [k, { key }] of axis.keys.entries())
      if (key.of === 'objective' && key.key === 'representation.gain') {
        const gain = valueOn(axis, segment.places[a][i], k) as number;
        return placed(objective, key.key, representations(createWorld(world as WorldSpec))(gain));
      }
  return objective;
}

/** What differs among the configurations of a group, as columns. */
function columnsOf(
  segment: Segment,
  group: Group,
): { objective: ObjectiveSpec; columns: Configurations['columns'] } {
  const { branch, places, count } = segment;
  const columns: Partial<Record<ColumnName, Float64Array>> = {};
  const size = group.members?.length ?? count;
  branch.axes.forEach((axis, a) => {
    axis.keys.forEach(({ key, values }) => {
      if (isShape(key) || key.of === 'samples' || key.of === 'train') return;
      columns[key.key as ColumnName] = valuesAt(values as readonly number[], places[a], group.members, size);
    });
  });
  return { objective: branch.objective.spec, columns };
}

function valuesAt(
  values: readonly number[],
  places: Int32Array,
  members: Int32Array | null,
  size: number,
): Float64Array {
  const column = new Float64Array(size);
  for (let i = 0; i < size; i++) column[i] = values[places[members ? members[i] : i]];
  return column;
}

/** Puts an answer where its rows are. */
function place(
  answer: ColumnsSolution,
  { members }: Group,
  at: readonly number[],
  width: number,
  figures: Figures,
  row: number,
): void {
  const columns = [answer.loss, ...(Object.values(answer.metrics) as Float64Array[])];
  const to = [figures.loss, ...figures.metrics];
  const isWhole = members === null && at.length === width && at.every((place, k) => place === k);
  for (const [c, values] of columns.entries())
    if (isWhole) to[c].set(values, row);
    else placeColumn(values, to[c], members, at, width, row);
  placeStates(answer, members, at, width, figures, row);
}

function placeColumn(
  from: Float64Array,
  to: Float64Array,
  members: Int32Array | null,
  at: readonly number[],
  width: number,
  row: number,
): void {
  const count = from.length / at.length;
  for (let i = 0, n = 0; i < count; i++) {
    const begin = row + (members ? members[i] : i) * width;
    for (let k = 0; k < at.length; k++) to[begin + at[k]] = from[n++];
  }
}

function placeStates(
  answer: ColumnsSolution,
  members: Int32Array | null,
  at: readonly number[],
  width: number,
  { unique, rank, status }: Figures,
  row: number,
): void {
  for (let i = 0, n = 0; i < answer.count; i++) {
    const begin = row + (members ? members[i] : i) * width;
    const state = answer.status[i];
    for (let k = 0; k < at.length; k++, n++) {
      const to = begin + at[k];
      status[to] = state;
      if (state !== 0) continue;
      unique[to] = answer.unique[n];
      rank[to] = answer.rank[i];
    }
  }
}
