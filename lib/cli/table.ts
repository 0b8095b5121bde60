/** Columns of text, right-aligned but for the first. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((h, c) => Math.max(h.length, ...rows.map((r) => (r[c] ?? '').length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((w) => '-'.repeat(w)).join('  '), ...rows.map(line)].join('\n');
}

export function figure(value: number | undefined, digits = 3): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 10 ** -digits)
    ? value.toExponential(2)
    : value.toFixed(digits);
}
