/** What a sample must be for what is made of it: the same for a run that learns from it and for a check before it. */

import { type Answer, captionOf, dataError, type Sample } from '../data/index.js';
import type { Message } from '../text/messages.js';
import type { SampleForm } from './settings/objective.js';

export type FormKind = SampleForm['kind'];

/** What of conversations is learnt: what the assistant says, or everything but pictures; only then texts alone, too. */
export type Learnt = 'answers' | 'all';

interface SampleCheck {
  /** What one of these samples is, in words. */
  readonly one: string;
  /** Throws 'data' with what the sample lacks. */
  check(sample: Sample, learn?: Learnt): void;
}

export const sampleChecks: Readonly<Record<FormKind, SampleCheck>> = {
  chats: { one: 'a conversation with an answer', check: checkChat },
  pairs: { one: 'a pair of answers', check: pairOf },
  rated: { one: 'a rated answer', check: ratedOf },
  captions: { one: 'a picture with its caption', check: captionOf },
  noisy: { one: 'a picture with its caption', check: captionOf },
  masked: { one: 'a text alone', check: textOf },
  prompts: { one: 'a prompt that is not answered yet', check: checkPrompt },
};

export function checkChat(sample: Sample, learn: Learnt = 'answers'): void {
  const { answers, text, record, where } = sample;
  if (answers)
    throw dataError(where, 'has answers to compare', 'Learn from them by dpo, kto or another such objective');
  if (text !== undefined && learn !== 'all') {
    const hint =
      'Learn the whole of it, by objective: { kind: next-token, learn: all }, or guess in it, by masked-words';
    throw dataError(where, 'a text alone, in which nobody answers', hint);
  }
  if (text?.trim() === '') throw dataError(where, 'an empty text');
  if (record) {
    const hint = `The answer is read from "completion", or beside an "instruction" from "output"; there are ${Object.keys(record).join(', ')}`;
    throw dataError(where, 'a prompt without an answer to learn', hint);
  }
  refuseEmptyAnswers(sample);
}

export function pairOf(sample: Sample): readonly [chosen: Answer, rejected: Answer] {
  const [chosen, rejected] = [true, false].map((good) => sample.answers?.find((answer) => answer.good === good));
  if (!chosen || !rejected) {
    const hint = 'Fields: prompt or messages, chosen, rejected';
    throw dataError(sample.where, 'expected a chosen and a rejected answer', hint);
  }
  refuseEmptyAnswers(sample);
  return [chosen, rejected];
}

export function ratedOf(sample: Sample): Answer {
  const [answer, another] = sample.answers ?? [];
  if (!answer || another) {
    const hint = 'Fields: prompt or messages, completion, label';
    throw dataError(sample.where, 'expected one answer that is rated', hint);
  }
  refuseEmptyAnswers(sample);
  return answer;
}

export function textOf({ text, where }: Sample): string {
  if (text === undefined) throw dataError(where, 'expected a text alone', 'Fields: text; or a line of a .txt file');
  return text;
}

export function checkPrompt({ messages, answers, text, where }: Sample): void {
  if (!answers && text === undefined && messages.at(-1)?.role !== 'assistant') return;
  throw dataError(where, 'expected a prompt that is not answered yet', 'Fields: prompt, and whatever the reward needs');
}

/** An empty answer would teach to end at once, unless it is one to avoid or is not learnt. */
export function refuseEmptyAnswers({ messages, unlearnt = [], answers = [], where }: Sample): void {
  const learnt = messages.filter((_, i) => answers.length === 0 && !unlearnt.includes(i));
  const good = answers.flatMap((answer) => (answer.good ? answer.messages : []));
  if (![...learnt, ...good].some(isEmptyAnswer)) return;
  throw dataError(where, 'an empty answer: it would teach to end at once', 'Write what is answered, or leave it out');
}

const isEmptyAnswer = ({ role, content, further }: Message): boolean =>
  role === 'assistant' &&
  !further?.tool_calls &&
  (typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content).every(
    (part) => part.type === 'text' && part.text.trim() === '',
  );
