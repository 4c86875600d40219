/** Words that learn while the others stay: rows of a table as parameters beside it. */

import { sliceRows } from '../../tensor/index.js';
import { learningRows } from '../table-rows.js';
import type { Adapter } from './adapter.js';

export interface TunedWords {
  /** The table's name. */
  readonly table: string;
  readonly ids: readonly number[];
}

export function wordTuning(...settings: readonly TunedWords[]): Adapter {
  const rows = settings.flatMap(rowsOfWords);
  return {
    ...learningRows(rows),
    // Not the names themselves: among what learns they would mean rows that go back into their table.
    parameters: rows.map(({ table, from, to }) => `${table}*${from}:${to}*`),
    begin(name) {
      const own = rows.find((each) => each.name === name);
      return own && { weight: own.table, of: (weight) => sliceRows(weight, own.from, own.to) };
    },
  };
}

/** Words in the order of their rows, each once. */
export const inOrder = (ids: readonly number[]): number[] => [...new Set(ids)].sort((a, b) => a - b);

/** The rows of some words: those of neighbours together. */
export function rowsOfWords({ table, ids }: TunedWords) {
  const sorted = inOrder(ids);
  const starts = sorted.filter((id) => !sorted.includes(id - 1));
  return starts.map((from) => {
    let to = from + 1;
    while (sorted.includes(to)) to++;
    return { name: `${table}[${from}:${to}]`, table, from, to };
  });
}
