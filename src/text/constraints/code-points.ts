/** Sets of code points as sorted ranges, and how their characters are spelled in UTF-8 (RFC 3629). Surrogates belong to none. */

export interface CodePoints {
  /** First and last code points in turn; the ranges are sorted and do not touch. */
  readonly ranges: readonly number[];
}

export const last = 0x10ffff;
const [firstSurrogate, lastSurrogate] = [0xd800, 0xdfff];

/** The set of some ranges in any order, which may overlap. */
export function codePoints(...pairs: readonly (readonly [number, number])[]): CodePoints {
  const sorted = pairs.flatMap(withoutSurrogates).sort(([a], [b]) => a - b);
  const ranges: number[] = [];
  for (const [from, to] of sorted) {
    const end = ranges.length - 1;
    if (end > 0 && from <= (ranges[end] as number) + 1) ranges[end] = Math.max(ranges[end] as number, to);
    else ranges.push(from, to);
  }
  return { ranges };
}

function withoutSurrogates([from, to]: readonly [number, number]): (readonly [number, number])[] {
  const below = [from, Math.min(to, firstSurrogate - 1)] as const;
  const above = [Math.max(from, lastSurrogate + 1), to] as const;
  return [below, above].filter(([start, end]) => start <= end);
}

/** The characters of a text. */
export function charactersOf(text: string): CodePoints {
  return codePoints(...Array.from(text, (char) => char.codePointAt(0) as number).map((code) => [code, code] as const));
}

export const everything = codePoints([0, last]);

export function pairsOf({ ranges }: CodePoints): (readonly [number, number])[] {
  return Array.from({ length: ranges.length / 2 }, (_, i) => [ranges[2 * i] as number, ranges[2 * i + 1] as number]);
}

export function union(...sets: readonly CodePoints[]): CodePoints {
  return codePoints(...sets.flatMap(pairsOf));
}

export function complement({ ranges }: CodePoints): CodePoints {
  const edges = [0, ...ranges.map((edge, i) => (i % 2 === 0 ? edge - 1 : edge + 1)), last];
  return codePoints(...pairsOf({ ranges: edges }).filter(([from, to]) => from <= to));
}

export function difference(set: CodePoints, without: CodePoints): CodePoints {
  return intersection(set, complement(without));
}

export function intersection({ ranges: a }: CodePoints, { ranges: b }: CodePoints): CodePoints {
  const ranges: number[] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; ) {
    const [endA, endB] = [a[i + 1] as number, b[j + 1] as number];
    const [from, to] = [Math.max(a[i] as number, b[j] as number), Math.min(endA, endB)];
    if (from <= to) ranges.push(from, to);
    if (endA <= endB) i += 2;
    else j += 2;
  }
  return { ranges };
}

export function has(set: CodePoints, codePoint: number): boolean {
  return meets(set, codePoint, codePoint);
}

/** Whether the set holds any code point from `from` to `to`. */
export function meets({ ranges }: CodePoints, from: number, to: number): boolean {
  const i = rangeFrom(ranges, from);
  return i < ranges.length && (ranges[i] as number) <= to;
}

/** Whether the set holds all code points from `from` to `to`. */
export function covers({ ranges }: CodePoints, from: number, to: number): boolean {
  const i = rangeFrom(ranges, from);
  return i < ranges.length && (ranges[i] as number) <= from && (ranges[i + 1] as number) >= to;
}

export function includes(set: CodePoints, other: CodePoints): boolean {
  return pairsOf(other).every(([from, to]) => covers(set, from, to));
}

/** The first range that ends at `from` or later. */
function rangeFrom(ranges: readonly number[], from: number): number {
  let [low, high] = [0, ranges.length / 2];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[2 * middle + 1] as number) < from) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

/**
 * How far into a character of a set some bytes have come, as a number: 0 before and after a character; 1 to 3 where that
 * many continuation bytes are left and any will do; else 4 + 4 · (the bits so far) + (the bytes left).
 */
export type Progress = number;

/** The progress after one more byte, or -1 where no character of the set is spelled so. */
export function spell(set: CodePoints, progress: Progress, byte: number): Progress | -1 {
  if (progress === 0) return begin(set, byte);
  if ((byte & 0xc0) !== 0x80) return -1;
  if (progress < 4) return progress - 1;
  const left = ((progress - 4) & 3) - 1;
  const bits = (((progress - 4) >> 2) << 6) | (byte & 0x3f);
  if (left === 0) return has(set, bits) ? 0 : -1;
  // A character is spelled in as few bytes as it can be.
  if (left === 1 && bits < 0x20) return -1;
  if (left === 2 && bits < 0x10) return -1;
  return continued(set, bits, left);
}

function begin(set: CodePoints, byte: number): Progress | -1 {
  if (byte < 0x80) return has(set, byte) ? 0 : -1;
  if (byte < 0xc2 || byte > 0xf4) return -1;
  if (byte < 0xe0) return continued(set, byte & 0x1f, 1);
  return byte < 0xf0 ? continued(set, byte & 0x0f, 2) : continued(set, byte & 0x07, 3);
}

/** The shortest spellings: what characters of two, three and four bytes begin at. */
const least = [0, 0x80, 0x800, 0x10000];

function continued(set: CodePoints, bits: number, left: number): Progress | -1 {
  const from = bits << (6 * left);
  const to = from + (1 << (6 * left)) - 1;
  // Without bits yet, only part of what follows is a shortest spelling.
  if (bits > 0 && covers(set, from, to)) return left;
  return meets(set, bits > 0 ? from : (least[left] as number), to) ? 4 + 4 * bits + left : -1;
}
