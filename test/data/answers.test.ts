import { expect, test } from 'vitest';
import { type ChatEncoder, labelAnswers } from '../../src/data/answers.js';
import { ignored } from '../../src/tensor/index.js';
import { renderChat } from '../../src/text/index.js';
import type { Message } from '../../src/text/messages.js';

type Render = ChatEncoder['render'];

/** Special tokens, words with the space before them, and single characters: enough for borders inside tokens. */
function tokensOf(text: string): string[] {
  return ['<s>', ...(text.match(/<\|[^|]*\|>|<\/?[a-z_]+>| ?[A-Za-z]+|./gs) ?? [])];
}

/** Runs of learnt tokens, as text. */
function learnt(messages: readonly Message[], render: Render, end?: string): string[] {
  const vocabulary = end === undefined ? [] : [end];
  const encode = (text: string) =>
    tokensOf(text).map((token) => {
      if (!vocabulary.includes(token)) vocabulary.push(token);
      return vocabulary.indexOf(token);
    });
  const { ids, labels } = labelAnswers(messages, { render, encode, ...(end !== undefined && { end: 0 }) });
  expect(ids.filter((id) => vocabulary[id] !== end)).toEqual(
    encode(render(messages, { prompt: false })).filter((id) => vocabulary[id] !== end),
  );
  const runs: string[] = [];
  for (const [i, label] of labels.entries()) {
    if (label === ignored) continue;
    expect(label).toBe(ids[i]);
    const goesOn = i > 0 && labels[i - 1] !== ignored;
    const token = vocabulary[label] as string;
    if (goesOn) runs.push(`${runs.pop()}${token}`);
    else runs.push(token);
  }
  return runs;
}

const textOf = ({ content }: Message) =>
  typeof content === 'string'
    ? content
    : content.map((part) => (part.type === 'text' ? part.text : '<image>')).join('');

const chatml: Render = (messages, { prompt }) =>
  messages.map((m) => `<|im_start|>${m.role}\n${textOf(m)}<|im_end|>\n`).join('') +
  (prompt ? '<|im_start|>assistant\n' : '');

const llama3: Render = (messages, { prompt }) => {
  const head = (role: string) => `<|start_header_id|>${role}<|end_header_id|>\n\n`;
  const turns = messages.map((m) => `${head(m.role)}${textOf(m).trim()}<|eot_id|>`).join('');
  return `<|begin_of_text|>${turns}${prompt ? head('assistant') : ''}`;
};

const vicuna: Render = (messages, { prompt }) =>
  'A chat. ' +
  messages.map((m) => (m.role === 'user' ? `USER: ${textOf(m)} ` : `ASSISTANT: ${textOf(m)}</s>`)).join('') +
  (prompt ? 'ASSISTANT:' : '');

/** Knows no prompt for an answer. */
const vicunaWithoutPrompt: Render = (messages) => vicuna(messages, { prompt: false });

/** LLaVA's plain form: picture, caption, and a new line as the only mark. */
const plain: Render = (messages) => messages.map((m) => `${textOf(m)}\n`).join('');

/** Opens a thought when asked, which a given answer does not have. */
const thinking: Render = (messages, { prompt }) => chatml(messages, { prompt }) + (prompt ? '<think>\n' : '');

const conversation: Message[] = [
  { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'What is it' }] },
  { role: 'assistant', content: 'a cat' },
  { role: 'user', content: 'Is it an assistant' },
  { role: 'assistant', content: [{ type: 'text', text: 'no' }] },
];

test('in ChatML an answer ends with <|im_end|>, and the line break after it is not learnt', () => {
  expect(learnt(conversation, chatml)).toEqual(['a cat<|im_end|>', 'no<|im_end|>']);
});

test('an answer that is not to be learnt is read all the same', () => {
  const encode = (text: string) => [...text].map((character) => character.codePointAt(0) as number);
  const label = (isLearnt: (turn: number) => boolean) =>
    labelAnswers(conversation, { render: chatml, encode }, isLearnt);
  const [all, last] = [label(() => true), label((turn) => turn > 1)];
  expect(last.ids).toEqual(all.ids);
  const border = last.ids.length - encode('no<|im_end|>\n').length;
  expect(last.labels.slice(0, border).every((id) => id === ignored)).toBe(true);
  expect(last.labels.slice(border)).toEqual(all.labels.slice(border));
});

test('in LLaMA-3 an answer ends with <|eot_id|>', () => {
  expect(learnt(conversation, llama3)).toEqual(['a cat<|eot_id|>', 'no<|eot_id|>']);
});

test('in Vicuna the first word is learnt with the space that its token holds, since the prompt ends before it', () => {
  expect(learnt(conversation, vicuna)).toEqual([' a cat</s>', ' no</s>']);
  // A digit does not take the space into its token: the space is a token of its own, and must be learnt as well.
  const seven: Message[] = [
    { role: 'user', content: 'How many' },
    { role: 'assistant', content: '7' },
  ];
  expect(learnt(seven, vicuna)).toEqual([' 7</s>']);
});

test('a template without a prompt for answers is asked by a known answer', () => {
  expect(learnt(conversation, vicunaWithoutPrompt)).toEqual([' a cat</s>', ' no</s>']);
});

test('a closing mark that is only white space is learnt', () => {
  const caption: Message[] = [
    { role: 'user', content: [{ type: 'image' }] },
    { role: 'assistant', content: 'a red cat' },
  ];
  expect(learnt(caption, plain)).toEqual(['a red cat\n']);
});

test('an answer that only white space closes is followed by the end token, where there is one', () => {
  const llava: Render = (messages, options) => vicuna(messages, options).replaceAll('</s>', ' ');
  expect(learnt(conversation, llava, '</s>')).toEqual([' a cat</s>', ' no</s>']);
  // A mark of the template's own is not doubled.
  expect(learnt(conversation, vicuna, '</s>')).toEqual([' a cat</s>', ' no</s>']);
  expect(learnt(conversation, chatml, '</s>')).toEqual(['a cat<|im_end|>', 'no<|im_end|>']);
});

test('a prompt that the answer does not begin with is not waited for', () => {
  expect(learnt(conversation, thinking)).toEqual(['a cat<|im_end|>', 'no<|im_end|>']);
});

test('an answer that occurs in its own head, or looks like its mark, is found at its place', () => {
  const odd = (content: string): Message[] => [
    { role: 'user', content: 'say it' },
    { role: 'assistant', content },
  ];
  expect(learnt(odd('assistant'), chatml)).toEqual(['assistant<|im_end|>']);
  expect(learnt(odd('s'), vicunaWithoutPrompt)).toEqual([' s</s>']);
});

test('a conversation may begin with an answer, and one without answers has nothing to learn', () => {
  expect(learnt([{ role: 'assistant', content: 'hello' }], chatml)).toEqual(['hello<|im_end|>']);
  expect(learnt([{ role: 'user', content: 'hello' }], chatml)).toEqual([]);
});

const template =
  (text: string): Render =>
  (messages, { prompt }) =>
    renderChat(text, messages, { addGenerationPrompt: prompt }).text;

/** The lines of Qwen3's template: thoughts stay behind the last question, where an answer has always some. */
const qwen3 = template(`
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == 'user' %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\\n' + content + '<|im_end|>\\n' }}
    {%- else %}
        {%- set thought = '' %}
        {%- if '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last %}{{- '<think>\\n' + thought + '\\n</think>\\n\\n' }}{%- endif %}
        {{- content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`);

test('an answer is learnt as it stands in the whole conversation: Qwen3 leaves out the thoughts of earlier ones', () => {
  const thoughtful = (thought: string): Message[] =>
    conversation.map((m) => ({ role: m.role, content: (m.role === 'assistant' ? thought : '') + textOf(m) }));
  const last = (thought: string) => `<think>\n${thought}\n</think>\n\nno<|im_end|>`;
  expect(learnt(thoughtful('<think>\nhm\n</think>\n\n'), qwen3)).toEqual(['a cat<|im_end|>', last('hm')]);
  expect(learnt(thoughtful(''), qwen3)).toEqual(['a cat<|im_end|>', last('')]);
});

test('an answer that what follows depends on is refused', () => {
  /** Counts what was said. */
  const counting: Render = (messages, options) =>
    `${chatml(messages, options)}${messages.reduce((sum, m) => sum + textOf(m).length, 0)}`;
  expect(() => learnt(conversation, counting)).toThrow('where the answer of message 1 begins and ends');
});
