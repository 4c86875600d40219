/**
 * Attention over a cache of keys and values, for generation token by token.
 *
 * B rows, T new tokens, S places of the cache, P places filled before, H heads, G key-value heads, K head width
 */
import {
  and,
  applyAll,
  concat,
  constant,
  greaterOrEqual,
  input,
  range,
  type Tensor,
  unsqueeze,
  where,
} from '../graph/index.js';
import { attendHeads, splitHeads } from '../nn/index.js';
import type { Context } from '../parts/types.js';
import { addDims, scalar } from '../tensor/index.js';

/** Names of a layer's tensors, as inputs and as outputs. */
export const cacheNames = (layer: number) => ({
  past: [`past.${layer}.key`, `past.${layer}.value`] as const,
  present: [`present.${layer}.key`, `present.${layer}.value`] as const,
});

/** The shape of one layer's keys, less its length: what a host needs to hold a cache. */
export interface CacheLayer {
  readonly kvHeads: number;
  readonly headWidth: number;
}

export interface CachedContext extends Context {
  /** What was asked to attend so far, by layer: filled while the backbone is built. */
  readonly layers: readonly CacheLayer[];
  /** The caches after the new tokens, by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/**
 * In place: past and present are one buffer [B, G, S, K] of fixed length, of which each row has filled its own part; the
 * rows' new tokens are padded at the end. Takes head widths that are multiples of 8. Inputs: `positions` [B, T] i64, `last`
 * [B] i32 (the place of each row's last real token), `total` i32 (one more than the largest of them).
 */
export function inPlaceCache(): CachedContext {
  const [last, total] = [input('last', 'i32', ['B']), input('total', 'i32', [])];
  return makeCache((layer, q, k, v, { heads, kvHeads, scale }) => {
    const width = k.size(-1) / kvHeads;
    const shape = ['B', kvHeads, 'S', width];
    const past = cacheNames(layer).past.map((name) => input(name, 'f32', shape)) as [Tensor, Tensor];
    const attributes = {
      num_heads: heads,
      kv_num_heads: kvHeads,
      scale: scale ?? width ** -0.5,
      do_rotary: 0,
      present: ['S'],
    };
    return applyAll('GroupQueryAttention', [q, k, v, ...past, last, total], attributes) as [Tensor, Tensor, Tensor];
  });
}

/**
 * Growing: the present [B, G, P+T, K] is the past with the new keys behind it. Any head width, any engine, at the cost of a
 * copy a step. Input besides `positions`: `seen` [B, P+T] bool, which of the cache's places hold real tokens.
 */
export function growingCache(): CachedContext {
  const whole = addDims('P', 'T');
  const seen = input('seen', 'bool', ['B', whole]);
  const earlier = greaterOrEqual(unsqueeze(range('P', whole), 1), unsqueeze(range(0, whole), 0)); // [T, P+T]
  const allowed = and(earlier, unsqueeze(unsqueeze(seen, 1), 1)); // [B, 1, T, P+T]
  const mask = where(allowed, constant(scalar('f32', 0)), -1e9);
  return makeCache((layer, q, k, v, { heads, kvHeads, scale }) => {
    const shape = ['B', kvHeads, 'P', k.size(-1) / kvHeads];
    const [keys, values] = cacheNames(layer).past.map((name, i) =>
      concat([input(name, 'f32', shape), splitHeads(i === 0 ? k : v, kvHeads)], 2),
    ) as [Tensor, Tensor];
    const options = { mask, ...(scale === undefined ? {} : { scale }) };
    return [attendHeads(splitHeads(q, heads), keys, values, options), keys, values];
  });
}

type CachedAttend = (
  ...operands: Parameters<Context['attend']>
) => readonly [attended: Tensor, keys: Tensor, values: Tensor];

function makeCache(attendCached: CachedAttend): CachedContext {
  const layers: CacheLayer[] = [];
  const outputs: Record<string, Tensor> = {};
  return {
    positions: input('positions', 'i64', ['B', 'T']),
    layers,
    outputs,
    attend(layer, q, k, v, options) {
      const [attended, keys, values] = attendCached(layer, q, k, v, options);
      const [keyName, valueName] = cacheNames(layer).present;
      outputs[keyName] = keys;
      outputs[valueName] = values;
      layers[layer] = { kvHeads: options.kvHeads, headWidth: k.size(-1) / options.kvHeads };
      return attended;
    },
  };
}
