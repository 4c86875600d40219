/**
 * Worker threads that take tasks in the order in which they come, each one at a time. They start when the first task comes,
 * and keep no program running that has nothing else to do.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { QuintetError } from '../../tensor/index.js';
import type { Reply, SentError } from './serve.js';

export interface Pool<Task, Result> {
  /**
   * Throws what the task threw. A task that takes its worker down, or more time than it may, ends alone in an error of its
   * own, 'limit'; the worker is replaced. Buffers to transfer go with the task uncopied.
   */
  run(task: Task, transfer?: readonly ArrayBuffer[]): Promise<Result>;
  /** Ends all workers; tasks that are not done end in 'aborted'. */
  close(): Promise<void>;
}

export interface PoolOptions {
  /** The name of the worker's file in this folder, without its ending. */
  readonly worker: string;
  readonly size: number;
  /** What each worker is given when it starts. */
  readonly data?: unknown;
  /** Longest time of a task in seconds. */
  readonly seconds: number;
}

interface Job<Task, Result> {
  readonly task: Task;
  readonly transfer: readonly ArrayBuffer[];
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function createPool<Task, Result>(options: PoolOptions): Pool<Task, Result> {
  const queue: Job<Task, Result>[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, { readonly job: Job<Task, Result>; readonly timer: NodeJS.Timeout }>();
  let closed = false;

  /** Takes a worker off its job; undefined where it had none any more. */
  const release = (worker: Worker) => {
    const held = busy.get(worker);
    busy.delete(worker);
    clearTimeout(held?.timer);
    return held?.job;
  };
  const fail = (worker: Worker, why: string) => {
    const at = idle.indexOf(worker);
    if (at >= 0) idle.splice(at, 1);
    release(worker)?.reject(new QuintetError('limit', why));
    void worker.terminate();
    advance();
  };
  const start = (): Worker => {
    const worker = startWorker(options);
    worker.on('message', (reply: Reply<Result>) => {
      const job = release(worker);
      // It has taken too long already, and is being ended.
      if (!job) return;
      worker.unref();
      idle.push(worker);
      if ('value' in reply) job.resolve(reply.value);
      else job.reject(errorOf(reply.error));
      advance();
    });
    worker.on('error', (error) => fail(worker, `the thread that read it failed: ${error.message}`));
    worker.on('exit', () => fail(worker, 'the thread that read it ended'));
    return worker;
  };
  const advance = (): void => {
    while (!closed && queue.length > 0 && (idle.length > 0 || busy.size < options.size)) {
      const worker = idle.pop() ?? start();
      const job = queue.shift() as Job<Task, Result>;
      const timer = setTimeout(() => fail(worker, `not read within ${options.seconds} s`), options.seconds * 1000);
      timer.unref();
      busy.set(worker, { job, timer });
      worker.ref();
      worker.postMessage(job.task, job.transfer);
    }
  };
  return {
    run: (task, transfer = []) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new QuintetError('aborted', 'the workers are closed'));
        queue.push({ task, transfer, resolve, reject });
        advance();
      }),
    async close() {
      closed = true;
      const workers = [...idle.splice(0), ...busy.keys()];
      const jobs = [...queue.splice(0), ...[...busy.keys()].flatMap((worker) => release(worker) ?? [])];
      for (const { reject } of jobs) reject(new QuintetError('aborted', 'the workers are closed'));
      await Promise.all(
        workers.map((worker) => {
          // An idle one does not keep the program running, which would end before this has.
          worker.ref();
          return worker.terminate();
        }),
      );
    },
  };
}

/** What lets a thread read TypeScript. The sources need it, the built package has none. */
const sourceLoader = 'tsx/esm/api';

/** A worker of this package as it is built, or from its sources. */
function startWorker({ worker, data: workerData }: PoolOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`./${worker}.js`, import.meta.url), { workerData });
  const api = createRequire(import.meta.url)
    .resolve(sourceLoader)
    .replace(/cjs$/, 'mjs');
  const [loader, file] = [pathToFileURL(api).href, new URL(`./${worker}.ts`, import.meta.url).href];
  const start = `import('${loader}').then(({ register }) => { register(); return import('${file}'); })`;
  return new Worker(start, { eval: true, workerData });
}

function errorOf({ code, message, ...details }: SentError): Error {
  return code === undefined ? new Error(message) : new QuintetError(code, message, details);
}
