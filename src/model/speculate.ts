/**
 * Guessing several tokens, which the model then reads in one run instead of one by one. Each token is still chosen from the
 * model's own scores, by the same draws, and guesses that differ from the choice are forgotten: what comes out is what would
 * have come without.
 */
import { type HostArray, zerosArray } from '../tensor/index.js';
import type { Cache } from './language-graph.js';
import type { LanguageSession } from './language-session.js';
import { largest } from './sample.js';

export interface Speculator {
  /** How many words it guesses among, where it has a vocabulary of its own. */
  readonly vocab?: number;
  /** Tokens that may follow all tokens of a row so far; none where there is no guess. */
  guess(all: readonly number[], signal?: AbortSignal): Promise<readonly number[]> | readonly number[];
}

export interface LookupOptions {
  /** Most tokens guessed at once; default 6. */
  readonly tokens?: number;
  /** The longest run of last tokens that is looked for; default 3. */
  readonly longest?: number;
}

/**
 * What followed the last tokens where they stood before: for answers that repeat their prompt, as summaries, edited code and
 * extracted facts do. Saxena, "Prompt Lookup Decoding", 2023, https://github.com/apoorvumang/prompt-lookup-decoding
 */
export function promptLookup({ tokens = 6, longest = 3 }: LookupOptions = {}): Speculator {
  return {
    guess(all) {
      for (let length = Math.min(longest, all.length - 1); length > 0; length--) {
        const start = lastPlace(all, length);
        if (start !== undefined) return all.slice(start + length, start + length + tokens);
      }
      return [];
    },
  };
}

/** Where the last `length` tokens stood before, the latest place. */
function lastPlace(all: readonly number[], length: number): number | undefined {
  const end = all.length - length;
  for (let start = end - 1; start >= 0; start--) {
    let same = 0;
    while (same < length && all[start + same] === all[end + same]) same++;
    if (same === length) return start;
  }
  return undefined;
}

export interface DraftOptions {
  /** Tokens guessed at once; default 4. */
  readonly tokens?: number;
  /** Tokens that the draft model has room for; default its context. */
  readonly capacity?: number;
}

/**
 * What a smaller model with the same vocabulary would say, which sees none of the pictures. Leviathan et al., "Fast Inference from Transformers via
 * Speculative Decoding", 2023, https://arxiv.org/abs/2211.17192
 */
export function draftModel(draft: LanguageSession, { tokens = 4, ...options }: DraftOptions = {}): Speculator {
  const { context, vocab } = draft.model.network.backbone.part;
  const { capacity = context } = options;
  let cache: Cache | undefined;
  let read: number[] = [];
  return {
    vocab,
    async guess(all, signal) {
      if (all.length + tokens > capacity) return [];
      cache ??= draft.start(1, capacity);
      const same = read.findIndex((id, i) => id !== all[i]);
      const kept = Math.min(same < 0 ? read.length : same, all.length - 1);
      draft.rewind(cache, kept);
      read = all.slice(0, kept);
      const guessed: number[] = [];
      let next = all.slice(kept);
      while (guessed.length < tokens) {
        const { data } = await draft.step(cache, { ids: [next], features: unseen(draft, next), signal });
        read = [...read, ...next];
        const id = largest(data as Float32Array);
        next = [id];
        guessed.push(id);
      }
      return guessed;
    },
  };
}

/** Nothing, in the places of image tokens. [F, D] */
function unseen({ model: { network } }: LanguageSession, ids: readonly number[]): HostArray | undefined {
  const count = ids.filter((id) => id === network.image?.token).length;
  return count > 0 ? zerosArray('f32', [count, network.backbone.part.width]) : undefined;
}
