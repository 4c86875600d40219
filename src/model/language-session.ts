/**
 * The language side of a system, ready to generate: one session for prompts and single tokens alike, and caches of what was
 * seen so far.
 *
 * B rows, T new tokens, R = B scores, F features of pictures, D width, V vocabulary
 */
import { gather, input, reshape, type Tensor } from '../graph/index.js';
import { type Params, rootScope } from '../nn/index.js';
import type { Session } from '../runtime/engine.js';
import { type CachedContext, cacheNames, embed, growingCache, inPlaceCache, type System } from '../system/index.js';
import { bytesOf, type HostArray, hostArray, productOf, QuintetError, sizeOf, zerosArray } from '../tensor/index.js';
import { compile } from './compile.js';
import type { Model } from './model.js';

/** What a session reads and writes; default the system's own words. */
export interface LanguageEnds {
  /** Ids [B, T] and features [F, D] -> embeddings [B, T, D]. */
  embed(p: Params, ids: Tensor, features: Tensor | undefined): Tensor;
  /** Hidden states [R, D] -> scores [R, V]. */
  score(p: Params, hidden: Tensor): Tensor;
}

/**
 * New tokens of every row, with the features that their image tokens stand for. Of a row that has seen something already
 * there may be none: its scores mean nothing then.
 */
export interface NewTokens {
  readonly ids: readonly (readonly number[])[];
  /** [F, D] for all rows in order. */
  readonly features?: HostArray | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What rows have seen so far. */
export interface Cache {
  /** Tokens of each row. */
  lengths: readonly number[];
  /** How many tokens a row may have. */
  readonly capacity: number;
  /** Keys and values by the names of the graph's inputs. */
  arrays: Readonly<Record<string, HostArray>>;
  /** Where the cache grows: which places hold real tokens, a row each. */
  seen: readonly (readonly boolean[])[];
}

export class LanguageSession {
  private constructor(
    readonly model: Model<System>,
    private readonly session: Session,
    private readonly layers: CachedContext['layers'],
    private readonly inPlace: boolean,
  ) {}

  /** Compiles the session. Head widths that the engine's own attention does not take use the growing cache. */
  static async open(model: Model<System>, ends: LanguageEnds = ownWords(model.network)): Promise<LanguageSession> {
    const { network, adapt, engine } = model;
    const describe = (p: Params) => build(network, p, growingCache(), ends);
    const { layers } = describe(adapt(rootScope().p));
    const packed = await model.pack?.(model, describe);
    const inPlace = engine.inPlace && layers.every(({ headWidth }) => headWidth % 8 === 0);
    const session = await compile(
      model,
      `${network.name} language`,
      (p) => {
        const { logits, context } = build(network, p, inPlace ? inPlaceCache() : growingCache(), ends);
        return { logits, ...context.outputs };
      },
      packed?.decode,
    );
    return new LanguageSession(model, session, layers, inPlace);
  }

  /** An empty cache for rows of at most `capacity` tokens. */
  start(rows: number, capacity: number): Cache {
    const arrays: Record<string, HostArray> = {};
    for (const [layer, { kvHeads, headWidth }] of this.layers.entries()) {
      const shape = [rows, kvHeads, this.inPlace ? capacity : 0, headWidth];
      for (const name of cacheNames(layer).past) arrays[name] = zerosArray('f32', shape);
    }
    const seen = Array.from({ length: rows }, () => []);
    return { lengths: new Array<number>(rows).fill(0), capacity, arrays, seen };
  }

  /** The first `length` tokens of a cache of one row, in a cache of another capacity. The old cache is given up. */
  resume(cache: Cache, length: number, capacity: number): Cache {
    const places = this.inPlace ? capacity : length;
    const keep = (array: HostArray): HostArray =>
      array.shape[2] === places ? array : withPlaces(array, length, places);
    const arrays = Object.fromEntries(Object.entries(cache.arrays).map(([name, array]) => [name, keep(array)]));
    return { lengths: [length], capacity, arrays, seen: cache.seen.map((row) => row.slice(0, length)) };
  }

  /** Runs new tokens through the model, adds them to the cache, and returns the scores after each row's last one: [B, V]. */
  async step(cache: Cache, { ids, features, signal }: NewTokens): Promise<HostArray> {
    const rows = ids.length;
    const tokens = Math.max(...ids.map((row) => row.length));
    const totals = cache.lengths.map((length, b) => length + (ids[b] as readonly number[]).length);
    if (Math.max(...totals) > cache.capacity) {
      throw new QuintetError('limit', `${Math.max(...totals)} tokens do not fit into a cache of ${cache.capacity}`);
    }
    const places = cache.lengths.flatMap((length) =>
      Array.from({ length: tokens }, (_, t) => Math.min(length + t, cache.capacity - 1)),
    );
    const seen = cache.seen.map((row, b) => [
      ...row,
      ...ids[b]!.map(() => true),
      ...Array(tokens - ids[b]!.length).fill(false),
    ]);
    const feeds = {
      ids: hostArray(
        'i64',
        [rows, tokens],
        ids.flatMap((row) => [...row, ...Array(tokens - row.length).fill(0)]),
      ),
      positions: hostArray('i64', [rows, tokens], places),
      at: hostArray(
        'i64',
        [rows],
        ids.map((row, b) => b * tokens + Math.max(0, row.length - 1)),
      ),
      ...this.#features(features),
      ...(this.inPlace ? ends(totals) : { seen: hostArray('bool', [rows, seen[0]!.length], seen.flat().map(Number)) }),
      ...cache.arrays,
    };
    const results = await this.session.run(feeds, { ...this.#into(cache), ...(signal ? { signal } : {}) });
    if (!this.inPlace) {
      cache.arrays = Object.fromEntries(this.#pairs().map(([past, present]) => [past, results[present] as HostArray]));
      cache.seen = seen;
    }
    cache.lengths = totals;
    return results.logits as HostArray;
  }

  close(): Promise<void> {
    return this.session.close();
  }

  #into(cache: Cache): { into?: Record<string, HostArray> } {
    if (!this.inPlace) return {};
    return {
      into: Object.fromEntries(this.#pairs().map(([past, present]) => [present, cache.arrays[past] as HostArray])),
    };
  }

  /** The features, or a row that no token points at. */
  #features(features: HostArray | undefined): Record<string, HostArray> {
    if (!this.session.inputs.includes('features')) return {};
    return { features: features ?? zerosArray('f32', [1, this.model.network.backbone.part.width]) };
  }

  #pairs(): (readonly [past: string, present: string])[] {
    return this.layers.flatMap((_, layer) => {
      const { past, present } = cacheNames(layer);
      return [[past[0], present[0]] as const, [past[1], present[1]] as const];
    });
  }
}

/** Where each row ends, as the engine's attention takes it. */
function ends(totals: readonly number[]): Record<string, HostArray> {
  return {
    last: hostArray(
      'i32',
      [totals.length],
      totals.map((total) => total - 1),
    ),
    total: hostArray('i32', [], [Math.max(...totals)]),
  };
}

/** The system's words in, with features in place of image tokens, and the scores of the next word out. */
export function ownWords(network: System): LanguageEnds {
  const { part, prefix } = network.backbone;
  return {
    embed: (p, ids, features) => embed(network, p, ids, features),
    score: (p, hidden) => part.logits(p.at(prefix), hidden),
  };
}

function build(network: System, p: Params, context: CachedContext, { embed: read, score }: LanguageEnds) {
  const { part, prefix } = network.backbone;
  const features = network.image ? input('features', 'f32', ['F', part.width]) : undefined;
  const hidden = part.forward(p.at(prefix), read(p, input('ids', 'i64', ['B', 'T']), features), context);
  const rows = reshape(hidden, [productOf(hidden.shape.slice(0, 2)), part.width]);
  return { logits: score(p, gather(rows, input('at', 'i64', ['R']))), layers: context.layers, context };
}

/** The first `length` places of keys or values [1, G, S, K], in an array of another number of places. */
function withPlaces(array: HostArray, length: number, places: number): HostArray {
  const [, heads, before, width] = array.shape as [number, number, number, number];
  const result = zerosArray(array.dtype, [1, heads, places, width]);
  const [from, to] = [bytesOf(array), bytesOf(result)];
  const bytes = (from.length / Math.max(1, sizeOf(array.shape))) * width;
  for (let head = 0; head < heads; head++) {
    const start = head * before * bytes;
    to.set(from.subarray(start, start + length * bytes), head * places * bytes);
  }
  return result;
}
