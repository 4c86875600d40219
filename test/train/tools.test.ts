/** Conversations with tools: the template writes all of them, or the sample cannot be used. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openDataset } from '../../src/data/index.js';
import { asSystem, createProcessor, load } from '../../src/model/index.js';
import { sampleAsTrained } from '../../src/train/index.js';
import { engine, fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { temporaryFolder } from '../temporary.js';

/** The lines of Qwen3's template that write tools. */
const template = `
{%- if tools %}
    {{- '<|im_start|>system\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' }}
    {%- if message.reasoning_content %}
        {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
    {%- endif %}
    {{- message.content }}
    {%- for call in message.tool_calls or [] %}
        {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) }}
        {{- '}\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}`;

const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const call = { type: 'function', function: { name: 'weather', arguments: { city: 'Bern <|im_end|>' } } };
const messages = [
  { role: 'user', content: 'Rain?' },
  { role: 'assistant', content: null, reasoning_content: 'I look.', tool_calls: [call] },
  { role: 'tool', name: 'weather', content: 'sun' },
  { role: 'assistant', content: 'No.' },
];
const pair = {
  messages: messages.slice(0, 1),
  chosen: messages.slice(1, 2),
  rejected: [{ role: 'assistant', content: 'No.' }],
};

/** What is learnt and what is not of a record under a template, by turns. */
async function trained(record: object, chatTemplate?: string) {
  const model = asSystem(await load(`${fixturePath('qwen3')}/model`, { engine }));
  onTestFinished(() => model.close());
  const path = join(temporaryFolder(), 'chats.jsonl');
  writeFileSync(path, jsonLines([record]));
  const dataset = await openDataset(path);
  onTestFinished(() => dataset.close());
  const { files } = model;
  const own = chatTemplate ? { ...files, chatTemplates: new Map([['default', chatTemplate]]) } : files;
  const rows = await sampleAsTrained({ ...model, files: own as NonNullable<typeof files> }, await dataset.read(0), {
    longest: 4096,
  });
  return rows.map((row) => row.map(({ text, learnt }) => (learnt ? `«${text}»` : text)).join(''));
}

/** A text as the small vocabulary spells it; what somebody wrote is no special token, whatever it looks like. */
async function spelled(text: string): Promise<string> {
  const model = asSystem(await load(`${fixturePath('qwen3')}/model`, { engine }));
  onTestFinished(() => model.close());
  const { tokenizer } = createProcessor(model);
  const own = (piece: string, parse: boolean) =>
    tokenizer.decode(tokenizer.encode(piece, { parse, special: false }), { skipSpecial: false });
  const pieces = text.split(/(«|»|(?<=Bern )<\|im_end\|>)/);
  return pieces
    .map((piece, i) => (/«|»/.test(piece) ? piece : own(piece, i === 0 || !pieces[i - 1]?.endsWith('Bern '))))
    .join('');
}

const shown = `<|im_start|>system\n<tools>\n${'{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}'}
</tools><|im_end|>\n`;
const called = `<think>\nI look.\n</think>\n\n<tool_call>
{"name": "weather", "arguments": {"city": "Bern <|im_end|>"}}\n</tool_call><|im_end|>`;

test.each([
  ['as a list', tools],
  ['as a text of JSON', JSON.stringify(tools)],
])('tools, calls and thoughts stand where the template writes them: %s', async (_, own) => {
  const wanted =
    `${shown}<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n«${called}»\n` +
    '<|im_start|>tool\nsun<|im_end|>\n<|im_start|>assistant\n«No.<|im_end|>»\n';
  expect(await trained({ messages, tools: own }, template)).toEqual([await spelled(wanted)]);
});

test('answers that are compared may call tools', async () => {
  const asked = `${shown}<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n`;
  const wanted = [`${asked}«${called}»\n`, `${asked}«No.<|im_end|>»\n`];
  expect(await trained({ ...pair, tools }, template)).toEqual(await Promise.all(wanted.map(spelled)));
});

test('empty lists of calls and empty thoughts say nothing', async () => {
  const nothing = { tool_calls: [], reasoning_content: '', name: null };
  const plain = { messages: [messages[0], { role: 'assistant', content: 'No.' }] };
  const empty = { messages: [messages[0], { role: 'assistant', content: 'No.', ...nothing }] };
  expect(await trained(empty)).toEqual(await trained(plain));
  const silent = { messages: [messages[0], { role: 'assistant', content: '', ...nothing }] };
  await expect(trained(silent)).rejects.toThrow('an empty answer');
});

test('what the template does not write makes a sample unusable', async () => {
  await expect(trained({ messages, tools })).rejects.toThrow(/has tools, which .* does not write\n.*Take them out/);
  await expect(trained({ messages })).rejects.toThrow('has tool_calls, which');
  const thoughtful = [messages[0], { role: 'assistant', content: 'No.', reasoning_content: 'I know.' }];
  await expect(trained({ messages: thoughtful })).rejects.toThrow('has reasoning_content, which');
  await expect(trained({ messages: [messages[0], { role: 'assistant', content: null }] })).rejects.toThrow(
    'content: expected a text',
  );
  await expect(trained({ messages, tools: 3 }, template)).rejects.toThrow('tools: expected a list of objects, got 3');
});
