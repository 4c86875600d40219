/** Numbers of JSON between two bounds, as languages of their digits. */

import { anyOf, choice, type Language, never, nothing, optional, repeat, sequence, words } from '../language.js';
import { wholeMatches } from '../regex.js';

export interface Bound {
  readonly value: number;
  /** Whether the value itself is left out. */
  readonly strict: boolean;
}

export interface Range {
  readonly lower?: Bound | undefined;
  readonly upper?: Bound | undefined;
}

/** Digits of a whole number without bounds: what 64 bits hold. */
const wholeDigits = 19;
/** Digits after the point: JavaScript writes at most 23 before it turns to exponents. */
const fractionDigits = 24;
/** Decimals of so many digits are different numbers in 64-bit floats, so that a strict bound holds after rounding. */
const exactDigits = 15;

/** All that are finite as 64-bit floats, with some digits to spare in each place. */
const anyNumber = wholeMatches(
  '-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,24})?|-?[0-9](\\.[0-9]{1,24})?[eE]([+]?([0-9]{1,2}|[12][0-9]{2}|30[0-7])|-[0-9]{1,3})',
);
const anyInteger = wholeMatches(`-?(0|[1-9][0-9]{0,${wholeDigits - 1}})`);

export function isEmpty({ lower, upper }: Range): boolean {
  if (lower === undefined || upper === undefined) return false;
  return lower.value > upper.value || (lower.value === upper.value && (lower.strict || upper.strict));
}

export function within(value: number, { lower, upper }: Range): boolean {
  if (lower && (lower.strict ? value <= lower.value : value < lower.value)) return false;
  return !upper || (upper.strict ? value < upper.value : value <= upper.value);
}

export function integers({ lower, upper }: Range): Language {
  if (!lower && !upper) return anyInteger;
  const most = 10n ** BigInt(wholeDigits) - 1n;
  const low = lower ? larger(wholeFrom(lower), -most) : -most;
  const high = upper ? smaller(-wholeFrom({ value: -upper.value, strict: upper.strict }), most) : most;
  return choice(
    ...(high >= 0n ? [naturals(larger(low, 0n), high)] : []),
    ...(low < 0n ? [sequence('-', naturals(larger(-high, 1n), -low))] : []),
  );
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The least whole number that a lower bound lets through. */
function wholeFrom({ value, strict }: Bound): bigint {
  return BigInt(strict ? Math.floor(value) + 1 : Math.ceil(value));
}

/** Without sign and leading zeros. */
function naturals(low: bigint, high: bigint): Language {
  const options: Language[] = [];
  for (let from = low; from <= high; ) {
    const digits = String(from).length;
    const to = smaller(high, 10n ** BigInt(digits) - 1n);
    options.push(digitsBetween(String(from), String(to)));
    from = to + 1n;
  }
  return choice(...options);
}

const digit = (from: number, to: number): Language => (from > to ? never : anyOf('0123456789'.slice(from, to + 1)));
const anyDigits = (min: number, max: number): Language => repeat(digit(0, 9), min, max);

/** Strings of digits as long as both bounds; a bound that is left behind is undefined. */
function digitsBetween(low: string | undefined, high: string | undefined): Language {
  const length = (low ?? high ?? '').length;
  if (length === 0) return nothing;
  const [l, h] = [Number(low?.[0] ?? 0), Number(high?.[0] ?? 9)];
  const [lowRest, highRest] = [low?.slice(1), high?.slice(1)];
  if (low !== undefined && high !== undefined && l === h) return sequence(String(l), digitsBetween(lowRest, highRest));
  return choice(
    ...(low === undefined ? [] : [sequence(String(l), digitsBetween(lowRest, undefined))]),
    sequence(digit(low === undefined ? l : l + 1, high === undefined ? h : h - 1), anyDigits(length - 1, length - 1)),
    ...(high === undefined ? [] : [sequence(String(h), digitsBetween(undefined, highRest))]),
  );
}

/** Numbers between bounds are written without exponents. */
export function numbers(range: Range): Language {
  const { lower, upper } = range;
  if (!lower && !upper) return anyNumber;
  if (isEmpty(range)) return never;
  const negated = (bound: Bound): Bound => ({ value: -bound.value, strict: bound.strict });
  const zero: Bound = { value: 0, strict: false };
  const positive = upper === undefined || upper.value >= 0;
  const negative = lower === undefined || lower.value < 0;
  const from = (bound: Bound | undefined): Bound => (bound && bound.value >= 0 ? bound : zero);
  return choice(
    ...(positive ? [decimals(from(lower), upper)] : []),
    ...(negative ? [sequence('-', decimals(from(upper && negated(upper)), lower && negated(lower)))] : []),
  );
}

/** A bound in digits: before the point, and after it without trailing zeros. */
interface Decimal {
  readonly whole: bigint;
  readonly fraction: string;
  readonly strict: boolean;
}

/** Not negative. */
function decimals(from: Bound, to: Bound | undefined): Language {
  const low = decimalOf(from);
  const high: Decimal = to ? decimalOf(to) : { whole: 10n ** 21n - 1n, fraction: '', strict: false };
  const isExact = !low.strict && !high.strict;
  const wholes = String(to ? high.whole : low.whole).length;
  const room = Math.max(
    isExact ? fractionDigits : Math.max(1, exactDigits - wholes),
    low.fraction.length,
    high.fraction.length,
  );
  if (low.whole > high.whole) return never;
  if (low.whole === high.whole) return sequence(String(low.whole), fractions(low, high, room));
  const inBetween = naturals(low.whole + 1n, high.whole - 1n);
  return choice(
    sequence(String(low.whole), fractions(low, undefined, room)),
    sequence(inBetween, fractions(undefined, undefined, room)),
    sequence(String(high.whole), fractions(undefined, high, room)),
  );
}

function decimalOf({ value, strict }: Bound): Decimal {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  const [before = '', after = ''] = mantissa.split('.');
  const shift = Number(exponent);
  const digits = before + after;
  const point = before.length + shift;
  const padded = digits.padEnd(point, '0').padStart(digits.length - Math.min(0, point), '0');
  const at = Math.max(0, point);
  return { whole: BigInt(padded.slice(0, at) || '0'), fraction: padded.slice(at).replace(/0+$/, ''), strict };
}

/** Nothing or a point with digits after it. */
function fractions(low: Decimal | undefined, high: Decimal | undefined, room: number): Language {
  const rest = fractionTails(low, high, room);
  const stops = mayStop(low, high) ? [nothing] : [];
  return choice(...stops, sequence('.', rest));
}

function mayStop(low: Decimal | undefined, high: Decimal | undefined): boolean {
  const above = low === undefined || (low.fraction === '' && !low.strict);
  return above && (high === undefined || high.fraction !== '' || !high.strict);
}

/** At least one digit more, up to `room`. A bound that is left behind is undefined. */
function fractionTails(low: Decimal | undefined, high: Decimal | undefined, room: number): Language {
  const isFree = low === undefined || (low.fraction === '' && !low.strict);
  if (room === 0) return never;
  if (isFree && high === undefined) return anyDigits(1, room);
  const rest = (bound: Decimal | undefined): Decimal | undefined =>
    bound && { ...bound, fraction: bound.fraction.slice(1) };
  const then = (digits: Language, nextLow: Decimal | undefined, nextHigh: Decimal | undefined): Language => {
    const more = fractionTails(nextLow, nextHigh, room - 1);
    return sequence(digits, mayStop(nextLow, nextHigh) ? optional(more) : more);
  };
  const l = isFree ? 0 : Number(low.fraction[0] ?? 0);
  const h = high === undefined ? 9 : Number(high.fraction[0] ?? 0);
  if (!isFree && high !== undefined && l === h) return then(words(String(l)), rest(low), rest(high));
  return choice(
    ...(isFree ? [] : [then(words(String(l)), rest(low), undefined)]),
    then(digit(isFree ? l : l + 1, high === undefined ? h : h - 1), undefined, undefined),
    ...(high === undefined ? [] : [then(words(String(h)), undefined, rest(high))]),
  );
}
