/** A hash table from pairs of whole numbers to a whole number: merges of BPE by their two ids, edges of a trie by node and character. */

import { QuintetError } from '../tensor/index.js';

export interface PairTable {
  /** The value of a pair, or -1. */
  get(left: number, right: number): number;
  set(left: number, right: number, value: number): void;
}

export function pairTable(expected: number): PairTable {
  let capacity = 16;
  while (capacity < 2 * expected) capacity *= 2;
  let slots = new Int32Array(3 * capacity).fill(-1); // left, right, value
  let count = 0;
  let probes = 0;

  /** The slot of a pair, or the free slot where it belongs. Linear probing. */
  const slotOf = (left: number, right: number): number => {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & (capacity - 1);
    while (slots[3 * slot] !== -1 && (slots[3 * slot] !== left || slots[3 * slot + 1] !== right)) {
      slot = (slot + 1) & (capacity - 1);
      probes++;
    }
    return slot;
  };
  const grow = (): void => {
    const old = slots;
    capacity *= 2;
    slots = new Int32Array(3 * capacity).fill(-1);
    for (let i = 0; i < old.length; i += 3) {
      if (old[i] === -1) continue;
      slots.set(old.subarray(i, i + 3), 3 * slotOf(old[i] as number, old[i + 1] as number));
    }
  };
  return {
    get(left, right) {
      const slot = slotOf(left, right);
      return slots[3 * slot] === -1 ? -1 : (slots[3 * slot + 2] as number);
    },
    set(left, right, value) {
      const slot = slotOf(left, right);
      if (slots[3 * slot] === -1) count++;
      slots[3 * slot] = left;
      slots[3 * slot + 1] = right;
      slots[3 * slot + 2] = value;
      // Only pairs chosen to collide need so many probes.
      if (probes > 100 * count + 1e6)
        throw new QuintetError('tokenizer', 'the merges or pieces were chosen to collide');
      if (2 * count > capacity) grow();
    },
  };
}

/** A set of texts to be found as prefixes. Nodes are numbered from the root, 0. */
export interface Trie {
  /** The node after one UTF-16 unit, or -1. */
  step(node: number, unit: number): number;
  /** The value of the text that ends at this node, or -1. */
  value(node: number): number;
}

export function trie(entries: Iterable<readonly [string, number]>): Trie {
  const edges = pairTable(1024);
  const values: number[] = [-1];
  for (const [text, value] of entries) {
    let node = 0;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let next = edges.get(node, unit);
      if (next === -1) {
        next = values.push(-1) - 1;
        edges.set(node, unit, next);
      }
      node = next;
    }
    values[node] = value;
  }
  return { step: edges.get, value: (node) => values[node] as number };
}
