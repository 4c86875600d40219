/** A share in per cent with its 95 % interval (Wilson, 1927) and the number of questions. */
export function interval(right: readonly boolean[]): string {
  const n = right.length;
  if (n === 0) return '';
  const share = right.filter(Boolean).length / n;
  const z2 = 1.96 ** 2;
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (1.96 / (1 + z2 / n)) * Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n));
  const percent = (value: number) => (100 * Math.max(0, value)).toFixed(1);
  return `${percent(share)} (${percent(middle - half)} to ${percent(middle + half)}, n ${n})`;
}
