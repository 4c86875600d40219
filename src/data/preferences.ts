/**
 * Answers that people preferred or rated, and prompts alone, as TRL's formats have them:
 *
 *     {"prompt": "What is it?", "chosen": "A cat.", "rejected": "A dog."}
 *     {"messages": [{"role": "user", "content": "What is it?"}], "chosen": [{"role": "assistant", "content": "A cat."}], …}
 *     {"chosen": [… the whole conversation …], "rejected": [… the same but for its end …]}
 *     {"prompt": "What is it?", "chosen": "A cat.", "rejected": "A dog.", "margin": 2}
 *     {"prompt": "What is it?", "completion": "A cat.", "label": true}
 *     {"prompt": "What is it?"}
 *
 * A text is what the user says in a prompt, and what the assistant answers behind it. Pictures are named as in `chat.ts`.
 */

import { type Fields, fields } from '../tensor/index.js';
import type { Message } from '../text/messages.js';
import { furtherOf, plainText, readChat } from './chat.js';
import { type Conversation, dataError } from './sample.js';

/** Two answers, of which one was chosen. */
export function readPair(record: Fields): Conversation {
  if (!record.has('rejected'))
    throw dataError(record.at, 'a chosen answer without a rejected one: expected "rejected"');
  const asked = ['prompt', 'messages'].find((name) => record.has(name));
  if (asked === undefined) return readWholePair(record);
  const answers = [
    { messages: answerOf(record, 'chosen'), good: true },
    { messages: answerOf(record, 'rejected'), good: false },
  ];
  return { ...promptOf(record, asked), answers, ...marginOf(record) };
}

/** Two conversations that differ in what comes last. */
function readWholePair(record: Fields): Conversation {
  const [chosen, rejected] = ['chosen', 'rejected'].map((name) => {
    if (Array.isArray(record.raw[name])) return record.raw[name] as readonly unknown[];
    throw dataError(record.at, `${name}: a text needs a "prompt" that it answers`);
  }) as [readonly unknown[], readonly unknown[]];
  const [one, other] = [chosen, rejected].map((messages) => messages.map((message) => JSON.stringify(message)));
  let shared = 0;
  while (shared < chosen.length && one?.[shared] === other?.[shared]) shared++;
  // What is answered ends with somebody else.
  while (shared > 0 && (chosen[shared - 1] as { role?: unknown }).role === 'assistant') shared--;
  if (shared === 0) throw dataError(record.at, 'the chosen and the rejected conversation have no beginning in common');
  const messages = chosen.slice(0, shared);
  const rest = fields({ chosen: chosen.slice(shared), rejected: rejected.slice(shared) }, record.at);
  return {
    ...readChat(fields({ ...record.raw, messages }, record.at)),
    answers: [
      { messages: answerOf(rest, 'chosen'), good: true },
      { messages: answerOf(rest, 'rejected'), good: false },
    ],
    ...marginOf(record),
  };
}

/** How much better the chosen answer is, where a record says so. */
const marginOf = (record: Fields): Pick<Conversation, 'margin'> =>
  record.has('margin') ? { margin: record.number('margin') } : {};

/** One answer: with a `label` it is good or bad, without one it is to be learnt. */
export function readRated(record: Fields): Conversation {
  const asked = ['prompt', 'messages'].find((name) => record.has(name));
  if (asked === undefined) throw dataError(record.at, 'a completion without a prompt: expected "prompt" or "messages"');
  const prompt = promptOf(record, asked);
  const messages = answerOf(record, 'completion');
  if (!record.has('label')) return { ...prompt, messages: [...prompt.messages, ...messages] };
  return { ...prompt, answers: [{ messages, good: labelOf(record) }] };
}

/** A prompt that whoever learns answers itself. */
export const readPrompt = (record: Fields): Conversation => ({ ...promptOf(record, 'prompt'), record: record.raw });

/** Whether an answer is good, as true and false or as 1 and 0. */
function labelOf(record: Fields): boolean {
  const { label } = record.raw;
  return label === 0 || label === 1 ? label === 1 : record.flag('label');
}

/** What is answered: a text of the user or messages. */
function promptOf(record: Fields, name: string): Conversation {
  const asked = record.raw[name];
  const messages =
    typeof asked === 'string' ? [{ role: 'user', content: asked }] : record.objects(name).map(({ raw }) => raw);
  return readChat(fields({ ...record.raw, messages }, record.at));
}

/** An answer: a text or messages, the last of them the assistant's. */
function answerOf(record: Fields, name: string): readonly Message[] {
  if (!Array.isArray(record.raw[name])) return [{ role: 'assistant', content: record.text(name) }];
  const messages = record.objects(name).map((message): Message => {
    const own = { role: message.choice('role', ['user', 'assistant']), ...furtherOf(message) };
    return { ...own, content: Array.isArray(message.raw.content) ? textOf(message) : plainText(message, own) };
  });
  if (messages.at(-1)?.role === 'assistant') return messages;
  throw dataError(record.at, `${name}: expected messages that end with the assistant's`);
}

/** The text of a message in parts, of which none is a picture. */
const textOf = (message: Fields): string =>
  message
    .objects('content')
    .map((part) => {
      part.choice('type', ['text']);
      return part.text('text');
    })
    .join('\n');
