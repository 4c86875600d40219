/** Curves as numbers: smoothed, thinned out, and marked along their axes. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Exponential smoothing as TensorBoard has it: a running mean in which `weight` of what was stays, divided by the part of
 * it that has been filled, so that it does not begin at zero. A curve that never changes stays as it is.
 *
 * https://github.com/tensorflow/tensorboard, tf-line-chart-data-loader and line-chart.ts, `resmoothDataset`
 */
export function smoothed(points: readonly Point[], weight: number): Point[] {
  const [first] = points;
  if (weight === 0 || points.every(({ y }) => y === first?.y)) return [...points];
  let mean = 0;
  let count = 0;
  return points.map(({ x, y }) => {
    if (!Number.isFinite(y)) return { x, y };
    mean = weight * mean + (1 - weight) * y;
    count++;
    return { x, y: mean / (1 - weight ** count) };
  });
}

/** At most `most` points: the mean of each of equal stretches, in its middle. */
export function averaged(points: readonly Point[], most: number): Point[] {
  return stretches(points, most).map((part) => ({ x: mean(part.map(({ x }) => x)), y: mean(part.map(({ y }) => y)) }));
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Points in at most `most` stretches, one behind another, as equal as can be. */
function stretches(points: readonly Point[], most: number): Point[][] {
  const count = Math.min(most, points.length);
  const border = (i: number): number => Math.floor((i * points.length) / count);
  return Array.from({ length: count }, (_, i) => points.slice(border(i), border(i + 1)));
}

/** At most about `most` points: of each of equal stretches the lowest and the highest, so that no spike is lost. */
export function thinned(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  return stretches(points, Math.floor(most / 2)).flatMap((part) => {
    const low = part.reduce((a, b) => (b.y < a.y ? b : a));
    const high = part.reduce((a, b) => (b.y > a.y ? b : a));
    return low === high ? [low] : [low, high].toSorted((a, b) => a.x - b.x);
  });
}

/** Round numbers over a range, `count` of them or about as many: steps of 1, 2, 2.5 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10]
    .map((factor) => factor * power)
    .find((candidate) => candidate >= rough * 0.999) as number;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten over a range of positive numbers, with 2 and 5 times them where there are few. */
export function logTicks(low: number, high: number): number[] {
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(low)) + i),
  );
  const within = (values: readonly number[]): number[] =>
    values
      .filter((value) => value >= low * 0.999 && value <= high * 1.001)
      .map((value) => Number(value.toPrecision(12)));
  const tens = within(decades);
  if (tens.length > 5) return tens.filter((_, i) => i % Math.ceil(tens.length / 5) === 0);
  if (tens.length >= 3) return tens;
  const more = within(decades.flatMap((ten) => [ten, 2 * ten, 5 * ten]));
  return more.length >= 2 ? more : ticks(low, high, 3).filter((value) => value > 0);
}
