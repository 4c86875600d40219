/** Words that learn while the others stay: rows of a table as parameters beside it. */

import { sliceRows } from '../../tensor/index.js';
import { learningRows } from '../table-rows.js';
import type { Adapter } from './adapter.js';

export interface TunedWords {
  /** The table's name. */
  readonly table: string;
  readonly ids: readonly number[];
}

export function wordTuning({ table, ids }: TunedWords): Adapter {
  const rows = rowsOfWords(table, ids);
  return {
    ...learningRows(rows),
    // Not the names themselves: among what learns they would mean rows that go back into their table.
    parameters: rows.map(({ from, to }) => `${table}*${from}:${to}*`),
    begin(name) {
      const own = rows.find((each) => each.name === name);
      return own && { weight: table, of: (weight) => sliceRows(weight, own.from, own.to) };
    },
  };
}

/** The rows of some words: those of neighbours together. */
export function rowsOfWords(table: string, ids: readonly number[]) {
  const sorted = [...new Set(ids)].sort((a, b) => a - b);
  const starts = sorted.filter((id) => !sorted.includes(id - 1));
  return starts.map((from) => {
    let to = from + 1;
    while (sorted.includes(to)) to++;
    return { name: `${table}[${from}:${to}]`, table, from, to };
  });
}
