/** A conversation with a program, which says a turn a line on the standard input. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { pictureIn } from '../../src/cli/arguments.js';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load } from '../../src/model/index.js';
import type { Message } from '../../src/text/messages.js';
import { quintetCommand } from '../command.js';
import { temporaryFolder } from '../temporary.js';
import { quintet } from './cli.js';

const fixture = new URL('../fixtures/llava/', import.meta.url).pathname;
const args = ['chat', join(fixture, 'model'), '--max-tokens', '6'];

/** What the model answers to questions of one conversation, of which the one of this number shows a picture. */
async function answersTo(questions: readonly string[], shown: number, path: string): Promise<string[]> {
  const model = asSystem(await load(join(fixture, 'model')));
  const chat = await Chat.open(model);
  const picture = await loadPicture(path);
  const messages: Message[] = [];
  const answers: string[] = [];
  for (const [i, text] of questions.entries()) {
    const content = [...(i === shown ? [{ type: 'image' } as const] : []), { type: 'text', text } as const];
    messages.push({ role: 'user', content });
    const pictures = i >= shown ? [picture] : [];
    answers.push(await chat.answer({ messages, pictures }, { maxTokens: 6 }));
    messages.push({ role: 'assistant', content: answers.at(-1) as string });
  }
  await chat.close();
  await model.close();
  return answers;
}

test('each line is a turn; a line that is the path of a picture shows it; answers alone are on the standard output', async () => {
  const picture = join(temporaryFolder(), 'a picture.png');
  cpSync(join(fixture, 'media/one.png'), picture);
  const [first, second, third] = ['What is it?', 'What do you see?', 'What else?'];
  const expected = await answersTo([first, second, third], 1, picture);
  expect(new Set(expected).size).toBeGreaterThan(1);
  const { code, stdout, stderr } = await quintet(args, { input: `\n${first}\n'${picture}'\n${second}\n\n${third}` });
  expect(stdout).toBe(`${expected.join('\n')}\n`);
  expect(stderr).toMatch(/^A picture of \d+ x \d+ pixels goes with your next question\.\n$/);
  expect(code).toBe(0);
});

test('a conversation goes on where nobody reads its remarks any more', async () => {
  const [program, ...before] = quintetCommand;
  const child = spawn(program, [...before, ...args], { env: { ...process.env, HF_HUB_OFFLINE: '1' } });
  child.stderr.destroy();
  child.stdin.end(`${join(fixture, 'media/one.png')}\nWhat is it?\n`);
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const [code] = await once(child, 'close');
  expect(stdout.split('\n')).toHaveLength(2);
  expect(code).toBe(0);
});

test.skipIf(process.platform !== 'linux')('a result that cannot be written is told in words', async () => {
  const command = ['sh', '-c', '"$@" > /dev/full', 'sh', ...quintetCommand] as const;
  const { code, stderr } = await quintet(['recipes'], { command: [...command] });
  expect(stderr).toBe('error: standard output: the disk is full\n  Make room, or name a place on another disk\n');
  expect(code).toBe(1);
});

test('a dropped picture is known however the terminal writes its path; other lines are none', async () => {
  const picture = join(temporaryFolder(), 'a picture.png');
  cpSync(join(fixture, 'media/one.png'), picture);
  const spellings = [
    picture,
    `'${picture}'`,
    `"${picture}"`,
    picture.replaceAll(' ', '\\ '),
    pathToFileURL(picture).href,
  ];
  expect(await Promise.all(spellings.map(pictureIn))).toEqual(spellings.map(() => picture));
  const others = [
    'What is it?',
    `${picture} What is it?`,
    `${picture}.png`,
    '"',
    'file://%',
    join(fixture, 'model/config.json'),
  ];
  expect(await Promise.all(others.map(pictureIn))).toEqual(others.map(() => undefined));
});

test('with --json each turn is an object on a line of its own; after /exit nothing is asked', async () => {
  const { code, stdout } = await quintet([...args, '--json'], {
    input: 'What is it?\n/reset\nWhat is it?\n/exit\nWhat?\n',
  });
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; tokens: number });
  expect(answers).toHaveLength(2);
  expect(answers[1]).toMatchObject({ text: answers[0]?.text, tokens: 6, end: 'length' });
  expect(code).toBe(0);
});

test('a line that cannot be done is told, the others are answered, and the exit code says that not all went well', async () => {
  const { code, stdout, stderr } = await quintet(args, { input: '/picture none.png\nWhat is it?\n' });
  expect(stdout).toMatch(/^[^\n]+\n$/);
  expect(stderr).toBe('error: none.png: no such picture\n');
  expect(code).toBe(1);
});
