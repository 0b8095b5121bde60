import { POPULATION_METRICS } from '../backend/requests.js';
import { version } from '../base/version.js';
import type { Coded, Column, Table } from './columns.js';
import type { ObjectiveTemplate, SweptStrength } from './objectives.js';
import type { Branch, Key, SweepAxis } from './points.js';
import { type Checked, isCount } from './spec.js';

/** Why a point has no figures, by what the rows say of it. */
export const STATUS = ['ok', 'nonFinite', 'notConverged', 'emptyProblem', 'unsupported', 'diverged'] as const;
export const EMPTY = STATUS.indexOf('emptyProblem');
export const UNSUPPORTED = STATUS.indexOf('unsupported');
export const DIVERGED = STATUS.indexOf('diverged');

/** Figures of rows as they are found, NaN until then. */
export interface Figures {
  readonly loss: Float64Array;
  /** In the order of POPULATION_METRICS. */
  readonly metrics: readonly Float64Array[];
  readonly unique: Uint8Array;
  readonly rank: Int32Array;
  /** Places of STATUS. */
  readonly status: Int32Array;
}

export function figuresFor(rows: number): Figures {
  const none = () => new Float64Array(rows).fill(Number.NaN);
  return {
    loss: none(),
    metrics: POPULATION_METRICS.map(none),
    unique: new Uint8Array(rows).fill(2),
    rank: new Int32Array(rows).fill(-1),
    status: new Int32Array(rows).fill(UNSUPPORTED),
  };
}

/** A parameter's column: its name, its type, and what of an axis it shows. */
export interface Parameter {
  readonly name: string;
  readonly type: Coded['type'];
  readonly shows: (key: Key) => boolean;
}

const TEXT = new Set(['mixing']);
const isWhole = (key: string) => key === 'seed' || isCount(key);

/** The columns of what varies, but for the objective's name, latentDim and what is found. */
export function parametersOf(spec: Checked): Parameter[] {
  const strengths = strengthNames(spec.objectives);
  return [
    ...[...strengths].map(
      ([strength, name]): Parameter => ({
        name,
        type: 'double',
        shows: (key) => key.of === 'objective' && strength.includes(key.key),
      }),
    ),
    ...[...spec.grid.map(({ key }) => key), 'seed' as const].map(
      (own): Parameter => ({
        name: own,
        type: TEXT.has(own) ? 'text' : isWhole(own) ? 'integer' : 'double',
        shows: (key) => key.of === 'world' && key.key === own,
      }),
    ),
    // The population is an infinite sample.
    { name: 'samples', type: 'double', shows: (key) => key.of === 'samples' },
    ...(spec.train?.keys ?? []).map(
      (own): Parameter => ({
        name: own,
        type: own === 'learningRate' ? 'double' : 'integer',
        shows: (key) => key.of === 'train' && key.key === own,
      }),
    ),
  ];
}

/**
 * The columns of the objectives' numbers: `weight` for that of any kind, as long as no objective has two of that name, else with the
 * kind before it.
 */
function strengthNames(objectives: readonly ObjectiveTemplate[]): Map<readonly SweptStrength[], string> {
  const short = (strength: SweptStrength) => strength.slice(strength.indexOf('.') + 1);
  const all = objectives.map(({ strengths }) => strengths.map(({ strength }) => strength));
  const distinct = [...new Set(all.flat())];
  const clash = new Set(
    all.flatMap((own) => own.map(short).filter((name, i, names) => names.indexOf(name) !== i)),
  );
  const found = new Map<readonly SweptStrength[], string>();
  for (const name of new Set(distinct.map(short))) {
    const same = distinct.filter((strength) => short(strength) === name);
    if (clash.has(name)) for (const strength of same) found.set([strength], strength);
    else found.set(same, name);
  }
  return found;
}

/** Places of configurations on the axes of a branch, as one part has them. */
export interface Segment {
  readonly branch: Branch;
  readonly places: readonly Int32Array[];
  readonly count: number;
}

/** Rows of a part: the parameters of its segments, each configuration once a latent dimension, and the figures found. */
export function tableOf(spec: Checked, segments: readonly Segment[], figures: Figures): Table {
  const { latentDims } = spec;
  const width = latentDims.length;
  const count = figures.loss.length;
  const columns = new Map<string, Column>();
  const labels = [...new Set(spec.objectives.map(({ label }) => label))];
  const objective = new Int32Array(count);
  let begin = 0;
  for (const { branch, count: own } of segments) {
    objective.fill(labels.indexOf(branch.objective.label), begin, begin + own * width);
    begin += own * width;
  }
  columns.set('objective', { kind: 'coded', type: 'text', values: labels, codes: objective });
  for (const parameter of parametersOf(spec))
    columns.set(parameter.name, parameterColumn(parameter, segments, width, count));
  const latent = cycles(width, count);
  columns.set('latentDim', { kind: 'coded', type: 'integer', values: latentDims, codes: latent });
  addFigures(columns, figures);
  return { count, columns };
}

/** 0, 1, .. width - 1, over and over. */
function cycles(width: number, count: number): Int32Array {
  const out = new Int32Array(count);
  for (let i = 0, k = 0; i < count; i++, k = k + 1 === width ? 0 : k + 1) out[i] = k;
  return out;
}

/** The figures, and what says how far they can be relied on. */
export function addFigures(columns: Map<string, Column>, figures: Figures): void {
  columns.set('loss', { kind: 'double', values: figures.loss });
  POPULATION_METRICS.forEach((name, m) => {
    columns.set(name, { kind: 'double', values: figures.metrics[m] });
  });
  columns.set('unique', { kind: 'flag', values: figures.unique });
  columns.set('rank', { kind: 'integer', values: figures.rank });
  columns.set('status', { kind: 'coded', type: 'text', values: STATUS, codes: figures.status });
  columns.set('version', {
    kind: 'coded',
    type: 'text',
    values: [version],
    codes: new Int32Array(figures.loss.length),
  });
}

/** A parameter over all segments: their axes' values one after the other, where they differ. */
function parameterColumn(
  { type, shows }: Parameter,
  segments: readonly Segment[],
  width: number,
  count: number,
): Coded {
  const codes = new Int32Array(count);
  let values: (number | string)[] = [];
  const codesOf = new Map<SweepAxis['keys'][number]['values'], Int32Array>();
  let at = 0;
  for (const { branch, places, count: own } of segments) {
    const axis = branch.axes.findIndex(({ keys }) => keys.some(({ key }) => shows(key)));
    const end = at + own * width;
    if (axis < 0) codes.fill(-1, at, end);
    else {
      const list = branch.axes[axis].keys.find(({ key }) => shows(key))?.values ?? [];
      let own = codesOf.get(list);
      if (!own) {
        const start = values.length;
        const present = list.filter((value) => value !== null);
        values = start === 0 ? present : values.concat(present);
        let next = start;
        own = Int32Array.from(list, (value) => (value === null ? -1 : next++));
        codesOf.set(list, own);
      }
      repeat(own, places[axis], width, codes, at);
    }
    at = end;
  }
  return { kind: 'coded', type, values, codes };
}

/** The code of each place `width` times, from `at` on. */
function repeat(codeOf: Int32Array, places: Int32Array, width: number, codes: Int32Array, at: number): void {
  for (let i = 0, to = at; i < places.length; i++) {
    const code = codeOf[places[i]];
    for (let k = 0; k < width; k++) codes[to++] = code;
  }
}
