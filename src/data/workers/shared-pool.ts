/**
 * Pools that share their workers: a run reads pictures to learn from, to evaluate by and to estimate with, mostly one after
 * another, and each worker that starts has to load the decoder first. So workers that have nothing to do stay for a while.
 */
import { QuintetError } from '../../tensor/index.js';
import { createPool, type Pool, type PoolOptions } from './pool.js';

interface Shared {
  readonly pool: Pool<unknown, unknown>;
  users: number;
  /** Of all users, also of those that have closed. */
  tasks: number;
  /** Ends the workers that nobody uses. */
  ending?: NodeJS.Timeout;
}

/** How long workers wait for their next user, in milliseconds: more than lies between two stages, or two readings of a run. */
export const lingering = 3000;

const open = new Map<string, Shared>();

/**
 * A pool whose workers are those of all that are open with the same options, or were just now; closing it ends its own tasks
 * alone. Workers without a task keep no program running.
 */
export function sharedPool<Task, Result>(options: PoolOptions): Pool<Task, Result> {
  const key = JSON.stringify(options);
  const shared = open.get(key) ?? { pool: createPool<unknown, unknown>(options), users: 0, tasks: 0 };
  open.set(key, shared);
  clearTimeout(shared.ending);
  shared.users++;
  const waiting = new Set<(error: unknown) => void>();
  let closed = false;
  const ended = (): QuintetError => new QuintetError('aborted', 'the workers are closed');
  return {
    run: (task, transfer = []) =>
      new Promise<Result>((resolve, reject) => {
        if (closed) return reject(ended());
        waiting.add(reject);
        shared.tasks++;
        const done = (shared.pool as Pool<Task, Result>).run(task, transfer).then(resolve, reject);
        void done.finally(() => {
          waiting.delete(reject);
          shared.tasks--;
        });
      }),
    async close() {
      if (closed) return;
      closed = true;
      for (const reject of waiting) reject(ended());
      if (--shared.users > 0) return;
      const end = (): Promise<void> => {
        open.delete(key);
        return shared.pool.close();
      };
      // What nobody waits for any more ends with its workers.
      if (shared.tasks > 0) await end();
      else shared.ending = setTimeout(() => void end(), lingering).unref();
    },
  };
}
