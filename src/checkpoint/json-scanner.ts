/**
 * Reads JSON value by value without building it: for headers of up to 100 MB that nobody vouches for, where a duplicate
 * key is an attack and a list of fifty million zeros must cost nothing. RFC 8259.
 */
import { QuintetError } from '../tensor/index.js';

/** The largest published models have a hundred thousand tensors, each of three keys in a header. */
const limits = { depth: 16, keys: 2 ** 18, allKeys: 2 ** 20, skippedItems: 2 ** 16 } as const;

const wholeNumber = /(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
const scalar = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?/y;

/** A place in a JSON text, which each call moves behind the value that it reads. */
export class JsonScanner {
  readonly #text: string;
  readonly #at: string;
  #position = 0;
  #depth = 0;
  #keys = 0;

  /** `at` names the file for error messages. */
  constructor(text: string, at: string) {
    this.#text = text;
    this.#at = at;
  }

  /** Reads an object; `entry` must consume the value of each key. A key that stands twice is refused. */
  object(entry: (key: string) => void): void {
    const seen = new Set<string>();
    this.#items('{', '}', () => {
      const key = this.string();
      if (seen.has(key)) throw this.fail(`the key ${quoted(key)} stands twice`);
      seen.add(key);
      if (seen.size > limits.keys || ++this.#keys > limits.allKeys) {
        throw this.#limit(`JSON with more than ${limits.keys} keys`);
      }
      this.#expect(':');
      entry(key);
    });
  }

  /** Reads a list of at most `most` items; `item` must consume each. */
  list(most: number, item: () => void): void {
    let count = 0;
    this.#items('[', ']', () => {
      if (++count > most) throw this.#limit(`a list of more than ${most} items`);
      item();
    });
  }

  string(): string {
    this.#expect('"');
    const start = this.#position;
    let escaped = false;
    for (; ; this.#position++) {
      const code = this.#text.charCodeAt(this.#position);
      if (code === 0x22) break;
      if (Number.isNaN(code) || code < 0x20) throw this.fail('unterminated string');
      if (code === 0x5c) {
        escaped = true;
        this.#position++;
      }
    }
    const raw = this.#text.slice(start, this.#position++);
    if (!escaped) return raw;
    try {
      return JSON.parse(`"${raw}"`) as string;
    } catch {
      throw this.fail('bad escape in a string');
    }
  }

  /** A whole number that is not negative, written without fraction or exponent. */
  whole(): number {
    const value = Number(this.#match(wholeNumber, 'a whole number'));
    if (!Number.isSafeInteger(value)) throw this.fail(`${value} is too large`);
    return value;
  }

  /** Reads past a value of any kind, within the limits of depth and length. */
  skip(): void {
    const next = this.#peek();
    const skipNext = (): void => this.skip();
    if (next === '{') this.object(skipNext);
    else if (next === '[') this.list(limits.skippedItems, skipNext);
    else if (next === '"') this.string();
    else this.#match(scalar, 'a value');
  }

  /** Nothing but white space may be left. */
  end(): void {
    if (this.#peek() !== '') throw this.fail('unexpected text');
  }

  fail(message: string): QuintetError {
    return new QuintetError('format', `${message} at character ${this.#position} of the JSON`, { at: this.#at });
  }

  #limit(message: string): QuintetError {
    return new QuintetError('limit', message, { at: this.#at });
  }

  /** The next character that is no white space, '' at the end. */
  #peek(): string {
    for (; this.#position < this.#text.length; this.#position++) {
      const code = this.#text.charCodeAt(this.#position);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    }
    return this.#text.charAt(this.#position);
  }

  #expect(symbol: string): void {
    if (this.#peek() !== symbol) throw this.fail(`expected ${symbol}`);
    this.#position++;
  }

  #match(pattern: RegExp, expected: string): string {
    this.#peek();
    pattern.lastIndex = this.#position;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.fail(`expected ${expected}`);
    this.#position += found.length;
    return found;
  }

  /** Items between brackets, separated by commas. */
  #items(open: string, close: string, item: () => void): void {
    this.#expect(open);
    if (++this.#depth > limits.depth) throw this.#limit(`JSON nested deeper than ${limits.depth}`);
    if (this.#peek() !== close) {
      for (;;) {
        item();
        if (this.#peek() === close) break;
        this.#expect(',');
      }
    }
    this.#position++;
    this.#depth--;
  }
}

/** A foreign name for an error message: in quotes, cut where it is long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}
