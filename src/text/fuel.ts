/** What encoding or decoding may cost where a foreign file decides it: steps of patterns and searches, and how long texts become. */

import { QuintetError } from '../tensor/index.js';

export interface Fuel {
  /** Steps that may still be taken. */
  left: number;
  /** How long a text may become while it is worked on, in UTF-16 units. */
  readonly longest: number;
}

/**
 * For a text of this length. Published files take up to a dozen steps a character in patterns and ten in a search for
 * pieces; forty and a constant of under a second leave them room. No published normaliser makes a text longer than eighteen times (NFKC of U+FDFA).
 */
export function fuelFor(length: number): Fuel {
  return { left: 1.5e7 + 40 * length, longest: 2 ** 16 + 32 * length };
}

/** Takes `steps` from the budget. `what` is said to have cost too much when nothing is left. */
export function spend(fuel: Fuel, steps: number, what: string): void {
  fuel.left -= steps;
  if (fuel.left < 0) {
    throw new QuintetError('tokenizer', `${what} takes too many steps on this text`, {
      hint: 'the file costs more than a linear amount of work for a text; use another tokenizer.json',
    });
  }
}

/** Before a text of this length is made. */
export function checkLength(fuel: Fuel, length: number, what: string): void {
  if (length > fuel.longest) throw new QuintetError('tokenizer', `${what} makes the text too long`);
  spend(fuel, length / 10, what);
}
