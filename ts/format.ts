/** An exact number with thousands separators. */
export function thousands(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A share as a percentage with one decimal. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** A duration for people to read. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** A table with aligned columns; numbers are right-aligned. */
export function table(rows: readonly (readonly (string | number)[])[], indent = '  '): string {
  const cells = rows.map(row => row.map(cell => (typeof cell === 'number' ? thousands(cell) : cell)));
  const width = (column: number) => Math.max(0, ...cells.map(row => row[column]?.length ?? 0));
  const numeric = (column: number) => rows.some(row => typeof row[column] === 'number');
  const columns = Math.max(0, ...cells.map(row => row.length));
  const widths = Array.from({ length: columns }, (_, column) => width(column));
  return cells
    .map(row =>
      (
        indent +
        row.map((cell, i) => (numeric(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join('  ')
      ).trimEnd(),
    )
    .join('\n');
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of up to `width` characters. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  return '█'.repeat(eighths >> 3) + (EIGHTHS[eighths & 7] ?? '');
}
