/** The worker's side of a pool: answers each task by its value, or by the error that it ended in. */

import { parentPort } from 'node:worker_threads';
import { QuintetError } from '../../tensor/index.js';

/** A QuintetError in parts: what threads send each other keeps no classes. */
export interface SentError {
  readonly code?: QuintetError['code'];
  readonly message: string;
  readonly at?: string;
  readonly hint?: string;
}

export type Reply<Result> = { readonly value: Result } | { readonly error: SentError };

/** Answers tasks for as long as the worker lives. `handle` returns a value, and the buffers that go with it uncopied. */
export function serve<Task, Result>(
  handle: (task: Task) => Promise<{ readonly value: Result; readonly transfer: readonly ArrayBuffer[] }>,
): void {
  parentPort?.on('message', async (task: Task) => {
    try {
      const { value, transfer } = await handle(task);
      parentPort?.postMessage({ value } satisfies Reply<Result>, [...transfer]);
    } catch (error) {
      parentPort?.postMessage({ error: partsOf(error) } satisfies Reply<Result>);
    }
  });
}

function partsOf(error: unknown): SentError {
  if (!(error instanceof QuintetError)) return { message: error instanceof Error ? error.message : String(error) };
  const { code, at, hint } = error;
  // A QuintetError's message has its place before and its hint behind it.
  const start = at === undefined ? 0 : at.length + 2;
  const end = error.message.length - (hint === undefined ? 0 : hint.length + 3);
  const message = error.message.slice(start, end);
  return { code, message, ...(at === undefined ? {} : { at }), ...(hint === undefined ? {} : { hint }) };
}
