/** A conversation at a terminal, through streams in its place. */

import { PassThrough } from 'node:stream';
import { text as readAll } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { converse } from '../../src/cli/conversation.js';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load } from '../../src/model/index.js';

const fixture = new URL('../fixtures/llava/', import.meta.url).pathname;

/** What is shown for some typed lines. */
async function shown(lines: readonly string[]): Promise<string> {
  const model = asSystem(await load(`${fixture}model`));
  const chat = await Chat.open(model);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const reading = readAll(output);
  input.end(`${lines.join('\n')}\n`);
  await converse(chat, { input, output }, { maxTokens: 8 });
  output.end();
  await chat.close();
  await model.close();
  return reading;
}

test('each answer takes what was said and shown before into account, until a new conversation begins', async () => {
  const picture = await loadPicture(`${fixture}media/one.png`);
  const model = asSystem(await load(`${fixture}model`));
  const chat = await Chat.open(model);
  const image = { type: 'image' } as const;
  const first = { role: 'user', content: [image, { type: 'text', text: 'What do you see?' }] } as const;
  const one = await chat.answer({ messages: [first], pictures: [picture] }, { maxTokens: 8 });
  const second = [first, { role: 'assistant', content: one }, { role: 'user', content: 'What else?' }] as const;
  const two = await chat.answer({ messages: second, pictures: [picture] }, { maxTokens: 8 });
  const three = await chat.answer(
    { messages: [{ role: 'user', content: 'What else?' }], pictures: [] },
    { maxTokens: 8 },
  );
  await chat.close();
  await model.close();

  const output = await shown([
    `/picture ${fixture}media/one.png`,
    'What do you see?',
    'What else?',
    '/reset',
    'What else?',
  ]);
  expect(output).toContain(`A picture of ${picture.width} x ${picture.height} pixels goes with your next question.`);
  const answers = output.split('> ').filter((text) => !/^(A new|A picture)/.test(text));
  expect(answers.slice(1, 4)).toEqual([`${one}\n`, `${two}\n`, `${three}\n`]);
});

test('mistakes are told and the conversation goes on', async () => {
  const output = await shown(['/pictur x.png', '/picture none.png', '/picture', '/help', '/exit', 'never asked']);
  expect(output).toContain('There is no /pictur. Did you mean /picture?');
  expect(output).toContain('error: none.png: no such picture');
  expect(output).toContain('Give the path of a picture');
  expect(output).toContain('/reset          begin a new conversation');
  expect(output.split('> ')).toHaveLength(6);
});
