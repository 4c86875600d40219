/**
 * Guessing several tokens, which the model then reads in one run instead of one by one. Each token is still chosen from the
 * model's own scores, by the same draws, and guesses that differ from the choice are forgotten: what comes out is what would
 * have come without.
 */
import type { System } from '../system/index.js';
import { type HostArray, QuintetError, refuseUnknown, show, zerosArray } from '../tensor/index.js';
import type { Cache } from './language-graph.js';
import type { LanguageSession } from './language-session.js';
import type { Model } from './model.js';
import { tokenizerOf } from './prompt.js';
import { largest } from './sample.js';

export interface Speculator {
  /** Throws 'config' where its words are not that model's. */
  check?(model: Model<System>): void;
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
export function promptLookup(options: LookupOptions = {}): Speculator {
  checkCounts('promptLookup', options, ['tokens', 'longest']);
  const { tokens = 6, longest = 3 } = options;
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

type Counts = LookupOptions & DraftOptions;

/** Throws 'config' at an option that there is not, and at one that is no number from 1 on. */
function checkCounts(at: string, options: Counts, names: readonly (keyof Counts)[]): void {
  refuseUnknown({ at, raw: { ...options } }, names, { what: 'option' });
  for (const name of names) {
    const value: unknown = options[name];
    if (value === undefined || (Number.isSafeInteger(value) && Number(value) >= 1)) continue;
    throw new QuintetError('config', `${name}: expected a whole number from 1 on, got ${show(value)}`, { at });
  }
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
  /** Most tokens that the draft model makes room for; default its context. */
  readonly capacity?: number;
}

/**
 * What a smaller model with the same tokenizer would say, which sees none of the pictures. Leviathan et al., "Fast Inference from Transformers via
 * Speculative Decoding", 2023, https://arxiv.org/abs/2211.17192. Throws 'unsupported' where it is an encoder-decoder.
 */
export function draftModel(draft: LanguageSession, options: DraftOptions = {}): Speculator {
  checkCounts('draftModel', options, ['tokens', 'capacity']);
  const { name, backbone } = draft.model.network;
  const { context, vocab, encoder } = backbone.part;
  if (encoder) {
    throw new QuintetError('unsupported', 'an encoder-decoder cannot guess for another model', {
      at: name,
      hint: 'it reads what it is to answer by another half: take a decoder as the draft, or promptLookup (--lookup)',
    });
  }
  const { tokens = 4, capacity = context } = options;
  let cache: Cache | undefined;
  let read: number[] = [];
  let isBusy = false;
  const guess: Speculator['guess'] = async (given, signal) => {
    // Words that only the model has mean nothing to the draft.
    const all = given.map((id) => (id < vocab ? id : 0));
    const needed = all.length + tokens;
    if (needed > capacity) return [];
    const same = read.findIndex((id, i) => id !== all[i]);
    const kept = Math.min(same < 0 ? read.length : same, all.length - 1);
    if (cache && cache.capacity >= needed) draft.rewind(cache, kept);
    else {
      // Twice as much as before, so that what is copied stays little.
      const room = Math.min(capacity, 2 * needed);
      cache = cache ? await draft.resume(cache, kept, room) : draft.start(1, room);
    }
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
  };
  return {
    check: (model) => checkWords(model, draft.model),
    async guess(given, signal) {
      // Another answer is guessed for: there is one cache.
      if (isBusy) return [];
      isBusy = true;
      try {
        return await guess(given, signal);
      } finally {
        isBusy = false;
      }
    },
  };
}

/** Nothing, in the places of image tokens. [F, D] */
function unseen({ model: { network } }: LanguageSession, ids: readonly number[]): HostArray | undefined {
  const count = ids.filter((id) => id === network.image?.token).length;
  return count > 0 ? zerosArray('f32', [count, network.backbone.part.width]) : undefined;
}

/** Models by the drafts whose words are theirs: to find out makes two tokenizers. */
const agreeing = new WeakMap<Model<System>, WeakSet<Model<System>>>();

function checkWords(model: Model<System>, draft: Model<System>): void {
  const known = agreeing.get(draft) ?? new WeakSet();
  agreeing.set(draft, known);
  if (known.has(model)) return;
  compareWords(model, draft);
  known.add(model);
}

/** Tables of embeddings are padded, so that their sizes say little: what counts is which token an id is. */
function compareWords(model: Model<System>, draft: Model<System>): void {
  const refuse = (difference: string): never => {
    throw new QuintetError('config', `the draft model has other words: ${difference}`, {
      at: draft.network.name,
      hint: `a draft needs the tokenizer of ${model.network.name}`,
    });
  };
  const [own, other] = [tokenizerIn(model), tokenizerIn(draft)];
  if (!own || !other) {
    const [size, drafted] = [model, draft].map(({ network }) => network.backbone.part.vocab);
    if (size !== drafted) refuse(`${drafted} in place of ${size}`);
    return;
  }
  for (let id = 0; id < Math.min(own.size, other.size); id++) {
    const [token, drafted] = [own.tokenOf(id), other.tokenOf(id)];
    // Either may have left an id free.
    if (token !== undefined && drafted !== undefined && token !== drafted) {
      refuse(`${id} is ${JSON.stringify(drafted)} in place of ${JSON.stringify(token)}`);
    }
  }
}

function tokenizerIn({ network, files, metadata }: Model<System>) {
  const has = files && (files.tokenizer || metadata?.has('tokenizer.ggml.model'));
  return has ? tokenizerOf(network.name, files, metadata) : undefined;
}
