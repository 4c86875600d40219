/** A budget of steps for work whose cost a foreign file decides: a pattern, a vocabulary, a template. */

import { QuintetError } from '../tensor/index.js';

export interface Fuel {
  left: number;
}

/** Enough for the published files on a text of this length (a few hundred steps a character), and about a second in all. */
export function fuelFor(length: number): Fuel {
  return { left: 5e7 + 400 * length };
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
