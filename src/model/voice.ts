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
  /** By whether they see pictures, as far as they were asked for. */
  readonly #open = new Map<boolean, Promise<Voice>>();

  constructor(private readonly model: Model<System>) {}

  /** The voice of a conversation with so many pictures, opened when it first speaks. */
  of(pictures: number): Promise<Voice> {
    const { pictureAdapter } = this.model;
    const sees = pictures > 0 && pictureAdapter !== undefined;
    const known = this.#open.get(sees);
    if (known) return known;
    const opening = openVoice(sees ? withAdapter(this.model, pictureAdapter) : this.model);
    this.#open.set(sees, opening);
    opening.catch(() => this.#open.delete(sees));
    return opening;
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const voice of open) if (voice.status === 'fulfilled') await voice.value.language.close();
  }
}

async function openVoice(model: Model<System>): Promise<Voice> {
  const language = await LanguageSession.open(model);
  return { language, recollection: new Recollection(language, model.network.image?.token) };
}
