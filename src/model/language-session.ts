/**
 * The language side of a system, ready to generate: one session for single tokens and short prompts, where weights are
 * quantised another for long prompts, and caches of what was seen so far.
 *
 * B rows, T new tokens, F features of pictures, D width, V vocabulary
 */
import { type Params, rootScope } from '../nn/index.js';
import type { RunOptions, Session } from '../runtime/engine.js';
import { type CachedContext, cacheNames, growingCache, inPlaceCache, type System } from '../system/index.js';
import { bytesOf, type HostArray, hostArray, QuintetError, sizeOf, zerosArray } from '../tensor/index.js';
import { compile } from './compile.js';
import { type Cache, type LanguageEnds, languageGraph, ownWords } from './language-graph.js';
import type { Model } from './model.js';
import { Pending } from './pending.js';
import { PromptSession } from './prompt-session.js';

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

/** Most new tokens of a row in one run: the memory of a run does not grow with the prompt. */
const mostTokens = 512;

export class LanguageSession {
  /** Arrays of the steps of single tokens, which are the same ones from step to step. */
  readonly #singles = new WeakMap<Cache, Single>();

  private constructor(
    readonly model: Model<System>,
    private readonly session: Session,
    private readonly prompts: PromptSession | undefined,
    private readonly layers: CachedContext['layers'],
    private readonly inPlace: boolean,
  ) {}

  /** Compiles the sessions. Head widths that the engine's own attention does not take use the growing cache. */
  static async open(model: Model<System>, ends: LanguageEnds = ownWords(model.network)): Promise<LanguageSession> {
    const { network, adapt, engine } = model;
    let layers: CachedContext['layers'] = [];
    const describe = (p: Params): void => {
      const graph = languageGraph(network, p, growingCache(), ends);
      graph.logits();
      layers = graph.layers;
    };
    const packed = await model.pack?.(model, describe);
    if (!packed) describe(adapt(rootScope().p));
    const inPlace = engine.inPlace && layers.every(({ headWidth }) => headWidth % 8 === 0);
    const session = await compile(
      model,
      `${network.name} language`,
      (p) => {
        const { logits, caches } = languageGraph(network, p, inPlace ? inPlaceCache() : growingCache(), ends);
        return { logits: logits(), ...caches };
      },
      packed?.decode,
    );
    try {
      const prompts = inPlace && packed?.prefill ? await PromptSession.open(model, ends, packed.prefill) : undefined;
      return new LanguageSession(model, session, prompts, layers, inPlace);
    } catch (error) {
      await session.close();
      throw error;
    }
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

  /**
   * Runs new tokens through the model, adds them to the cache, and returns the scores after each row's last one: [B, V],
   * which are valid until the next step. A step that fails or is stopped leaves the tokens in the cache that it has read.
   */
  async step(cache: Cache, { ids, features, signal }: NewTokens): Promise<HostArray> {
    const totals = cache.lengths.map((length, b) => length + (ids[b] as readonly number[]).length);
    if (Math.max(...totals) > cache.capacity) {
      throw new QuintetError('limit', `${Math.max(...totals)} tokens do not fit into a cache of ${cache.capacity}`);
    }
    const rest = new Pending(ids, features, this.model.network.image?.token);
    while (await this.#readPrompts(cache, rest, signal));
    // A row is never left without a token, since the last one's scores are wanted, nor run without having seen any.
    const divides = ids.every((row, b) => row.length > 1 || (cache.lengths[b] as number) > 0);
    while (divides && rest.longest > mostTokens) await this.#run(cache, { ...rest.takeMost(mostTokens), signal });
    return this.#run(cache, { ...rest.takeAll(), signal });
  }

  async close(): Promise<void> {
    await this.session.close();
    await this.prompts?.close();
  }

  /** Reads the long prompts among the rows but for their last tokens; whether there were any. */
  async #readPrompts(cache: Cache, rest: Pending, signal: AbortSignal | undefined): Promise<boolean> {
    let any = false;
    for (const [row, ids] of rest.ids.entries()) {
      const count = this.prompts?.share(ids.length) ?? 0;
      if (count === 0) continue;
      const taken = rest.take(row, count);
      await this.prompts?.read(cache, row, taken.ids, { features: taken.features, signal });
      any = true;
    }
    return any;
  }

  async #run(cache: Cache, { ids, features, signal }: NewTokens): Promise<HostArray> {
    const stop = signal ? { signal } : {};
    const totals = cache.lengths.map((length, b) => length + (ids[b] as readonly number[]).length);
    if (this.inPlace && !features && ids.every((row) => row.length === 1)) {
      const single = this.#singles.get(cache) ?? this.#singleOf(cache);
      fillSingle(single, ids, totals);
      const { logits } = await this.session.run(single.feeds, { into: single.into, ...stop });
      cache.lengths = totals;
      single.into.logits ??= logits as HostArray;
      return logits as HostArray;
    }
    const tokens = Math.max(...ids.map((row) => row.length));
    const seen = cache.seen.map((row, b) => [
      ...row,
      ...ids[b]!.map(() => true),
      ...Array(tokens - ids[b]!.length).fill(false),
    ]);
    const feeds = {
      ...tokenFeeds(cache, ids, tokens),
      ...this.#features(features),
      ...(this.inPlace
        ? ends(totals)
        : { seen: hostArray('bool', [ids.length, seen[0]!.length], seen.flat().map(Number)) }),
      ...cache.arrays,
    };
    const options: RunOptions = { ...(this.inPlace ? { into: this.#into(cache) } : {}), ...stop };
    const results = await this.session.run(feeds, options);
    if (!this.inPlace) {
      cache.arrays = Object.fromEntries(this.#pairs().map(([past, present]) => [past, results[present] as HostArray]));
      cache.seen = seen;
    }
    cache.lengths = totals;
    return results.logits as HostArray;
  }

  #singleOf(cache: Cache): Single {
    const ids = cache.lengths.map(() => [0]);
    const feeds = {
      ...tokenFeeds(cache, ids, 1),
      ...this.#features(undefined),
      ...ends(cache.lengths),
      ...cache.arrays,
    };
    const single: Single = { feeds, into: this.#into(cache) };
    this.#singles.set(cache, single);
    return single;
  }

  #into(cache: Cache): Record<string, HostArray> {
    return Object.fromEntries(this.#pairs().map(([past, present]) => [present, cache.arrays[past] as HostArray]));
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

/** What a step of single tokens is fed and writes, in the same arrays each time. */
interface Single {
  readonly feeds: Readonly<Record<string, HostArray>>;
  readonly into: Record<string, HostArray>;
}

function fillSingle({ feeds }: Single, ids: readonly (readonly number[])[], totals: readonly number[]): void {
  const data = (name: string) => (feeds[name] as HostArray).data;
  const [tokens, places] = [data('ids') as BigInt64Array, data('positions') as BigInt64Array];
  const [last, total] = [data('last') as Int32Array, data('total') as Int32Array];
  for (const [b, row] of ids.entries()) {
    tokens[b] = BigInt(row[0] as number);
    last[b] = (totals[b] as number) - 1;
    places[b] = BigInt(last[b] as number);
  }
  total[0] = Math.max(...totals);
}

/** Tokens, their places, and which of them are the last of their rows. */
function tokenFeeds(
  cache: Cache,
  ids: readonly (readonly number[])[],
  tokens: number,
): Record<'ids' | 'positions' | 'at', HostArray> {
  const padded = ids.flatMap((row) => [...row, ...Array<number>(tokens - row.length).fill(0)]);
  const places = cache.lengths.flatMap((length) =>
    Array.from({ length: tokens }, (_, t) => Math.min(length + t, cache.capacity - 1)),
  );
  const lasts = ids.map((row, b) => b * tokens + Math.max(0, row.length - 1));
  return {
    ids: hostArray('i64', [ids.length, tokens], padded),
    positions: hostArray('i64', [ids.length, tokens], places),
    at: hostArray('i64', [ids.length], lasts),
  };
}

/** Where each row ends, as the engine's attention takes it. */
function ends(totals: readonly number[]): Record<'last' | 'total', HostArray> {
  const lasts = totals.map((total) => total - 1);
  return {
    last: hostArray('i32', [totals.length], lasts),
    total: hostArray('i32', [], [Math.max(...totals)]),
  };
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
