/** The sessions by which a model answers while it learns. */

import { LanguageSession, type Model, VisionSession } from '../model/index.js';
import type { System } from '../system/index.js';
import { closeAll } from '../tensor/index.js';

export interface DrawingSessions {
  language(model: Model<System>): Promise<LanguageSession>;
  vision(model: Model<System>): Promise<VisionSession>;
  /** What is asked for after that is compiled anew. */
  close(): Promise<void>;
}

type AnySession = Pick<LanguageSession | VisionSession, 'close'>;

/** Sessions are compiled once for a model, and again only where another one comes in its place. */
export function drawingSessions(): DrawingSessions {
  const open = new Map<string, { readonly model: Model<System>; readonly session: AnySession }>();
  const sessionOf = async <S extends AnySession>(
    kind: string,
    model: Model<System>,
    make: (model: Model<System>) => Promise<S>,
  ): Promise<S> => {
    const known = open.get(kind);
    if (known?.model === model) return known.session as S;
    open.delete(kind);
    await known?.session.close();
    const session = await make(model);
    open.set(kind, { model, session });
    return session;
  };
  return {
    language: (model) => sessionOf('language', model, (own) => LanguageSession.open(own)),
    vision: (model) => sessionOf('vision', model, (own) => VisionSession.open(own)),
    async close() {
      const sessions = [...open.values()].map(({ session }) => session);
      open.clear();
      await closeAll(...sessions);
    },
  };
}
