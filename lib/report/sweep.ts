import { DRAWING_STYLE, draw } from './drawing.js';
import { codeHtml, escapeHtml, page, type Section, tableHtml } from './page.js';
import { enoughFigures, enoughOf, enoughSentence } from './sweep-enough.js';
import { facets, phaseDiagrams, seedFigure } from './sweep-figures.js';
import { findingsOf, type Remedy, regimesOf } from './sweep-findings.js';
import { readSweepData, type SweepData } from './sweep-settings.js';

/** The page of a sweep, and its figures as files by name. */
export interface SweepPage {
  readonly html: string;
  readonly figures: Readonly<Record<string, string>>;
}

/** Is this JSON the spec.json of a sweep's folder? */
export function isSweep(value: unknown): boolean {
  return Array.isArray((value as { specs?: unknown } | null)?.specs);
}

/** What a sweep found: in words, then who does best where, then figures. */
export async function sweepPage(dir: string): Promise<SweepPage> {
  const data = await readSweepData(dir);
  const figures: Record<string, string> = {};
  const drawn = async (drawings: Parameters<typeof draw>[0][]) => {
    const parts: string[] = [];
    for (const drawing of drawings) {
      const { html, svg } = await draw(drawing);
      figures[drawing.name] = svg;
      parts.push(html);
    }
    return parts.join('');
  };
  const [first, ...others] = [...enoughOf(data).map(enoughSentence), ...findingsOf(data)];
  const sections: Section[] = [
    {
      html: `<div class="verdict"><p><b>${escapeHtml(first)}</b></p><ul>${others.map((text) => `<li>${escapeHtml(text)}</li>`).join('')}</ul></div>`,
    },
    { title: 'How much is enough', html: await drawn(enoughFigures(data)) },
    { title: 'Who does best where', html: regimesHtml(data) },
    { title: 'Along the parameter that matters most', html: await drawn(facets(data)) },
    { title: 'Where the leak begins', html: await drawn(phaseDiagrams(data)) },
    { title: 'Seeds', html: await drawn(seedFigure(data)) },
    {
      title: 'Exactly what was computed',
      html: `<p>Rows: <code>parts/*.parquet</code>, which pandas, polars and DuckDB read as they are.</p>${codeHtml({ specs: data.file.specs, constants: data.file.constants })}`,
    },
  ];
  const html = page({
    title: 'What a sweep found',
    lead: `${data.settings.length} settings of worlds, objectives and latent dimensions: how much of the exogenous state's innovation z carries (leakage), and how much of the action it misses. Means are over seeds.`,
    sections: sections.filter((section) => section.html !== ''),
    style: `${DRAWING_STYLE}.regimes td { white-space: normal; }\n`,
    footer: `Made by exolam ${data.file.exolam}. Leakage is innovationLeakage of docs/theory.md.`,
  });
  return { html, figures };
}

function regimesHtml(data: SweepData): string {
  const regimes = regimesOf(data);
  if (regimes.length === 0) return '';
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const told = ({ name, leakage, actionError }: Remedy) =>
    `${name}: ${percent(leakage)}, ${percent(actionError)}`;
  const rows = regimes.map(({ name, best, worst }) => [
    name,
    told(best),
    worst.fault - best.fault < ALIKE ? 'all alike' : told(worst),
  ]);
  const table = tableHtml(['where', 'best: leakage, action error', 'worst: leakage, action error'], rows);
  return `<p>By the mean of the leakage and the action error.</p><div class="regimes">${table}</div>`;
}

/** Faults that differ by rounding. */
const ALIKE = 1e-9;
