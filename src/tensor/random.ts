/** Seeded random numbers: the same on every machine and engine, with a state that a checkpoint can hold. */

/** xoshiro128** (Blackman and Vigna, 2018, https://prng.di.unimi.it), seeded by SplitMix32. */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number | readonly number[]) {
    this.#state = new Uint32Array(4);
    if (typeof seed !== 'number') {
      this.#state.set(seed);
      return;
    }
    // Both halves of a 53-bit seed take part.
    let mixed = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (let i = 0; i < 4; i++) {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = mixed;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = (z ^ (z >>> 15)) >>> 0;
    }
  }

  /** Four words from which `new Random(state)` continues. */
  get state(): number[] {
    return [...this.#state];
  }

  /** 32 random bits. */
  bits(): number {
    const s = this.#state as Uint32Array & [number, number, number, number];
    const scrambled = Math.imul(s[1], 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    return ((this.bits() >>> 5) * 2 ** 26 + (this.bits() >>> 6)) * 2 ** -53;
  }

  /** A whole number in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }

  /** Standard normal, by the Box-Muller transform. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [result[i], result[j]] = [result[j] as T, result[i] as T];
    }
    return result;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)] as T;
  }
}

/** A seed for a named purpose, so that streams drawn for different purposes never overlap (FNV-1a). */
export function seedFor(seed: number, ...purpose: (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const char of `${seed}/${purpose.join('/')}`)
    hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193);
  return hash >>> 0;
}
