/**
 * Which tokens of a conversation are learnt: the answers, each with the mark that ends it, since a model that never learns
 * the mark never stops.
 *
 * Few chat templates say where an answer begins and ends (by `{% generation %}` marks), so the template itself is asked: it
 * writes the conversation with another answer that is known again, once whole and once up to it (its head and its closing
 * mark), and the prompt that asks for one, which is what a model is given to go on from. The answer's place in the text then
 * becomes a place among the tokens: the tokens before it are those that the text before it has on its own. No offsets of
 * tokens are needed; a token that reaches over an answer's start counts as the answer's, one over its end does not.
 */
import { ignored, QuintetError } from '../tensor/index.js';
import { inTexts, type Message } from '../text/messages.js';

export interface ChatEncoder {
  /** The conversation as text; with `prompt`, followed by what asks for an answer. */
  render(messages: readonly Message[], options: { readonly prompt: boolean }): string;
  encode(text: string): readonly number[];
  /**
   * The id put after an answer that the template closes with white space only, as LLaVA's does: without it such a model
   * never learns to stop. Left out, the white space itself is learnt as the mark.
   */
  readonly end?: number;
}

export interface LabelledTokens {
  readonly ids: readonly number[];
  /** The id itself where it is learnt, -100 elsewhere; of an encoder-decoder the ids of what it writes. */
  readonly labels: readonly number[];
}

/**
 * The tokens of a conversation and their labels; of answers only those in places that `isLearnt`. Throws 'template' where a
 * template's answers cannot be told apart.
 */
export function labelAnswers(
  messages: readonly Message[],
  chat: ChatEncoder,
  isLearnt: (turn: number) => boolean = () => true,
): LabelledTokens {
  const text = chat.render(messages, { prompt: false });
  const all = chat.encode(text);
  const before = (end: number) => commonPrefix(all, chat.encode(text.slice(0, end)));
  const ids: number[] = [];
  const labels: number[] = [];
  const add = (tokens: readonly number[], learnt: boolean) => {
    for (const id of tokens) {
      ids.push(id);
      labels.push(learnt ? id : ignored);
    }
  };
  let done = 0;
  for (const [turn, { role }] of messages.entries()) {
    if (role !== 'assistant' || !isLearnt(turn)) continue;
    const { start, contentEnd, closing } = answerSpan(messages, turn, text, chat);
    const unmarked = chat.end !== undefined && closing.trim() === '';
    const first = before(start);
    const last = before(contentEnd + (unmarked ? 0 : closingMark(closing).length));
    add(all.slice(done, first), false);
    add(all.slice(first, last), true);
    if (unmarked) add([chat.end as number], true);
    done = last;
  }
  add(all.slice(done), false);
  return { ids, labels };
}

/**
 * For an encoder-decoder: what it reads is the conversation up to the last answer, and what it learns to write is that
 * answer. Throws 'data' where the conversation does not end with one.
 */
export function labelLastAnswer(
  messages: readonly Message[],
  { render, encode, write }: Pick<ChatEncoder, 'render' | 'encode'> & { write(answer: string): readonly number[] },
): LabelledTokens {
  const last = messages.at(-1);
  if (last?.role !== 'assistant') throw new QuintetError('data', 'the conversation does not end with an answer');
  const [{ content } = last] = inTexts([last]);
  return { ids: encode(render(messages.slice(0, -1), { prompt: true })), labels: write(content as string) };
}

/** An answer that is found again in whatever a template writes. */
const probe = 'probe7f3a9c51answer';

/**
 * Where in the text the answer of a turn begins and ends, and what the template puts after it. A template may write earlier
 * answers otherwise than the last one, as Qwen3's leaves out their thoughts: what is found is what stands in this text.
 */
function answerSpan(messages: readonly Message[], turn: number, text: string, chat: ChatEncoder) {
  const earlier = messages.slice(0, turn);
  const { role, content } = messages[turn] as Message;
  const known: Message = { role, content: typeof content === 'string' ? probe : [{ type: 'text', text: probe }] };
  const around = (...later: readonly Message[]): readonly [head: string, tail: string | undefined] => {
    const [head = '', tail] = chat.render([...earlier, known, ...later], { prompt: false }).split(probe);
    return [head, tail];
  };
  const later = messages.slice(turn + 1);
  const [head, tail] = around(...later);
  const [, closing] = later.length > 0 ? around() : [head, tail];
  // Many templates fail without any message.
  const said = (prompt: boolean): string => (turn === 0 ? '' : chat.render(earlier, { prompt }));
  const [before, asked] = [said(false), said(true)];
  // A template may know no prompt, or one that this answer does not begin with (such as an opened thought).
  const begins = [...(asked.length > before.length ? [asked] : []), head].find((begin) => text.startsWith(begin));
  const contentEnd = text.length - (tail ?? '').length;
  if (closing === undefined || !tail?.startsWith(closing) || !text.endsWith(tail) || begins === undefined) {
    throw new QuintetError('template', `where the answer of message ${turn} begins and ends cannot be told`, {
      hint: 'What the template writes behind it depends on it: give it "weight": 0, or end the sample before it',
    });
  }
  return { start: begins.length, contentEnd, closing };
}

/** What ends an answer: without the white space that only parts it from the next turn, unless there is nothing else. */
function closingMark(closing: string): string {
  return closing.trim() === '' ? closing : closing.trimEnd();
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
