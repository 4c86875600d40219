/** What a model of tokenizer.json does: it turns one piece of normalised text into token ids. */

import type { Fields } from '../tensor/index.js';
import { QuintetError } from '../tensor/index.js';
import type { Fuel } from './fuel.js';

export interface TokenModel {
  /** Ids of the model's own vocabulary by text; added tokens come on top. */
  readonly vocab: ReadonlyMap<string, number>;
  readonly unknown: string | undefined;
  encode(piece: string, fuel: Fuel): readonly number[];
}

/** Ids above this are refused: the largest published vocabulary has a quarter of a million tokens. */
export const mostTokens = 2 ** 22;
export const longestToken = 2 ** 16;

/** Reads `vocab` as an object of texts to ids. */
export function readVocab(model: Fields): Map<string, number> {
  const vocab = new Map<string, number>();
  const { raw } = model.object('vocab');
  for (const text of Object.keys(raw)) addToken(vocab, text, raw[text], model.at);
  return vocab;
}

export function addToken(vocab: Map<string, number>, text: unknown, id: unknown, at: string): void {
  if (typeof text !== 'string' || text.length > longestToken) {
    throw new QuintetError('tokenizer', `token ${String(id)} is not a text of at most ${longestToken} characters`, {
      at,
    });
  }
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= mostTokens) {
    const shown = JSON.stringify(text.slice(0, 40));
    throw new QuintetError('tokenizer', `token ${shown} has the id ${String(id)}; expected 0 to ${mostTokens - 1}`, {
      at,
    });
  }
  vocab.set(text, id as number);
}

/** `<0x0A>`: how vocabularies with byte fallback spell a byte. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** The ids of the bytes of a text where the vocabulary holds all of them. */
export function bytesAsTokens(text: string, vocab: ReadonlyMap<string, number>): readonly number[] | undefined {
  const ids: number[] = [];
  for (const byte of new TextEncoder().encode(text)) {
    const id = vocab.get(byteToken(byte));
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}
