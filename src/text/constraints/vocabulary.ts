/** A tokenizer's tokens as a tree of bytes, so that what begins alike is looked at once. */

import { atOnce, type InParts } from '../../tensor/index.js';
import type { Tokenizer } from '../tokenizer.js';
import { type CodePoints, codePoints, everything, intersection, spell } from './code-points.js';
import { plain } from './program.js';

/**
 * Nodes in the order of a walk that goes down first, without the root: what lies below a node follows it directly.
 * n nodes
 */
export interface ByteTree {
  /** [n] the byte that leads to each node. */
  readonly bytes: Uint8Array;
  /** [n] how many bytes lie before it. */
  readonly depths: Uint16Array;
  /** [n] the first node that is not below it. */
  readonly ends: Int32Array;
  /** [n + 1] where its tokens begin in `ids`; they end where the next node's begin, and those of all below it follow. */
  readonly firstId: Int32Array;
  readonly ids: Int32Array;
  /** [n] the most characters that begin at or below it where all are plain ones and the first begins here; else 65535. */
  readonly plainRuns: Uint16Array;
  readonly deepest: number;
}

export interface Vocabulary {
  /** One more than the largest id. */
  readonly size: number;
  /** What the tokens of an answer may be: at its beginning, where some tokenizers drop a space, and after it. */
  readonly first: ByteTree;
  readonly later: ByteTree;
  /** The bytes that a token adds to an answer, each as a character; empty for tokens that may not be in one. */
  spelled(id: number, isFirst: boolean): string;
  /** Characters that can be spelled wherever they come, by tokens of their own or of their bytes; mostly all. */
  readonly alphabet: CodePoints;
  /** Whether no token holds any other character, so that texts in the alphabet are all that can be spelled. */
  readonly isAlphabetic: boolean;
}

const made = new WeakMap<Tokenizer, Vocabulary>();

/** The vocabulary of a tokenizer; made once for each. Special tokens are not in it, nor tokens that add nothing. */
export const vocabularyOf = (tokenizer: Tokenizer): Vocabulary => atOnce(vocabularyInParts(tokenizer));

/** The same in parts: tens of thousands of tokens take some tenths of a second. */
export function* vocabularyInParts(tokenizer: Tokenizer): InParts<Vocabulary> {
  const vocabulary = made.get(tokenizer) ?? (yield* readVocabulary(tokenizer));
  // Who asked for it meanwhile has made it too.
  const first = made.get(tokenizer) ?? vocabulary;
  made.set(tokenizer, first);
  return first;
}

/** Tokens, or nodes of a tree, that are worked on at once. */
const tokensAtOnce = 2 ** 10;
const nodesAtOnce = 2 ** 15;

/** The same as `map`, in parts. */
function* mapped<T, U>(list: ArrayLike<T>, make: (value: T, index: number) => U): InParts<U[]> {
  const results: U[] = [];
  for (let i = 0; i < list.length; i++) {
    if (i % tokensAtOnce === tokensAtOnce - 1) yield;
    results.push(make(list[i] as T, i));
  }
  return results;
}

function* readVocabulary(tokenizer: Tokenizer): InParts<Vocabulary> {
  const roles = new Set(Object.values(tokenizer.special));
  const spell = (id: number, first: boolean): string => {
    if (roles.has(id) || tokenizer.isSpecial(id)) return '';
    const bytes = tokenizer.bytesOf(id, { first });
    return bytes.length <= longest ? String.fromCharCode(...bytes) : '';
  };
  const later = yield* mapped({ length: tokenizer.size }, (_, id) => spell(id, false));
  const firstOnes = yield* mapped(later, (_, id) => spell(id, true));
  const isSame = later.every((text, id) => text === firstOnes[id]);
  const first = isSame ? later : firstOnes;
  const alphabet = yield* alphabetOf(later);
  const tree = yield* byteTree(later, alphabet);
  const all = alphabet === everything ? [] : [...first, ...later];
  return {
    size: tokenizer.size,
    first: isSame ? tree : yield* byteTree(first, alphabet),
    later: tree,
    spelled: (id, isFirst) => (isFirst ? first : later)[id] ?? '',
    alphabet,
    isAlphabetic: (yield* mapped(all, (token) => isWithin(token, alphabet))).every((is) => is),
  };
}

function* alphabetOf(tokens: readonly string[]): InParts<CodePoints> {
  const single = new Set(tokens.filter(({ length }) => length === 1).map((token) => token.charCodeAt(0)));
  const hasAll = (from: number, to: number): boolean => {
    for (let byte = from; byte <= to; byte++) if (!single.has(byte)) return false;
    return true;
  };
  const ranges: (readonly [number, number])[] = [...single].filter((byte) => byte < 0x80).map((byte) => [byte, byte]);
  // Bytes that begin two, three and four, and where what they spell begins.
  if (hasAll(0x80, 0xbf)) {
    for (const byte of single) {
      if (byte >= 0xc2 && byte < 0xe0) ranges.push(range(byte & 0x1f, 6, 0x80));
      else if (byte >= 0xe0 && byte < 0xf0) ranges.push(range(byte & 0x0f, 12, 0x800));
      else if (byte >= 0xf0 && byte < 0xf5) ranges.push(range(byte & 0x07, 18, 0x10000));
    }
  }
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (const [i, token] of tokens.entries()) {
    if (i % tokensAtOnce === tokensAtOnce - 1) yield;
    if (token.length < 2 || token.length !== lengthFrom(token.charCodeAt(0))) continue;
    try {
      const text = decoder.decode(Uint8Array.from(token, (byte) => byte.charCodeAt(0)));
      const code = text.codePointAt(0) as number;
      ranges.push([code, code]);
    } catch {
      // Bytes of several characters.
    }
  }
  const found = codePoints(...ranges);
  return found.ranges.join() === everything.ranges.join() ? everything : found;
}

/** Whether all whole characters of a token are in the alphabet. */
function isWithin(token: string, alphabet: CodePoints): boolean {
  let [progress, own] = [0, 0];
  for (let at = 0; at < token.length; at++) {
    const byte = token.charCodeAt(at);
    progress = spell(everything, progress, byte);
    own = own === -1 ? -1 : spell(alphabet, own, byte);
    if (progress === 0 && own !== 0) return false;
    // A token may begin within a character.
    if (progress === -1) [progress, own] = [0, 0];
  }
  return true;
}

const range = (bits: number, shift: number, least: number): readonly [number, number] => [
  Math.max(bits << shift, least),
  Math.min(((bits + 1) << shift) - 1, 0x10ffff),
];

/** How many bytes spell a character that begins with this one. */
const lengthFrom = (byte: number): number => (byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4);

/** Longer tokens are left out: none that is published comes near. */
const longest = 4096;

/** The tree of tokens, whose places in the list are their ids. */
function* byteTree(tokens: readonly string[], alphabet: CodePoints): InParts<ByteTree> {
  const byText = new Map<string, number[]>();
  let size = 0;
  for (const [id, text] of tokens.entries()) {
    if (id % tokensAtOnce === tokensAtOnce - 1) yield;
    if (text === '') continue;
    size++;
    const ids = byText.get(text);
    if (ids) ids.push(id);
    else byText.set(text, [id]);
  }
  const spelled = yield* inOrder([...byText.keys()]);
  let [count, deepest] = [0, 0];
  const shared = yield* mapped(spelled, (text, i) => {
    const common = commonLength(spelled[i - 1] ?? '', text);
    count += text.length - common;
    deepest = Math.max(deepest, text.length);
    return common;
  });
  const tree = {
    bytes: new Uint8Array(count),
    depths: new Uint16Array(count),
    ends: new Int32Array(count).fill(count),
    firstId: new Int32Array(count + 1).fill(size),
    ids: new Int32Array(size),
    plainRuns: new Uint16Array(count),
    deepest,
  };
  const path: number[] = []; // the nodes that lead to the token before
  let [node, taken] = [0, 0];
  for (const [i, text] of spelled.entries()) {
    if (i % tokensAtOnce === tokensAtOnce - 1) yield;
    for (const closed of path.splice(shared[i] as number)) tree.ends[closed] = node;
    for (let depth = shared[i] as number; depth < text.length; depth++) {
      tree.bytes[node] = text.charCodeAt(depth);
      tree.depths[node] = depth;
      tree.firstId[node] = taken;
      path.push(node++);
    }
    for (const id of byText.get(text) as number[]) tree.ids[taken++] = id;
  }
  yield* fillPlainRuns(tree, intersection(plain, alphabet));
  return tree;
}

/** Texts of bytes in their order: those of the same first two by themselves, so that none of it takes long. */
function* inOrder(texts: readonly string[]): InParts<string[]> {
  const byFirst = new Array<string[] | undefined>(256 * 257);
  for (const [i, text] of texts.entries()) {
    if (i % tokensAtOnce === tokensAtOnce - 1) yield;
    const key = 257 * text.charCodeAt(0) + (text.length > 1 ? text.charCodeAt(1) + 1 : 0);
    const own = byFirst[key] ?? [];
    byFirst[key] = own;
    own.push(text);
  }
  const sorted: string[] = [];
  let next = tokensAtOnce;
  for (const own of byFirst) {
    if (!own) continue;
    for (const text of own.sort()) sorted.push(text);
    if (sorted.length < next) continue;
    yield;
    next = sorted.length + tokensAtOnce;
  }
  return sorted;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}

const notPlain = 0xffff;

/** Of characters in a set. A token may end within one, since some way on is in the set too. */
function* fillPlainRuns({ bytes, depths, ends, plainRuns }: ByteTree, of: CodePoints): InParts<void> {
  const count = bytes.length;
  // How far into a character each node is, or -1 where the bytes up to it spell none.
  const progress = new Int32Array(count);
  const begins = new Uint8Array(count);
  const path: number[] = [];
  for (let node = 0; node < count; node++) {
    if (node % nodesAtOnce === nodesAtOnce - 1) yield;
    const before = path[(depths[node] as number) - 1];
    path[depths[node] as number] = node;
    const due = before === undefined ? 0 : (progress[before] as number);
    begins[node] = due === 0 ? 1 : 0;
    progress[node] = due === -1 ? -1 : spell(of, due, bytes[node] as number);
  }
  // From the last node up: a node's run is its own character and the longest below.
  const most = new Uint16Array(count);
  for (let node = count - 1; node >= 0; node--) {
    if (node % nodesAtOnce === nodesAtOnce - 1) yield;
    let below = 0;
    for (let child = node + 1; child < (ends[node] as number); child = ends[child] as number)
      below = Math.max(below, most[child] as number);
    const isBroken = progress[node] === -1 || below === notPlain;
    most[node] = isBroken ? notPlain : (begins[node] as number) + below;
  }
  for (let node = 0; node < count; node++) plainRuns[node] = begins[node] === 1 ? (most[node] as number) : notPlain;
}
