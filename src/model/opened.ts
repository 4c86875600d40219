import { closeAll } from '../tensor/index.js';

/** What is opened once for each key, when it is first asked for, and closed together. */
export class Opened<Key, Value> {
  readonly #all = new Map<Key, Promise<Value>>();

  constructor(private readonly shut: (value: Value) => Promise<void>) {}

  /** What could not be opened is tried anew. */
  get(key: Key, open: () => Promise<Value>): Promise<Value> {
    const known = this.#all.get(key);
    if (known) return known;
    const opening = open();
    this.#all.set(key, opening);
    opening.catch(() => {
      // It may have been closed and asked for again meanwhile.
      if (this.#all.get(key) === opening) this.#all.delete(key);
    });
    return opening;
  }

  async close(): Promise<void> {
    const all = [...this.#all.values()];
    this.#all.clear(); // at once: what is asked for meanwhile is opened anew
    const opened = (await Promise.allSettled(all)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await closeAll(...opened.map((value) => ({ close: () => this.shut(value) })));
  }
}
