/** What is shown on a terminal: colours where they are wanted, and a line of progress that is written over. */

import type { WriteStream } from 'node:tty';

type Output = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>;

/** Whether a stream shows colours: a terminal that nobody told otherwise (https://no-color.org). */
function isColoured(stream: Output): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
}

export const dim = (text: string, stream: Output): string => (isColoured(stream) ? `\x1b[2m${text}\x1b[22m` : text);
export const bold = (text: string, stream: Output): string => (isColoured(stream) ? `\x1b[1m${text}\x1b[22m` : text);

/** What a model says, or a file that nobody vouches for, as it may be shown: on a terminal without characters that steer it. */
export function printable(text: string, stream: Output): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return stream.isTTY ? text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '') : text;
}

/** A remark beside the results, which go to the standard output alone. */
export function note(text: string): void {
  process.stderr.write(`${dim(printable(text, process.stderr), process.stderr)}\n`);
}

/** One line that is written over on a terminal; elsewhere a line of its own every so often. */
export class ProgressLine {
  #shown = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly stream: Output = process.stderr,
    /** Milliseconds between two lines where nothing can be written over. */
    private readonly pause = 10_000,
  ) {}

  /** Shows a text; `always` where it must not be left out. */
  show(text: string, { always = false } = {}): void {
    if (this.stream.isTTY) {
      const line = text.slice(0, (this.stream.columns ?? 80) - 1);
      this.stream.write(`\r${line.padEnd(this.#shown)}`);
      this.#shown = line.length;
      return;
    }
    const now = performance.now();
    if (!always && now - this.#last < this.pause) return;
    this.#last = now;
    this.stream.write(`${text}\n`);
  }

  /** Leaves the line as it is and goes on below it. */
  end(): void {
    if (this.stream.isTTY && this.#shown > 0) this.stream.write('\n');
    this.#shown = 0;
  }

  /** Takes the line away. */
  clear(): void {
    if (this.stream.isTTY && this.#shown > 0) this.stream.write(`\r${' '.repeat(this.#shown)}\r`);
    this.#shown = 0;
  }
}
