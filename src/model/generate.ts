/** The one generation loop: a prompt through the session, then token by token. */

import { type HostArray, QuintetError, Random, seedFor } from '../tensor/index.js';
import type { Cache } from './language-graph.js';
import type { LanguageSession } from './language-session.js';
import { type Choice, choose, likeliest, logprobOf, type SamplingOptions } from './sample.js';

export interface GenerateOptions extends SamplingOptions {
  /** Most new tokens of a row; default 256. A full cache ends a row too. */
  readonly maxTokens?: number;
  /** Tokens that end a row; they are given out as its last. */
  readonly stopIds?: readonly number[];
  /** Of the draws; default 0. Each row draws on its own, so that it does not matter what else is in the batch. */
  readonly seed?: number;
  /** Gives the probability of each token, and of so many of the likeliest at its place; default neither. */
  readonly logprobs?: number;
  readonly signal?: AbortSignal;
}

/** A token of a row. */
export interface GeneratedToken {
  readonly row: number;
  readonly id: number;
  /** As of a Choice; where `logprobs` asks for it. */
  readonly logprob: number | undefined;
  /** Whether the row ends with it. */
  readonly end: 'stop' | 'length' | undefined;
  readonly top: readonly Choice[];
}

/** The prompts of some rows: all their tokens, of which the cache may hold the first ones already. */
export interface Prompts {
  readonly ids: readonly (readonly number[])[];
  /** Features for the image tokens that the cache does not hold yet: [F, D]. */
  readonly features?: HostArray | undefined;
}

/** Yields tokens row by row, step by step, until every row has ended. The cache holds all but each row's last token. */
export async function* generateTokens(
  session: LanguageSession,
  cache: Cache,
  prompts: Prompts,
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedToken> {
  const { maxTokens = 256, stopIds = [], seed = 0, logprobs, signal } = options;
  const { ids, features } = await session.begin(cache, { ...prompts, signal });
  const rows = ids.map((prompt, row) => ({
    seen: new Set(prompt),
    ended: false,
    random: new Random(seedFor(seed, row)),
  }));
  const stops = new Set(stopIds);
  let next = ids.map((prompt, row) => prompt.slice(cache.lengths[row]));
  if (next.some((tokens) => tokens.length === 0)) {
    throw new QuintetError('data', 'a prompt needs at least one token that the cache does not hold');
  }
  for (let count = 1; count <= maxTokens; count++) {
    const scores = await session.step(cache, { ids: next, features: count === 1 ? features : undefined, signal });
    const size = scores.shape[1] as number;
    next = rows.map(() => []);
    for (const [row, state] of rows.entries()) {
      if (state.ended) continue;
      const own = (scores.data as Float32Array).subarray(row * size, (row + 1) * size);
      const id = choose(own, options, state.seen, state.random);
      checkFinite(own[id] as number, count);
      const full = count === maxTokens || (cache.lengths[row] as number) >= cache.capacity;
      const end = stops.has(id) ? 'stop' : full ? 'length' : undefined;
      state.ended = end !== undefined;
      state.seen.add(id);
      if (!end) next[row] = [id];
      const logprob = logprobs === undefined ? undefined : logprobOf(own, id);
      yield { row, id, logprob, end, top: logprobs ? likeliest(own, logprobs) : [] };
    }
    if (rows.every((state) => state.ended)) return;
  }
}

/** Refuses a choice among scores that are no numbers. */
export function checkFinite(score: number, count: number): void {
  if (Number.isFinite(score)) return;
  throw new QuintetError('numeric', `the scores of token ${count} are not finite`, {
    hint: 'the weights may be damaged',
  });
}
