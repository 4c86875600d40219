/** Numbers as people read them. */

/** `1.4 GB`, in powers of 1000 as file managers have it. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, ['B', 'kB', 'MB', 'GB', 'TB'], ' ');
}

/** `7.06B`, as papers count parameters. */
export function formatCount(count: number): string {
  return scaled(count, ['', 'K', 'M', 'B', 'T'], '');
}

function scaled(value: number, units: readonly string[], between: string): string {
  let rest = value;
  let unit = 0;
  while (rest >= 999.5 && unit < units.length - 1) [rest, unit] = [rest / 1000, unit + 1];
  const digits = unit === 0 || rest >= 99.5 ? 0 : rest >= 9.95 ? 1 : 2;
  return `${rest.toFixed(digits)}${between}${units[unit]}`.trim();
}

/** Milliseconds as `0.21 s`, `3 min 20 s` or `5 h 2 min`. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 59.5) return `${seconds.toFixed(seconds < 9.95 ? 2 : 0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
