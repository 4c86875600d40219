/** A tokenizer's tokens as a tree of bytes, so that what begins alike is looked at once. */

import type { Tokenizer } from '../tokenizer.js';

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
  /** The bytes that a token adds to an answer. */
  bytesOf(id: number, isFirst: boolean): Uint8Array;
  /** Whether every text can be spelled, since there is a token for each byte. */
  readonly complete: boolean;
}

const made = new WeakMap<Tokenizer, Vocabulary>();

/** The vocabulary of a tokenizer; made once for each. Special tokens are not in it, nor tokens that add nothing. */
export function vocabularyOf(tokenizer: Tokenizer): Vocabulary {
  let vocabulary = made.get(tokenizer);
  if (vocabulary === undefined) {
    vocabulary = readVocabulary(tokenizer);
    made.set(tokenizer, vocabulary);
  }
  return vocabulary;
}

function readVocabulary(tokenizer: Tokenizer): Vocabulary {
  const roles = new Set(Object.values(tokenizer.special));
  const usable = Array.from({ length: tokenizer.size }, (_, id) => id).filter(
    (id) => !roles.has(id) && !tokenizer.isSpecial(id),
  );
  const bytesOf = (id: number, isFirst: boolean): Uint8Array => tokenizer.bytesOf(id, { first: isFirst });
  const later = byteTree(usable.map((id) => [id, bytesOf(id, false)]));
  const isSame = usable.every((id) => equal(bytesOf(id, false), bytesOf(id, true)));
  const first = isSame ? later : byteTree(usable.map((id) => [id, bytesOf(id, true)]));
  return { size: tokenizer.size, first, later, bytesOf, complete: spellsAll(later) };
}

/** Longer tokens are left out: none that is published comes near. */
const longest = 4096;

function byteTree(tokens: readonly (readonly [id: number, bytes: Uint8Array])[]): ByteTree {
  const spelled = tokens
    .filter(([, bytes]) => bytes.length > 0 && bytes.length <= longest)
    // One character a byte: texts are compared much faster than arrays.
    .map(([id, bytes]) => ({ id, text: Array.from(bytes, (byte) => String.fromCharCode(byte)).join('') }))
    .sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : a.id - b.id));
  const sharedWith = (i: number): number => commonLength(spelled[i - 1]?.text ?? '', spelled[i]?.text ?? '');
  const count = spelled.reduce((sum, { text }, i) => sum + text.length - sharedWith(i), 0);
  const tree = {
    bytes: new Uint8Array(count),
    depths: new Uint16Array(count),
    ends: new Int32Array(count).fill(count),
    firstId: new Int32Array(count + 1).fill(spelled.length),
    ids: Int32Array.from(spelled, ({ id }) => id),
    plainRuns: new Uint16Array(count),
    deepest: spelled.reduce((most, { text }) => Math.max(most, text.length), 0),
  };
  const path: number[] = []; // the nodes that lead to the token before
  let node = 0;
  for (const [i, { text }] of spelled.entries()) {
    const shared = sharedWith(i);
    for (const closed of path.splice(shared)) tree.ends[closed] = node;
    for (let depth = shared; depth < text.length; depth++) {
      tree.bytes[node] = text.charCodeAt(depth);
      tree.depths[node] = depth;
      tree.firstId[node] = i;
      path.push(node++);
    }
  }
  fillPlainRuns(tree);
  return tree;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a.charCodeAt(length) === b.charCodeAt(length)) length++;
  return length;
}

const notPlain = 0xffff;

/**
 * Plain characters are those that JSON strings may hold as they are. A token may end within one, if what there is begins
 * a character's spelling.
 */
function fillPlainRuns({ bytes, depths, ends, plainRuns }: ByteTree): void {
  const count = bytes.length;
  // Where the spelling of a character is after each node: the continuation bytes left and the range of the next; -1 if broken.
  const left = new Int8Array(count);
  const [lowest, highest] = [new Uint8Array(count).fill(0x80), new Uint8Array(count).fill(0xbf)];
  const path: number[] = [];
  for (let node = 0; node < count; node++) {
    const before = path[(depths[node] as number) - 1] ?? -1;
    path[depths[node] as number] = node;
    const byte = bytes[node] as number;
    const due = before === -1 ? 0 : (left[before] as number);
    if (due > 0) {
      const fits = byte >= (lowest[before] as number) && byte <= (highest[before] as number);
      left[node] = fits ? due - 1 : -1;
    } else if (due === 0) {
      left[node] = lengthAfter(byte);
      if (byte === 0xe0) lowest[node] = 0xa0;
      if (byte === 0xed) highest[node] = 0x9f;
      if (byte === 0xf0) lowest[node] = 0x90;
      if (byte === 0xf4) highest[node] = 0x8f;
    } else left[node] = -1;
    const begins = due === 0 ? 1 : 0;
    plainRuns[node] = left[node] === -1 ? notPlain : begins;
  }
  // From the last node up: a node's run is its own character and the longest below.
  const most = new Uint16Array(count);
  for (let node = count - 1; node >= 0; node--) {
    let below = 0;
    for (let child = node + 1; child < (ends[node] as number); child = ends[child] as number)
      below = Math.max(below, most[child] as number);
    const own = plainRuns[node] as number;
    most[node] = own === notPlain || below === notPlain ? notPlain : own + below;
  }
  for (let node = 0; node < count; node++) plainRuns[node] = plainRuns[node] === 1 ? (most[node] as number) : notPlain;
}

/** How many bytes follow the first one of a plain character, or -1 where none begins so. */
function lengthAfter(byte: number): number {
  if (byte < 0x80) return byte < 0x20 || byte === 0x22 || byte === 0x5c ? -1 : 0;
  if (byte < 0xc2 || byte > 0xf4) return -1;
  return byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
}

/** Whether each byte of UTF-8 is a token. */
function spellsAll({ bytes, ends, firstId }: ByteTree): boolean {
  const found = new Set<number>();
  for (let node = 0; node < bytes.length; node = ends[node] as number)
    if ((firstId[node] as number) < (firstId[node + 1] as number)) found.add(bytes[node] as number);
  for (let byte = 0; byte <= 0xf4; byte++) if (byte !== 0xc0 && byte !== 0xc1 && !found.has(byte)) return false;
  return true;
}
