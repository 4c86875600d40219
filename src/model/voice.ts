/**
 * What speaks in a conversation: a language session, and what it remembers. A model whose adapter belongs to pictures has
 * two, so that a conversation without any is the language model's own, exactly.
 */
import type { System } from '../system/index.js';
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

  constructor(private readonly model: Model<System>) {}

  /** The voice of a conversation with so many pictures, opened when it first speaks. */
  of(pictures: number): Promise<Voice> {
    const sees = pictures > 0 || !this.model.pictureAdapter;
    return this.#open.get(sees, () => openVoice(speaking(this.model, sees)));
  }

  close(): Promise<void> {
    return this.#open.close();
  }
}

async function openVoice(model: Model<System>): Promise<Voice> {
  const language = await LanguageSession.open(model);
  return { language, recollection: new Recollection(language, model.network.image?.token) };
}
