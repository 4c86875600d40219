/**
 * Byte-pair encoding as the tokenizers library runs it: characters, then the merge of lowest rank first, leftmost among equals.
 *
 * Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016, https://arxiv.org/abs/1508.07909
 */
import { type Fields, QuintetError } from '../tensor/index.js';
import { type Fuel, spend } from './fuel.js';
import { bytesAsTokens, readVocab, type TokenModel } from './model.js';
import { type PairTable, pairTable } from './pair-table.js';

const mostMerges = 2 ** 23;
// The library's own cache: so many pieces, none longer than this.
const cachedPieces = 20_000;
const longestCached = 256;

export function bpe(model: Fields): TokenModel {
  const vocab = readVocab(model);
  const unknown = model.has('unk_token') ? model.text('unk_token') : undefined;
  const prefix = affix(model, 'continuing_subword_prefix');
  const suffix = affix(model, 'end_of_word_suffix');
  const fuseUnknown = model.flag('fuse_unk', false);
  const byteFallback = model.flag('byte_fallback', false);
  const ignoreMerges = model.flag('ignore_merges', false);
  const merges = readMerges(model, vocab, prefix);
  const cache = new Map<string, readonly number[]>();

  /** The ids of single characters; unknown ones fall back to their bytes, then to the unknown token, else they vanish. */
  function characters(piece: string): number[] {
    const ids: number[] = [];
    let pending = -1; // an unknown token is written only when a known one follows, so that several can fuse
    for (let i = 0; i < piece.length; ) {
      const char = String.fromCodePoint(piece.codePointAt(i) as number);
      const text = (i > 0 ? prefix : '') + char + (i + char.length === piece.length ? suffix : '');
      i += char.length;
      const id = vocab.get(text);
      if (id !== undefined) {
        if (pending >= 0) ids.push(pending);
        pending = -1;
        ids.push(id);
        continue;
      }
      const bytes = byteFallback ? bytesAsTokens(text, vocab) : undefined;
      if (bytes !== undefined) ids.push(...bytes);
      else if (unknown !== undefined) {
        if (pending >= 0 && !fuseUnknown) ids.push(pending);
        pending = unknownId(vocab, unknown, model.at);
      }
    }
    if (pending >= 0) ids.push(pending);
    return ids;
  }

  return {
    vocab,
    unknown,
    encode(piece, fuel) {
      const known = cache.get(piece);
      if (known !== undefined) return known;
      const whole = ignoreMerges ? vocab.get(piece) : undefined;
      const ids = whole !== undefined ? [whole] : mergeAll(characters(piece), merges, fuel);
      if (piece.length <= longestCached) {
        if (cache.size >= cachedPieces) cache.clear();
        cache.set(piece, ids);
      }
      return ids;
    },
  };
}

/** What is written at every character; published ones have at most four. */
const longestAffix = 64;

function affix(model: Fields, name: string): string {
  const text = model.text(name, '');
  if (text.length > longestAffix) throw model.wrong(name, `a text of at most ${longestAffix} characters`);
  return text;
}

function unknownId(vocab: ReadonlyMap<string, number>, unknown: string, at: string): number {
  const id = vocab.get(unknown);
  if (id === undefined) throw new QuintetError('tokenizer', `unk_token "${unknown}" is not in the vocabulary`, { at });
  return id;
}

interface Merges {
  /** Of a pair of ids, the index of its rank. */
  readonly ranks: PairTable;
  /** Of a rank, the id that the pair becomes. */
  readonly results: Int32Array;
}

/** Merges are written "a b" or ["a", "b"]; a token of a published file may itself hold a space only in the second form. */
function readMerges(model: Fields, vocab: ReadonlyMap<string, number>, prefix: string): Merges {
  const list = model.raw.merges;
  if (!Array.isArray(list) || list.length > mostMerges) {
    throw new QuintetError('tokenizer', `merges must be a list of at most ${mostMerges}`, { at: model.at });
  }
  const ranks = pairTable(list.length);
  const results = new Int32Array(list.length);
  const idOf = (text: string, rank: number): number => {
    const id = vocab.get(text);
    if (id !== undefined) return id;
    const shown = JSON.stringify(text.slice(0, 40));
    throw new QuintetError('tokenizer', `merges[${rank}]: token ${shown} is not in the vocabulary`, { at: model.at });
  };
  for (const [rank, merge] of list.entries()) {
    const pair: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      throw new QuintetError('tokenizer', `merges[${rank}]: expected two tokens`, { at: model.at });
    }
    ranks.set(idOf(left, rank), idOf(right, rank), rank);
    results[rank] = idOf(left + right.slice(prefix.length), rank);
  }
  return { ranks, results };
}

/**
 * Merges in place over a linked list with a heap of candidates, so a piece of n characters costs n log n: files in the
 * SentencePiece style have no pre-tokenizer and hand whole documents over.
 */
function mergeAll(ids: number[], { ranks, results }: Merges, fuel: Fuel): readonly number[] {
  const n = ids.length;
  if (n < 2) return ids;
  const next = new Int32Array(n);
  const previous = new Int32Array(n);
  const heap = candidateHeap(n);
  const offer = (left: number, right: number): void => {
    const rank = ranks.get(ids[left] as number, ids[right] as number);
    if (rank >= 0) heap.push(rank, left);
  };
  for (let i = 0; i < n; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
    if (i + 1 < n) offer(i, i + 1);
  }
  spend(fuel, n, 'merging');
  while (heap.size() > 0) {
    const { rank, position: left } = heap.pop();
    const right = next[left] as number;
    if (ids[left] === -1 || right === n) continue;
    // A candidate whose symbols have changed since is void, unless they merge into the same token.
    const now = ranks.get(ids[left] as number, ids[right] as number);
    if (now === -1 || results[now] !== results[rank]) continue;
    ids[left] = results[now] as number;
    ids[right] = -1;
    const after = next[right] as number;
    next[left] = after;
    if (after < n) previous[after] = left;
    const before = previous[left] as number;
    if (before >= 0) offer(before, left);
    if (after < n) offer(left, after);
  }
  return ids.filter((id) => id !== -1);
}

/** A binary heap of (rank, position), smallest first, each packed into one double: ranks below 2^23, positions below 2^30. */
function candidateHeap(expected: number) {
  let keys = new Float64Array(Math.max(16, 2 * expected));
  let size = 0;
  return {
    size: () => size,
    push(rank: number, position: number): void {
      if (size === keys.length) {
        const larger = new Float64Array(2 * size);
        larger.set(keys);
        keys = larger;
      }
      const key = rank * 2 ** 30 + position;
      let hole = size++;
      while (hole > 0) {
        const parent = (hole - 1) >> 1;
        if ((keys[parent] as number) <= key) break;
        keys[hole] = keys[parent] as number;
        hole = parent;
      }
      keys[hole] = key;
    },
    pop(): { rank: number; position: number } {
      const top = keys[0] as number;
      const last = keys[--size] as number;
      let hole = 0;
      for (;;) {
        let child = 2 * hole + 1;
        if (child >= size) break;
        if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child++;
        if ((keys[child] as number) >= last) break;
        keys[hole] = keys[child] as number;
        hole = child;
      }
      keys[hole] = last;
      return { rank: Math.floor(top / 2 ** 30), position: top % 2 ** 30 };
    },
  };
}
