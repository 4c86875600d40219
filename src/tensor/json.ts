/**
 * JSON from files that nobody vouches for: bounded in size and depth before `JSON.parse` sees it, without duplicate or
 * `__proto__` keys. RFC 8259; what the parser itself rejects keeps its own message.
 */
import { QuintetError } from './errors.js';

export interface JsonLimits {
  /** Largest text in UTF-16 units; default 256 Mi. */
  readonly size?: number;
  /** Deepest nesting; default 64. */
  readonly depth?: number;
}

/** The value of a JSON text. `at` names the file for error messages. */
export function parseJson(text: string, at: string, { size = 2 ** 28, depth = 64 }: JsonLimits = {}): unknown {
  if (text.length > size) {
    throw new QuintetError('limit', `${text.length} characters of JSON; at most ${size} are read`, { at });
  }
  checkDepth(text, depth, at);
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (key === '__proto__') throw new QuintetError('format', 'the key "__proto__" is refused', { at });
      return value;
    });
  } catch (error) {
    if (error instanceof QuintetError) throw error;
    throw new QuintetError('format', `not JSON: ${(error as Error).message}`, { at, cause: error });
  }
}

/** Counts brackets outside strings: the parser itself would recurse as deep as a file tells it to. */
function checkDepth(text: string, limit: number, at: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > limit) throw new QuintetError('limit', `JSON nested deeper than ${limit}`, { at });
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
