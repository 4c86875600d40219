/** One streamed answer, and how long it took. */

import type { Chat, PicturedChat, ReplyOptions } from '../model/index.js';
import type { Message } from '../text/messages.js';
import { formatDuration } from './format.js';

export interface Answer {
  readonly text: string;
  readonly tokens: number;
  /** What ended it: the model, the number of tokens, or the user. */
  readonly end: 'stop' | 'length' | 'interrupted';
  /** Milliseconds to the first token, and to the last one. */
  readonly firstToken: number;
  readonly total: number;
}

/** Whether an answer ended before it had the form that it is held to, if any. */
export const isCut = ({ end }: Answer, constrain: unknown): boolean => constrain !== undefined && end === 'length';

/** Told of such an answer. */
export const cutNote = 'The answer was cut before it had its form: give it more --max-tokens.';

/** Streams the answer to `write`. A signal ends it, and what there is counts. */
export async function answer(
  chat: Chat,
  conversation: PicturedChat,
  { write, ...options }: ReplyOptions & { readonly write: (text: string) => void },
): Promise<Answer> {
  const started = performance.now();
  const since = (): number => performance.now() - started;
  let text = '';
  let tokens = 0;
  let firstToken: number | undefined;
  let end: Answer['end'] = 'length';
  try {
    for await (const piece of chat.reply(conversation, options)) {
      if (piece.token) {
        tokens++;
        firstToken ??= since();
      }
      text += piece.text;
      end = piece.end ?? end;
      write(piece.text);
    }
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    end = 'interrupted';
  }
  return { text, tokens, end, firstToken: firstToken ?? since(), total: since() };
}

/** Tokens a second after the first one. */
export function speedOf({ tokens, firstToken, total }: Answer): number {
  return tokens > 1 ? ((tokens - 1) * 1000) / (total - firstToken) : 0;
}

export function formatStats(given: Answer): string {
  const { tokens, firstToken, total } = given;
  const speed = `${speedOf(given).toFixed(1)} tokens/s after the first`;
  return `first token after ${formatDuration(firstToken)} · ${tokens} tokens in ${formatDuration(total)} · ${speed}`;
}

/** A user's message: pictures, then what is said about them. */
export function userMessage(text: string, pictures: number): Message {
  if (pictures === 0) return { role: 'user', content: text };
  const places = Array.from({ length: pictures }, () => ({ type: 'image' }) as const);
  return { role: 'user', content: [...places, { type: 'text', text }] };
}
