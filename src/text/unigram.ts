/**
 * The unigram language model of SentencePiece (T5, SigLIP, Kosmos-2): of all segmentations the most probable.
 *
 * Kudo, "Subword Regularization", 2018, https://arxiv.org/abs/1804.10959
 */
import { type Fields, QuintetError } from '../tensor/index.js';
import { type Fuel, spend } from './fuel.js';
import { addToken, bytesAsTokens, mostTokens, type TokenModel } from './model.js';
import { trie } from './pair-table.js';

/** How much less probable than the rarest piece an unknown character is, in nats: SentencePiece's kUnkPenalty. */
const unknownPenalty = 10;

export function unigram(model: Fields): TokenModel {
  const { vocab, scores, pieces } = readPieces(model);
  const unknownId = model.has('unk_id') ? model.whole('unk_id') : undefined;
  if (unknownId !== undefined && pieces[unknownId] === undefined) {
    throw new QuintetError('tokenizer', `unk_id ${unknownId} is not in the vocabulary`, { at: model.at });
  }
  const byteFallback = model.flag('byte_fallback', false);
  const prefixes = trie(vocab);
  const unknownScore = scores.reduce((least, score) => Math.min(least, score), Infinity) - unknownPenalty;

  function idsOf(text: string): readonly number[] {
    const id = vocab.get(text);
    if (id !== undefined) return [id];
    const bytes = byteFallback ? bytesAsTokens(text, vocab) : undefined;
    if (bytes !== undefined) return bytes;
    if (unknownId === undefined)
      throw new QuintetError('tokenizer', 'an unknown character, and no unk_id', { at: model.at });
    return [unknownId];
  }

  /** Viterbi search. `from[i]` is where the last piece of the best path to i starts, -1 while there is none. */
  function bestPath(piece: string, fuel: Fuel): { readonly from: Int32Array; readonly isUnknown: Uint8Array } {
    const best = new Float64Array(piece.length + 1);
    const from = new Int32Array(piece.length + 1).fill(-1);
    const isUnknown = new Uint8Array(piece.length + 1);
    const offer = (start: number, end: number, score: number, unknown: boolean): void => {
      if (from[end] !== -1 && score <= (best[end] as number)) return;
      best[end] = score;
      from[end] = start;
      isUnknown[end] = unknown ? 1 : 0;
    };
    for (let start = 0; start < piece.length; ) {
      const width = (piece.codePointAt(start) as number) > 0xffff ? 2 : 1;
      const sofar = best[start] as number;
      let isSinglePiece = false;
      let end = start;
      for (let node = 0; end < piece.length; ) {
        node = prefixes.step(node, piece.charCodeAt(end));
        if (node === -1) break;
        end++;
        const id = prefixes.value(node);
        if (id === -1) continue;
        offer(start, end, sofar + (scores[id] as number), id === unknownId);
        if (end - start === width) isSinglePiece = true;
      }
      spend(fuel, end - start + 1, 'the search for pieces');
      if (!isSinglePiece) offer(start, start + width, sofar + unknownScore, true);
      start += width;
    }
    return { from, isUnknown };
  }

  return {
    vocab,
    unknown: unknownId === undefined ? undefined : pieces[unknownId],
    encode(piece, fuel) {
      const { from, isUnknown } = bestPath(piece, fuel);
      const texts: string[] = []; // from the last to the first
      for (let end = piece.length; end > 0; ) {
        let start = from[end] as number;
        // Unknown neighbours are one unknown token.
        if (isUnknown[end] === 1 && unknownId !== undefined)
          while (start > 0 && isUnknown[start] === 1) start = from[start] as number;
        texts.push(piece.slice(start, end));
        end = start;
      }
      return texts.reverse().flatMap(idsOf);
    },
  };
}

/** `vocab` is a list of [piece, log probability]; the id is the index. */
function readPieces(model: Fields) {
  const list = model.raw.vocab;
  if (!Array.isArray(list) || list.length > mostTokens) {
    throw new QuintetError('tokenizer', `vocab must be a list of at most ${mostTokens} pieces`, { at: model.at });
  }
  const vocab = new Map<string, number>();
  const scores = new Float64Array(list.length);
  const pieces: string[] = [];
  for (const [id, entry] of list.entries()) {
    const [piece, score] = Array.isArray(entry) ? entry : [];
    if (typeof score !== 'number' || !Number.isFinite(score)) {
      throw new QuintetError('tokenizer', `vocab[${id}]: expected a piece and its score`, { at: model.at });
    }
    addToken(vocab, piece, id, model.at);
    scores[id] = score;
    pieces.push(piece);
  }
  return { vocab, scores, pieces };
}
