/**
 * What is remembered of conversations: caches by the tokens that they hold. A conversation that begins like one of them, be
 * it the same one a turn later, another branch of it, or another with the same instructions and picture, is computed only
 * from where it differs.
 */
import { type Picture, pictureKey } from '../media/index.js';
import { byteSizeOf } from '../tensor/index.js';
import type { Cache } from './language-graph.js';
import type { LanguageSession } from './language-session.js';

/** Tokens, and the pictures among them by what they show. */
export interface Seen {
  readonly ids: readonly number[];
  readonly pictures: readonly string[];
}

export interface Remembered extends Seen {
  /** Holds exactly these tokens. */
  readonly cache: Cache;
}

export const seenOf = (ids: readonly number[], pictures: readonly Picture[]): Seen => ({
  ids,
  pictures: pictures.map(pictureKey),
});

/** Caches beyond this many bytes are forgotten, the longest unused first; the last one is always kept. */
const mostBytes = 2 ** 28;

export class Recollection {
  /** The one used last stands last. */
  #all: Remembered[] = [];
  /** Those that are going on, by the caches that they go on in. Their own tokens stay as they are meanwhile. */
  readonly #goingOn = new Map<Cache, Remembered>();

  constructor(
    private readonly session: LanguageSession,
    private readonly imageToken: number | undefined,
  ) {}

  /** Keeps what a cache holds now, and gives it in the cache that it is kept in. */
  async keep(remembered: Remembered): Promise<Remembered> {
    const kept = await this.#shrunk(remembered);
    const before = this.#goingOn.get(remembered.cache);
    this.#goingOn.delete(remembered.cache);
    const others = this.#all.filter((other) => other !== before);
    // An answer that was stopped before anything was read leaves what was there.
    if (remembered.ids.length === 0) return remembered;
    this.#all = [...others, kept];
    let bytes = 0;
    const newest = this.#all.toReversed().filter(({ cache }, i) => {
      bytes += sizeOfCache(cache);
      return i === 0 || bytes <= mostBytes;
    });
    this.#all = newest.reverse();
    return kept;
  }

  /** What takes much more room than it fills is moved to less: room is made again where a conversation goes on. */
  async #shrunk(remembered: Remembered): Promise<Remembered> {
    const { cache, ids } = remembered;
    const room = 256 * (Math.ceil(ids.length / 256) + 1);
    if (ids.length === 0 || cache.capacity <= 2 * room) return remembered;
    return { ...remembered, cache: await this.session.fork(cache, ids.length, room) };
  }

  /**
   * A cache of as much of the tokens as is remembered, all but the last one at most. A conversation that goes on is taken
   * over; one that differs later on stays, and its beginning is copied. `capacity` says how many tokens a new cache is to
   * hold, `enough` how many are needed. Keys that would be turned by another length are no such beginning.
   */
  async recall(
    seen: Seen,
    { capacity, enough }: { readonly capacity: number; readonly enough: number },
  ): Promise<Cache> {
    const angles = this.session.anglesBy(seen.ids.length);
    const lengths = this.#all.map((known) =>
      known.cache.angles === angles ? commonPrefix(known, seen, this.imageToken) : 0,
    );
    const longest = Math.max(0, ...lengths);
    const known = this.#all[lengths.lastIndexOf(longest)];
    if (!known || longest === 0) return this.session.start(1, capacity);
    const length = Math.min(longest, seen.ids.length - 1);
    if (longest < known.ids.length || [...this.#goingOn.values()].includes(known)) {
      return this.session.fork(known.cache, length, capacity);
    }
    const room = known.cache.capacity >= enough ? known.cache.capacity : capacity;
    // From now on, while it is copied too, nobody else takes it over.
    this.#goingOn.set(known.cache, known);
    try {
      const cache = await this.session.resume(known.cache, length, room);
      this.#goingOn.delete(known.cache);
      this.#goingOn.set(cache, known);
      return cache;
    } catch (error) {
      this.#goingOn.delete(known.cache);
      throw error;
    }
  }
}

/** How many tokens two conversations begin with in common; image tokens are equal where their pictures are. */
function commonPrefix(a: Seen, b: Seen, imageToken: number | undefined): number {
  const differs = a.pictures.findIndex((picture, i) => picture !== b.pictures[i]);
  let length = 0;
  while (length < a.ids.length && length < b.ids.length && a.ids[length] === b.ids[length]) {
    // Where a picture differs, nothing from the first image token on is taken over.
    if (differs >= 0 && a.ids[length] === imageToken) break;
    length++;
  }
  return length;
}

function sizeOfCache({ arrays }: Cache): number {
  return Object.values(arrays).reduce((sum, { dtype, shape }) => sum + byteSizeOf(dtype, shape), 0);
}
