import { COLOURS, figure } from '../../lib/report/figure.js';
import { escapeHtml } from '../../lib/report/page.js';

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Place in COLOURS; a line keeps its colour, dash and mark across figures. */
  readonly colour: number;
}

export interface Axis {
  /** With its unit. */
  readonly title: string;
  readonly scale?: 'linear' | 'log';
  readonly domain?: readonly [number, number];
  /** Where the ticks stand; default: chosen by the drawing. */
  readonly values?: readonly number[];
}

export interface LineFigure {
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** Read aloud in place of the drawing. */
  readonly label: string;
}

/** As many as COLOURS. */
const DASHES = [
  [1, 0],
  [7, 3],
  [2, 2],
  [8, 3, 2, 3],
  [4, 4],
  [10, 4],
] as const;
const SHAPES = ['circle', 'square', 'triangle-up', 'diamond', 'triangle-down', 'cross'] as const;

/** Lines with their points; colour, dash and mark all tell them apart, so that print and colour-blind readers can too. */
export async function drawLines({ x, y, lines, label }: LineFigure): Promise<string> {
  const names = lines.map((line) => line.name);
  const range = <T>(from: readonly T[]) => ({
    domain: names,
    range: lines.map((line) => from[line.colour % from.length]),
  });
  const byName = (values: readonly unknown[]) => ({
    field: 'name',
    type: 'nominal',
    title: null,
    scale: range(values),
  });
  const along = (field: string, axis: Axis, grid: boolean) => ({
    field,
    type: 'quantitative',
    title: axis.title,
    scale: {
      ...(axis.scale === 'log' ? { type: 'log' } : { type: 'linear', zero: false }),
      ...(axis.domain ? { domain: axis.domain, nice: false } : {}),
    },
    axis: { grid, ...(axis.values ? { values: axis.values, labelOverlap: false } : { tickCount: 5 }) },
  });
  const svg = await figure({
    width: 400,
    height: 330,
    autosize: { type: 'fit', contains: 'padding' },
    data: { values: lines.flatMap(({ name, points }) => points.map(([at, value]) => ({ name, at, value }))) },
    encoding: { x: along('at', x, false), y: along('value', y, true), color: byName(COLOURS) },
    layer: [
      { mark: { type: 'line', strokeWidth: 2 }, encoding: { strokeDash: byName(DASHES) } },
      { mark: { type: 'point', filled: true, size: 45, opacity: 1 }, encoding: { shape: byName(SHAPES) } },
    ],
  });
  return svg.replace('<svg ', `<svg role="img" aria-label="${escapeHtml(label)}" `);
}
