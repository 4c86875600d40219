/** `pattern` in tokenizer.json: {"String": …} is found literally, {"Regex": …} by our bounded engine. */

import { type Fields, QuintetError } from '../tensor/index.js';
import type { CharSet } from './char-set.js';
import { checkLength, type Fuel } from './fuel.js';
import { compileRegex, type Span } from './regex.js';

export interface Pattern {
  matches(text: string, fuel: Fuel): readonly Span[];
  replace(text: string, content: string, fuel: Fuel): string;
}

export function readPattern(spec: Fields): Pattern {
  const written = spec.raw.pattern;
  if (typeof written === 'string') return textPattern(written);
  const pattern = spec.object('pattern');
  if (pattern.has('String')) return textPattern(pattern.text('String'));
  if (pattern.has('Regex')) return regexPattern(pattern.text('Regex'), spec.at);
  throw new QuintetError('tokenizer', 'a pattern holds neither String nor Regex', { at: spec.at });
}

export function regexPattern(source: string, at: string): Pattern {
  return pattern(compileRegex(source, at).matches);
}

/** Every single character of a set. */
export function charPattern(set: CharSet): Pattern {
  return pattern((text) => {
    const spans: Span[] = [];
    for (let i = 0; i < text.length; ) {
      const code = text.codePointAt(i) as number;
      const width = code > 0xffff ? 2 : 1;
      if (set.has(code)) spans.push([i, i + width]);
      i += width;
    }
    return spans;
  });
}

/** Every occurrence of a text. */
export function textPattern(sought: string): Pattern {
  return pattern((text) => {
    const spans: Span[] = [];
    if (sought === '') return spans;
    for (let i = text.indexOf(sought); i !== -1; i = text.indexOf(sought, i + sought.length)) {
      spans.push([i, i + sought.length]);
    }
    return spans;
  });
}

function pattern(matches: (text: string, fuel: Fuel) => readonly Span[]): Pattern {
  return {
    matches,
    replace(text, content, fuel) {
      const spans = matches(text, fuel);
      if (spans.length === 0) return text;
      checkLength(fuel, text.length + spans.length * content.length, 'a replacement');
      let result = '';
      let last = 0;
      for (const [start, end] of spans) {
        result += text.slice(last, start) + content;
        last = end;
      }
      return result + text.slice(last);
    },
  };
}
