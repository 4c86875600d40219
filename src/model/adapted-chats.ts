/**
 * Several adapters over one base, switched between from answer to answer. The weights of the base are there once, mapped;
 * each adapter has sessions of its own, made when it is first asked for, and remembers its own conversations.
 */
import type { System } from '../system/index.js';
import { nearest, QuintetError } from '../tensor/index.js';
import { Chat } from './chat.js';
import { combineLoras } from './combine.js';
import type { Model } from './model.js';
import { Opened } from './opened.js';
import { type LoadedAdapter, readAdapter } from './peft/index.js';
import { withAdapter } from './with-adapter.js';

/** An adapter by its name, several with the weights that they count with, or none. */
export type AdapterChoice = string | Readonly<Record<string, number>> | undefined;

export class AdaptedChats {
  readonly #chats = new Opened<string, Chat>((chat) => chat.close());

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
    return this.#chats.get(JSON.stringify(choice ?? null), () => this.#open(choice));
  }

  /** Closes the chats. The model stays. */
  close(): Promise<void> {
    return this.#chats.close();
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
