/** Changes to a JSON file that leave its numbers as they are written. */

import { parseJson } from '../tensor/index.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** A string, or a number. */
const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;

/**
 * The text of an object with something changed. JavaScript would write `30.0` as `30`, and transformers takes no whole number
 * for what its configurations have as a number with a fraction.
 */
export function changedJson(text: string, at: string, change: (object: JsonObject) => JsonObject): string {
  // Such numbers become texts behind a character that no text of a configuration has, and numbers again in the end.
  const isFree = !/\\u0000/i.test(text);
  const marked = text.replace(token, (part) => (/[.eE]/.test(part) && part[0] !== '"' ? `"\\u0000${part}"` : part));
  const changed = JSON.stringify(change(parseJson(isFree ? marked : text, at) as JsonObject), null, 2);
  return `${isFree ? changed.replaceAll(/"\\u0000([^"]*)"/g, '$1') : changed}\n`;
}
