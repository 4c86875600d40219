/**
 * What speaks in a conversation: a language session, and what it remembers. A model whose adapter belongs to pictures has
 * two, so that a conversation without any is the language model's own, exactly.
 */
import type { System } from '../system/index.js';
import { QuintetError } from '../tensor/index.js';
import { LanguageSession } from './language-session.js';
import type { Model } from './model.js';
import { Opened } from './opened.js';
import { Recollection } from './recollection.js';
import { speaking } from './with-adapter.js';

export interface Voice {
  readonly language: LanguageSession;
  readonly recollection: Recollection;
}

export class Voices {
  /** By whether they see pictures, as far as they were asked for. */
  readonly #open = new Opened<boolean, Voice>(({ language }) => language.close());

  #closed = false;

  constructor(private readonly model: Model<System>) {}

  /** The voice of a conversation with so many pictures, opened when it first speaks; none is opened after they were closed. */
  async of(pictures: number): Promise<Voice> {
    if (this.#closed) {
      const hint = 'open another with Chat.open; a fork is closed with the chat that it was made of';
      throw new QuintetError('engine', 'the chat is closed', { at: this.model.network.name, hint });
    }
    const sees = pictures > 0 || !this.model.pictureAdapter;
    return this.#open.get(sees, () => openVoice(speaking(this.model, sees)));
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#open.close();
  }
}

async function openVoice(model: Model<System>): Promise<Voice> {
  const language = await LanguageSession.open(model);
  return { language, recollection: new Recollection(language, model.network.image?.token) };
}
