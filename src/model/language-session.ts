/**
 * The language side of a system, ready to generate: one session for single tokens and short prompts, where weights are
 * quantised another for long prompts, and caches of what was seen so far.
 *
 * B rows, T new tokens, F features of pictures, D width, V vocabulary
 */
import type { RunOptions, Session } from '../runtime/engine.js';
import {
  type CachedContext,
  type CacheSteps,
  cacheNames,
  encoderOf,
  isRewardSystem,
  type System,
} from '../system/index.js';
import {
  atOnce,
  closeAll,
  closeOnFailure,
  concatRows,
  type HostArray,
  hostArray,
  type InParts,
  inTurns,
  QuintetError,
  sameShape,
  zerosArray,
} from '../tensor/index.js';
import { allInSteps, cacheSteps } from './cache-steps.js';
import { prepare } from './compile.js';
import {
  type Cache,
  cachedSide,
  type LanguageEnds,
  languageSides,
  mostTokens,
  nothingSeen,
  ownWords,
  rowOfCache,
  withPlaces,
} from './language-graph.js';
import type { Model } from './model.js';
import { Pending } from './pending.js';
import { PromptSession, promptShare } from './prompt-session.js';
import { ReadingSession } from './reading-session.js';
import { ends, fillSingle, type Single, tokenFeeds, totalsOf } from './token-feeds.js';
import { virtualKeys } from './virtual-keys.js';

/**
 * New tokens of every row, with the features that their image tokens stand for. Of a row that has seen something already
 * there may be none: its scores mean nothing then.
 */
export interface NewTokens {
  readonly ids: readonly (readonly number[])[];
  /** [F, D] for all rows in order. */
  readonly features?: HostArray | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Tokens of the longest row of all that are read together; default that of these. Some backbones turn their keys by it. */
  readonly length?: number;
  /** Whether the scores after every token are wanted, [T, V]; for a few tokens of one row. */
  readonly every?: boolean;
}

/** From this many new tokens on, reading them takes much more memory than the steps that follow. */
const fewestToTrim = 64;

export class LanguageSession {
  /** Arrays of the steps of single tokens, which are the same ones from step to step. */
  readonly #singles = new WeakMap<Cache, Single>();

  private constructor(
    readonly model: Model<System>,
    private readonly session: Session,
    private readonly prompts: Promise<PromptSession> | undefined,
    private readonly layers: CachedContext['layers'],
    private readonly inPlace: boolean,
    private readonly reading: ReadingSession | undefined,
    /** What every cache begins with. */
    private readonly beginning: Readonly<Record<string, HostArray>>,
    /** Of a cache in eight bits: what its steps stand for; undefined where it is in f32. */
    readonly steps: CacheSteps | undefined,
  ) {}

  /** Compiles the sessions. */
  static async open(model: Model<System>, ends: LanguageEnds = ownWords(model.network)): Promise<LanguageSession> {
    const { network } = model;
    if (isRewardSystem(network)) {
      throw new QuintetError('unsupported', 'a reward model rates texts and writes none', { at: network.name });
    }
    const { inPlace, layers, build } = cachedSide(model, ends);
    const packed = await model.pack?.(model, languageSides(network, ends));
    const virtual = await virtualKeys(model, layers, packed?.decode);
    const steps = await cacheSteps(model, { ends, packed: packed?.decode, layers, inPlace, virtual });
    const make = await prepare(model, `${network.name} language`, (p) => build(p, steps), packed?.decode);
    const opening = make();
    // Built while the engine is at work on the other session, so that it holds up no answer.
    const preparing =
      inPlace && packed?.prefill ? PromptSession.prepare(model, ends, { packed: packed.prefill, steps }) : undefined;
    return closeOnFailure([opening], async () => {
      const [session, makePrompts] = await Promise.all([opening, preparing]);
      const reading = network.backbone.part.encoder ? await ReadingSession.open(model, packed?.decode) : undefined;
      // Made in the background: short prompts need not wait for it.
      const prompts = makePrompts?.();
      prompts?.catch(() => {}); // told to whoever waits for it
      const beginning = steps ? allInSteps(virtual, steps) : virtual;
      return new LanguageSession(model, session, prompts, layers, inPlace, reading, beginning, steps);
    });
  }

  /**
   * What is to be written behind for prompts: they themselves or, where a half of the model reads them first, the token that
   * begins every answer; what was read stays in the cache.
   */
  async begin(cache: Cache, { ids, features, signal }: NewTokens): Promise<NewTokens> {
    if (!this.reading) return { ids, features, signal };
    cache.memory = await this.reading.read(ids, { features, signal });
    this.#singles.delete(cache);
    const { start } = encoderOf(this.model.network.backbone.part);
    return { ids: ids.map(() => [start]), signal };
  }

  /** An empty cache for rows of at most `capacity` tokens. */
  start(rows: number, capacity: number): Cache {
    const arrays: Record<string, HostArray> = {};
    // One place more for rows that wait for others: the engine writes a key for every row in every step.
    const virtual = this.#virtual;
    const places = virtual + (rows > 1 ? capacity + 1 : capacity);
    const held = this.inPlace ? places : virtual;
    const begun = atOnce(withPlaces(this.beginning, virtual, held));
    for (const [layer, { kvHeads, headWidth }] of this.layers.entries()) {
      for (const name of cacheNames(layer).past) {
        const row = begun[name];
        arrays[name] = row
          ? concatRows(Array.from({ length: rows }, () => row))
          : zerosArray(this.steps ? 'i8' : 'f32', [rows, kvHeads, held, headWidth]);
      }
    }
    const seen = Array.from({ length: rows }, () => new Array<boolean>(virtual).fill(true));
    return { lengths: new Array<number>(rows).fill(0), virtual, capacity, arrays, seen };
  }

  /** A cache of one row that holds keys and values in f32 of so many tokens; undefined where they are not of this model. */
  adopt(arrays: Readonly<Record<string, HostArray>>, length: number, angles?: number): Cache | undefined {
    const virtual = this.#virtual;
    const places = virtual + length;
    const fits = this.layers.every(({ kvHeads, headWidth }, layer) =>
      cacheNames(layer).past.every((name) => {
        const array = arrays[name];
        return array?.dtype === 'f32' && sameShape(array.shape, [1, kvHeads, places, headWidth]);
      }),
    );
    if (!fits || Object.keys(arrays).length !== 2 * this.layers.length) return undefined;
    const seen = [new Array<boolean>(places).fill(true)];
    const held = this.steps ? allInSteps(arrays, this.steps) : arrays;
    return { lengths: [length], virtual, capacity: length, arrays: held, seen, angles };
  }

  /** The first `length` tokens of a cache of one row, in a cache of another capacity. The old cache is given up. */
  resume(cache: Cache, length: number, capacity: number): Promise<Cache> {
    return inTurns(this.#beginning(cache, { length, capacity, shares: true }));
  }

  /** The same, in a cache of its own: the old one stays as it is. */
  fork(cache: Cache, length: number, capacity: number): Promise<Cache> {
    return inTurns(this.#beginning(cache, { length, capacity, shares: false }));
  }

  /** Whether new tokens are to be read with all that their rows hold already, which a cache of another length would not. */
  readsAgain(cache: Cache, ids: NewTokens['ids']): boolean {
    const { backbone, image } = this.model.network;
    // Within systems that see, transformers goes on from what is there.
    if (!backbone.part.readsAgain || image || cache.lengths.every((held) => held === 0)) return false;
    return cache.angles !== this.anglesBy(Math.max(...totalsOf(cache, ids)));
  }

  /** Empties a cache. */
  restart(cache: Cache): void {
    Object.assign(cache, this.start(cache.lengths.length, cache.capacity));
    this.#singles.delete(cache);
  }

  /** Forgets what a cache of one row holds beyond the first `length` tokens. */
  rewind(cache: Cache, length: number): void {
    cache.lengths = [length];
    if (this.inPlace) return;
    const shorter = atOnce(this.#beginning(cache, { length, capacity: cache.capacity, shares: false }));
    cache.arrays = shorter.arrays;
    cache.seen = shorter.seen;
  }

  /**
   * Runs new tokens through the model, adds them to the cache, and returns the scores after each row's last one: [B, V],
   * which are valid until the next step. A step that fails or is stopped leaves the tokens in the cache that it has read.
   */
  async step(cache: Cache, { ids, features, signal, every = false, ...whole }: NewTokens): Promise<HostArray> {
    const longest = Math.max(...totalsOf(cache, ids));
    if (longest > cache.capacity) {
      throw new QuintetError('limit', `${longest} tokens do not fit into a cache of ${cache.capacity}`);
    }
    const { length = longest } = whole;
    cache.angles = this.#anglesWith(cache, length);
    if (every) return this.#run(cache, { ids, features, length, signal, every });
    const rest = new Pending(ids, features, this.model.network.image?.token);
    const trim = rest.longest > fewestToTrim;
    if (this.#isByRow(cache, rest)) return this.#stepRows(cache, rest, { length, signal });
    while (this.prompts && ids.length === 1 && promptShare(rest.longest) > 0) {
      const taken = rest.take(0, promptShare(rest.longest));
      await (await this.prompts).read(cache, taken.ids, { features: taken.features, length, signal });
    }
    // A row is never left without a token, since the last one's scores are wanted, nor run without having seen any.
    const divides = ids.every((row, b) => row.length > 1 || (cache.lengths[b] as number) > 0);
    while (divides && rest.longest > mostTokens)
      await this.#run(cache, { ...rest.takeMost(mostTokens), length, signal });
    return this.#run(cache, { ...rest.takeAll(), length, signal, trim });
  }

  close(): Promise<void> {
    return closeAll(this.session, this.reading, this.prompts);
  }

  /** `shares`: whether arrays that have the right size already may be those of the old cache. */
  *#beginning(
    { arrays, seen, virtual, angles }: Cache,
    { length, capacity, shares }: { readonly length: number; readonly capacity: number; readonly shares: boolean },
  ): InParts<Cache> {
    const filled = virtual + length;
    const places = this.inPlace ? virtual + capacity : filled;
    const fits = shares && Object.values(arrays).every(({ shape }) => shape[2] === places);
    return {
      lengths: [length],
      virtual,
      capacity,
      angles,
      arrays: fits ? arrays : yield* withPlaces(arrays, filled, places),
      seen: seen.map((row) => row.slice(0, filled)),
    };
  }

  /** By what of their number so many tokens are turned that are read together; undefined where that does not count. */
  anglesBy(length: number): number | undefined {
    return this.model.network.backbone.part.anglesBy?.(this.#virtual + length);
  }

  /** By what all keys of a cache are turned once tokens are added that are read with `length` tokens in all. */
  #anglesWith({ angles, lengths }: Cache, length: number): number | undefined {
    const own = this.anglesBy(length);
    const isAlike = own === undefined || angles === own || lengths.every((held) => held === 0);
    return isAlike ? own : Number.NaN;
  }

  /** Whether rows are read one by one: the engine's attention takes several new tokens behind others of one row only. */
  #isByRow({ lengths }: Cache, { ids, longest }: Pending): boolean {
    if (!this.inPlace || ids.length === 1 || longest === 1) return false;
    return (
      this.#virtual > 0 ||
      lengths.some((length) => length > 0) ||
      longest > mostTokens ||
      (this.prompts && promptShare(longest) > 0) === true
    );
  }

  async #stepRows(
    cache: Cache,
    rest: Pending,
    how: Required<Pick<NewTokens, 'length' | 'signal'>>,
  ): Promise<HostArray> {
    const scores: HostArray[] = [];
    for (const [row, ids] of rest.ids.entries()) {
      const own = rowOfCache(cache, row);
      const taken = rest.take(row, ids.length);
      if (ids.length > 0) scores[row] = await this.step(own, { ids: [taken.ids], features: taken.features, ...how });
      cache.lengths = cache.lengths.map((length, b) => (b === row ? (own.lengths[0] as number) : length));
    }
    const width = (scores.find((own) => own) as HostArray).shape[1] as number;
    return concatRows(rest.ids.map((_, row) => scores[row] ?? zerosArray('f32', [1, width])));
  }

  async #run(
    cache: Cache,
    { ids, features, signal, length, every = false, trim = false }: NewTokens & { readonly length: number } & Trim,
  ): Promise<HostArray> {
    const stop = signal ? { signal } : {};
    const totals = totalsOf(cache, ids);
    if (this.inPlace && !features && ids.every((row) => row.length === 1)) {
      const single = this.#singles.get(cache) ?? this.#singleOf(cache);
      const before = cache.virtual;
      fillSingle(single, ids, { totals: totals.map((total) => before + total), length: before + length });
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
      ...(every ? { at: hostArray('i64', [tokens], [...(ids[0] as readonly number[]).keys()]) } : {}),
      ...this.#length(length),
      ...this.#features(features),
      ...(this.inPlace
        ? ends(totals.map((total, b) => cache.virtual + (ids[b]!.length === 0 ? total + 1 : total)))
        : { seen: hostArray('bool', [ids.length, seen[0]!.length], seen.flat().map(Number)) }),
      ...cache.arrays,
      ...cache.memory,
    };
    const options: RunOptions = { ...(this.inPlace ? { into: this.#into(cache) } : {}), ...stop, trim };
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
      ...this.#length(0),
      ...this.#features(undefined),
      ...ends(cache.lengths),
      ...cache.arrays,
      ...cache.memory,
    };
    const single: Single = { feeds, into: this.#into(cache) };
    this.#singles.set(cache, single);
    return single;
  }

  #into(cache: Cache): Record<string, HostArray> {
    return Object.fromEntries(this.#pairs().map(([past, present]) => [present, cache.arrays[past] as HostArray]));
  }

  #length(length: number): Record<string, HostArray> {
    const whole = this.#virtual + length;
    return this.session.inputs.includes('length') ? { length: hostArray('i64', [], [whole]) } : {};
  }

  /** Places that virtual tokens take. */
  get #virtual(): number {
    return this.model.network.virtual?.count ?? 0;
  }

  /** The features, or a row that no token points at. */
  #features(features: HostArray | undefined): Record<string, HostArray> {
    if (!this.session.inputs.includes('features')) return {};
    return { features: features ?? nothingSeen(this.model.network) };
  }

  #pairs(): (readonly [past: string, present: string])[] {
    return this.layers.flatMap((_, layer) => {
      const { past, present } = cacheNames(layer);
      return [[past[0], present[0]] as const, [past[1], present[1]] as const];
    });
  }
}

type Trim = Pick<RunOptions, 'trim'>;
