/**
 * Attention over a cache of keys and values, for generation token by token.
 *
 * B rows, T new tokens, S places of the cache, P places filled before, H heads, G key-value heads, K head width,
 * Q tokens in a part of a prompt
 */
import {
  add,
  and,
  applyAll,
  cast,
  concat,
  constant,
  flatten,
  greaterOrEqual,
  input,
  less,
  matmul,
  mul,
  quantise,
  range,
  reshape,
  select,
  slice,
  softmax,
  sub,
  type Tensor,
  transpose,
  unsqueeze,
  where,
} from '../graph/index.js';
import { attendHeads, capped, earlier, positionsOf, splitHeads } from '../nn/index.js';
import type { Context, ContextAttention } from '../parts/types.js';
import { addDims, type HostArray, mulDims, scalar } from '../tensor/index.js';

/** Names of a layer's tensors, as inputs and as outputs. */
export const cacheNames = (layer: number) => ({
  past: [`past.${layer}.key`, `past.${layer}.value`] as const,
  present: [`present.${layer}.key`, `present.${layer}.value`] as const,
});

/** The shape of one layer's keys, less its length: what a host needs to hold a cache. */
export interface CacheLayer {
  readonly kvHeads: number;
  readonly headWidth: number;
  /** Whether something is added to its scores, which only a cache that grows can do. */
  readonly biased: boolean;
}

export interface CachedContext extends Context {
  /** What was asked to attend so far, by layer: filled while the backbone is built. */
  readonly layers: readonly CacheLayer[];
  /** The caches after the new tokens, by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** For a cache in eight bits: what one step of each channel stands for, f32 [G*K], by the names of the past's tensors. */
export type CacheSteps = Readonly<Record<string, HostArray>>;

const stepsOf = (steps: CacheSteps | undefined, names: readonly string[]): Tensor[] =>
  steps ? names.map((name) => constant(steps[name] as HostArray)) : [];

/**
 * In place: past and present are one buffer [B, G, S, K] of fixed length, of which each row has filled its own part; the
 * rows' new tokens are padded at the end. Takes head widths that are multiples of 8. Inputs: `positions` [B, T] i64, `last`
 * [B] i32 (the place of each row's last real token), `total` i32 (one more than the largest of them). With `steps` the cache
 * is in eight bits.
 */
export function inPlaceCache(steps?: CacheSteps): CachedContext {
  const [last, total] = [input('last', 'i32', ['B']), input('total', 'i32', [])];
  return makeCache(input('positions', 'i64', ['B', 'T']), (layer, q, k, v, options) => {
    const { heads, kvHeads, scale, window, softcap } = options;
    const width = k.size(-1) / kvHeads;
    const shape = ['B', kvHeads, 'S', width];
    const names = cacheNames(layer).past;
    const past = names.map((name) => input(name, steps ? 'i8' : 'f32', shape));
    const attributes = {
      num_heads: heads,
      kv_num_heads: kvHeads,
      scale: scale ?? width ** -0.5,
      do_rotary: 0,
      ...(window === undefined ? {} : { local_window_size: window }),
      ...(softcap === undefined ? {} : { softcap }),
      ...(steps ? { k_quant_type: 'PER_CHANNEL', v_quant_type: 'PER_CHANNEL', kv_cache_bit_width: 8 } : {}),
      present: ['S'],
    };
    // Between places and steps stand angles and their places, a bias and sinks: none of them here.
    const none = [null, null, null, null, null];
    const operands = [q, k, v, ...past, last, total, ...(steps ? [...none, ...stepsOf(steps, names)] : [])];
    return applyAll('GroupQueryAttention', operands, attributes) as [Tensor, Tensor, Tensor];
  });
}

/**
 * Growing: the present [B, G, P+T, K] is the past with the new keys behind it. Any head width, any engine, at the cost of a
 * copy a step. Input besides `positions`: `seen` [B, P+T] bool, which of the cache's places hold real tokens.
 */
export function growingCache(): CachedContext {
  const whole = addDims('P', 'T');
  const seen = input('seen', 'bool', ['B', whole]);
  const order = greaterOrEqual(unsqueeze(range('P', whole), 1), unsqueeze(range(0, whole), 0)); // [T, P+T]
  const allowed = and(order, unsqueeze(unsqueeze(seen, 1), 1)); // [B, 1, T, P+T]
  const positions = input('positions', 'i64', ['B', 'T']);
  // Padding stands between the tokens of a row: positions count, not places in the cache. [B, T, P+T]
  const distances = sub(unsqueeze(positions, 2), unsqueeze(positionsOf(cast(seen, 'i64')), 1));
  const maskOf = ({ window, bias }: ContextAttention): Tensor => {
    const near = window === undefined ? allowed : and(allowed, less(unsqueeze(distances, 1), window));
    const mask = where(near, constant(scalar('f32', 0)), -1e9); // [B, 1, T, P+T]
    return bias ? add(mask, bias(distances)) : mask;
  };
  return makeCache(positions, (layer, q, k, v, options) => {
    const { heads, kvHeads } = options;
    const shape = ['B', kvHeads, 'P', k.size(-1) / kvHeads];
    const [keys, values] = cacheNames(layer).past.map((name, i) =>
      concat([input(name, 'f32', shape), splitHeads(i === 0 ? k : v, kvHeads)], 2),
    ) as [Tensor, Tensor];
    return [attendHeads(splitHeads(q, heads), keys, values, { ...options, mask: maskOf(options) }), keys, values];
  });
}

/** Parts of a prompt that attend one after the other, each to the keys up to its own end: half of the work is never done. */
export const promptParts = 4;

/**
 * Prompts: 4 Q new tokens of one row behind the P that its cache holds. Attention is made of matrix products, in parts, which
 * on long prompts is twice as fast as the engine's own operator. The caches [1, G, S, K] are only read, and the outputs are
 * the new keys and values alone [1, G, 4 Q, K], for the host to put behind them. Inputs: the tokens'
 * `places` [4, Q] i64 in place of `positions`, and those `before` them [P]. With `steps` the caches and the outputs are in
 * eight bits, and new tokens attend to what is kept of each other: how a prompt is divided makes no difference.
 */
export function promptCache(steps?: CacheSteps): CachedContext {
  const tokens = mulDims(promptParts, 'Q');
  const places = input('places', 'i64', [promptParts, 'Q']);
  const keyPlaces = concat([input('before', 'i64', ['P']), flatten(places, 0, 1)], 0);
  const masksOf = (window?: number): Tensor[] =>
    Array.from({ length: promptParts }, (_, part) => {
      const keys = slice(keyPlaces, 0, 0, addDims('P', mulDims(part + 1, 'Q')));
      const seen = earlier(unsqueeze(select(places, 0, part), 1), unsqueeze(keys, 0), window); // [Q, P + (part + 1) Q]
      return where(seen, constant(scalar('f32', 0)), -1e9);
    });
  return makeCache(reshape(places, [1, tokens]), (layer, q, k, v, options) => {
    const { heads, kvHeads, scale, window, softcap } = options;
    const width = k.size(-1) / kvHeads;
    const group = heads / kvHeads;
    const names = cacheNames(layer).past;
    const [keySteps, valueSteps] = stepsOf(steps, names);
    const [pastKeys, pastValues] = names.map((name) =>
      slice(input(name, steps ? 'i8' : 'f32', [1, kvHeads, 'S', width]), 2, 0, 'P'),
    ) as [Tensor, Tensor];
    const [ownKeys, ownValues] = [kept(k, keySteps), kept(v, valueSteps)].map((x) => splitHeads(x, kvHeads)) as [
      Tensor,
      Tensor,
    ];
    // Keys lie turned from here on: products with many of them at once read them faster so.
    const keys = cast(concat([transpose(pastKeys), transpose(ownKeys)], 3), 'f32');
    const values = cast(concat([pastValues, ownValues], 2), 'f32');
    const grouped = (x: Tensor) => reshape(splitHeads(x, heads), [1, kvHeads, group, tokens, width]);
    // What a step stands for is as well multiplied with what keys are, and with what is made of values.
    const queries = timesSteps(grouped(mul(q, scale ?? width ** -0.5)), keySteps);
    const parts = masksOf(window).map((mask, part) => {
      const [from, to] = [mulDims(part, 'Q'), mulDims(part + 1, 'Q')];
      const end = addDims('P', to);
      // All heads of a group in one product: [1, G, (H/G) Q, K]
      const own = flatten(slice(queries, 3, from, to), 2, 3);
      const scores = capped(matmul(own, slice(keys, 3, 0, end)), softcap);
      const weights = reshape(softmax(add(reshape(scores, [1, kvHeads, group, 'Q', end]), mask)), scores.shape);
      return reshape(matmul(weights, slice(values, 2, 0, end)), [1, kvHeads, group, 'Q', width]);
    });
    const mixed = reshape(timesSteps(concat(parts, 3), valueSteps), [1, heads, tokens, width]);
    return [flatten(transpose(mixed, [0, 2, 1, 3]), 2, 3), ownKeys, ownValues];
  });
}

/** Keys or values [1, T, G*K] as a cache has them. */
const kept = (x: Tensor, steps: Tensor | undefined): Tensor => (steps ? quantise(x, steps) : x);

/** x [1, G, H/G, T, K] times what a step of each channel [G*K] stands for. */
function timesSteps(x: Tensor, steps: Tensor | undefined): Tensor {
  return steps ? mul(x, reshape(steps, [1, x.size(1), 1, 1, x.size(4)])) : x;
}

type CachedAttend = (
  ...operands: Parameters<Context['attend']>
) => readonly [attended: Tensor, keys: Tensor, values: Tensor];

function makeCache(positions: Tensor, attendCached: CachedAttend): CachedContext {
  const layers: CacheLayer[] = [];
  const outputs: Record<string, Tensor> = {};
  return {
    positions,
    length: input('length', 'i64', []),
    layers,
    outputs,
    attend(layer, q, k, v, options) {
      const [attended, keys, values] = attendCached(layer, q, k, v, options);
      const [keyName, valueName] = cacheNames(layer).present;
      outputs[keyName] = keys;
      outputs[valueName] = values;
      layers[layer] = {
        kvHeads: options.kvHeads,
        headWidth: k.size(-1) / options.kvHeads,
        biased: options.bias !== undefined,
      };
      return attended;
    },
  };
}
