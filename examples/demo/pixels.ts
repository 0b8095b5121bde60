import { escapeHtml } from '../../lib/report/page.js';

/** A small grey image (rows from the top, 0 black to 1 white) as inline SVG: sharp at any size. */
export function drawPixels(image: Float64Array, width: number, label: string): string {
  const height = image.length / width;
  const pixels: string[] = [];
  image.forEach((value, p) => {
    const grey = Math.round(255 * Math.min(1, Math.max(0, value)));
    if (grey === 0) return;
    const hex = grey.toString(16).padStart(2, '0').repeat(3);
    pixels.push(`<path fill="#${hex}" d="M${p % width} ${Math.floor(p / width)}h1v1h-1z"/>`);
  });
  return (
    `<svg role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${width} ${height}" shape-rendering="crispEdges">` +
    `<path d="M0 0h${width}v${height}h-${width}z"/>${pixels.join('')}</svg>`
  );
}

/** Images of one size in a row, e.g. frames of a film; on a narrow screen in several. */
export function drawStrip(title: string, images: readonly string[]): string {
  const grid =
    'display:grid;grid-template-columns:repeat(auto-fit,minmax(6.5rem,1fr));gap:5px;margin:4px 0 14px';
  return `<div>${escapeHtml(title)}</div><div style="${grid}">${images.join('')}</div>`;
}
