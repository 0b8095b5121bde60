/** One part of a page. `html` is trusted; everything else is escaped. */
export interface Section {
  readonly title?: string;
  /** What a link within the page names it by. */
  readonly id?: string;
  readonly html: string;
}

export interface Page {
  readonly title: string;
  readonly lead: string;
  readonly sections: readonly Section[];
  readonly footer?: string;
  /** CSS of the sections' own. */
  readonly style?: string;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A figure with its caption. */
export function figureHtml(svg: string, caption: string): string {
  return `<figure>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** A table that scrolls by itself on a narrow screen. */
export function tableHtml(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    row.map((c) => `<${tag}>${escapeHtml(c)}</${tag}>`).join('');
  return `<div class="scroll"><table><thead><tr>${cells('th', header)}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells('td', row)}</tr>`)
    .join('')}</tbody></table></div>`;
}

/** A table whose rows become cards on a narrow screen, the first cell on top and each other beside its column's name. */
export function cardsHtml(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = header.map((name) => `<th>${escapeHtml(name)}</th>`).join('');
  const cells = (row: readonly string[]) =>
    row.map((c, i) => `<td data-name="${escapeHtml(header[i])}">${escapeHtml(c)}</td>`).join('');
  return `<div class="scroll cards"><table><thead><tr>${head}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells(row)}</tr>`)
    .join('')}</tbody></table></div>`;
}

/** A settings block: exact, and copied as it stands. */
export function codeHtml(value: unknown): string {
  return `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`;
}

/** One self-contained HTML page: no script, nothing fetched, light and dark, from a telephone's width up. */
export function page({ title, lead, sections, footer, style = '' }: Page): string {
  const body = sections
    .map(
      (s) =>
        `<section${s.id ? ` id="${escapeHtml(s.id)}"` : ''}>${s.title ? `<h2>${escapeHtml(s.title)}</h2>` : ''}${s.html}</section>`,
    )
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${SCHEME}${STYLE}${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(lead)}</p>
${body}
${footer ? `<footer>${escapeHtml(footer)}</footer>` : ''}
</main>
</body>
</html>
`;
}

/** The page's colours by name, light and dark: what a drawing needs to stand alone. */
export const SCHEME = `
:root { --text: #1c2024; --soft: #60646c; --line: #8b8d98; --grid: #e3e4e8; --back: #fff; --panel: #f6f6f8; --hot: #a3260c; }
@media (prefers-color-scheme: dark) {
  :root { --text: #edeef0; --soft: #b0b4ba; --line: #777b84; --grid: #33363c; --back: #16181b; --panel: #202327; --hot: #f4573b; }
}
`;

const STYLE = `
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4em; }
h2 { font-size: 1.2rem; margin: 2em 0 .5em; }
h3 { font-size: 1.05rem; margin: 2em 0 .2em; }
.lead { font-size: 1.08rem; color: var(--soft); margin-top: 0; }
.verdict { background: var(--panel); border-left: 4px solid #e8590c; padding: 12px 16px; border-radius: 4px; }
figure { margin: 1.2em 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .4em; }
.row { display: flex; flex-wrap: wrap; gap: 16px; }
.row > * { flex: 1 1 300px; margin: 0; min-width: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { white-space: normal; vertical-align: bottom; }
@media (max-width: 600px) {
  th, td { padding: 4px 6px; }
  td { white-space: normal; }
  .cards thead { display: none; }
  .cards :is(table, tbody, tr) { display: block; }
  .cards tr { padding: .45em 0; border-bottom: 1px solid var(--line); }
  .cards td { display: flex; justify-content: space-between; gap: 1em; padding: 1px 0; border: 0; }
  .cards td::before { content: attr(data-name); color: var(--soft); text-align: left; }
  .cards td:first-child { display: block; font-weight: 600; }
  .cards td:first-child::before { content: none; }
}
pre { background: var(--panel); padding: 12px; overflow-x: auto; font-size: .85rem; border-radius: 4px; }
footer { margin-top: 3em; color: var(--soft); font-size: .9rem; }
`;
