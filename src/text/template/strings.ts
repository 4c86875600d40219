/** Python's string operations, charged before they are done. */

import type { Budget } from './budget.js';

/** What Python's str.isspace accepts; JavaScript's \s has U+FEFF more, and the separators below space less. */
const blank = '[\\t-\\r\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
export const isBlank = new RegExp(`^${blank}+$`);
const blankRun = new RegExp(`${blank}+`);
const lineEnd = new RegExp(`\\r\\n|${'[\\n-\\r\\u001c-\\u001e\\u0085\\u2028\\u2029]'}`);
const blankChar = new RegExp(blank);

export function strip(
  text: string,
  chars: string | undefined,
  sides: 'left' | 'right' | 'both',
  budget: Budget,
): string {
  budget.string(text.length);
  budget.search(text.length, chars?.length ?? 1);
  const isStripped =
    chars === undefined ? (char: string) => blankChar.test(char) : (char: string) => chars.includes(char);
  let [start, end] = [0, text.length];
  if (sides !== 'right') while (start < end && isStripped(text[start] as string)) start++;
  if (sides !== 'left') while (end > start && isStripped(text[end - 1] as string)) end--;
  return text.slice(start, end);
}

/** str.split and str.rsplit: by a separator, or by white space without empty parts. */
export function split(
  text: string,
  separator: string | undefined,
  most: number,
  fromRight: boolean,
  budget: Budget,
): string[] {
  budget.string(text.length);
  budget.search(text.length, separator?.length ?? 1);
  const parts =
    separator === undefined
      ? text.split(blankRun).filter((part) => part !== '')
      : text.split(separator, most < 0 && !fromRight ? 200_001 : undefined);
  budget.list(parts.length);
  if (most < 0 || parts.length <= most + 1) return parts;
  if (separator !== undefined) {
    return fromRight
      ? [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)]
      : [...parts.slice(0, most), parts.slice(most).join(separator)];
  }
  return limitedBlanks(text, parts, most, fromRight, budget);
}

/** The rest after `most` words keeps its own white space. */
function limitedBlanks(
  text: string,
  words: readonly string[],
  most: number,
  fromRight: boolean,
  budget: Budget,
): string[] {
  if (fromRight) {
    let end = text.length;
    const taken = words.slice(words.length - most);
    for (const word of taken.toReversed()) end = text.lastIndexOf(word, end - word.length);
    return [strip(text.slice(0, end), undefined, 'both', budget), ...taken];
  }
  let start = 0;
  const taken = words.slice(0, most);
  for (const word of taken) start = text.indexOf(word, start) + word.length;
  return [...taken, strip(text.slice(start), undefined, 'left', budget)];
}

export function replace(text: string, from: string, to: string, most: number, budget: Budget): string {
  budget.search(text.length, from.length);
  let count = 0;
  if (from === '') count = text.length + 1;
  else
    for (let i = text.indexOf(from); i !== -1 && (most < 0 || count < most); i = text.indexOf(from, i + from.length))
      count++;
  budget.string(text.length + count * to.length);
  if (most < 0 || from === '') return text.replaceAll(from, () => to);
  const parts = text.split(from);
  return (
    parts.slice(0, count + 1).join(to) + (count + 1 < parts.length ? from + parts.slice(count + 1).join(from) : '')
  );
}

export function capitalize(text: string, budget: Budget): string {
  budget.string(text.length);
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  return text === '' ? '' : first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** str.title: a capital at the start of every run of letters. */
export function title(text: string, budget: Budget): string {
  budget.string(text.length);
  budget.scan(text.length);
  return text.replace(/\p{L}+/gu, (run) => {
    const first = String.fromCodePoint(run.codePointAt(0) as number);
    return first.toUpperCase() + run.slice(first.length).toLowerCase();
  });
}

/** Jinja's filter of that name: a capital after blanks, hyphens and opening brackets only. */
export function titleWords(text: string, budget: Budget): string {
  budget.string(text.length);
  budget.step(text.length / 20);
  return text.replace(/[^-\s({[<]+/g, (run) => capitalize(run, budget));
}

export function splitLines(text: string, budget: Budget): string[] {
  budget.string(text.length);
  const lines = text.split(lineEnd);
  budget.list(lines.length);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

export function pad(
  text: string,
  width: number,
  fill: string,
  side: 'left' | 'right' | 'both',
  budget: Budget,
): string {
  const room = width - text.length;
  if (room <= 0) return text;
  budget.string(width);
  // str.center puts the odd blank on the left where the width is odd, else on the right.
  const left = side === 'left' ? room : side === 'right' ? 0 : Math.floor(room / 2) + (room & width & 1);
  return fill.repeat(left) + text + fill.repeat(room - left);
}
