/**
 * Reads JSON value by value without building it: for headers of up to 100 MB that nobody vouches for, where a duplicate
 * key is an attack and a list of fifty million zeros must cost nothing. RFC 8259.
 */
import { QuintetError } from '../tensor/index.js';

export interface JsonScanner {
  /** Reads an object; `entry` must consume the value of each key. A key that stands twice is refused. */
  object(entry: (key: string) => void): void;
  /** Reads a list of at most `most` items; `item` must consume each. */
  list(most: number, item: () => void): void;
  string(): string;
  /** A whole number that is not negative, written without fraction or exponent. */
  whole(): number;
  /** Reads past a value of any kind, within the limits of depth and length. */
  skip(): void;
  /** Nothing but white space may be left. */
  end(): void;
  fail(message: string): QuintetError;
}

/** The largest published models have a hundred thousand tensors, each of three keys in a header. */
const limits = { depth: 16, keys: 2 ** 18, allKeys: 2 ** 20, skippedItems: 2 ** 16 } as const;
const wholeNumber = /(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
const scalar = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;

/** A scanner at the start of a text. `at` names the file for error messages. */
export function scanJson(text: string, at: string): JsonScanner {
  let position = 0;
  let depth = 0;
  let keys = 0;

  const fail = (message: string): QuintetError =>
    new QuintetError('format', `${message} at character ${position} of the JSON`, { at });
  const limit = (message: string): QuintetError => new QuintetError('limit', message, { at });

  const peek = (): string => {
    for (; position < text.length; position++) {
      const code = text.charCodeAt(position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    }
    return text.charAt(position);
  };

  const expect = (symbol: string): void => {
    if (peek() !== symbol) throw fail(`expected ${symbol}`);
    position++;
  };

  const match = (pattern: RegExp, expected: string): string => {
    peek();
    pattern.lastIndex = position;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) throw fail(`expected ${expected}`);
    position += found.length;
    return found;
  };

  /** Items between brackets, separated by commas. */
  const items = (open: string, close: string, item: () => void): void => {
    expect(open);
    if (++depth > limits.depth) throw limit(`JSON nested deeper than ${limits.depth}`);
    if (peek() === close) position++;
    else {
      for (;;) {
        item();
        if (peek() === close) break;
        expect(',');
      }
      position++;
    }
    depth--;
  };

  const string = (): string => {
    expect('"');
    const start = position;
    let escaped = false;
    for (; ; position++) {
      const code = text.charCodeAt(position);
      if (code === 0x22) break;
      if (Number.isNaN(code) || code < 0x20) throw fail('unterminated string');
      if (code === 0x5c) {
        escaped = true;
        position++;
      }
    }
    const raw = text.slice(start, position++);
    if (!escaped) return raw;
    try {
      return JSON.parse(`"${raw}"`) as string;
    } catch {
      throw fail('bad escape in a string');
    }
  };

  const object = (entry: (key: string) => void): void => {
    const seen = new Set<string>();
    items('{', '}', () => {
      const key = string();
      if (seen.has(key)) throw fail(`the key ${quoted(key)} stands twice`);
      seen.add(key);
      if (seen.size > limits.keys || ++keys > limits.allKeys) throw limit(`JSON with more than ${limits.keys} keys`);
      expect(':');
      entry(key);
    });
  };

  const list = (most: number, item: () => void): void => {
    let count = 0;
    items('[', ']', () => {
      if (++count > most) throw limit(`a list of more than ${most} items`);
      item();
    });
  };

  const skip = (): void => {
    const next = peek();
    if (next === '{') object(skip);
    else if (next === '[') list(limits.skippedItems, skip);
    else if (next === '"') string();
    else match(scalar, 'a value');
  };

  const whole = (): number => {
    const value = Number(match(wholeNumber, 'a whole number'));
    if (!Number.isSafeInteger(value)) throw fail(`${value} is too large`);
    return value;
  };

  const end = (): void => {
    if (peek() !== '') throw fail('unexpected text');
  };

  return { object, list, string, whole, skip, end, fail };
}

/** A foreign name for an error message: in quotes, cut where it is long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
