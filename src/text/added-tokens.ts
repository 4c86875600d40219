/** Added tokens: texts such as `<image>` or `</s>` that stand for one id wherever they occur, on top of the model's vocabulary. */

import { fields, QuintetError } from '../tensor/index.js';
import { wellFormed, whitespace, word } from './char-set.js';
import { type Fuel, spend } from './fuel.js';
import { addToken, mostTokens } from './model.js';
import type { Normalizer } from './normalize.js';
import { type Trie, trie } from './pair-table.js';

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly singleWord: boolean;
  /** Takes the white space to its left (right) with it. */
  readonly leftStrip: boolean;
  readonly rightStrip: boolean;
  /** Whether it is sought in the normalised text. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A stretch of text, or the id of the added token found there. */
export type Segment = { readonly text: string; readonly start: number } | { readonly id: number };

export interface TokenFinder {
  split(text: string, fuel: Fuel): readonly Segment[];
}

/**
 * The added tokens of a file. Their ids follow the library: that of the model's vocabulary where it holds the text, else the
 * next free one; the file's own id agrees wherever the library wrote it.
 */
export function readAddedTokens(list: unknown, vocab: ReadonlyMap<string, number>, at: string): readonly AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list) || list.length > mostTokens) {
    throw new QuintetError('tokenizer', 'added_tokens must be a list', { at });
  }
  const ids = new Map<string, number>();
  let next = vocab.size;
  const tokens: AddedToken[] = [];
  for (const [i, entry] of list.entries()) {
    const token = fields(entry, `${at}: added_tokens[${i}]`);
    const content = wellFormed(token.text('content'));
    if (content === '') continue;
    const id = vocab.get(content) ?? ids.get(content) ?? next++;
    addToken(ids, content, id, token.at);
    const special = token.flag('special', false);
    tokens.push({
      id,
      content,
      singleWord: token.flag('single_word', false),
      leftStrip: token.flag('lstrip', false),
      rightStrip: token.flag('rstrip', false),
      normalized: token.flag('normalized', !special),
      special,
    });
  }
  return tokens;
}

/** Finds tokens in a text: the leftmost first, the longest of those that start there. `spelled` is a token's form in it. */
export function tokenFinder(tokens: readonly AddedToken[], spelled: (token: AddedToken) => string): TokenFinder {
  const patterns = new Map(tokens.map((token, i) => [spelled(token), i] as const));
  patterns.delete('');
  if (patterns.size === 0) return { split: (text) => (text === '' ? [] : [{ text, start: 0 }]) };
  const found = trie(patterns);
  return { split: (text, fuel) => split(text, tokens, found, fuel) };
}

function split(text: string, tokens: readonly AddedToken[], patterns: Trie, fuel: Fuel): readonly Segment[] {
  const segments: Segment[] = [];
  let done = 0; // the end of what lies in segments
  for (let i = 0; i < text.length; ) {
    const [index, length] = longestAt(text, i, patterns, fuel);
    const token = tokens[index];
    if (token === undefined) {
      i++;
      continue;
    }
    let start = i;
    let end = i + length;
    i = end;
    if (token.singleWord && (touchesWord(text, start, -1) || touchesWord(text, end, 1))) continue;
    if (token.leftStrip) while (start > done && whitespace.has(text.charCodeAt(start - 1))) start--;
    if (token.rightStrip) while (end < text.length && whitespace.has(text.charCodeAt(end))) end++;
    if (start > done) segments.push({ text: text.slice(done, start), start: done });
    segments.push({ id: token.id });
    done = end;
  }
  if (done < text.length) segments.push({ text: text.slice(done), start: done });
  return segments;
}

/** The index of the longest token at a position and its length, or -1. */
function longestAt(text: string, start: number, patterns: Trie, fuel: Fuel): readonly [number, number] {
  let best = -1;
  let length = 0;
  let position = start;
  for (let node = 0; position < text.length; ) {
    node = patterns.step(node, text.charCodeAt(position));
    if (node === -1) break;
    position++;
    const index = patterns.value(node);
    if (index !== -1) [best, length] = [index, position - start];
  }
  spend(fuel, 1 + position - start, 'the search for added tokens');
  return [best, length];
}

function touchesWord(text: string, position: number, direction: -1 | 1): boolean {
  const neighbour =
    direction === 1 ? text.slice(position, position + 2) : text.slice(Math.max(0, position - 2), position);
  const chars = Array.from(neighbour);
  const char = direction === 1 ? chars[0] : chars.at(-1);
  return char !== undefined && word.has(char.codePointAt(0) as number);
}

/** The two passes over a text: tokens sought as they are, then those sought after normalisation. */
export function tokenFinders(tokens: readonly AddedToken[], normalize: Normalizer, fuel: Fuel) {
  const asWritten = tokenFinder(
    tokens.filter((token) => !token.normalized),
    (token) => token.content,
  );
  const normalized = tokenFinder(
    tokens.filter((token) => token.normalized),
    (token) => normalize(token.content, fuel),
  );
  return { asWritten, normalized };
}
