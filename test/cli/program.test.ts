/** What commands take from the environment, and from options that are not plain numbers. */

import { expect, onTestFinished, test, vi } from 'vitest';
import { type ChatOptions, settingsOf } from '../../src/cli/chat.js';
import { createProgram } from '../../src/cli/program.js';
import { captured } from './cli.js';

test.each<[string, readonly string[], number | undefined]>([
  ['3', [], 3],
  ['3', ['--threads', '2'], 2],
  ['', [], undefined],
])('QUINTET_THREADS=%j and the arguments %j give so many threads: %j', async (value, args, threads) => {
  vi.stubEnv('QUINTET_THREADS', value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const program = createProgram();
  const { code, stderr } = await captured(() => program.parseAsync([...args, 'recipes'], { from: 'user' }));
  expect(code, stderr).toBe(0);
  expect(program.opts().threads).toBe(threads);
});

test('an empty QUINTET_ORT_LIBRARY names no library', async () => {
  vi.stubEnv('QUINTET_ORT_LIBRARY', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const program = createProgram();
  await captured(() => program.parseAsync(['recipes'], { from: 'user' }));
  expect(program.opts()).not.toHaveProperty('library');
});

test.each<[readonly string[], object]>([
  [[], {}],
  [
    ['--presence-penalty', '0.5', '--frequency-penalty', '-2', '--repetition-penalty', '1.1'],
    { presencePenalty: 0.5, frequencyPenalty: -2, repetitionPenalty: 1.1 },
  ],
  [['--no-repeat-ngram', '3'], { noRepeatNgram: 3 }],
  [['--logit-bias', '42=-100, 7=2.5', '--logit-bias', '3=1'], { logitBias: { 3: 1, 7: 2.5, 42: -100 } }],
])('chat %j has the settings %j', (args, wanted) => {
  const command = createProgram().commands.find((each) => each.name() === 'chat');
  command?.parseOptions([...args]);
  expect(settingsOf(command?.opts() as ChatOptions)).toEqual(wanted);
});
