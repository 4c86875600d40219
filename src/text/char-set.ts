/**
 * Sets of characters, tested one code point at a time. A set is written in the class syntax of JavaScript's `v` flag and
 * its answers are remembered in pages of 256 code points, because asking a RegExp costs twenty times as much.
 */

export interface CharSet {
  has(codePoint: number): boolean;
}

/** The set of a class body such as `\p{L}0-9`; `ignoreCase` adds simple case foldings. */
export function charSet(body: string, ignoreCase = false): CharSet {
  const pattern = new RegExp(`^[${body}]$`, ignoreCase ? 'iv' : 'v');
  return remembered((codePoint) => pattern.test(String.fromCodePoint(codePoint)));
}

export function union(sets: readonly CharSet[]): CharSet {
  return sets.length === 1 ? (sets[0] as CharSet) : remembered((codePoint) => sets.some((set) => set.has(codePoint)));
}

function remembered(contains: (codePoint: number) => boolean): CharSet {
  const pages: (Uint8Array | undefined)[] = []; // 0 not yet asked, 1 outside, 2 inside
  return {
    has(codePoint) {
      let page = pages[codePoint >> 8];
      if (page === undefined) {
        page = new Uint8Array(256);
        pages[codePoint >> 8] = page;
      }
      const known = page[codePoint & 255] as number;
      if (known !== 0) return known === 2;
      const inside = contains(codePoint);
      page[codePoint & 255] = inside ? 2 : 1;
      return inside;
    },
  };
}

/** One literal character in class syntax. */
export function literal(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

// The classes that the tokenizers library takes from Rust's `char` and from Unicode categories.
export const whitespace = charSet('\\p{White_Space}');
export const word = charSet('\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}');
export const numeric = charSet('\\p{N}');
export const punctuation = charSet('\\p{P}$+<=>\\^`\\|~');

/** The text with U+FFFD in place of lone surrogates, which UTF-8 cannot hold. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
