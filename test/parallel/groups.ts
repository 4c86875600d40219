/** The ranks of a group within this process: what meets is promises instead of messages. */

import type { ProcessGroup } from '../../src/parallel/index.js';

/** A meeting that goes on when the last of `size` has come; all get what each has brought, by rank. */
function meetings(size: number): (rank: number, brought: unknown) => Promise<readonly unknown[]> {
  let [all, waiting]: [unknown[], ((all: unknown[]) => void)[]] = [[], []];
  return (rank, brought) =>
    new Promise((resolve) => {
      all[rank] = brought;
      waiting.push(resolve);
      if (waiting.length < size) return;
      const [came, going] = [all, waiting];
      [all, waiting] = [[], []];
      for (const go of going) go(came);
    });
}

export function groupsOf(size: number): ProcessGroup[] {
  const meet = meetings(size);
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    gather: async <T>(own: T) => (await meet(rank, structuredClone(own))) as T[],
    async sum(numbers) {
      const all = (await meet(rank, numbers.slice())) as Float32Array[];
      numbers.set(numbers.map((_, i) => all.reduce((sum, own) => sum + (own[i] as number), 0)));
    },
    async broadcast(bytes) {
      const [first] = (await meet(rank, bytes.slice())) as Uint8Array[];
      bytes.set(first as Uint8Array);
    },
  }));
}
