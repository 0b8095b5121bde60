import { figure } from './figure.js';
import { escapeHtml, SCHEME } from './page.js';

/** An entry of a key: how a mark looks and what it stands for. */
export type KeyEntry =
  | {
      readonly kind: 'line';
      readonly label: string;
      readonly colour: string;
      readonly dash?: readonly number[];
      /** Colour of a wider line below it. */
      readonly casing?: string;
    }
  | { readonly kind: 'point' | 'band'; readonly label: string; readonly colour: string }
  | {
      readonly kind: 'ramp';
      readonly from: string;
      readonly to: string;
      readonly colours: readonly string[];
    };

/**
 * One chart of a drawing; `spec` is vega-lite without titles. What the axes mean, with units, is text around the chart: it keeps its
 * size where the chart shrinks.
 */
export interface Panel {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly spec: object;
}

/**
 * A figure of a page: panels that flow from two columns on a desk to one on a telephone, one key for all of them, a caption that
 * needs no code to be understood.
 */
export interface Drawing {
  /** Names the .svg file. */
  readonly name: string;
  readonly title: string;
  readonly caption: string;
  readonly key: readonly KeyEntry[];
  readonly panels: readonly Panel[];
}

export interface Drawn {
  readonly html: string;
  /** All panels and the key in one .svg file, with its own light and dark colours. */
  readonly svg: string;
}

/** Cells that touch, without hairlines between them. */
const CRISP = '.mark-rect path { shape-rendering: crispEdges; }';

/** What drawings add to the page's style. */
export const DRAWING_STYLE = `
.drawing { margin: 1.5rem 0 2rem; }
.figure-title { font-weight: 600; }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .4rem 0 .6rem; font-size: .9rem; }
figure .key svg { display: inline-block; width: auto; vertical-align: -1px; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: .75rem 1.25rem; }
.panel { min-width: 0; }
.panel-title { font-size: .9rem; font-weight: 600; }
.axis { font-size: .82rem; color: var(--soft); }
.axis-x { text-align: right; max-width: 370px; }
${CRISP}
`;

const CONFIG = { aria: false, legend: { disable: true } } as const;

/** Draws a figure once, for a page and as a file; `titled`: the page shows its title too. */
export async function draw(drawing: Drawing, titled = true): Promise<Drawn> {
  const panels = await Promise.all(
    drawing.panels.map(async ({ spec, ...panel }) => {
      const svg = await figure({ ...spec, config: CONFIG });
      const label = escapeHtml(`${drawing.title}: ${panel.title}`);
      return { ...panel, svg: svg.replace('<svg ', `<svg role="img" aria-label="${label}" `) };
    }),
  );
  const boxes = panels.map(
    ({ title, x, y, svg }) =>
      `<div class="panel"><div class="panel-title">${escapeHtml(title)}</div><div class="axis">↑ ${escapeHtml(y)}</div>${svg}<div class="axis axis-x">${escapeHtml(x)} →</div></div>`,
  );
  const html = `<figure class="drawing" id="${escapeHtml(drawing.name)}">${titled ? `<div class="figure-title">${escapeHtml(drawing.title)}</div>` : ''}${keyHtml(drawing.key)}<div class="panels">${boxes.join('')}</div><figcaption>${escapeHtml(drawing.caption)}</figcaption></figure>`;
  return { html, svg: sheet(drawing, panels) };
}

function keyHtml(key: readonly KeyEntry[]): string {
  const entries = key.map((entry) =>
    entry.kind === 'ramp'
      ? `<li>${escapeHtml(entry.from)} ${swatch(entry, 0, 0, true)} ${escapeHtml(entry.to)}</li>`
      : `<li>${swatch(entry, 0, 0, true)} ${escapeHtml(entry.label)}</li>`,
  );
  return `<ul class="key">${entries.join('')}</ul>`;
}

const SWATCH = { width: 34, height: 12, ramp: 120 } as const;

/** The mark of a key entry as SVG, by itself or as a part of a larger one. */
function swatch(entry: KeyEntry, x: number, y: number, alone: boolean): string {
  const { height } = SWATCH;
  const width = entry.kind === 'ramp' ? SWATCH.ramp : SWATCH.width;
  const middle = height / 2;
  const inner = (() => {
    switch (entry.kind) {
      case 'line': {
        const dash = entry.dash?.length ? ` stroke-dasharray="${entry.dash.join(' ')}"` : '';
        const line = (stroke: string, thickness: number, rest: string) =>
          `<line x1="0" x2="${width}" y1="${middle}" y2="${middle}" stroke="${stroke}" stroke-width="${thickness}"${rest}/>`;
        return `${entry.casing ? line(entry.casing, 6, '') : ''}${line(entry.colour, 2.5, dash)}`;
      }
      case 'point':
        return `<circle cx="${width / 2}" cy="${middle}" r="4.5" fill="${entry.colour}"/>`;
      case 'band':
        return `<rect width="${width}" height="${height}" fill="${entry.colour}" opacity="0.25"/>`;
      case 'ramp': {
        const n = entry.colours.length;
        return entry.colours
          .map(
            (c, i) =>
              `<rect x="${(i * width) / n}" width="${width / n + 0.5}" height="${height}" fill="${c}"/>`,
          )
          .join('');
      }
    }
  })();
  return alone
    ? `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true">${inner}</svg>`
    : `<g transform="translate(${x},${y})">${inner}</g>`;
}

const SHEET = { pad: 16, gap: 16, line: 20, columns: 2 } as const;

/** One SVG: title, key, then the panels in two columns. Nothing is looked up: colours come along. */
function sheet(drawing: Drawing, panels: readonly (Omit<Panel, 'spec'> & { svg: string })[]): string {
  const { pad, gap, line, columns } = SHEET;
  const sizes = panels.map(({ svg }) => {
    const box = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg);
    return { width: Number(box?.[1] ?? 0), height: Number(box?.[2] ?? 0) };
  });
  const column = Math.max(360, ...sizes.map((s) => s.width));
  const parts: string[] = [];
  const text = (x: number, y: number, content: string, size: number, weight = 400) =>
    parts.push(
      `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="var(--text)" font-family="system-ui, sans-serif">${escapeHtml(content)}</text>`,
    );
  let y = pad + line;
  text(pad, y, drawing.title, 16, 600);
  y += line;
  for (const entry of drawing.key) {
    const ramp = entry.kind === 'ramp';
    const from = ramp ? entry.from.length * 7 + 8 : 0;
    if (ramp) text(pad, y, entry.from, 13);
    parts.push(swatch(entry, pad + from, y - 10, false));
    text(pad + from + (ramp ? SWATCH.ramp : SWATCH.width) + 8, y, ramp ? entry.to : entry.label, 13);
    y += line;
  }
  y += gap;
  for (let first = 0; first < panels.length; first += columns) {
    const row = panels.slice(first, first + columns);
    row.forEach((panel, i) => {
      const { width, height } = sizes[first + i];
      const x = pad + i * (column + gap);
      text(x, y, panel.title, 13, 600);
      text(x, y + line, `↑ ${panel.y}`, 12);
      text(x, y + line + 18 + height, `${panel.x} →`, 12);
      parts.push(
        panel.svg.replace(
          /<svg [^>]*>/,
          `<svg x="${x}" y="${y + line + 4}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
        ),
      );
    });
    y += 3 * line + Math.max(...row.map((_, i) => sizes[first + i]?.height ?? 0)) + gap;
  }
  const width = Math.ceil(2 * pad + Math.max(560, Math.min(columns, panels.length) * (column + gap) - gap));
  const height = Math.ceil(y - line);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(drawing.title)}">
<title>${escapeHtml(drawing.title)}</title>
<desc>${escapeHtml(drawing.caption)}</desc>
<style>${SCHEME}${CRISP}</style>
<rect width="100%" height="100%" fill="var(--back)"/>
${parts.join('\n')}
</svg>
`;
}
