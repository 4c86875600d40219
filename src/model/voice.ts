/**
 * What speaks in a conversation: a language session, and what it remembers. A model whose adapter belongs to pictures has
 * two, so that a conversation without any is the language model's own, exactly.
 */
import type { System } from '../system/index.js';
import { LanguageSession } from './language-session.js';
import type { Model } from './model.js';
import { Recollection } from './recollection.js';
import { withAdapter } from './with-adapter.js';

export interface Voice {
  readonly language: LanguageSession;
  readonly recollection: Recollection;
}

export class Voices {
  #plain: Promise<Voice> | undefined;
  #seeing: Promise<Voice> | undefined;

  constructor(private readonly model: Model<System>) {}

  /** The voice of a conversation with so many pictures, opened when it first speaks. */
  of(pictures: number): Promise<Voice> {
    const { pictureAdapter } = this.model;
    if (pictures === 0 || !pictureAdapter) {
      this.#plain ??= this.#open(this.model).catch((error) => {
        this.#plain = undefined;
        throw error;
      });
      return this.#plain;
    }
    this.#seeing ??= this.#open(withAdapter(this.model, pictureAdapter)).catch((error) => {
      this.#seeing = undefined;
      throw error;
    });
    return this.#seeing;
  }

  async #open(model: Model<System>): Promise<Voice> {
    const language = await LanguageSession.open(model);
    return { language, recollection: new Recollection(language, model.network.image?.token) };
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled([this.#plain, this.#seeing]);
    this.#plain = undefined;
    this.#seeing = undefined;
    for (const voice of open) if (voice.status === 'fulfilled') await voice.value?.language.close();
  }
}
