import { DRAWING_STYLE, draw } from '../report/drawing.js';
import { cardsHtml, codeHtml, escapeHtml, page, type Section } from '../report/page.js';
import { CLAIM_IDS, type ClaimId, CRITERION, claimsOf } from './claims.js';
import type { MeanInterval } from './intervals.js';
import { comparisonsOf, type NonlinearComparison, WORLD_NAMES } from './nonlinear.js';
import { dataFlags, realTable, realVerdictsHtml } from './real-page.js';
import { REMEDIES } from './remedies.js';
import { type Reproduction, studiesOf } from './reproduce.js';
import { MIXING_NAMES, MIXINGS } from './spec.js';
import type { Study } from './study.js';
import { type Cell, rowsOf, spread } from './table.js';

const CLAIMS: Readonly<Record<ClaimId, { claim: string; formalised: string }>> = {
  C1: {
    claim:
      'Minimising reconstruction makes latent actions encode exogenous information from the future observation.',
    formalised:
      "exolam's T1, T2 and T8 (what the minimum keeps), T10 (from finite data) and T11 (in the order of training)",
  },
  C2: {
    claim: 'Learning in a representation that focuses on the endogenous part mitigates it.',
    formalised:
      "exolam's T3 (nothing leaks where the representation is blind; a critical gain where it only dims)",
  },
  C3: {
    claim:
      'Auxiliary objectives such as action supervision make latent actions consistent across exogenous states.',
    formalised:
      "exolam's T4 (action supervision), T5 (cross-exogenous reconstruction) and T6 (exogenous-robust penalty)",
  },
  C4: {
    claim: 'The findings hold for linear and nonlinear latent action models.',
    formalised: 'nothing: nonlinear models have no closed form, so they are trained and their latents probed',
  },
};

/** What the figures need and nothing else decides: an SVG file for each, and the page. */
export interface Presentation {
  readonly sections: readonly Section[];
  readonly style: string;
  /** By name, without extension. */
  readonly figures: Readonly<Record<string, string>>;
}

export const PROVENANCE =
  'The question and the claims C1 to C4 are those of the abstract of "Why Latent Actions Fail, and How to Prevent It" (Lee, Cho, Zhao, Lee, arXiv:2605.20223); only the abstract was at hand. The linear latent action model is that of "What Do Latent Action Models Actually Learn?" (Zhang et al., arXiv:2506.15691). The formal statements T1 to T11 are exolam\'s own formalisation, not theorems of those papers.';

/** Draws a reproduction: the sections of a page and every figure as a file. */
export async function present(
  reproduction: Reproduction,
  onProgress?: (done: number, total: number) => void,
): Promise<Presentation> {
  const { spec, tables } = reproduction;
  const figures: Record<string, string> = {};
  const shown = new Map<string, string>();
  const studies = studiesOf(spec);
  for (const [i, study] of studies.entries()) {
    onProgress?.(i, studies.length);
    const { drawings, sentence } = study.read(tables, spec);
    const parts: string[] = [];
    for (const drawing of drawings) {
      const { html, svg } = await draw(drawing, drawings.length > 1);
      figures[drawing.name] = svg;
      parts.push(html);
    }
    // Charts that stand alone share a row.
    const together = drawings.length > 1 && drawings.every(({ panels }) => panels.length === 1);
    const serves = [study.theorems, study.claims]
      .map((all) => all.join(', '))
      .filter(Boolean)
      .join(' → ');
    shown.set(
      study.name,
      `<h3>${escapeHtml(study.title)}</h3><p class="serves">${escapeHtml(serves)}</p><p class="verdict">${escapeHtml(sentence)}</p>${together ? `<div class="panels">${parts.join('')}</div>` : parts.join('')}${tableBelow(study, reproduction)}`,
    );
  }
  const htmlOf = (study: Study) => shown.get(study.name) ?? '';
  const byClaim = (claim: ClaimId) =>
    studies.filter((s) => s.name !== 'scale' && s.name !== 'statements' && s.claims.includes(claim));
  const evidence: Section[] = [
    {
      title: 'The remedies side by side',
      html: `${htmlOf(studies[0])}${scaleTable(reproduction)}`,
    },
    ...CLAIM_IDS.map((claim) => ({
      title: `Claim ${claim}`,
      html: `<blockquote>${escapeHtml(CLAIMS[claim].claim)}</blockquote><p>Formalised by ${escapeHtml(CLAIMS[claim].formalised)}.</p>${byClaim(claim).map(htmlOf).join('')}`,
    })),
    { title: 'Statements', html: `${shown.get('statements') ?? ''}${statementsTable(reproduction)}` },
    { title: 'Exactly what was computed', html: settings(reproduction) },
  ];
  const sections: Section[] = [
    { title: 'Do the claims hold?', id: 'verdicts', html: verdictsHtml(reproduction) },
    { html: contentsHtml(evidence) },
    ...evidence.map((section) => ({ ...section, id: idOf(section) })),
  ];
  return { sections, style: `${DRAWING_STYLE}${STYLE}`, figures };
}

const idOf = ({ title = '' }: Section) => title.toLowerCase().replaceAll(' ', '-');

/** The answer, one sentence a claim, before anything else. */
function verdictsHtml(reproduction: Reproduction): string {
  const { tables, spec } = reproduction;
  const each = claimsOf(tables, spec).map(
    ({ claim, verdict, sentence }) =>
      `<div class="verdict"><p><strong>${claim} ${verdict === 'cannot tell' ? 'is open: this page cannot tell' : verdict}.</strong> <em>${escapeHtml(CLAIMS[claim].claim)}</em></p><p>${escapeHtml(sentence)} <a href="#${idOf({ title: `Claim ${claim}`, html: '' })}">Evidence</a></p></div>`,
  );
  return `${each.join('')}<p class="serves">${escapeHtml(CRITERION)}</p>${realVerdictsHtml(reproduction, `#${idOf({ title: 'Claim C4', html: '' })}`)}`;
}

function contentsHtml(sections: readonly Section[]): string {
  const links = sections.map(
    (section) => `<li><a href="#${idOf(section)}">${escapeHtml(section.title ?? '')}</a></li>`,
  );
  return `<nav aria-label="contents"><ul class="contents">${links.join('')}</ul></nav>`;
}

/** The page of one reproduction. */
export async function reproductionPage(
  reproduction: Reproduction,
  onProgress?: (done: number, total: number) => void,
): Promise<{ html: string; figures: Presentation['figures'] }> {
  const { sections, style, figures } = await present(reproduction, onProgress);
  const html = page({ title: TITLE, lead: LEAD, sections, style, footer: PROVENANCE });
  return { html, figures };
}

export const TITLE = 'Why latent actions encode the background, and what prevents it';
export const LEAD =
  'A latent action model explains each next observation by a few numbers z. Besides the agent, the observation shows an exogenous state that no action touches. Four claims about what z then encodes, in numbers: exactly for linear models, and by training for nonlinear ones. In linear worlds α is the variance that the action gives to the next observation, β the variance that the exogenous state gives to it.';

/** The numbers behind a study's figure, where the page has them. */
function tableBelow({ name }: Study, reproduction: Reproduction): string {
  if (name === 'nonlinear') return nonlinearTable(reproduction);
  return name === 'real' ? realTable(reproduction) : '';
}

/** What every remedy does in nonlinear worlds: means over seeds with their intervals. */
function nonlinearTable({ tables }: Reproduction): string {
  if (!tables['nonlinear']) return '';
  const cell = ({ value, low, high }: MeanInterval) =>
    Number.isFinite(low)
      ? `${value.toFixed(2)} (${low.toFixed(2)}\u00a0to\u00a0${high.toFixed(2)})`
      : Number.isFinite(value)
        ? value.toFixed(2)
        : 'not measurable';
  const helps = (c: NonlinearComparison) => {
    if (c.claim === 'C1') return '';
    const words = [c.leaksLess && 'leaks less', c.knowsMore && 'knows more', c.steadier && 'steadier'];
    return words.filter(Boolean).join(', ') || 'does not help';
  };
  const body = comparisonsOf(tables).map((c) => [
    c.name,
    WORLD_NAMES[c.world] ?? c.world,
    cell(c.leakage),
    cell(c.actionError),
    cell(c.consistencyError),
    helps(c),
  ]);
  const header = ['objective', 'world', 'leakage', 'action error', 'consistency error', 'beside none'];
  return `<details><summary>The numbers: shares of variance, mean over seeds (95 % interval)</summary><div class="scale">${cardsHtml(header, body)}</div></details>`;
}

const share = (value: Cell | undefined) => (typeof value === 'number' ? Math.abs(value).toFixed(3) : '');

/** Remedies at a few exogenous scales: mean (least to greatest). */
function scaleTable({ tables, spec }: Reproduction): string {
  const table = tables['scale'];
  if (!table) return '';
  const wanted = [0.5, 2, 8].map((target) =>
    spec.exogenousScales.reduce((a, b) =>
      Math.abs(Math.log(b / target)) < Math.abs(Math.log(a / target)) ? b : a,
    ),
  );
  const rows = spread(
    rowsOf(table).filter((row) => wanted.includes(row['exogenousScale'] as number)),
    ['mixing', 'remedy', 'exogenousScale'],
    ['futureLeakage', 'actionError', 'consistencyError'],
  );
  const cell = (row: (typeof rows)[number], metric: string) => {
    const [mean, low, high] = [metric, `${metric}Least`, `${metric}Greatest`].map((name) => share(row[name]));
    // A range does not break within.
    return low === high ? mean : `${mean} (${low}\u00a0to\u00a0${high})`;
  };
  const body = REMEDIES.flatMap((remedy) =>
    MIXINGS.flatMap((mixing) =>
      rows
        .filter((row) => row['remedy'] === remedy.id && row['mixing'] === mixing)
        .map((row) => [
          remedy.name,
          MIXING_NAMES[mixing],
          (row['exogenousScale'] as number).toPrecision(3),
          cell(row, 'futureLeakage'),
          cell(row, 'actionError'),
          cell(row, 'consistencyError'),
        ]),
    ),
  );
  const header = [
    'remedy',
    'mixing',
    'exogenous scale',
    'future leakage',
    'action error',
    'consistency error',
  ];
  return `<details><summary>The numbers at three exogenous scales: shares of variance, mean over worlds (least to greatest)</summary><div class="scale">${cardsHtml(header, body)}</div></details>`;
}

function short(value: Cell | undefined): string {
  if (typeof value !== 'number') return String(value ?? '');
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(1) : String(Number(value.toPrecision(5)));
}

function statementsTable({ tables }: Reproduction): string {
  const table = tables['statements'];
  if (!table) return '';
  const body = rowsOf(table).map((row) => [
    `${row['statement']}: ${row['title']}`,
    String(row['claim']),
    ...['predicted', 'measured', 'error', 'tolerance'].map((name) => short(row[name])),
    String(row['verdict']),
  ]);
  const header = ['statement', 'claim', 'predicted', 'measured', 'error', 'tolerance', 'verdict'];
  return `<div class="statements">${cardsHtml(header, body)}</div><p>Each row shows the comparison that came nearest to its tolerance. <code>exolam verify</code> runs the same checks on more worlds.</p>`;
}

function settings({ spec, versions, tables }: Reproduction): string {
  const files = Object.values(tables).map((t) => [`tables/${t.name}.csv`, t.title, String(t.rows.length)]);
  const command = `exolam reproduce --out DIR --seed ${spec.seed}${spec.quick ? ' --quick' : ''}${spec.real ? dataFlags(spec.real.data) : ''}`;
  return `<p>Population solutions are exact minima for infinite data in the linear world of the theory; nothing on this page is trained except where it says so, as claim C4 is. The same version, seed and instruction set give the same numbers: <code>${escapeHtml(command)}</code></p><div class="files">${cardsHtml(['file', 'what it holds', 'rows'], files)}</div><details><summary>Versions, seed and every setting</summary>${codeHtml({ versions, spec })}</details>`;
}

const STYLE = `
blockquote { margin: 0 0 .6em; padding-left: 12px; border-left: 3px solid var(--line); font-style: italic; }
div.verdict p { margin: .2em 0; }
div.verdict { margin: 0 0 .8em; }
.contents { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; }
a { color: inherit; }
.serves { color: var(--soft); font-size: .85rem; margin: 0 0 .5em; }
details { margin: 1em 0; }
summary { cursor: pointer; }
/* A range may stand below its mean. */
@media (min-width: 601px) {
  .scale td:first-child { white-space: normal; }
  .scale td:nth-child(n + 4) { white-space: normal; min-width: 7.4rem; }
  .statements td:first-child { white-space: normal; min-width: 15rem; }
  .scroll :is(td, th):nth-child(2) { text-align: left; }
  .real td { white-space: normal; text-align: left; min-width: 6rem; }
  .files td:nth-child(2) { white-space: normal; min-width: 14rem; }
}
`;
