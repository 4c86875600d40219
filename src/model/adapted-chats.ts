/**
 * Several adapters over one base, switched between from answer to answer. The weights of the base are there once, mapped;
 * each adapter has sessions of its own, made when it is first asked for, and remembers its own conversations.
 */
import type { System } from '../system/index.js';
import { nearest, QuintetError } from '../tensor/index.js';
import { Chat } from './chat.js';
import { combineLoras } from './combine.js';
import type { Model } from './model.js';
import { type LoadedAdapter, readAdapter } from './peft/index.js';
import { withAdapter } from './with-adapter.js';

/** An adapter by its name, several with the weights that they count with, or none. */
export type AdapterChoice = string | Readonly<Record<string, number>> | undefined;

export class AdaptedChats {
  readonly #chats = new Map<string, Promise<Chat>>();

  private constructor(
    readonly model: Model<System>,
    private readonly adapters: ReadonlyMap<string, LoadedAdapter>,
  ) {}

  /** Reads adapters by their names; one that does not fit the base is told now. */
  static async open(model: Model<System>, folders: Readonly<Record<string, string>>): Promise<AdaptedChats> {
    const adapters = new Map<string, LoadedAdapter>();
    for (const [name, folder] of Object.entries(folders)) {
      adapters.set(name, await readAdapter(folder, model.network, model.declarations));
    }
    return new AdaptedChats(model, adapters);
  }

  get names(): readonly string[] {
    return [...this.adapters.keys()];
  }

  /** The chat of an adapter, of LoRAs together, or of the base alone. */
  use(choice?: AdapterChoice): Promise<Chat> {
    const key = JSON.stringify(choice ?? null);
    const known = this.#chats.get(key);
    if (known) return known;
    const opening = this.#open(choice);
    this.#chats.set(key, opening);
    opening.catch(() => this.#chats.delete(key));
    return opening;
  }

  /** Closes the chats. The model stays. */
  async close(): Promise<void> {
    const chats = await Promise.allSettled(this.#chats.values());
    this.#chats.clear();
    for (const chat of chats) if (chat.status === 'fulfilled') await chat.value.close();
  }

  async #open(choice: AdapterChoice): Promise<Chat> {
    if (choice === undefined) return Chat.open(this.model);
    if (typeof choice === 'string') return Chat.open(withAdapter(this.model, this.#named(choice)));
    const parts = Object.entries(choice).map(([name, weight]) => ({ adapter: this.#named(name), weight }));
    if (parts.length === 0) return Chat.open(this.model);
    return Chat.open(withAdapter(this.model, combineLoras(parts)));
  }

  #named(name: string): LoadedAdapter {
    const found = this.adapters.get(name);
    if (found) return found;
    const guess = nearest(name, this.names);
    throw new QuintetError('name', `there is no adapter "${name}"${guess ? `; did you mean "${guess}"?` : ''}`, {
      hint: `adapters: ${this.names.join(', ')}`,
    });
  }
}
