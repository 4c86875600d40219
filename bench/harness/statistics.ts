/** What is said about repeated measurements. */

/** Something that is measured in every round, and whether more of it is better. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface Summary {
  readonly median: number;
  readonly best: number;
}

/** The value in the middle; of an even number of values, between the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] as number;
  return Number.isInteger(middle) ? ((sorted[middle - 1] as number) + upper) / 2 : upper;
}

export const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** The means of each so many values, one after another; what is left over at the end is in none. */
export function means(values: readonly number[], count: number): number[] {
  const places = Array.from({ length: Math.floor(values.length / count) }, (_, i) => i * count);
  return places.map((at) => sum(values.slice(at, at + count)) / count);
}

/** How far a curve is from another at most, as a part of the other's value there. */
export function farthest(curve: readonly number[], from: readonly number[]): number {
  return Math.max(...from.map((value, i) => Math.abs((curve[i] as number) / value - 1)));
}

export function summarise(values: readonly number[], better: Measure['better']): Summary {
  return { median: median(values), best: better === 'more' ? Math.max(...values) : Math.min(...values) };
}

/** Values of every measure, round by round. */
export type Values = Readonly<Record<string, readonly number[]>>;

/** By the names of contenders. */
export type Results = Readonly<Record<string, Values>>;

/** Ours over theirs, of the medians, for every measure that both have. */
export function ratios(ours: Values, theirs: Values): Record<string, number> {
  const both = Object.keys(ours).filter((name) => Object.hasOwn(theirs, name));
  return Object.fromEntries(both.map((name) => [name, median(ours[name] ?? []) / median(theirs[name] ?? [])]));
}
