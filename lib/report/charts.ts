import type { Panel } from './drawing.js';

/** A quantitative axis of a panel, with unit; `log` axes get ticks where they are told. */
export interface Axis {
  readonly field: string;
  readonly title: string;
  readonly log?: boolean;
  readonly domain: readonly [number, number];
  readonly ticks?: readonly number[];
}

/** Small numbers as powers, others as they are. */
const LABEL =
  "datum.value > 0 && datum.value < 0.001 ? format(datum.value, '~e') : format(datum.value, '~g')";

const encode = ({ field, log, domain, ticks }: Axis, grid = true) => ({
  field,
  type: 'quantitative',
  title: null,
  scale: { type: log ? 'log' : 'linear', domain, nice: false },
  axis: { grid, ...(ticks ? { values: ticks } : { tickCount: 5 }), ...(log ? { labelExpr: LABEL } : {}) },
});

/** One line of a panel; rows hold x and y (and low, high where there is a band). */
export interface Series {
  readonly rows: readonly Readonly<Record<string, number>>[];
  readonly colour: string;
  readonly dash?: readonly number[];
  readonly mark?: 'line' | 'point';
  readonly band?: boolean;
  /** Bars from low to high at each point. */
  readonly whisker?: boolean;
  readonly width?: number;
}

const SIZE = { width: 325, height: 215 } as const;

/** A vertical line. */
export interface Limit {
  readonly at: number;
  readonly colour: string;
  readonly dash?: readonly number[];
}

const limitLayer = (x: Axis, { at, colour, dash = [2, 2] }: Limit): object => ({
  data: { values: [{ at }] },
  mark: { type: 'rule', stroke: colour, strokeWidth: 1.2, strokeDash: dash, opacity: 0.8 },
  encoding: { x: { ...encode(x), field: 'at' } },
});

/** Stacked bars (rows: left, right, low, high, who), coloured by `who`. */
export function barChart(
  title: string,
  x: Axis,
  y: Axis,
  bars: readonly Readonly<Record<string, number | string>>[],
  names: readonly string[],
  colours: readonly string[],
  limits: readonly Limit[],
): Panel {
  const layer = {
    data: { values: bars },
    mark: { type: 'rect' },
    encoding: {
      x: { ...encode(x), field: 'left' },
      x2: { field: 'right' },
      y: { ...encode(y), field: 'low' },
      y2: { field: 'high' },
      fill: { field: 'who', type: 'nominal', scale: { domain: names, range: colours }, legend: null },
    },
  };
  const spec = { ...SIZE, layer: [layer, ...limits.map((limit) => limitLayer(x, limit))] };
  return { title, x: x.title, y: y.title, spec };
}

/** Lines, points and bands over two axes. Rows outside of a log axis are left out by the caller. */
export function lineChart(
  title: string,
  x: Axis,
  y: Axis,
  series: readonly Series[],
  limits: readonly Limit[] = [],
): Panel {
  const layer: object[] = limits.map((limit) => limitLayer(x, limit));
  const ends = { y: { ...encode(y), field: 'low' }, y2: { field: 'high' } };
  for (const { rows, colour, dash = [], mark = 'line', band, whisker, width = 2 } of series) {
    const data = { values: rows };
    const place = { x: encode(x), y: encode(y) };
    if (band)
      layer.push({
        data,
        mark: { type: 'area', fill: colour, opacity: 0.2 },
        encoding: { x: place.x, ...ends },
      });
    if (whisker)
      layer.push({
        data,
        mark: { type: 'rule', stroke: colour, opacity: 0.7 },
        encoding: { x: place.x, ...ends },
      });
    layer.push({
      data,
      mark:
        mark === 'line'
          ? { type: 'line', stroke: colour, strokeWidth: width, strokeDash: dash }
          : { type: 'point', filled: true, fill: colour, size: 34, opacity: 1 },
      encoding: place,
    });
  }
  return { title, x: x.title, y: y.title, spec: { ...SIZE, layer } };
}

/** From dark to light in even steps of lightness, told apart by colour-blind readers and in print. */
export const RAMP = ['#14305c', '#3b4a6d', '#5f6570', '#828176', '#a89e72', '#d0bd62', '#f7de4b'] as const;

/** What a field's white boundary lies on, so that it shows on every shade. */
export const BOUNDARY_CASING = '#000';

/** A field of cells (rows: xLow, xHigh, yLow, yHigh, value in 0 .. 1) with a boundary drawn over it. */
export function fieldChart(
  title: string,
  x: Axis,
  y: Axis,
  cells: readonly Readonly<Record<string, number>>[],
  boundary: readonly Readonly<Record<string, number>>[],
  dashed: boolean,
): Panel {
  const line = (stroke: string, strokeWidth: number, strokeDash: readonly number[]) => ({
    data: { values: boundary },
    mark: { type: 'line', stroke, strokeWidth, strokeDash },
    encoding: { x: encode(x, false), y: encode(y, false) },
  });
  const spec = {
    ...SIZE,
    height: 240,
    layer: [
      {
        data: { values: cells },
        mark: { type: 'rect', stroke: null },
        encoding: {
          x: { ...encode(x, false), field: 'xLow' },
          x2: { field: 'xHigh' },
          y: { ...encode(y, false), field: 'yLow' },
          y2: { field: 'yHigh' },
          fill: {
            field: 'value',
            type: 'quantitative',
            scale: { domain: [0, 1], range: RAMP },
            legend: null,
          },
        },
      },
      line(BOUNDARY_CASING, 4, []),
      line('#fff', 2, dashed ? [5, 4] : []),
    ],
  };
  return { title, x: x.title, y: y.title, spec };
}
