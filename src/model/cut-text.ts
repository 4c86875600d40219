import type { Network } from '../system/index.js';
import type { Fields } from '../tensor/index.js';

/**
 * The tokens of the longest text that a network reads whole, by its own positions and what `tokenizer_config.json` says, which
 * is nothing or 1e30 where transformers knew none; `usual` where neither tells.
 */
export function longestText(tokenizer: Fields, { context }: Pick<Network, 'context'>, usual = Infinity): number {
  const said = tokenizer.number('model_max_length', Infinity);
  if (said < 1) throw tokenizer.wrong('model_max_length', 'a number of tokens');
  const longest = Math.floor(Math.min(said, context ?? Infinity));
  return Number.isFinite(longest) && longest < 1e20 ? longest : usual;
}

/** At most `longest` ids of a text; the last one, which ends it, stays. */
export function cutText(ids: readonly number[], longest: number): readonly number[] {
  return ids.length <= longest ? ids : [...ids.slice(0, longest - 1), ids.at(-1) as number];
}
