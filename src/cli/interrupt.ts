/** Ctrl-C: the first one ends what is being done, the second one the program. */

import { exitCodes } from './failures.js';

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Ctrl-C ends the program again. */
  forget(): void;
}

/** Does what Ctrl-C may end. */
export async function interruptible<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, forget } = onInterrupt();
  try {
    const result = await action(signal);
    signal.throwIfAborted();
    return result;
  } finally {
    forget();
  }
}

export function onInterrupt(said?: () => void): Interrupt {
  const controller = new AbortController();
  const listener = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    said?.();
    controller.abort();
  };
  process.on('SIGINT', listener);
  return { signal: controller.signal, forget: () => void process.off('SIGINT', listener) };
}
