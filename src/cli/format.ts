/** Figures and tables as people read them. */

export { formatBytes, formatCount, formatDuration } from '../tensor/index.js';

/** Rows in columns that are as wide as their widest cell; the last one is not filled up. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
