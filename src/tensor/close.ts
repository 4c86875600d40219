/** Closing of what was opened. */

export interface Closable {
  close?(): Promise<void>;
}

/** What is open, or being made: why it does not come about is told to whoever waits for it. */
type Opened = Closable | Promise<Closable> | undefined;

/** Closes all of them, one after another, whether or not one fails; then throws the failure, or of several one that has them all. */
export async function closeAll(...opened: readonly Opened[]): Promise<void> {
  const failures: unknown[] = [];
  for (const one of opened) {
    try {
      const made = one instanceof Promise ? await one.catch(() => undefined) : one;
      await made?.close?.();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join('\n'));
}

const messageOf = (failure: unknown): string => (failure instanceof Error ? failure.message : String(failure));

/** What is made of what is open, all of which is closed where that fails. */
export async function closeOnFailure<T>(opened: readonly Opened[], action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    // Why it failed is told, not what else fails because of that.
    await closeAll(...opened).catch(() => {});
    throw error;
  }
}
