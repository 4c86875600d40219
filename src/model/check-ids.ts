/** Numbers that count rows of a table, looked at before an engine is given them: it would name neither tensor nor place. */

import { type Graph, nameOf } from '../graph/index.js';
import type { HostArrays, System } from '../system/index.js';
import { type HostArray, ignored, QuintetError, toNumbers } from '../tensor/index.js';

/** Throws 'data' where an input of a graph asks for a row that its table does not have. */
export function checkIds({ nodes }: Graph, feeds: HostArrays): void {
  for (const { kind, inputs, attributes } of nodes) {
    const [table, ids] = inputs;
    if (kind !== 'Gather' || attributes.axis !== 0 || table?.node.kind !== 'Parameter' || ids?.node.kind !== 'Input') {
      continue;
    }
    const given = feeds[nameOf(ids)];
    if (given) checkRows(nameOf(ids), given, { rows: table.size(0), table: nameOf(table) });
  }
}

interface Rows {
  readonly rows: number;
  /** What has them. */
  readonly table: string;
}

/** Throws 'data' where one of the numbers is no row. */
export function checkRows(name: string, given: HostArray, { rows, table }: Rows): void {
  const numbers = toNumbers(given);
  const wrong = numbers.findIndex((id) => id < 0 || id >= rows);
  if (wrong < 0) return;
  const why = `${numbers[wrong]} at ${placeOf(given, wrong)} is none of the ${rows} rows of ${table}`;
  throw new QuintetError('data', why, { at: name, hint: `Expected numbers from 0 to ${rows - 1}.` });
}

/** Throws 'data' where a label is neither a word of the vocabulary nor the number that stands for none. */
export function checkLabels(given: HostArray, vocab: number): void {
  const numbers = toNumbers(given);
  const wrong = numbers.findIndex((id) => id !== ignored && (id < 0 || id >= vocab));
  if (wrong < 0) return;
  const hint = `Expected numbers from 0 to ${vocab - 1}, or ${ignored} where there is no label.`;
  const why = `${numbers[wrong]} at ${placeOf(given, wrong)} is no word of the ${vocab} in the vocabulary`;
  throw new QuintetError('data', why, { at: 'labels', hint });
}

interface Features {
  /** How many the text is given. */
  readonly features: number;
  readonly at: string;
  readonly hint?: string;
}

/**
 * Throws 'data' where there is not an image token for each feature. They are given out in order over a batch: one too few or too
 * many, and the rows behind are given those of other pictures.
 */
export function checkImageTokens(
  { image }: Pick<System, 'image'>,
  ids: readonly number[],
  { features, at, hint }: Features,
): void {
  const count = ids.filter((id) => id === image?.token).length;
  if (count === features) return;
  const why = `there are ${count} image tokens for ${features} features of pictures`;
  throw new QuintetError('data', why, hint === undefined ? { at } : { at, hint });
}

/** Where the element of that number stands: `[1, 3]`. */
function placeOf({ shape }: HostArray, index: number): string {
  let rest = index;
  const place = shape.map((_, axis) => {
    const below = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const at = Math.floor(rest / below);
    rest -= at * below;
    return at;
  });
  return `[${place.join(', ')}]`;
}
