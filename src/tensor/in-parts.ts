/** Long work in parts of a few milliseconds, so that whatever else waits can have its turn between them. */

import { QuintetError } from './errors.js';

export type InParts<Result> = Generator<void, Result, void>;

/** The work without a pause. */
export function atOnce<Result>(work: InParts<Result>): Result {
  for (;;) {
    const { value, done } = work.next();
    if (done) return value;
  }
}

/** The work with a turn of the event loop behind each part. Throws 'aborted' behind the part in which the signal fires. */
export async function inTurns<Result>(work: InParts<Result>, signal?: AbortSignal): Promise<Result> {
  for (;;) {
    const { value, done } = work.next();
    if (done) return value;
    await nextTurn();
    if (signal?.aborted) throw new QuintetError('aborted', 'the work was stopped', { cause: signal.reason });
  }
}

/** Says, told how much was done since it was asked last, whether that makes a part of so much. */
export function portions(most: number): (done: number) => boolean {
  let left = most;
  return (done) => {
    left -= done;
    if (left > 0) return false;
    left = most;
    return true;
  };
}

/** Lets whatever else waits have its turn; a browser has no quicker way than a timer. */
export const nextTurn = (): Promise<void> =>
  new Promise((resolve) => (globalThis.setImmediate ? globalThis.setImmediate(resolve) : setTimeout(resolve)));
