import { mergedCells } from './cells.js';
import { type Axis, BOUNDARY_CASING, fieldChart, lineChart, RAMP } from './charts.js';
import type { Drawing, Panel } from './drawing.js';
import { COLOURS } from './figure.js';
import { axisOf, DASHES, few, numbers } from './sweep-axes.js';
import { errorOf, isStrength, leakageOf, mainAxis, short } from './sweep-findings.js';
import { mean, type Setting, type SweepData, type Value } from './sweep-settings.js';

/** Panels of one figure. */
const PANELS = 6;

const quantile = (sorted: readonly number[], q: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** The leakage along the main parameter, a line an objective, a panel a latent dimension; bands hold nine tenths of the seeds. */
export function facets(data: SweepData): Drawing[] {
  const main = mainAxis(data);
  const values = numbers(main === undefined ? [] : data.axes.get(main));
  if (main === undefined || values.length < 2) return [];
  const facet = main === 'latentDim' ? 'samples' : 'latentDim';
  const shown: (Value | undefined)[] = data.axes.has(facet)
    ? few(data.axes.get(facet) ?? [], PANELS)
    : [undefined];
  const x = axisOf(main, values, 'x');
  const y: Axis = {
    field: 'y',
    title: 'leakage: share of what is new in the exogenous state',
    domain: [0, 1],
  };
  const panels: Panel[] = shown.map((value) => {
    const own = data.settings.filter(({ parameters }) => value === undefined || parameters[facet] === value);
    const series = data.objectives.flatMap((objective, o) => {
      const rows = values.flatMap((at) => {
        const here = own.filter((s) => s.parameters[main] === at && s.parameters['objective'] === objective);
        if (here.length === 0) return [];
        const best = leastFault(here);
        const sorted = best.flatMap(({ seeds }) => seeds).sort((a, b) => a - b);
        return [
          { x: at, y: mean(best.map(leakageOf)), low: quantile(sorted, 0.05), high: quantile(sorted, 0.95) },
        ];
      });
      return [
        { rows, colour: COLOURS[o % COLOURS.length], dash: DASHES[o % DASHES.length], band: data.seeds > 1 },
      ];
    });
    return lineChart(value === undefined ? 'all settings' : `${facet} ${short(value)}`, x, y, series);
  });
  return [
    {
      name: 'leakage',
      title: `What z carries of the clutter, by ${main}`,
      key: data.objectives.map((label, o) => ({
        kind: 'line',
        label,
        colour: COLOURS[o % COLOURS.length],
        dash: DASHES[o % DASHES.length],
      })),
      panels,
      caption: `Mean over all other settings; an objective with several strengths at the strength that does best there. ${data.seeds > 1 ? 'Bands hold nine tenths of seeds and settings.' : ''}`,
    },
  ];
}

/** The settings of the strength whose leakage and action error are least together. */
function leastFault(settings: readonly Setting[]): readonly Setting[] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const key = Object.entries(setting.parameters)
      .filter(([name]) => isStrength(name))
      .map(([, value]) => value)
      .join('|');
    const group = groups.get(key);
    if (group) group.push(setting);
    else groups.set(key, [setting]);
  }
  const fault = (own: readonly Setting[]) => mean(own.map((s) => leakageOf(s) + errorOf(s)));
  return [...groups.values()].reduce((a, b) => (fault(b) < fault(a) ? b : a));
}

/** Cells around values: their middles on the scale of the axis. */
function sides({ log }: Axis, values: readonly number[]) {
  const f = (v: number) => (log ? Math.log(v) : v);
  const back = (v: number) => (log ? Math.exp(v) : v);
  const middle = values.slice(1).map((v, i) => back((f(values[i]) + f(v)) / 2));
  return values.map((v, i) => ({
    low: i === 0 ? v : middle[i - 1],
    high: i === values.length - 1 ? v : middle[i],
  }));
}

/** The field of leakage over the main parameter and a strength (else a second parameter), an objective a figure, with the theory's boundary. */
export function phaseDiagrams(data: SweepData): Drawing[] {
  const main = mainAxis(data);
  if (main === undefined) return [];
  return data.objectives.flatMap((objective) => {
    const own = data.settings.filter(({ parameters }) => parameters['objective'] === objective);
    const valuesOf = (name: string) =>
      [...new Set(numbers(own.map(({ parameters }) => parameters[name])))].sort((a, b) => a - b);
    const names = [...data.axes.keys()].filter((name) => name !== main && name !== 'samples');
    const other = [...names.filter(isStrength), ...names.filter((name) => !isStrength(name))].find(
      (name) => valuesOf(name).length >= 3,
    );
    const xs = valuesOf(main);
    if (other === undefined || xs.length < 3) return [];
    return [phaseDiagram(data, objective, own, main, other, xs, valuesOf(other))];
  });
}

function phaseDiagram(
  data: SweepData,
  objective: string,
  settings: readonly Setting[],
  main: string,
  other: string,
  xs: readonly number[],
  ys: readonly number[],
): Drawing {
  const [x, y] = [axisOf(main, xs, 'x'), axisOf(other, ys, 'y')];
  const dims =
    data.axes.has('latentDim') && main !== 'latentDim' && other !== 'latentDim'
      ? few(data.axes.get('latentDim') ?? [], 4)
      : [undefined];
  const line = boundaryOf(data, objective, main, other, xs, ys);
  let sparse = false;
  const panels = dims.map((dim) => {
    const own = settings.filter(({ parameters }) => dim === undefined || parameters['latentDim'] === dim);
    const { field, filled } = fieldOf(own, [main, other], [x, y], [xs, ys]);
    sparse ||= filled;
    const isTheirs = (dim ?? own[0]?.parameters['latentDim']) === data.file.constants['actionDim'];
    const boundary = isTheirs ? line : { line: [], dashed: false };
    return fieldChart(
      dim === undefined ? 'all settings' : `latentDim ${short(dim)}`,
      x,
      y,
      mergedCells(sides(x, xs), sides(y, ys), field),
      boundary.line,
      boundary.dashed,
    );
  });
  const hasLine = line.line.length > 0;
  return {
    name: `phase-${objective.replaceAll(/[^a-z]+/g, '-')}`,
    title: `Where it leaks: ${objective}`,
    key: [
      { kind: 'ramp', from: 'leakage 0', to: '1', colours: RAMP },
      ...(hasLine
        ? [
            {
              kind: 'line',
              label: `${THEORY[objective]?.[1]}: the boundary where latentDim is actionDim, for orthonormal mixing without noise`,
              colour: '#fff',
              casing: BOUNDARY_CASING,
            } as const,
          ]
        : []),
    ],
    panels,
    caption: `Mean share of what is new in the exogenous state that z carries, over seeds and all other settings.${sparse ? ' A cell without a point of its own has the value of the nearest.' : ''}${hasLine ? ' Dashed where the premise of the theory does not hold: there the line is a guide.' : ''}`,
  };
}

/** How far a value is along an axis, 0 to 1. */
function along({ log }: Axis, values: readonly number[]): (v: number) => number {
  const f = (v: number) => (log ? Math.log(v) : v);
  const [first, last] = [f(values[0] as number), f(values.at(-1) as number)];
  return (v) => (f(v) - first) / (last - first);
}

/**
 * The mean at every cell, column by column. A refined sweep has points where the boundary is: a cell without one has the value of the
 * nearest, which lies on the same side.
 */
export function fieldOf(
  settings: readonly Setting[],
  [main, other]: readonly [string, string],
  [x, y]: readonly [Axis, Axis],
  [xs, ys]: readonly [readonly number[], readonly number[]],
): { field: number[]; filled: boolean } {
  const sums = new Map<string, number[]>();
  for (const setting of settings) {
    const key = `${setting.parameters[main]}|${setting.parameters[other]}`;
    const own = sums.get(key);
    if (own) own.push(leakageOf(setting));
    else sums.set(key, [leakageOf(setting)]);
  }
  const [px, py] = [along(x, xs), along(y, ys)];
  const points = [...sums].map(([key, own]) => {
    const [a, b] = key.split('|').map(Number) as [number, number];
    return { a: px(a), b: py(b), value: Math.min(1, Math.max(0, mean(own))) };
  });
  const at = new Map(points.map(({ a, b, value }) => [`${a}|${b}`, value]));
  const nearest = (a: number, b: number): number => {
    const own = at.get(`${a}|${b}`);
    if (own !== undefined) return own;
    let [least, value] = [Number.POSITIVE_INFINITY, 0];
    for (const point of points) {
      const distance = (point.a - a) ** 2 + (point.b - b) ** 2;
      if (distance < least) [least, value] = [distance, point.value];
    }
    return value;
  };
  return {
    field: xs.flatMap((a) => ys.map((b) => nearest(px(a), py(b)))),
    filled: points.length < xs.length * ys.length,
  };
}

/** The strength at which the leak ends, from the variances of an action and an exogenous innovation (docs/theory.md, T3, T4, T6). */
const THEORY: Readonly<
  Record<
    string,
    readonly [
      strength: string,
      statement: string,
      critical: (alpha: number, beta: number, noise: number) => number,
    ]
  >
> = {
  'action-supervised': ['weight', 'T4', (alpha, beta, noise) => (beta - alpha) / noise ** 2],
  'exogenous-robust': ['weight', 'T6', (alpha, beta) => (beta / alpha - 1) / 2],
  representation: ['gain', 'T3', (alpha, beta) => Math.sqrt(alpha / beta)],
};

function boundaryOf(
  data: SweepData,
  objective: string,
  main: string,
  other: string,
  xs: readonly number[],
  ys: readonly number[],
) {
  const theory = THEORY[objective];
  const { constants } = data.file;
  const own: Record<string, unknown> = { ...constants };
  if (!theory || other !== theory[0] || !['exogenousScale', 'actionScale', 'policyNoise'].includes(main))
    return { line: [], dashed: false };
  // Every other number of the formula has to be one number.
  if (
    ['exogenousScale', 'actionScale', 'policyNoise'].some(
      (key) => key !== main && typeof own[key] !== 'number',
    )
  )
    return { line: [], dashed: false };
  const labels = data.axes.has('labelFraction')
    ? undefined
    : (data.settings.find((s) => s.parameters['objective'] === objective)?.parameters['labelFraction'] ?? 1);
  if (labels === undefined) return { line: [], dashed: false };
  const [low, high] = [ys[0], ys[ys.length - 1]];
  const line = Array.from({ length: 400 }, (_, i) => {
    const at = xs[0] + ((xs[xs.length - 1] - xs[0]) * i) / 399;
    const world = { ...own, [main]: at } as Record<string, number>;
    const alpha = (world['actionScale'] * world['policyNoise']) ** 2;
    return {
      x: at,
      y:
        theory[2](alpha, world['exogenousScale'] ** 2, world['policyNoise']) /
        Number(theory[0] === 'weight' && objective === 'action-supervised' ? labels : 1),
    };
  }).filter(({ y }) => y >= low && y <= high);
  const isExact =
    own['mixing'] === 'orthonormal' &&
    own['sensorNoise'] === 0 &&
    own['processNoise'] === 0 &&
    own['actionExogenousCorrelation'] === 0;
  return { line, dashed: !isExact };
}

/** How far the seeds are apart: the share of seeds below each leakage, at the setting of each objective that differs most. */
export function seedFigure(data: SweepData): Drawing[] {
  const widest = data.objectives.flatMap((objective) => {
    const own = data.settings.filter((s) => s.parameters['objective'] === objective && s.seeds.length >= 5);
    const spread = ({ seeds }: Setting) => Math.max(...seeds) - Math.min(...seeds);
    return own.length > 0 ? [own.reduce((a, b) => (spread(b) > spread(a) ? b : a))] : [];
  });
  if (widest.length === 0) return [];
  const series = widest.map((setting, o) => {
    const sorted = [...setting.seeds].sort((a, b) => a - b);
    return {
      rows: sorted.map((v, i) => ({ x: Math.min(1, Math.max(0, v)), y: (i + 1) / sorted.length })),
      colour: COLOURS[o % COLOURS.length],
      dash: DASHES[o % DASHES.length],
    };
  });
  const told = ({ parameters }: Setting) =>
    Object.entries(parameters)
      .filter(([name, value]) => name !== 'objective' && value !== null && data.axes.has(name))
      .map(([name, value]) => `${name} ${short(value)}`)
      .join(', ');
  return [
    {
      name: 'seeds',
      title: 'How far the seeds are apart',
      key: widest.map((setting, o) => ({
        kind: 'line',
        label: `${setting.parameters['objective']} at ${told(setting)}`,
        colour: COLOURS[o % COLOURS.length],
        dash: DASHES[o % DASHES.length],
      })),
      panels: [
        lineChart(
          'share of seeds with at most so much leakage',
          { field: 'x', title: 'leakage', domain: [0, 1] },
          { field: 'y', title: 'share of seeds', domain: [0, 1] },
          series,
        ),
      ],
      caption:
        'For each objective the setting whose seeds differ most. Elsewhere they are nearer to each other.',
    },
  ];
}
