import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as api from '../lib/index.js';

/** Values of every wrong type at once: what the compiler would refuse and JavaScript does not. */
// biome-ignore lint/suspicious/noExplicitAny: the point of this file
type Wrong = any;
const wrong = (value: unknown): Wrong => value;

const folder = mkdtempSync(join(tmpdir(), 'exolam-abuse-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text = '') => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const random = (rows: number, cols: number, seed: number) => {
  const values = new Float64Array(rows * cols);
  api.defaultBackend().normals(seed, 0, 0, values.length, values);
  return Array.from({ length: rows }, (_, i) => Array.from(values.subarray(i * cols, (i + 1) * cols)));
};
const [N, d] = [40, 3];
const plain = { observation: random(N, d, 1), observationNext: random(N, d, 2), actions: random(N, 2, 3) };
const data = api.transitions(plain);
const frames = { observations: random(N, d, 4), episodeEnds: [10, N] };
const detached = () => {
  const values = new Float64Array(N * d);
  structuredClone(values.buffer, { transfer: [values.buffer] });
  return values;
};
const without = <T extends object, K extends keyof T>(value: T, ...keys: K[]) =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key as K))) as Wrong;
const looped: Record<string, unknown> = {};
looped['self'] = looped;

const objective = { kind: 'reconstruction' } as const;
const question = { objective, latentDim: 2 };
const world = { observationDim: 12 };
const columns = { exogenousScale: Float64Array.of(1, 2) };
const configurations = { objective, latentDims: [1, 2], columns };
const csv = file('data.csv', 'obs_0,obs_1\n1,2\n2,3\n4,5\n7,8\n9,1\n');
const all = async (samples: AsyncIterable<unknown>) => {
  for await (const _ of samples);
};
const swept = (spec: Wrong, options?: Wrong) => all(api.sweep(spec, options));
const sample = (spec: Wrong, options: Wrong) => all(api.sampleTransitions(spec, options));
const lam = await api.fitLinearLam({ world, ...question });
const o = new Float64Array(24);

const judged = {
  rows: {
    count: N,
    observation: plain.observation.flat(),
    observationDim: d,
    action: plain.actions.flat(),
    actionDim: 2,
  },
  z: { latents: Float64Array.from({ length: 2 * N }, (_, i) => Math.sin(i)), latentDim: 2 },
} as unknown as { rows: Parameters<typeof api.judgeLatents>[0]; z: Parameters<typeof api.judgeLatents>[1] };
Object.assign(judged.rows, {
  observation: Float64Array.from(plain.observation.flat()),
  action: Float64Array.from(plain.actions.flat()),
});

type Abuse = readonly [what: string, call: () => unknown, message: RegExp];
const list = (name: string, ...abuses: Abuse[]) =>
  abuses.map(([what, call, message]) => [`${name} ${what}`, call, message] as const);

/** What every call's control refuses, under one call. */
const control = (name: string, call: (options: Wrong) => unknown) =>
  list(
    name,
    ['options null', () => call(null), /^options: expected an object but received null$/],
    ['options a number', () => call(3), /^options: expected an object but received 3$/],
    ['no signal', () => call({ signal: {} }), /^signal: expected an AbortSignal but received \{\}$/],
    [
      'a controller as signal',
      () => call({ signal: new AbortController() }),
      /^signal: expected an AbortSignal/,
    ],
    [
      'onProgress a string',
      () => call({ onProgress: 'x' }),
      /^onProgress: expected a function.*received "x"$/,
    ],
    ['threads 0', () => call({ threads: 0 }), /^threads: expected an integer from 1 to 1024 but received 0$/],
    ['threads 1e9', () => call({ threads: 1e9 }), /^threads: .*received 1000000000$/],
    ['threads NaN', () => call({ threads: Number.NaN }), /^threads: .*received NaN$/],
    ['threads as text', () => call({ threads: '2' }), /^threads: .*received "2"$/],
  );
const backend = (name: string, call: (options: Wrong) => unknown) =>
  list(
    name,
    [
      'backend by name',
      () => call({ backend: 'native' }),
      /^backend: expected a backend.*received "native"$/,
    ],
    ['backend {}', () => call({ backend: {} }), /^backend: expected a backend/],
  );

const abuses: (readonly [string, () => unknown, RegExp])[] = [
  ...control('score', (options) => api.score(lam, { world }, options)),
  ...backend('score', (options) => api.score(lam, { world }, options)),
  ...list(
    'score',
    [
      'null',
      () => api.score(wrong(null), { world }),
      /^lam: expected a LinearLam or \{C, D\} but received null$/,
    ],
    [
      'text',
      () => api.score(wrong('lam'), { world }),
      /^lam: expected a LinearLam or \{C, D\} but received "lam"$/,
    ],
    ['nothing', () => api.score(wrong({}), { world }), /^C: expected an object but received nothing$/],
    [
      'C without D',
      () => api.score(wrong({ C: random(2, 12, 5) }), { world }),
      /^D: expected an object but received nothing$/,
    ],
    [
      'a ragged C',
      () => api.score({ C: [[1, 2], [1]], D: random(2, 2, 5) }, { world }),
      /^C\[1\]: expected 2 numbers, as in row 0, but received 1$/,
    ],
    [
      'C and D of different sizes',
      () => api.score({ C: random(1, 12, 5), D: random(2, 12, 5) }, { world }),
      /^D: expected 1 rows of 12 numbers, as C has, but received 2 rows of 12$/,
    ],
    [
      'an encoder of another width',
      () => api.score({ C: random(2, 5, 5), D: random(2, 5, 6) }, { world }),
      /^where: expected observations of 5 coordinates, as the encoder has, but received 12$/,
    ],
    [
      'NaN',
      () => api.score({ C: [[Number.NaN, 1]], D: [[1, 2]] }, { world }),
      /^C.*\[0\]\[0\]: expected a number but received NaN$/,
    ],
    [
      'nowhere',
      () => api.score(lam, wrong(null)),
      /^where: expected \{world\}, \{moments\} or transitions but received null$/,
    ],
    ['somewhere', () => api.score(lam, wrong({})), /expected an integer from 1 but received nothing$/],
    [
      'a misspelled world',
      () => api.score(lam, { world: wrong({ observationdim: 3 }) }),
      /^where\.world: unknown key "observationdim"; did you mean "observationDim"\?/,
    ],
    ['no moments', () => api.score(lam, { moments: wrong({}) }), /^where\.moments: width: /],
    ['ridge -1', () => api.score(lam, { world }, { ridge: -1 }), /^ridge: .* but received -1$/],
    [
      'probes a number',
      () => api.score(lam, { world }, { probes: wrong(3) }),
      /^probes: expected \{world\}, \{moments\} or transitions but received 3$/,
    ],
    [
      'a misspelled option',
      () => api.score(lam, { world }, wrong({ rigde: 1 })),
      /^options: unknown key "rigde"; did you mean "ridge"\?/,
    ],
  ),
  ...list(
    'solve',
    ['null', () => api.solve(wrong(null)), /^case: expected an object but received null$/],
    ['nothing', () => wrong(api.solve)(), /^case: expected an object but received nothing$/],
    ['text', () => api.solve(wrong('x')), /^case: expected an object but received "x"$/],
    ['a list', () => api.solve(wrong([])), /^case: expected an object/],
    [
      'no objective',
      () => api.solve(wrong({ latentDim: 1 })),
      /^objective: expected an object but received nothing/,
    ],
    [
      'objective null',
      () => api.solve(wrong({ ...question, objective: null })),
      /^objective: expected an object/,
    ],
    [
      'objective as text',
      () => api.solve(wrong({ ...question, objective: 'reconstruction' })),
      /^objective: expected an object/,
    ],
    [
      'unknown kind',
      () => api.solve(wrong({ ...question, objective: { kind: 'x' } })),
      /^objective\.kind: expected one of .*"reconstruction"/,
    ],
    [
      'weight NaN',
      () => api.solve({ ...question, objective: { kind: 'exogenous-robust', weight: Number.NaN } }),
      /^objective\.weight: expected a number but received NaN$/,
    ],
    [
      'weight -1',
      () => api.solve({ ...question, objective: { kind: 'exogenous-robust', weight: -1 } }),
      /^objective\.weight: expected at least 0 but received -1$/,
    ],
    [
      'labelFraction 2',
      () => api.solve({ ...question, objective: { kind: 'action-supervised', weight: 1, labelFraction: 2 } }),
      /^objective\.labelFraction: expected at most 1 but received 2$/,
    ],
    [
      'projection of NaN',
      () =>
        api.solve({ world, ...question, objective: { kind: 'representation', projection: [[Number.NaN]] } }),
      /^objective\.projection\[0\]\[0\]: expected a number but received NaN$/,
    ],
    [
      'projection []',
      () => api.solve({ world, ...question, objective: { kind: 'representation', projection: [] } }),
      /^objective\.projection: expected at least one entry but received \[\]$/,
    ],
    [
      'projection too narrow',
      () => api.solve({ world, ...question, objective: { kind: 'representation', projection: [[1, 2]] } }),
      /^objective\.projection\[0\]: expected observationDim \(12\) numbers but received 2$/,
    ],
    [
      'projection ragged',
      () =>
        api.solve({ world, ...question, objective: { kind: 'representation', projection: [[1, 2], [1]] } }),
      /^objective\.projection\[1\]: expected 2 numbers/,
    ],
    [
      'latentDim 0',
      () => api.solve({ ...question, latentDim: 0 }),
      /^latentDim: expected at least 1 but received 0$/,
    ],
    [
      'latentDim 1.5',
      () => api.solve({ ...question, latentDim: 1.5 }),
      /^latentDim: expected an integer but received 1\.5$/,
    ],
    [
      'latentDim "2"',
      () => api.solve(wrong({ ...question, latentDim: '2' })),
      /^latentDim: expected a number but received "2"$/,
    ],
    [
      'latentDim above observationDim',
      () => api.solve({ world, objective, latentDim: 13 }),
      /^latentDim: expected at most observationDim \(12\) but received 13$/,
    ],
    [
      'latentDim Infinity',
      () => api.solve({ ...question, latentDim: Number.POSITIVE_INFINITY }),
      /^latentDim: expected a number but received Infinity$/,
    ],
    [
      'latentDim 10n',
      () => api.solve(wrong({ ...question, latentDim: 10n })),
      /^latentDim: expected a number but received 10$/,
    ],
    [
      'world null',
      () => api.solve(wrong({ ...question, world: null })),
      /^world: expected an object but received null$/,
    ],
    [
      'world that holds itself',
      () => api.solve(wrong({ ...question, world: looped })),
      /^world: unknown key "self"/,
    ],
    [
      'seed -1',
      () => api.solve({ ...question, world: { seed: -1 } }),
      /^world\.seed: expected at least 0 but received -1$/,
    ],
    [
      'seed 2^60',
      () => api.solve({ ...question, world: { seed: 2 ** 60 } }),
      /^world\.seed: expected at most 9007199254740991/,
    ],
    [
      'sensorNoise Infinity',
      () => api.solve({ ...question, world: { sensorNoise: Number.POSITIVE_INFINITY } }),
      /^world\.sensorNoise: expected a number but received Infinity$/,
    ],
    [
      'observationDim 0',
      () => api.solve({ ...question, world: { observationDim: 0 } }),
      /^world\.observationDim: expected at least 1 but received 0$/,
    ],
    [
      'observationDim 1e300',
      () => api.solve({ ...question, world: { observationDim: 1e300 } }),
      /^world\.observationDim: expected/,
    ],
    [
      'correlation 1',
      () => api.solve({ ...question, world: { actionExogenousCorrelation: 1 } }),
      /^world\.actionExogenousCorrelation: expected less than 1 but received 1$/,
    ],
    [
      'mixing unknown',
      () => api.solve(wrong({ ...question, world: { mixing: 'x' } })),
      /^world\.mixing: expected one of "orthonormal", "gaussian" but received "x"$/,
    ],
    [
      'a world beyond memory',
      () =>
        api.solve({
          ...question,
          world: { observationDim: 1_000_000, endogenousDim: 4096, exogenousDim: 4096, mixing: 'gaussian' },
        }),
      /^the mixing of observationDim 1000000.*GB of memory/,
    ],
    [
      'an encoder beyond memory',
      () =>
        api.solve(
          { objective, latentDim: 1_000_000, world: { observationDim: 1_000_000 } },
          { encoder: true },
        ),
      /encoder of 1000000 latents.*GB of memory/,
    ],
    [
      'matrices null',
      () => api.solve(wrong({ ...question, world: { matrices: null } })),
      /^world\.matrices: expected an object but received null$/,
    ],
    [
      'matrices ragged',
      () =>
        api.solve({
          ...question,
          world: {
            observationDim: 1,
            endogenousDim: 1,
            exogenousDim: 1,
            actionDim: 1,
            matrices: { endogenousMixing: [[1, 2]], exogenousMixing: [[1]], actionEffect: [[1]] },
          },
        }),
      /^world\.matrices\.endogenousMixing: expected 1 rows of 1 numbers/,
    ],
    [
      'encoder 1',
      () => api.solve(question, wrong({ encoder: 1 })),
      /^encoder: expected a boolean but received 1$/,
    ],
    [
      'names a string',
      () => api.solve(question, wrong({ names: 'x' })),
      /^names: expected an array but received "x"$/,
    ],
    [
      'a getter that throws',
      () =>
        api.solve(
          wrong({
            ...question,
            get world() {
              throw new Error('boo');
            },
          }),
        ),
      /^case: expected an object that can be read, but boo$/,
    ],
  ),
  ...control('solve', (options) => api.solve(question, options)),
  ...backend('solve', (options) => api.solve(question, options)),
  ...list(
    'solveBatch',
    [
      'latentDim and latentDims',
      () => api.solveBatch(wrong([{ ...question, latentDims: [1] }])),
      /^latentDims: expected latentDim or latentDims, not both$/,
    ],
    [
      'latentDims []',
      () => api.solveBatch([{ objective, latentDims: [] }]),
      /^latentDims: expected at least one entry but received \[\]$/,
    ],
    [
      'latentDims too wide',
      () => api.solveBatch([{ world, objective, latentDims: [1, 13] }]),
      /^latentDims: expected at most observationDim \(12\) but received 13$/,
    ],
    [
      'throwOnFailure 0',
      () => api.solveBatch([question], wrong({ throwOnFailure: 0 })),
      /^throwOnFailure: expected a boolean but received 0$/,
    ],
    ['null', () => api.solveBatch(wrong(null)), /^cases: expected a list of cases but received null$/],
    ['an object', () => api.solveBatch(wrong({})), /^cases: expected a list/],
    [
      'a hole',
      () => api.solveBatch(wrong([question, null])),
      /^case 1: expected an object but received null$/,
    ],
    [
      'an empty slot',
      () => api.solveBatch(new Array(2)),
      /^case 0: expected an object but received nothing$/,
    ],
    [
      'a bad second case',
      () => api.solveBatch([question, { ...question, latentDim: -1 }]),
      /^case 1: latentDim: expected at least 1/,
    ],
    [
      'a name that is no text',
      () => api.solveBatch([question], wrong({ names: [1] })),
      /^names\[0\]: expected a string but received 1$/,
    ],
  ),
  ...control('solveBatch', (options) => api.solveBatch([question], options)),
  ...list(
    'solveColumns',
    ['null', () => api.solveColumns(wrong(null)), /^configurations: expected an object but received null$/],
    [
      'columns null',
      () => api.solveColumns(wrong({ ...configurations, columns: null })),
      /^columns: expected an object of columns but received null$/,
    ],
    [
      'columns a list',
      () => api.solveColumns(wrong({ ...configurations, columns: [1] })),
      /^columns: unknown key "0"/,
    ],
    [
      'no column',
      () => api.solveColumns({ ...configurations, columns: {} }),
      /^columns: expected at least one of/,
    ],
    [
      'a column as a list',
      () => api.solveColumns(wrong({ ...configurations, columns: { exogenousScale: [1] } })),
      /^columns\.exogenousScale: expected a Float64Array but received \[1\]$/,
    ],
    [
      'an unknown column',
      () => api.solveColumns(wrong({ ...configurations, columns: { exogenousScal: Float64Array.of(1) } })),
      /^columns: unknown key "exogenousScal"; did you mean "exogenousScale"\?/,
    ],
    [
      'a column of NaN',
      () => api.solveColumns({ ...configurations, columns: { exogenousScale: Float64Array.of(Number.NaN) } }),
      /^columns\.exogenousScale\[0\]: expected a finite number but received NaN$/,
    ],
    [
      'columns of two lengths',
      () => api.solveColumns({ ...configurations, columns: { ...columns, sensorNoise: Float64Array.of(1) } }),
      /^columns\.sensorNoise: expected 2 values/,
    ],
    [
      'a detached column',
      () => api.solveColumns({ ...configurations, columns: { exogenousScale: detached() } }),
      /^columns\.exogenousScale: expected at least one value but received 0$/,
    ],
    [
      'a column out of range',
      () => api.solveColumns({ ...configurations, columns: { sensorNoise: Float64Array.of(-1) } }),
      /^columns\.sensorNoise\[0\]: expected at least 0 but received -1$/,
    ],
    [
      'a column that the objective has no use for',
      () =>
        api.solveColumns({ ...configurations, columns: { 'exogenous-robust.weight': Float64Array.of(1) } }),
      /^columns\.exogenous-robust\.weight: expected an objective with/,
    ],
    [
      'latentDims null',
      () => api.solveColumns(wrong({ ...configurations, latentDims: null })),
      /^latentDims: expected an array but received null$/,
    ],
    [
      'latentDims []',
      () => api.solveColumns({ ...configurations, latentDims: [] }),
      /^latentDims: expected at least one entry/,
    ],
    [
      'latentDims descending',
      () => api.solveColumns({ ...configurations, latentDims: [2, 1] }),
      /^latentDims: expected ascending integers/,
    ],
    [
      'latentDims of text',
      () => api.solveColumns(wrong({ ...configurations, latentDims: ['1'] })),
      /^latentDims\[0\]: expected an integer from 1 but received "1"$/,
    ],
    [
      'an unknown metric',
      () => api.solveColumns(configurations, wrong({ metrics: ['x'] })),
      /^metrics\[0\]: expected one of .*"futureLeakage"/,
    ],
    [
      'metrics as text',
      () => api.solveColumns(configurations, wrong({ metrics: 'loss' })),
      /^metrics: expected an array but received "loss"$/,
    ],
    [
      'spectrum 1',
      () => api.solveColumns(configurations, wrong({ spectrum: 1 })),
      /^spectrum: expected a boolean/,
    ],
  ),
  ...control('solveColumns', (options) => api.solveColumns(configurations, options)),
  ...list(
    'analyze',
    ['null', () => api.analyze(wrong(null)), /^data: expected an object but received null$/],
    ['nothing', () => wrong(api.analyze)(), /^data: expected an object but received nothing$/],
    ['a path', () => api.analyze(wrong('data.npz')), /^data: expected an object but received "data\.npz"$/],
    [
      'plain arrays',
      () => api.analyze(wrong(plain)),
      /^count: expected an integer from 1 but received nothing$/,
    ],
    [
      'count wrong',
      () => api.analyze({ ...data, count: N + 1 }),
      /^observation: expected 41 rows of 3 numbers, 123 in all, but received 120$/,
    ],
    [
      'count huge',
      () => api.analyze({ ...data, count: 2 ** 52 }),
      /^observation: expected 4503599627370496 rows/,
    ],
    [
      'observation a list',
      () => api.analyze(wrong({ ...data, observation: [1] })),
      /^observation: expected a Float64Array but received \[1\]$/,
    ],
    [
      'observation gone',
      () => api.analyze(without(data, 'observation')),
      /^observation: expected a Float64Array but received nothing$/,
    ],
    [
      'observation detached',
      () => api.analyze({ ...data, observation: detached() }),
      /^observation: expected 40 rows but received a Float64Array whose memory was transferred$/,
    ],
    [
      'observationNext of NaN',
      () =>
        api.analyze({
          ...data,
          observationNext: data.observationNext.map((v, i) => (i === 4 ? Number.NaN : v)),
        }),
      /^observationNext: row 1, column 1 is NaN; every number must be finite$/,
    ],
    [
      'action short',
      () => api.analyze({ ...data, action: new Float64Array(3) }),
      /^action: expected 40 rows of 2 numbers/,
    ],
    [
      'episode short',
      () => api.analyze({ ...data, episode: new Int32Array(3) }),
      /^episode: expected an Int32Array of 40 numbers.*received 3$/,
    ],
    [
      'half a pair',
      () => api.analyze({ ...data, pairObservation: data.observation }),
      /^pairObservationNext: expected a Float64Array/,
    ],
    [
      'notes gone',
      () => api.analyze(without(data, 'notes')),
      /^notes: expected an array but received nothing$/,
    ],
    [
      'actionDim 1.5',
      () => api.analyze({ ...data, actionDim: 1.5 }),
      /^actionDim: expected an integer from 0 but received 1\.5$/,
    ],
    [
      'one transition',
      () =>
        api.analyze({
          ...data,
          count: 1,
          observation: new Float64Array(3),
          observationNext: new Float64Array(3),
          action: new Float64Array(2),
          episode: new Int32Array(1),
        }),
      /^1 transitions are too few/,
    ],
    [
      'latentDims []',
      () => api.analyze(data, { latentDims: [] }),
      /^latentDims: expected at least one entry/,
    ],
    [
      'latentDims 4',
      () => api.analyze(data, wrong({ latentDims: 4 })),
      /^latentDims: expected an array but received 4$/,
    ],
    [
      'latentDims too wide',
      () => api.analyze(data, { latentDims: [9] }),
      /^latentDim: expected at most observationDim \(3\) but received 9$/,
    ],
    [
      'latentDims of NaN',
      () => api.analyze(data, { latentDims: [Number.NaN] }),
      /^latentDims\[0\]: expected an integer from 1 but received NaN$/,
    ],
    [
      'objectives []',
      () => api.analyze(data, { objectives: [] }),
      /^objectives: expected at least one entry/,
    ],
    [
      'an objective null',
      () => api.analyze(data, wrong({ objectives: [null] })),
      /^objectives\[0\]: expected an object/,
    ],
    [
      'an objective without its data',
      () => api.analyze(data, { objectives: [{ kind: 'cross-exogenous' }] }),
      /^objective cross-exogenous: expected data with paired views/,
    ],
    [
      'folds of another number than there are episodes',
      () => api.analyze(data, { folds: [0, 1, 2] }),
      /^folds: expected one number for each of \d+ units but received 3 numbers$/,
    ],
    [
      'scale "metres"',
      () => api.analyze(data, wrong({ scale: 'metres' })),
      /^scale: expected one of "standard", "given" but received "metres"/,
    ],
    [
      'ridge -1',
      () => api.analyze(data, { ridge: -1 }),
      /^ridge: expected a finite number of at least 0 but received -1$/,
    ],
    [
      'ridge Infinity',
      () => api.analyze(data, { ridge: Number.POSITIVE_INFINITY }),
      /^ridge: .*received Infinity$/,
    ],
    [
      'level 1',
      () => api.analyze(data, { level: 1 }),
      /^level: expected a number from 0 up to, not including, 1 but received 1$/,
    ],
    [
      'whiten "no"',
      () => api.analyze(data, wrong({ whiten: 'no' })),
      /^whiten: expected a boolean but received "no"$/,
    ],
    ['remedies 0', () => api.analyze(data, wrong({ remedies: 0 })), /^remedies: expected a boolean/],
    [
      'a listener that throws',
      () =>
        api.analyze(data, {
          onProgress: () => {
            throw new TypeError('my own');
          },
        }),
      /^onProgress: expected a function that returns, but it threw: my own$/,
    ],
  ),
  ...control('analyze', (options) => api.analyze(data, options)),
  ...backend('analyze', (options) => api.analyze(data, options)),
  ...list(
    'transitions',
    ['null', () => api.transitions(wrong(null)), /^arrays: expected an object but received null$/],
    ['nothing', () => wrong(api.transitions)(), /^arrays: expected an object but received nothing$/],
    ['{}', () => api.transitions({}), /^observation: expected rows of numbers with observationNext/],
    [
      "no o'",
      () => api.transitions(without(plain, 'observationNext')),
      /^observationNext: expected rows beside observation/,
    ],
    [
      'observation 3',
      () => api.transitions(wrong({ ...plain, observation: 3 })),
      /^observation: expected rows of numbers.*received 3$/,
    ],
    [
      'flat without a width',
      () => api.transitions({ observation: new Float64Array(12), observationNext: new Float64Array(12) }),
      /^observationDim: expected the width of a row/,
    ],
    [
      'flat that does not divide',
      () =>
        api.transitions({
          observation: new Float64Array(12),
          observationNext: new Float64Array(12),
          observationDim: 5,
        }),
      /^observation: expected rows of 5 numbers but received 12 numbers$/,
    ],
    [
      'flat and huge',
      () => api.transitions({ ...plain, observation: new Float64Array(12), observationDim: 2 ** 53 - 1 }),
      /^observation: expected rows of 9007199254740991 numbers/,
    ],
    [
      'detached',
      () => api.transitions({ ...plain, observation: detached(), observationDim: 3 }),
      /^observation: .*whose memory was transferred$/,
    ],
    [
      'empty',
      () => api.transitions({ ...plain, observation: [] }),
      /^observation: expected at least one row/,
    ],
    [
      'ragged',
      () => api.transitions({ ...plain, observation: [[1, 2], [1]] }),
      /^observation\[1\]: expected a row of 2 numbers but received 1 numbers$/,
    ],
    [
      'a row of nothing',
      () => api.transitions(wrong({ ...plain, observation: [null] })),
      /^observation\[0\]: expected a row of one or more numbers but received null$/,
    ],
    [
      'text in a row',
      () => api.transitions(wrong({ ...plain, observation: [['1', '2', '3']] })),
      /^observation\[0\]\[0\]: expected a number but received "1"$/,
    ],
    [
      'NaN in a row',
      () =>
        api.transitions({
          ...plain,
          actions: plain.actions.map((row, i) => (i === 7 ? [Number.NaN, 0] : row)),
        }),
      /^actions: row 7, column 0 is NaN; every number must be finite$/,
    ],
    [
      'Infinity, flat',
      () => api.transitions({ ...plain, actions: new Float64Array(N).fill(Number.POSITIVE_INFINITY) }),
      /^actions: row 0, column 0 is Infinity/,
    ],
    [
      'rows too few',
      () => api.transitions({ ...plain, actions: plain.actions.slice(1) }),
      /^actions: expected 40 rows, as many as there are observations, but received 39$/,
    ],
    [
      "o' of another width",
      () => api.transitions({ ...plain, observationNext: random(N, 2, 1) }),
      /^observationNext\[0\]: expected a row of 3 numbers but received 2 numbers$/,
    ],
    [
      'both names',
      () => api.transitions({ ...plain, action: plain.actions }),
      /^action: expected nothing beside actions/,
    ],
    [
      'half a pair',
      () => api.transitions({ ...plain, pairObservation: plain.observation }),
      /^pairObservationNext: expected rows beside pairObservation/,
    ],
    [
      "x and x' of two widths",
      () => api.transitions({ ...plain, exogenous: random(N, 1, 1), exogenousNext: random(N, 2, 1) }),
      /^exogenousNext: expected rows of 1 numbers, as in exogenous/,
    ],
    [
      'episode short',
      () => api.transitions({ ...plain, episode: [1] }),
      /^episode: expected 40 numbers, one for each row, but received 1$/,
    ],
    [
      'episode 0.5',
      () => api.transitions({ ...plain, episode: new Array(N).fill(0.5) }),
      /episode is 0\.5 in row 0; expected a whole number/,
    ],
    [
      'episode of text',
      () => api.transitions(wrong({ ...plain, episode: new Array(N).fill('a') })),
      /^episode\[0\]: expected a whole number but received "a"$/,
    ],
    [
      'frames and transitions',
      () => api.transitions({ ...plain, ...frames }),
      /^observation: expected nothing beside observations/,
    ],
    [
      'frames without ends',
      () => api.transitions({ observations: frames.observations }),
      /^episodeEnds: expected where each episode .*received neither$/,
    ],
    [
      'ends beyond',
      () => api.transitions({ ...frames, episodeEnds: [99] }),
      /^episodeEnds\[0\]: expected a whole number above 0 and at most 40.*received 99$/,
    ],
    [
      'ends descending',
      () => api.transitions({ ...frames, episodeEnds: [20, 10, N] }),
      /^episodeEnds\[1\]: expected a whole number above 20/,
    ],
    [
      'ends that stop early',
      () => api.transitions({ ...frames, episodeEnds: [10] }),
      /^episodeEnds: expected the last one to be 40/,
    ],
    [
      'a stride of transitions',
      () => api.transitions({ ...plain, stride: 2 }),
      /^stride: expected nothing beside observation/,
    ],
    [
      'stride 0',
      () => api.transitions({ ...frames, stride: 0 }),
      /^stride: expected an integer from 1 but received 0$/,
    ],
    [
      'stride beyond every episode',
      () => api.transitions({ ...frames, stride: 99 }),
      /^there is no transition/,
    ],
    [
      'nothing moves',
      () =>
        api.transitions({
          observation: plain.observation.map(() => [1]),
          observationNext: plain.observation.map(() => [1]),
        }),
      /^the observation is constant/,
    ],
  ),
  ...list(
    'openData',
    [
      'nothing',
      () => wrong(api.openData)(),
      /^path: expected the path of a file or folder but received nothing$/,
    ],
    ['a number', () => api.openData(wrong(3)), /^path: expected the path .*received 3$/],
    ['""', () => api.openData(''), /^path: expected the path .*received ""$/],
    ['a path with a zero', () => api.openData('a\0b'), /^path: expected the path/],
    [
      'no file',
      () => api.openData(join(folder, 'none.npz')),
      /none\.npz does not exist; expected a LeRobot dataset/,
    ],
    ['a text file', () => api.openData(file('x.txt')), /is not a kind of file that can be read/],
    ['an empty .npz', () => api.openData(file('x.npz')), /x\.npz/],
    [
      'stride 0',
      () => api.openData(csv, { stride: 0 }),
      /^stride: expected an integer from 1 but received 0$/,
    ],
    ['stride "2"', () => api.openData(csv, wrong({ stride: '2' })), /^stride: .*received "2"$/],
    [
      'distractor -1',
      () => api.openData(csv, { distractor: -1 }),
      /^distractor: expected a weight of at least 0 but received -1$/,
    ],
    ['distractor NaN', () => api.openData(csv, { distractor: Number.NaN }), /^distractor: .*received NaN$/],
    [
      'resize 0',
      () => api.openData(csv, { resize: { width: 0, height: 2 } }),
      /^resize\.width: expected an integer from 1 to 4096 but received 0$/,
    ],
    [
      'resize as text',
      () => api.openData(csv, wrong({ resize: '20x15' })),
      /^resize: expected an object but received "20x15"$/,
    ],
    [
      'observation 3',
      () => api.openData(csv, wrong({ observation: 3 })),
      /^observation: expected a string but received 3$/,
    ],
    ['options null', () => api.openData(csv, wrong(null)), /^options: expected an object but received null$/],
    [
      'control null',
      () => api.openData(csv, {}, wrong(null)),
      /^control: expected an object but received null$/,
    ],
    ['signal {}', () => api.openData(csv, {}, wrong({ signal: {} })), /^signal: expected an AbortSignal/],
    [
      'threads -1',
      () => api.openData(csv, {}, { threads: -1 }),
      /^threads: expected an integer from 1 to 1024/,
    ],
  ),
  ...list(
    'fitLinearLam',
    ['null', () => api.fitLinearLam(wrong(null)), /^case: expected an object but received null$/],
    ['text', () => api.fitLinearLam(wrong('data')), /^case: expected an object but received "data"$/],
    [
      'data null',
      () => api.fitLinearLam(wrong({ ...question, data: null })),
      /^data: expected transitions.*received null$/,
    ],
    [
      'data {}',
      () => api.fitLinearLam(wrong({ ...question, data: {} })),
      /^count: expected an integer from 1/,
    ],
    [
      'data of NaN',
      () =>
        api.fitLinearLam({
          ...question,
          data: { ...data, observation: data.observation.map(() => Number.NaN) },
        }),
      /^observation: row 0, column 0 is NaN/,
    ],
    ['no objective', () => api.fitLinearLam(wrong({ data, latentDim: 1 })), /^objective: expected an object/],
    [
      'latentDim 9',
      () => api.fitLinearLam({ ...question, data, latentDim: 9 }),
      /^latentDim: expected an integer between 1 and observationDim \(3\) but received 9$/,
    ],
    [
      'latentDim "1"',
      () => api.fitLinearLam(wrong({ ...question, data, latentDim: '1' })),
      /^latentDim: expected an integer from 1 but received "1"$/,
    ],
    [
      'heldOut 1',
      () => api.fitLinearLam({ ...question, data, heldOut: 1 }),
      /^heldOut: expected a share of at least 0 and less than 1/,
    ],
    [
      'ridge NaN',
      () => api.fitLinearLam({ ...question, data, ridge: Number.NaN }),
      /^ridge: .*received NaN$/,
    ],
    [
      'gauge encoder',
      () => api.fitLinearLam(question, wrong({ gauge: 'encoder' })),
      /^gauge: expected one of "innovation", "difference" but received "encoder"$/,
    ],
    [
      'observationShape []',
      () => api.fitLinearLam(question, { observationShape: [] }),
      /^observationShape: expected at least one entry/,
    ],
    [
      'observationShape [5]',
      () => api.fitLinearLam(question, { observationShape: [5] }),
      /^observationShape: expected positive integers whose product is observationDim \(24\)/,
    ],
    [
      'observationShape huge',
      () => api.fitLinearLam(question, { observationShape: [2 ** 52, 2 ** 52] }),
      /^observationShape: expected positive integers/,
    ],
    [
      'a decoder beyond memory',
      () => api.fitLinearLam({ ...question, world: { observationDim: 1_000_000 } }),
      /a decoder of 1000000 coordinates would take .*GB/,
    ],
  ),
  ...control('fitLinearLam', (options) => api.fitLinearLam(question, options)),
  ...list(
    'LinearLam',
    ['load nothing', () => wrong(api.LinearLam).load(), /^path: expected the path .*received nothing$/],
    [
      'load no file',
      () => api.LinearLam.load(join(folder, 'none.safetensors')),
      /none\.safetensors cannot be read/,
    ],
    ['load junk', () => api.LinearLam.load(file('junk.safetensors', 'junk')), /junk\.safetensors/],
    ['save null', () => lam.save(wrong(null)), /^path: expected the path .*received null$/],
    [
      'save into no folder',
      () => lam.save(join(folder, 'none', 'x')),
      /cannot be written: its folder does not exist/,
    ],
    [
      'encode null',
      () => lam.encode(wrong(null), o),
      /^observations: expected a Float64Array or a Float32Array but received null$/,
    ],
    ['encode nothing', () => wrong(lam).encode(), /^observations: expected a Float64Array/],
    ['encode a list', () => lam.encode(wrong([1]), o), /^observations: .*received \[1\]$/],
    [
      'encode half rows',
      () => lam.encode(new Float64Array(5), o),
      /^observations: expected rows of observationDim \(12\) numbers but received 5/,
    ],
    ['encode unequal rows', () => lam.encode(o, new Float64Array(12)), /^next: expected 2 rows/],
    [
      'encode NaN',
      () =>
        lam.encode(
          o,
          o.map(() => Number.NaN),
        ),
      /^next: row 0, column 0 is NaN/,
    ],
    ['encode detached', () => lam.encode(detached(), o), /^observations: .*whose memory was transferred$/],
    ['decode nothing', () => wrong(lam).decode(o), /^latents: expected a Float64Array/],
    ['decode wide latents', () => lam.decode(o, o), /^latents: expected 2 rows of latentDim \(2\)/],
    ['withGauge nothing', () => wrong(lam).withGauge(), /^gauge: expected one of .*received nothing$/],
    [
      'withGauge encoder',
      () => lam.withGauge(wrong('encoder')),
      /^gauge: expected one of "innovation", "difference" but received "encoder"$/,
    ],
    [
      'withGauge a symbol',
      () => lam.withGauge(wrong(Symbol('x'))),
      /^gauge: expected one of .*received a symbol$/,
    ],
  ),
  ...list(
    'drawMoments',
    ['nothing', () => wrong(api.drawMoments)(), /^world: expected an object but received nothing$/],
    [
      'world null',
      () => api.drawMoments(wrong(null), { transitions: 1 }),
      /^world: expected an object but received null$/,
    ],
    ['no options', () => wrong(api.drawMoments)({}), /^options: expected an object but received nothing$/],
    [
      'no transitions',
      () => api.drawMoments({}, wrong({})),
      /^transitions: expected an integer from 1 but received nothing$/,
    ],
    [
      'transitions 2^60',
      () => api.drawMoments({}, { transitions: 2 ** 60 }),
      /^transitions: expected an integer from 1 but received/,
    ],
    [
      'draws beyond memory',
      () => api.drawMoments({}, { transitions: 9, draws: 2 ** 50 }),
      /^draws: .*of memory/,
    ],
    [
      'first -1',
      () => api.drawMoments({}, { transitions: 9, first: -1 }),
      /^first: expected an integer from 0 but received -1$/,
    ],
    [
      'first 2^53 - 1',
      () => api.drawMoments({}, { transitions: 9, first: 2 ** 53 - 1 }),
      /^first: expected an index of fewer digits/,
    ],
    ['pairs 1', () => api.drawMoments({}, wrong({ transitions: 9, pairs: 1 })), /^pairs: expected a boolean/],
  ),
  ...control('sweep', (options) => swept({ latentDim: 2 }, options)),
  ...list(
    'sweep',
    ['no spec', () => swept(undefined), /^spec: expected an object but received nothing$/],
    ['an array', () => swept([1]), /^spec: expected an object but received \[1\]$/],
    ['a spec that holds itself', () => swept({ latentDim: 2, base: looped }), /^base: unknown key "self"/],
    ['no latentDim', () => swept({}), /^latentDim: expected an integer from 1, a list/],
    [
      'latentDim as text',
      () => swept({ latentDim: '2' }),
      /^latentDim: expected an integer from 1.*received "2"$/,
    ],
    [
      'a grid of an array',
      () => swept({ latentDim: 2, grid: [] }),
      /^grid: expected an object of keys of the world/,
    ],
    [
      'an infinite range',
      () => swept({ latentDim: 2, grid: { policyNoise: { range: [0, Infinity, 3] } } }),
      /^grid\.policyNoise\.range: expected \[from, to, count\]/,
    ],
    [
      'points beyond counting',
      () =>
        swept({
          latentDim: 2,
          seeds: 1e6,
          grid: { policyNoise: { range: [0, 1, 1e6] }, sensorNoise: { range: [0, 1, 1e3] } },
        }),
      /^grid: expected at most \d+ points/,
    ],
    [
      'no objectives',
      () => swept({ latentDim: 2, objectives: [] }),
      /^objectives: expected a list of at least one/,
    ],
    [
      'an objective that is null',
      () => swept({ latentDim: 2, objectives: [null] }),
      /^objectives\[0\]: expected an object/,
    ],
    [
      'a shard beyond the last',
      () => swept({ latentDim: 2 }, { shard: { index: 3, count: 3 } }),
      /^shard\.index: expected an integer below count \(3\) but received 3$/,
    ],
    [
      'a shard of text',
      () => swept({ latentDim: 2 }, { shard: '1/2' }),
      /^shard: expected an object but received "1\/2"$/,
    ],
  ),
  ...control('runSweep', (options) =>
    api.runSweep({ latentDim: 2 }, options && { out: join(folder, 'sweep'), ...options }),
  ).filter(([what]) => !/null|number/.test(what)),
  ...list(
    'runSweep',
    [
      'no options',
      () => wrong(api.runSweep)({ latentDim: 2 }),
      /^options: expected an object but received nothing$/,
    ],
    [
      'no folder',
      () => api.runSweep({ latentDim: 2 }, wrong({})),
      /^out: expected the path of a file or folder but received nothing$/,
    ],
    [
      'stop no signal',
      () => api.runSweep({ latentDim: 2 }, wrong({ out: folder, stop: 1 })),
      /^stop: expected an AbortSignal/,
    ],
    [
      'no spec',
      () => api.runSweep(wrong(null), { out: join(folder, 'sweep') }),
      /^spec: expected an object but received null$/,
    ],
  ),
  ...control('drawMoments', (options) =>
    api.drawMoments({}, options && typeof options === 'object' ? { transitions: 9, ...options } : options),
  ),
  ...list(
    'judgeLatents',
    ['null', () => api.judgeLatents(wrong(null), judged.z), /^rows: expected an object but received null$/],
    [
      'few rows',
      () => api.judgeLatents({ ...judged.rows, count: 7 }, judged.z),
      /^rows\.count: expected an integer from 8/,
    ],
    [
      'latents of another length',
      () => api.judgeLatents(judged.rows, { ...judged.z, latentDim: 3 }),
      /^latents: expected 40 rows of 3 numbers \(120\) but received 80$/,
    ],
    [
      'latents as a list',
      () => api.judgeLatents(judged.rows, wrong({ latents: [1, 2], latentDim: 2 })),
      /^latents: expected a Float32Array or Float64Array$/,
    ],
    [
      'latentDim 0',
      () => api.judgeLatents(judged.rows, { ...judged.z, latentDim: 0 }),
      /^latents\.latentDim: expected an integer from 1 to 4096 but received 0$/,
    ],
    [
      'NaN in the action',
      () => api.judgeLatents({ ...judged.rows, action: new Float64Array(80).fill(Number.NaN) }, judged.z),
      /^action: row 0, column 0 is NaN/,
    ],
    [
      'nothing to judge by',
      () => api.judgeLatents({ ...judged.rows, action: undefined }, judged.z),
      /^rows: expected action or exogenousNext, but both are absent$/,
    ],
    [
      'an observation that stands still',
      () => api.judgeLatents({ ...judged.rows, observation: new Float64Array(N * d).fill(3) }, judged.z),
      /^observation: expected a coordinate that moves$/,
    ],
    [
      'episodes of some rows',
      () => api.judgeLatents({ ...judged.rows, episode: [1] }, judged.z),
      /^episode: expected 40 numbers/,
    ],
    [
      'features 3',
      () => api.judgeLatents(judged.rows, judged.z, { features: 3 }),
      /^features: expected an integer from 8 to 1024/,
    ],
    [
      'folds of one',
      () => api.judgeLatents(judged.rows, judged.z, { folds: [0] }),
      /^folds: expected one number for each of 20 units/,
    ],
    [
      'level 1',
      () => api.judgeLatents(judged.rows, judged.z, { level: 1 }),
      /^level: expected a number from 0 up to/,
    ],
  ),
  ...control('judgeLatents', (options) => api.judgeLatents(judged.rows, judged.z, options as never)),
  ...backend('LatentJudge', (options) => api.LatentJudge.create(judged.rows, options as never)),
  ...list(
    'sampleTransitions',
    ['nothing', () => sample(undefined, undefined), /^options: expected an object but received nothing$/],
    ['world null', () => sample(null, { samples: 2 }), /^world: expected an object but received null$/],
    [
      'a world of no kind',
      () => sample({ kind: 'video' }, { samples: 2 }),
      /^world\.kind: expected one of "linear", "mlp", "sprites" but received "video"$/,
    ],
    [
      'a key of another kind of world',
      () => sample({ kind: 'sprites', exogenousScale: 2 }, { samples: 2 }),
      /^world: unknown key "exogenousScale"; did you mean/,
    ],
    [
      'a view beyond memory',
      () => sample({ kind: 'mlp', observationDim: 65_536, width: 1e9 }, { samples: 2 }),
      /^world\.width: expected at most 4096 but received 1000000000$/,
    ],
    ['no samples', () => sample({}, {}), /^samples: expected an integer from 1 but received nothing$/],
    [
      'samples Infinity',
      () => sample({}, { samples: Number.POSITIVE_INFINITY }),
      /^samples: .*received Infinity$/,
    ],
    [
      'batch 0',
      () => sample({}, { samples: 2, batch: 0 }),
      /^batch: expected an integer from 1 but received 0$/,
    ],
    [
      'batch beyond memory',
      () => sample({}, { samples: 2 ** 50, batch: 2 ** 50 }),
      /^a batch of \d+ transitions would take/,
    ],
    [
      'precision f16',
      () => sample({}, { samples: 2, precision: 'f16' }),
      /^precision: expected one of "f64", "f32" but received "f16"$/,
    ],
    [
      'reuse null',
      () => sample({}, { samples: 2, reuse: null }),
      /^reuse: expected a boolean but received null$/,
    ],
  ),
  ...control('sampleTransitions', (options) =>
    sample({}, options && typeof options === 'object' ? { samples: 2, ...options } : options),
  ),
  ...list(
    'writeSamples',
    ['no path', () => wrong(api.writeSamples)({}), /^path: expected the path .*received nothing$/],
    [
      'a .txt',
      () => api.writeSamples({}, join(folder, 'x.txt'), { samples: 2 }),
      /x\.txt is not a kind of file that can be written/,
    ],
    [
      'no folder',
      () => api.writeSamples({}, join(folder, 'none', 'x.npz'), { samples: 2 }),
      /cannot be written: its folder does not exist/,
    ],
    [
      'samples 0',
      () => api.writeSamples({}, join(folder, 'x.npz'), { samples: 0 }),
      /^samples: expected an integer from 1 but received 0$/,
    ],
    [
      'samples beyond the disk',
      () => api.writeSamples({}, join(folder, 'x.npz'), { samples: 2 ** 50 }),
      /^samples: .*of disk/,
    ],
    [
      'no options',
      () => wrong(api.writeSamples)({}, join(folder, 'x.npz')),
      /^options: expected an object but received nothing$/,
    ],
    [
      'world of text',
      () => api.writeSamples(wrong('x'), join(folder, 'x.npz'), { samples: 2 }),
      /^world: expected an object/,
    ],
  ),
  ...Object.entries({
    criticalGain: api.criticalGain,
    criticalWeight: api.criticalWeight,
    criticalConsistencyWeight: api.criticalConsistencyWeight,
  }).flatMap(([name, call]) => [
    ...list(
      name,
      ['world null', () => call(wrong(null)), /^world: expected an object but received null$/],
      [
        'latentDim 25',
        () => call({}, { latentDim: 25 }),
        /^latentDim: expected an integer from 1 to observationDim \(24\) but received 25$/,
      ],
      [
        'latentDim 0',
        () => call({}, { latentDim: 0 }),
        /^latentDim: expected an integer from 1 but received 0$/,
      ],
      ['level 1', () => call({}, { level: 1 }), /^level: expected a number from 0/],
      [
        'relativeTolerance 0',
        () => call({}, { relativeTolerance: 0 }),
        /^relativeTolerance: expected a number between 1e-12 and 1 but received 0$/,
      ],
      ['search "yes"', () => call({}, wrong({ search: 'yes' })), /^search: expected a boolean/],
      ['options null', () => call({}, wrong(null)), /^options: expected an object but received null$/],
      ['signal 1', () => call({}, wrong({ signal: 1 })), /^signal: expected an AbortSignal/],
    ),
  ]),
  ...list(
    'verify',
    [
      'trials 0',
      () => api.verify({ trials: 0 }),
      /^trials: expected an integer from 1 to 1000000 but received 0$/,
    ],
    ['trials 1e15', () => api.verify({ trials: 1e15 }), /^trials: expected an integer from 1 to 1000000/],
    ['seed 1.5', () => api.verify({ seed: 1.5 }), /^seed: expected an integer from 0 but received 1\.5$/],
    ['only T99', () => api.verify({ only: ['T99'] }), /^only: expected some of T1, .* but received "T99"$/],
    ['only []', () => api.verify({ only: [] }), /^only: expected some of/],
    ['only as text', () => api.verify(wrong({ only: 'T1' })), /^only: expected an array but received "T1"$/],
    ['only [1]', () => api.verify(wrong({ only: [1] })), /^only\[0\]: expected a string/],
    [
      'onCheck 1',
      () => api.verify(wrong({ onCheck: 1 })),
      /^onCheck: expected a function of a theorem but received 1$/,
    ],
    [
      'onCheck that throws',
      () =>
        api.verify({
          only: ['T1'],
          trials: 1,
          onCheck: () => {
            throw new Error('no');
          },
        }),
      /^onCheck: .*it threw: no$/,
    ],
  ),
  ...control('verify', (options) => api.verify(options)),
  ...list(
    'theorems',
    [
      'check nothing',
      () => wrong(api.theorems[0]).check(),
      /^trials: expected an integer from 1 to 1000000 but received nothing$/,
    ],
    [
      'check seed -1',
      () => api.theorems[0]?.check(1, -1),
      /^seed: expected an integer from 0 but received -1$/,
    ],
    [
      'check context null',
      () => api.theorems[0]?.check(1, 1, wrong(null)),
      /^context: expected an object but received null$/,
    ],
  ),
  ...list(
    'reproduce',
    ['seed -1', () => api.reproduce({ seed: -1 }), /^seed: expected an integer from 0 but received -1$/],
    ['quick 1', () => api.reproduce(wrong({ quick: 1 })), /^quick: expected a boolean but received 1$/],
  ),
  ...control('reproduce', (options) => api.reproduce(options)),
  ...list(
    'writeReproduction',
    ['nothing', () => wrong(api.writeReproduction)(), /^folder: expected the path .*received nothing$/],
    [
      'null',
      () => api.writeReproduction(folder, wrong(null)),
      /^reproduction: expected a reproduction.*received null$/,
    ],
    ['{}', () => api.writeReproduction(folder, wrong({})), /^reproduction: expected a reproduction/],
    [
      'another version',
      () => api.writeReproduction(folder, wrong({ format: 'exolam-reproduction', formatVersion: 9 })),
      /^reproduction: expected formatVersion 1/,
    ],
    [
      'no spec',
      () => api.writeReproduction(folder, wrong({ format: 'exolam-reproduction', formatVersion: 1 })),
      /^reproduction: expected an object for spec/,
    ],
    [
      'onProgress 3',
      () => api.writeReproduction(folder, wrong({}), wrong(3)),
      /^onProgress: expected a function/,
    ],
  ),
];

const caught = async (call: () => unknown): Promise<unknown> => {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('abuse of the public calls is refused in one sentence', () => {
  it('in more than 140 ways', () => {
    expect(abuses.length).toBeGreaterThan(140);
    expect(new Set(abuses.map(([what]) => what)).size).toBe(abuses.length);
  });

  // Where there is room for 200 GB, a world of that size is no abuse.
  const some = abuses.filter(([what]) => totalmem() < 2e11 || what !== 'solve a world beyond memory');
  it.each(some)('%s', async (_, call, message) => {
    const error = await caught(call);
    expect(error).toBeInstanceOf(api.ExolamError);
    const { kind, message: text } = error as api.ExolamError;
    expect(['input', 'data']).toContain(kind);
    expect(text).toMatch(message);
    expect(text).not.toMatch(/\n/);
  });

  it('is said where the backend is chosen by a name that is none', async () => {
    const before = process.env['EXOLAM_BACKEND'];
    process.env['EXOLAM_BACKEND'] = 'gpu';
    try {
      const { vi } = await import('vitest');
      vi.resetModules();
      const fresh = await import('../lib/index.js');
      const error = await caught(() => fresh.defaultBackend());
      expect(error).toBeInstanceOf(fresh.ExolamError);
      expect(error).toMatchObject({
        kind: 'input',
        message: 'EXOLAM_BACKEND: expected native, wasm or reference but received "gpu"',
      });
    } finally {
      if (before === undefined) delete process.env['EXOLAM_BACKEND'];
      else process.env['EXOLAM_BACKEND'] = before;
    }
  });
});

describe('a misspelled key names the nearest one', () => {
  const near = (what: string, typed: string, meant: string) =>
    new RegExp(`^${what}: unknown key "${typed}"; did you mean "${meant}"\\? Accepted: `);
  const objectiveOf = (spec: object) => api.solve(wrong({ ...question, objective: spec }));
  const cases: [string, () => unknown, RegExp][] = [
    [
      'WorldSpec',
      () => api.solve(wrong({ ...question, world: { exogenusScale: 1 } })),
      near('world', 'exogenusScale', 'exogenousScale'),
    ],
    [
      'WorldMatrices',
      () =>
        api.solve(
          wrong({
            ...question,
            world: {
              matrices: {
                endogenousMixing: [[1]],
                exogenousMixing: [[1]],
                actionEffect: [[1]],
                stateFeedbck: [[1]],
              },
            },
          }),
        ),
      near('world.matrices', 'stateFeedbck', 'stateFeedback'),
    ],
    ['Case', () => api.solve(wrong({ ...question, wrld: {} })), near('case', 'wrld', 'world')],
    [
      'Case of a batch',
      () => api.solveBatch(wrong([question, { ...question, latentDimz: 2 }])),
      near('case 1', 'latentDimz', 'latentDims?'),
    ],
    [
      'Reconstruction',
      () => objectiveOf({ kind: 'reconstruction', decodr: 'free' }),
      near('objective', 'decodr', 'decoder'),
    ],
    [
      'ActionSupervised',
      () => objectiveOf({ kind: 'action-supervised', weight: 1, labelsFraction: 1 }),
      near('objective', 'labelsFraction', 'labelFraction'),
    ],
    [
      'Representation',
      () => objectiveOf({ kind: 'representation', projection: [[1]], projektion: 1 }),
      near('objective', 'projektion', 'projection'),
    ],
    [
      'CrossExogenous',
      () => objectiveOf({ kind: 'cross-exogenous', kid: 1 }),
      near('objective', 'kid', 'kind'),
    ],
    [
      'ExogenousRobust',
      () => objectiveOf({ kind: 'exogenous-robust', weight: 1, wait: 1 }),
      near('objective', 'wait', 'weight'),
    ],
    [
      'Augmented',
      () => objectiveOf({ kind: 'augmented', encoderNoise: 1, decoderNoise: 1, encoderNois: 1 }),
      near('objective', 'encoderNois', 'encoderNoise'),
    ],
    [
      'Composition',
      () => objectiveOf({ kind: 'composition', parts: [objective], part: 1 }),
      near('objective', 'part', 'parts'),
    ],
    [
      'a part',
      () => objectiveOf({ kind: 'composition', parts: [{ kind: 'exogenous-robust', weight: 1, weigt: 1 }] }),
      near('objective\\.parts\\[0\\]', 'weigt', 'weight'),
    ],
    [
      'SolveOptions',
      () => api.solve(question, wrong({ encodr: true })),
      near('options', 'encodr', 'encoder'),
    ],
    [
      'Configurations',
      () => api.solveColumns(wrong({ ...configurations, latentDim: 1 })),
      near('configurations', 'latentDim', 'latentDims'),
    ],
    [
      'ColumnsOptions',
      () => api.solveColumns(configurations, wrong({ metric: [] })),
      near('options', 'metric', 'metrics'),
    ],
    [
      'AnalyzeOptions',
      () => api.analyze(data, wrong({ latentDim: [2], riddge: 5 })),
      near('options', 'latentDim', 'latentDims'),
    ],
    [
      'AnalyzeOptions again',
      () => api.analyze(data, wrong({ latentDims: [2], riddge: 5 })),
      near('options', 'riddge', 'ridge'),
    ],
    [
      'an objective of analyze',
      () => api.analyze(data, wrong({ objectives: [{ kind: 'reconstruction', decodr: 1 }] })),
      near('objectives\\[0\\]', 'decodr', 'decoder'),
    ],
    [
      'TransitionArrays',
      () => api.transitions(wrong({ ...plain, observatonNext: 1 })),
      near('arrays', 'observatonNext', 'observationNext'),
    ],
    ['DataOptions', () => api.openData(csv, wrong({ strid: 1 })), near('options', 'strid', 'stride')],
    [
      'resize',
      () => api.openData(csv, wrong({ resize: { width: 1, height: 1, hight: 1 } })),
      near('resize', 'hight', 'height'),
    ],
    [
      'Control',
      () => api.openData(csv, {}, wrong({ onprogress: () => {} })),
      near('control', 'onprogress', 'onProgress'),
    ],
    [
      'DataCase',
      () => api.fitLinearLam(wrong({ ...question, data, heldout: 0.1 })),
      near('case', 'heldout', 'heldOut'),
    ],
    [
      'FitLinearLamOptions',
      () => api.fitLinearLam(question, wrong({ gage: 'innovation' })),
      near('options', 'gage', 'gauge'),
    ],
    [
      'DrawMomentsOptions',
      () => api.drawMoments({}, wrong({ transitions: 1, draw: 2 })),
      near('options', 'draw', 'draws'),
    ],
    ['GenerateOptions', () => sample({}, { samples: 1, pair: true }), near('options', 'pair', 'pairs')],
    [
      'GenerateOptions of a file',
      () => api.writeSamples({}, join(folder, 'x.npz'), wrong({ samples: 1, presicion: 'f32' })),
      near('options', 'presicion', 'precision'),
    ],
    ['CriticalOptions', () => api.criticalGain({}, wrong({ levl: 0.1 })), near('options', 'levl', 'level')],
    ['VerifyOptions', () => api.verify(wrong({ trails: 1 })), near('options', 'trails', 'trials')],
    [
      'CheckContext',
      () => api.theorems[0]?.check(1, 1, wrong({ backnd: 1 })),
      near('context', 'backnd', 'backend'),
    ],
    ['ReproduceOptions', () => api.reproduce(wrong({ quik: true })), near('options', 'quik', 'quick')],
  ];
  it.each(cases)('%s', async (_, call, message) => {
    const error = await caught(call);
    expect(error).toBeInstanceOf(api.ExolamError);
    expect(error).toMatchObject({ kind: 'input', message: expect.stringMatching(message) });
  });
});

describe('nothing is refused that is accepted', () => {
  it('undefined for every option', async () => {
    const nothing = { signal: undefined, onProgress: undefined, threads: undefined, backend: undefined };
    await expect(
      api.solve(question, { ...nothing, encoder: undefined, names: undefined }),
    ).resolves.toBeDefined();
    await expect(
      api.analyze(data, {
        ...nothing,
        latentDims: undefined,
        ridge: undefined,
        level: undefined,
        remedies: undefined,
      }),
    ).resolves.toBeDefined();
    await expect(
      api.solve({ ...question, world: { seed: undefined, matrices: undefined } }),
    ).resolves.toBeDefined();
  });

  it('1024 threads, an aborted signal (cancelled), a listener', async () => {
    await expect(api.solve(question, { threads: 1024 })).resolves.toBeDefined();
    await expect(api.solve(question, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: 'cancelled',
    });
    const heard: number[] = [];
    await api.analyze(data, { onProgress: (done) => heard.push(done) });
    expect(heard.at(-1)).toBe(1);
  });
});

it('a listener that throws from a timer stops a native call and is thrown in its place', async () => {
  let calls = 0;
  const onProgress = () => {
    calls++;
    throw new Error('mine');
  };
  // Seconds of one thread: the timer fires long before the end.
  const call = api.drawMoments(
    { observationDim: 200 },
    { transitions: 1000, draws: 400, onProgress, threads: 1 },
  );
  await expect(call).rejects.toMatchObject({
    kind: 'input',
    message: 'onProgress: expected a function that returns, but it threw: mine',
  });
  expect(calls).toBeGreaterThan(0);
});
