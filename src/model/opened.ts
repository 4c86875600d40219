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
    opening.catch(() => this.#all.delete(key));
    return opening;
  }

  async close(): Promise<void> {
    const all = await Promise.allSettled(this.#all.values());
    this.#all.clear();
    for (const one of all) if (one.status === 'fulfilled') await this.shut(one.value);
  }
}
