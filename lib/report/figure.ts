import { ExolamError } from '../base/errors.js';

/**
 * A vega-lite specification as SVG text. Colours that must follow the page's light or dark scheme are CSS variables of
 * lib/report/page.ts. vega and vega-lite are optional dependencies, loaded when something is drawn; where they were left out, the
 * message says what to install.
 */
export async function figure(spec: object): Promise<string> {
  const { vega, lite } = await engines();
  const compiled = lite.compile({
    ...theme,
    ...spec,
    config: { ...theme.config, ...(spec as { config?: object }).config },
  } as never);
  const view = new vega.View(vega.parse(compiled.spec), { renderer: 'none' });
  try {
    const svg = await view.toSVG();
    // Scales with its column; the drawn size stays the upper limit.
    return svg.replace(
      /<svg ([^>]*?)width="(\d+(?:\.\d+)?)" height="(\d+(?:\.\d+)?)"/,
      '<svg $1style="max-width:$2px"',
    );
  } finally {
    view.finalize();
  }
}

/** Throws at once where figures cannot be drawn, before any work is done. */
export async function requireEngines(): Promise<void> {
  await engines();
}

async function engines() {
  try {
    const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')]);
    return { vega, lite };
  } catch (error) {
    throw new ExolamError(
      'unsupported',
      'figures are drawn by vega and vega-lite: npm install vega@6 vega-lite@6.4',
      {
        cause: error,
      },
    );
  }
}

/** Colours of a series, readable on light and on dark. */
export const COLOURS = ['#2f7ed8', '#e8590c', '#2b9a66', '#a855d6', '#c2255c', '#868e96'] as const;

const theme = {
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  background: null,
  config: {
    font: 'system-ui, sans-serif',
    view: { stroke: 'transparent' },
    range: { category: [...COLOURS] },
    axis: {
      domainColor: 'var(--line)',
      tickColor: 'var(--line)',
      gridColor: 'var(--grid)',
      labelColor: 'var(--text)',
      titleColor: 'var(--text)',
      labelFontSize: 12,
      titleFontSize: 13,
      titleFontWeight: 'normal',
    },
    legend: {
      labelColor: 'var(--text)',
      titleColor: 'var(--text)',
      orient: 'bottom',
      columns: 1,
      labelFontSize: 12,
      labelLimit: 340,
    },
    title: { color: 'var(--text)', fontSize: 14, anchor: 'start' },
    header: { labelColor: 'var(--text)', titleColor: 'var(--text)', labelFontSize: 13 },
  },
} as const;
