/**
 * Prompts at the speed of matrix products: a session that reads many tokens of one row into a cache and scores none of
 * them. What follows on a prompt's last tokens is the language session's to say.
 *
 * B rows, G key-value heads, S places of a cache, K head width, T tokens, F features, D width
 */
import type { Session } from '../runtime/engine.js';
import { type CacheSteps, cacheNames, promptCache, promptParts, type System } from '../system/index.js';
import { type HostArray, hostArray, type InParts, inTurns, nextTurn, portions, sizeOf } from '../tensor/index.js';
import { type Packed, prepare } from './compile.js';
import {
  type Cache,
  cacheLayers,
  copiedAtOnce,
  type LanguageEnds,
  languageGraph,
  mostTokens,
  nothingSeen,
} from './language-graph.js';
import type { Model } from './model.js';

/** Fewer tokens than this are read as fast by the language session. */
const fewestTokens = 16;

/** How many of a prompt's tokens are best read in the next run; the last one never is. */
export function promptShare(tokens: number): number {
  if (tokens <= fewestTokens) return 0;
  return Math.floor(Math.min(tokens - 1, mostTokens) / promptParts) * promptParts;
}

export interface PromptPart {
  /** [F, D] */
  readonly features?: HostArray | undefined;
  /** Tokens that the longest row will have when all that is read together is read. */
  readonly length: number;
  readonly signal?: AbortSignal | undefined;
}

interface PromptOptions {
  readonly packed: Packed;
  /** Where caches are in eight bits. */
  readonly steps: CacheSteps | undefined;
}

export class PromptSession {
  /** Where the last run of the longest kind wrote its keys and values, for the next one; absent while they are read. */
  #spare: Readonly<Record<string, HostArray>> | undefined;

  private constructor(
    private readonly session: Session,
    private readonly network: System,
  ) {}

  /**
   * Builds the graph and gives what makes the session of it. The former keeps this thread busy for long, and is for when
   * nobody waits for it; the latter waits for the engine and the disk, as another session does that is being made.
   */
  static async prepare(
    model: Model<System>,
    ends: LanguageEnds,
    { packed, steps }: PromptOptions,
  ): Promise<() => Promise<PromptSession>> {
    const { network } = model;
    await nextTurn();
    // Its products are written as the engine multiplies them: looking for better takes longer than it gains.
    const session = { ...model.session, rewrites: false };
    const make = await prepare(
      { ...model, session },
      `${network.name} prompts`,
      (p) => languageGraph(network, p, promptCache(steps), ends).caches,
      packed,
    );
    return async () => new PromptSession(await make(), network);
  }

  /** Reads tokens behind those that the cache of one row holds. `features` [F, D] are those of its image tokens. */
  async read(cache: Cache, ids: readonly number[], { features, length, signal }: PromptPart): Promise<void> {
    const known = cache.lengths[0] as number;
    const before = cache.virtual + known;
    const given: Record<string, HostArray> = {
      ids: hostArray('i64', [1, ids.length], ids),
      places: counting(before, [promptParts, ids.length / promptParts]),
      before: counting(0, [before]),
      length: hostArray('i64', [], [cache.virtual + length]),
      features: features ?? nothingSeen(this.network),
    };
    const all = { ...given, ...cache.arrays };
    const feeds = Object.fromEntries(this.session.inputs.map((name) => [name, all[name] as HostArray]));
    const into = ids.length === mostTokens ? this.#spare : undefined;
    if (into) this.#spare = undefined;
    const fresh = await this.session.run(feeds, { ...(into ? { into } : {}), ...(signal ? { signal } : {}) });
    await inTurns(putAll(cache, fresh, before), signal);
    cache.lengths = [known + ids.length];
    this.#spare = ids.length === mostTokens ? fresh : undefined;
  }

  close(): Promise<void> {
    return this.session.close();
  }
}

/** Whole numbers from `first` on. */
function counting(first: number, shape: readonly number[]): HostArray {
  const numbers = Array.from({ length: sizeOf(shape) }, (_, i) => first + i);
  return hostArray('i64', shape, numbers);
}

/** Puts keys and values of all layers at place `at` of a cache, in parts: its memory may never have been touched before. */
function* putAll(cache: Cache, fresh: Readonly<Record<string, HostArray>>, at: number): InParts<void> {
  const isPartDone = portions(copiedAtOnce);
  for (const layer of cacheLayers(cache)) {
    const { past, present } = cacheNames(layer);
    for (const [i, name] of past.entries()) {
      const own = fresh[present[i] as string] as HostArray;
      put(cache.arrays[name] as HostArray, own, at);
      if (isPartDone(own.data.byteLength)) yield;
    }
  }
}

/** Puts keys or values [1, G, T, K] at place `at` of a cache [1, G, S, K] of the same type. */
function put(cache: HostArray, fresh: HostArray, at: number): void {
  const [, heads, places, width] = cache.shape as [number, number, number, number];
  const tokens = fresh.shape[2] as number;
  const [to, from] = [cache.data as Int8Array, fresh.data as Int8Array];
  for (let head = 0; head < heads; head++) {
    to.set(from.subarray(head * tokens * width, (head + 1) * tokens * width), (head * places + at) * width);
  }
}
