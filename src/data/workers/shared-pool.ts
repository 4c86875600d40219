/**
 * Pools that share their workers: a run reads pictures to learn from, to evaluate by and to estimate with, mostly one after
 * another, and each worker that starts has to load the decoder first.
 */
import { QuintetError } from '../../tensor/index.js';
import { createPool, type Pool, type PoolOptions } from './pool.js';

interface Shared {
  readonly pool: Pool<unknown, unknown>;
  users: number;
}

const open = new Map<string, Shared>();

/** A pool whose workers are those of all that are open with the same options; closing it ends its own tasks alone. */
export function sharedPool<Task, Result>(options: PoolOptions): Pool<Task, Result> {
  const key = JSON.stringify(options);
  const shared = open.get(key) ?? { pool: createPool<unknown, unknown>(options), users: 0 };
  open.set(key, shared);
  shared.users++;
  const waiting = new Set<(error: unknown) => void>();
  let closed = false;
  const ended = (): QuintetError => new QuintetError('aborted', 'the workers are closed');
  return {
    run: (task, transfer = []) =>
      new Promise<Result>((resolve, reject) => {
        if (closed) return reject(ended());
        waiting.add(reject);
        const done = (shared.pool as Pool<Task, Result>).run(task, transfer).then(resolve, reject);
        void done.finally(() => waiting.delete(reject));
      }),
    async close() {
      if (closed) return;
      closed = true;
      for (const reject of waiting) reject(ended());
      if (--shared.users > 0) return;
      open.delete(key);
      await shared.pool.close();
    },
  };
}
