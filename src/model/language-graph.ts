/**
 * What the sessions of a system's language side share: the graph from tokens to scores, and caches of what was seen.
 *
 * B rows, T new tokens, R = B scores, F features of pictures, D width, V vocabulary
 */
import { gather, input, reshape, type Tensor } from '../graph/index.js';
import { type Params, rootScope } from '../nn/index.js';
import {
  type CachedContext,
  type CacheSteps,
  embed,
  encoderOf,
  growingCache,
  inPlaceCache,
  makeMemory,
  memoryPresent,
  rememberedMemory,
  type System,
  type Tensors,
} from '../system/index.js';
import { bytesOf, type HostArray, type InParts, productOf, sizeOf, sliceRows, zerosArray } from '../tensor/index.js';
import type { Model } from './model.js';

/** What a session reads and writes; default the system's own words. */
export interface LanguageEnds {
  /** Ids are whole numbers below this. */
  readonly ids: number;
  /** Ids [B, T] and features [F, D] -> embeddings [B, T, D]. */
  embed(p: Params, ids: Tensor, features: Tensor | undefined): Tensor;
  /** Hidden states [R, D] -> scores [R, V]. */
  score(p: Params, hidden: Tensor): Tensor;
}

/** What rows have seen so far. */
export interface Cache {
  /** Tokens of each row. */
  lengths: readonly number[];
  /** Places that virtual tokens take before those. */
  readonly virtual: number;
  /** How many tokens a row may have. */
  readonly capacity: number;
  /** Keys and values by the names of the graph's inputs. */
  arrays: Readonly<Record<string, HostArray>>;
  /** Where the cache grows: which places hold real tokens, a row each. */
  seen: readonly (readonly boolean[])[];
  /** By what of the length its keys were turned (`Backbone.anglesBy`), where that counts; NaN where not all of them alike. */
  angles?: number | undefined;
  /** Of an encoder-decoder: keys and values of what was read, by the names of the graph's inputs. */
  memory?: Readonly<Record<string, HostArray>>;
}

/** Most new tokens of a row in one run: the memory of a run does not grow with the prompt. */
export const mostTokens = 512;

/** Features [1, D] that no token points at, for runs without pictures. */
export const nothingSeen = ({ backbone }: System): HostArray => zerosArray('f32', [1, backbone.part.width]);

/** One row of a cache in place, in its memory. */
export function rowOfCache({ arrays, ...cache }: Cache, row: number): Cache {
  const rows = Object.fromEntries(
    Object.entries(arrays).map(([name, array]) => [name, sliceRows(array, row, row + 1)]),
  );
  return { ...cache, lengths: [cache.lengths[row] as number], arrays: rows, seen: [[]] };
}

/** The layers that a cache holds keys and values of. */
export function cacheLayers({ arrays }: Cache): number[] {
  return Array.from({ length: Object.keys(arrays).length / 2 }, (_, layer) => layer);
}

/** The system's words in, with features in place of image tokens, and the scores of the next word out. */
export function ownWords(network: System): LanguageEnds {
  const { part, prefix } = network.backbone;
  return {
    ids: part.vocab,
    embed: (p, ids, features) => embed(network, p, ids, features),
    score: (p, hidden) => part.logits(p.at(prefix), hidden),
  };
}

interface LanguageGraph {
  /** Scores after the tokens that input `at` [R] names, counted over all rows: [R, V]. */
  readonly logits: () => Tensor;
  /** The caches after the new tokens, by name. */
  readonly caches: CachedContext['outputs'];
  readonly layers: CachedContext['layers'];
}

/** The graph of new tokens, inputs `ids` and `features`, in a context with a cache. */
export function languageGraph(
  network: System,
  p: Params,
  context: CachedContext,
  { embed: read, score }: LanguageEnds,
): LanguageGraph {
  const { part, prefix } = network.backbone;
  // What an encoder-decoder is shown goes to its reading half.
  const features = network.image && !part.encoder ? input('features', 'f32', ['F', part.width]) : undefined;
  const embeddings = read(p, input('ids', 'i64', context.positions.shape), features);
  const memory = part.encoder ? { memory: rememberedMemory() } : {};
  const attending = network.attention?.(p, context) ?? context;
  const hidden = part.forward(p.at(prefix), embeddings, { ...attending, ...memory });
  const rows = reshape(hidden, [productOf(hidden.shape.slice(0, 2)), part.width]);
  return {
    logits: () => score(p, gather(rows, input('at', 'i64', ['R']))),
    caches: context.outputs,
    layers: context.layers,
  };
}

/** The language side with a cache as an engine keeps it. */
export interface CachedSide {
  /** Whether keys and values stay where they are: head widths that the engine's own attention does not take use the growing cache. */
  readonly inPlace: boolean;
  readonly layers: CachedContext['layers'];
  /** New tokens to scores and caches, which are in eight bits where steps are given. */
  build(p: Params, steps?: CacheSteps): Tensors;
}

export function cachedSide({ network, adapt, engine }: Model<System>, ends: LanguageEnds): CachedSide {
  const { layers } = languageGraph(network, adapt(rootScope().p), growingCache(), ends);
  const inPlace = engine.inPlace && layers.every(({ headWidth, biased }) => headWidth % 8 === 0 && !biased);
  return {
    ...{ inPlace, layers },
    build(p, steps) {
      const { logits, caches } = languageGraph(network, p, inPlace ? inPlaceCache(steps) : growingCache(), ends);
      return { logits: logits(), ...caches };
    },
  };
}

/** What the reading half of an encoder-decoder gives for inputs `ids` and `features`: keys and values, by name. */
export function readingGraph(network: System, p: Params): Readonly<Record<string, Tensor>> {
  const { part, prefix } = network.backbone;
  const [ids, present] = [input('ids', 'i64', ['B', 'T']), input(memoryPresent, 'i64', ['B', 'T'])];
  const features = network.image ? input('features', 'f32', ['F', part.width]) : undefined;
  const at = p.at(prefix);
  return makeMemory(part, at, encoderOf(part).encode(at, embed(network, p, ids, features), present));
}

/** What builds all that a language side computes, each in a scope of its own. */
export function languageSides(network: System, ends: LanguageEnds): ((p: Params) => unknown)[] {
  const writing = (p: Params): unknown => languageGraph(network, p, growingCache(), ends).logits();
  return network.backbone.part.encoder ? [writing, (p) => readingGraph(network, p)] : [writing];
}

/** Bytes that are copied in a part of longer work: new memory takes a millisecond for some megabytes. */
export const copiedAtOnce = 2 ** 21;

/** The first `length` places of keys and values [1, G, S, K], in arrays of another number of places; made in parts. */
export function* withPlaces(
  arrays: Readonly<Record<string, HostArray>>,
  length: number,
  places: number,
): InParts<Record<string, HostArray>> {
  const results: Record<string, HostArray> = {};
  let left = copiedAtOnce;
  for (const [name, array] of Object.entries(arrays)) {
    const [, heads, before, width] = array.shape as [number, number, number, number];
    const result = zerosArray(array.dtype, [1, heads, places, width]);
    results[name] = result;
    const [from, to] = [bytesOf(array), bytesOf(result)];
    const bytes = (from.length / Math.max(1, sizeOf(array.shape))) * width;
    for (let head = 0; head < heads; head++) {
      for (let at = 0; at < length * bytes; ) {
        const start = head * before * bytes + at;
        const size = Math.min(left, length * bytes - at);
        to.set(from.subarray(start, start + size), head * places * bytes + at);
        at += size;
        left -= size;
        if (left > 0) continue;
        yield;
        left = copiedAtOnce;
      }
    }
  }
  return results;
}
