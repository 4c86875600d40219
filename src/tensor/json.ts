/**
 * JSON from files that nobody vouches for: bounded in size, depth and number of values before `JSON.parse` sees it, without
 * `__proto__` keys. Of a key that stands twice the last one counts, as in Python: published files have such keys.
 * RFC 8259; what the parser itself rejects keeps its own message.
 */
import { QuintetError } from './errors.js';

export interface JsonLimits {
  /** Largest text in UTF-16 units; default 256 Mi. */
  readonly size?: number;
  /** Deepest nesting; default 64. */
  readonly depth?: number;
  /** Most values; default 8 Mi, four times what the largest tokenizers have. */
  readonly values?: number;
}

/** The value of a JSON text. `at` names the file for error messages. */
export function parseJson(text: string, at: string, limits: JsonLimits = {}): unknown {
  const { size = 2 ** 28, depth = 64, values = 2 ** 23 } = limits;
  if (text.length > size) {
    throw new QuintetError('limit', `${text.length} characters of JSON; at most ${size} are read`, { at });
  }
  checkStructure(text, depth, values, at);
  try {
    return parse(text, at);
  } catch (error) {
    const finite = withoutConstants(text);
    if (finite !== text) return parseJson(finite, at, limits);
    if (error instanceof QuintetError) throw error;
    throw new QuintetError('format', `not JSON: ${(error as Error).message}`, { at, cause: error });
  }
}

/** Looking at every key makes parsing five times slower; an underscore may be written as an escape. */
const parse = (text: string, at: string): unknown =>
  /__proto__|\\u005f/i.test(text) ? JSON.parse(text, refusePrototypes(at)) : JSON.parse(text);

/** What Python writes of numbers that JSON does not have, as numbers that are too large for it, and null. */
function withoutConstants(text: string): string {
  const known: Readonly<Record<string, string>> = { Infinity: '1e999', '-Infinity': '-1e999', NaN: 'null' };
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:Infinity|NaN)\b/g, (found) => known[found] ?? found);
}

function refusePrototypes(at: string) {
  return (key: string, value: unknown): unknown => {
    if (key === '__proto__') throw new QuintetError('format', 'the key "__proto__" is refused', { at });
    return value;
  };
}

/** Counts brackets and commas outside strings: the parser itself would recurse and reserve as much as a file tells it to. */
function checkStructure(text: string, deepest: number, mostValues: number, at: string): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > deepest) throw new QuintetError('limit', `JSON nested deeper than ${deepest}`, { at });
    } else if (code === 0x7d || code === 0x5d) depth--;
    else if (code === 0x2c && ++values > mostValues) {
      throw new QuintetError('limit', `JSON of more than ${mostValues} values`, { at });
    }
  }
}
