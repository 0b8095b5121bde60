import { ExolamError } from '../base/errors.js';
import { philox } from '../random/philox.js';
import { type AnyWorldSpec, createAnyWorld } from '../world/any-world.js';
import { type Interval, type Values, valueAt, valuesOf } from './axis.js';
import type { ObjectiveTemplate, SweptStrength } from './objectives.js';
import { type Checked, type GridKey, isCount } from './spec.js';
import type { TrainKey } from './train-spec.js';

/** What an axis sets: a key of the world (its seed included), a number of the objective, how a model comes about. */
export type Key =
  | { readonly of: 'world'; readonly key: GridKey | 'seed' }
  | { readonly of: 'objective'; readonly key: SweptStrength }
  | { readonly of: 'samples' }
  | { readonly of: 'train'; readonly key: TrainKey };

/** One dimension of a sweep: its i-th place sets each of its keys to that key's i-th value. */
export interface SweepAxis {
  readonly length: number;
  readonly keys: readonly { readonly key: Key; readonly values: readonly (number | string | null)[] }[];
  /** Where refinement may put values between two of these. */
  readonly interval?: Interval;
}

/** All points of one objective: the product of its axes, outermost first, and of the latent dimensions, innermost. */
export interface Branch {
  readonly objective: ObjectiveTemplate;
  readonly axes: readonly SweepAxis[];
  /** Configurations: points that differ in more than latentDim. */
  readonly configurations: number;
  /** How many come before them, of earlier objectives. */
  readonly first: number;
}

/** Every point of a sweep, in order, without an object for any of them. */
export interface Points {
  readonly spec: Checked;
  readonly branches: readonly Branch[];
  readonly configurations: number;
  /** Rows; with `refine` those before the refinement. */
  readonly count: number;
}

/** Points beyond which an index is no longer exact in what follows. */
const MOST_POINTS = 2 ** 47;

/** The points of a spec, their number and order; throws where a world of them cannot be. */
export function pointsOf(spec: Checked): Points {
  const branches: Branch[] = [];
  let first = 0;
  for (const [i, objective] of spec.objectives.entries()) {
    const axes = axesOf(spec, objective, `objectives[${i}]`);
    const configurations = axes.reduce((product, axis) => product * axis.length, 1);
    branches.push({ objective, axes, configurations, first });
    first += configurations;
    if (!(first * spec.latentDims.length <= MOST_POINTS))
      throw new ExolamError(
        'input',
        `grid: expected at most ${MOST_POINTS} points but received ${first * spec.latentDims.length}`,
      );
  }
  requireWorlds(spec);
  return { spec, branches, configurations: first, count: first * spec.latentDims.length };
}

interface Varying {
  readonly key: Key;
  readonly values: Values<number | string>;
  readonly what: string;
}

function axesOf(spec: Checked, objective: ObjectiveTemplate, what: string): SweepAxis[] {
  const strengths = objective.strengths.map(
    ({ strength, values }): Varying => ({
      key: { of: 'objective', key: strength },
      values,
      what: `${what}.${strength}`,
    }),
  );
  const grid = spec.grid.map(
    ({ key, values }): Varying => ({ key: { of: 'world', key }, values, what: `grid.${key}` }),
  );
  const all = [...strengths, ...grid];
  const lists = all.filter(({ values }) => spec.random === undefined || 'list' in values).map(axisOf);
  const intervals = all.filter(({ values }) => 'interval' in values);
  const seeds: SweepAxis = {
    length: spec.seeds.length,
    keys: [{ key: { of: 'world', key: 'seed' }, values: spec.seeds }],
  };
  const others = [seeds, modelAxis(spec)];
  if (spec.random !== undefined) {
    if (intervals.length === 0)
      throw new ExolamError(
        'input',
        'random: expected at least one range among grid and objectives to draw from',
      );
    return [...lists, drawn(intervals, spec.random), ...others];
  }
  if (!spec.refine) return [...lists, ...others];
  const refined = lists.filter(({ interval }) => interval);
  if (refined.length === 0 || refined.length > 2)
    throw new ExolamError(
      'input',
      `refine: expected one or two ranges among grid and ${what}, whose cells are halved, but received ${refined.length}`,
    );
  // What is refined is innermost: all else stays as it is in one refinement.
  return [...lists.filter(({ interval }) => !interval), ...others, ...refined];
}

/** How a model comes about: exactly, fitted to so many transitions, or trained; those that are trained have no `samples`. */
function modelAxis({ samples, train }: Checked): SweepAxis {
  const keys: SweepAxis['keys'][number][] = [{ key: { of: 'samples' }, values: samples }];
  if (!train) return { length: samples.length, keys };
  const trained = <T>(values: readonly T[], none: null): (T | null)[] => [
    ...samples.map(() => none),
    ...values,
  ];
  return {
    length: samples.length + train.points.length,
    keys: [
      { key: { of: 'samples' }, values: [...samples, ...train.points.map(() => null)] },
      ...train.keys.map((key, i) => ({
        key: { of: 'train', key } as const,
        values: trained(
          train.points.map((point) => point[i]),
          null,
        ),
      })),
    ],
  };
}

function axisOf({ key, values, what }: Varying): SweepAxis {
  if ('list' in values) return { length: values.list.length, keys: [{ key, values: values.list }] };
  const list = valuesOf(values.interval, what);
  const axis = { length: list.length, keys: [{ key, values: list }] };
  // There is nothing between two integers.
  return values.interval.whole ? axis : { ...axis, interval: values.interval };
}

/** Streams of random points, away from those of worlds and samples. */
const RANDOM_STREAM = 5000;

/** One axis of so many points drawn from the product of the intervals: the first n are the same however many there are. */
function drawn(intervals: readonly Varying[], count: number): SweepAxis {
  const keys = intervals.map(({ key, values }, j) => {
    const { interval } = values as { interval: Interval };
    return { key, values: Array.from({ length: count }, (_, i) => valueAt(interval, uniform(i, j))) };
  });
  return { length: count, keys };
}

/** A number in (0, 1) by its index and stream. */
function uniform(index: number, stream: number): number {
  const words = Uint32Array.of(index % 2 ** 32, Math.floor(index / 2 ** 32), RANDOM_STREAM + stream, 0);
  philox(words, 0, 0);
  return (words[0] * 2 ** 20 + (words[1] >>> 12) + 0.5) * 2 ** -52;
}

/** For each axis of a branch, the place of configurations first .. first + count on it. */
export function placesOf({ axes }: Branch, first: number, count: number): Int32Array[] {
  let stride = axes.reduce((product, axis) => product * axis.length, 1);
  return axes.map(({ length }) => {
    stride /= length;
    return placesOn(length, stride, first, count);
  });
}

/** Loops stand in functions with names of their own: the engine compiles those once, and a closure each time that it is made. */
function placesOn(length: number, stride: number, first: number, count: number): Int32Array {
  const places = new Int32Array(count);
  let place = Math.floor(first / stride) % length;
  let left = stride - (first % stride);
  for (let at = 0; at < count; at++) {
    places[at] = place;
    if (--left > 0) continue;
    left = stride;
    place = place + 1 === length ? 0 : place + 1;
  }
  return places;
}

/** Throws where dimensions that are crossed make no world, or one too narrow for a latent dimension. */
function requireWorlds(spec: Checked): void {
  const shapes = spec.grid.filter(({ key }) => key === 'mixing' || isCount(key) || key.endsWith('Radius'));
  let worlds: AnyWorldSpec[] = [spec.base];
  for (const { key, values } of shapes) {
    const list = 'list' in values ? values.list : ends(values.interval);
    worlds = worlds.flatMap((world) => list.map((value) => ({ ...world, [key]: value })));
    if (worlds.length > MOST_SHAPES)
      throw new ExolamError(
        'input',
        `grid: expected at most ${MOST_SHAPES} shapes of worlds (dimensions and mixing)`,
      );
  }
  const names = shapes.map(({ key }) => key);
  for (const world of worlds) {
    const made = createAnyWorld(world, names.length > 0 ? `grid, at ${describe(world, names)}` : 'base');
    const widest = Math.max(...spec.latentDims);
    // A network's z may be wider.
    if (made.kind === 'linear' && widest > made.observationDim)
      throw new ExolamError(
        'input',
        `latentDim: expected at most observationDim (${made.observationDim}) but received ${widest}`,
      );
  }
}

const MOST_SHAPES = 10_000;
const ends = ({ from, to }: Interval) => [from, to];

function describe(world: AnyWorldSpec, names: readonly GridKey[]): string {
  return names.map((name) => `${name} ${(world as Record<string, unknown>)[name]}`).join(', ');
}
