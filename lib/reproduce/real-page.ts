/** What the page says of models that were trained on the user's data. */
import { cardsHtml, escapeHtml } from '../report/page.js';
import { effectOf, episodesOf, overEpisodes, overModels } from './real.js';
import { REAL_CRITERION } from './real-claims.js';
import { type RealFigure, realComparisons } from './real-figures.js';
import type { RealSpec } from './real-spec.js';
import type { Reproduction } from './reproduce.js';
import { spoken } from './verdict.js';

/** Whether the claims hold on the user's data, where there is any. */
export function realVerdictsHtml(
  { spec: { real }, realClaims = [] }: Reproduction,
  evidence: string,
): string {
  if (!real) return '';
  const each = realClaims.map(
    ({ claim, verdict, sentence }) =>
      `<div class="verdict"><p><strong>${claim} ${spoken(verdict)}.</strong></p><p>${escapeHtml(sentence)}</p></div>`,
  );
  return `<h3>On ${escapeHtml(real.data.path)}</h3><p>${escapeHtml(`${episodesOf(real)}, ${real.transitions} transitions.`)} <a href="${evidence}">Evidence</a></p>${each.join('')}<p class="serves">${escapeHtml(REAL_CRITERION)}</p>`;
}

/** What every remedy does on the user's data: over models, and for other episodes. */
export function realTable({ tables, spec: { real } }: Reproduction): string {
  if (!real) return '';
  const cell = (figure: RealFigure) => {
    const training = `in training ${figure.episodes.training.toFixed(2)}`;
    return `${overModels(figure)}; other episodes ${overEpisodes(figure)}; ${training}`;
  };
  const body = realComparisons(tables, real).map((c) => [
    c.name,
    cell(c.figures.leakage),
    cell(c.figures.shareExogenous),
    cell(c.figures.actionError),
    cell(c.figures.consistencyError),
    c.claim === 'C1' ? '' : effectOf(c),
  ]);
  const header = ['objective', 'leakage', 'z: exogenous', 'action error', 'consistency error', 'beside none'];
  return `<div class="real">${cardsHtml(header, body)}</div><p class="serves">Shares of variance on held-out episodes: the mean over models with its 95\u00a0% interval, the 95\u00a0% interval for other episodes than these, and what the same probes find on the episodes that model and probe were fitted on.</p>`;
}

/** The options of the command line that read the same data again. */
export function dataFlags({ path, ...options }: RealSpec['data']): string {
  const word = (text: string) => (/^[\w./:=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const flags = Object.entries(options).map(([name, value]) => {
    const flag = ` --${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === undefined || value === false) return '';
    if (value === true) return flag;
    if (typeof value === 'object' && 'width' in value) return `${flag} ${value.width}x${value.height}`;
    return `${flag} ${word(String(value))}`;
  });
  return ` --data ${word(path)}${flags.join('')}`;
}
