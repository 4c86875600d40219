/** What readers of run files share. */

import { type Fields, nearest, QuintetError } from '../../tensor/index.js';

/** Refuses fields that have none of these names, and says which was perhaps meant. */
export function refuseUnknown(file: Fields, names: readonly string[]): void {
  const unknown = Object.keys(file.raw).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const guess = nearest(unknown, names);
  throw new QuintetError('config', `there is no field "${unknown}"${guess ? `; did you mean "${guess}"?` : ''}`, {
    at: file.at,
    hint: `fields: ${names.join(', ')}`,
  });
}

/** A whole number from 1 on. */
export function countOf(file: Fields, name: string, otherwise?: number): number {
  const count = file.whole(name, otherwise);
  if (count >= 1) return count;
  throw new QuintetError('config', `expected a whole number from 1 on, got ${count}`, { at: `${file.at}.${name}` });
}
