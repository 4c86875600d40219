/** What a template may cost: steps, characters and nesting are counted before the work is done, so nothing grows out of hand. */

import { QuintetError } from '../../tensor/index.js';

export interface TemplateLimits {
  /** Evaluated nodes, loop rounds and, by the hundred, characters touched. Default 2 million, under two seconds. */
  readonly steps?: number;
  /** Characters of the rendered text. Default 4 Mi. */
  readonly output?: number;
  /** Characters of any one string. Default 4 Mi. */
  readonly string?: number;
  /** Characters and list items made in all. Default 64 Mi. */
  readonly memory?: number;
  /** Items of any one list or range. Default 200,000. */
  readonly list?: number;
  /** Expressions, macros and values within one another. Default 500. */
  readonly depth?: number;
}

export interface Budget {
  step(count?: number): void;
  /** Before a string of this length is made. */
  string(length: number): void;
  /** Before a list of this length is made. */
  list(length: number): void;
  /** Before so much is written. */
  output(length: number): void;
  /** Before so many characters are read. */
  read(length: number): void;
  /** Before a pattern looks through so many characters, of which it may do something with each. */
  scan(length: number): void;
  /** Before a part is sought: the engine's search may compare every place with the whole part. */
  search(length: number, part: number): void;
  within<T>(work: () => T): T;
}

export function budgetOf(limits: TemplateLimits): Budget {
  const { steps = 2e6, output = 2 ** 22, string = 2 ** 22, memory = 2 ** 26, list = 200_000, depth = 500 } = limits;
  let [stepsLeft, memoryLeft, outputLeft, level] = [steps, memory, output, 0];

  const step = (count = 1): void => {
    stepsLeft -= count;
    if (stepsLeft < 0) throw exceeded(`takes more than ${steps} steps`);
  };
  const allocate = (amount: number): void => {
    memoryLeft -= amount;
    if (memoryLeft < 0) throw exceeded(`makes more than ${memory} characters and items`);
  };
  return {
    step,
    read: (length) => step(length / 100),
    scan: (length) => step(length / 4),
    search: (length, part) => step(length / 100 + (length * part) / 1000),
    string(length) {
      if (!(length <= string)) throw exceeded(`makes a string of more than ${string} characters`);
      allocate(length);
      step(length / 100);
    },
    list(length) {
      if (!(length <= list)) throw exceeded(`makes a list of more than ${list} items`);
      allocate(8 * length);
      step(length / 3);
    },
    output(length) {
      outputLeft -= length;
      if (outputLeft < 0) throw exceeded(`writes more than ${output} characters`);
    },
    within(work) {
      if (++level > depth) throw exceeded(`nests deeper than ${depth}`);
      const result = work();
      level--;
      return result;
    },
  };
}

function exceeded(problem: string): QuintetError {
  return new QuintetError('limit', `the chat template ${problem}`, {
    hint: 'raise `limits` only for a template you trust',
  });
}
