/** What is told of a mistake: on one line what is wrong, and what to do; exit code 2 for a call, 1 for what it names. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/index.js';
import { chat } from '../../src/cli/chat.js';
import { Chat } from '../../src/model/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { hubServer } from '../checkpoint/hub-server.js';
import { temporaryFolder } from '../temporary.js';
import { captured, here, quintet } from './cli.js';

const fixtures = new URL('../fixtures', import.meta.url).pathname;
const model = (name: string): string => join(fixtures, name, 'model');
const llama = model('llama');
const diffusion = model('stable-diffusion');

describe('mistakes', () => {
  test.each([
    [2, [], 'Usage: quintet'],
    [2, ['chta'], /^error: unknown command 'chta'; did you mean chat\?\n$/],
    [2, ['nonsense'], /^error: unknown command 'nonsense'; .*help lists them\n$/],
    [2, ['chat'], "missing required argument 'model'"],
    [
      2,
      ['chat', llama, '--temprature', '1', 'hi'],
      /^error: unknown option '--temprature'; did you mean --temperature\?\n$/,
    ],
    [2, ['chat', llama, '--top-p', '2', 'hi'], 'Expected a number from 0 to 1.'],
    [2, ['chat', llama, '--presence-penalty', '3', 'hi'], 'Expected a number from -2 to 2.'],
    [2, ['chat', llama, '--no-repeat-ngram', '1.5', 'hi'], 'Expected a whole number from 0 on.'],
    [2, ['chat', llama, '--logit-bias', '42', 'hi'], 'Expected ids of tokens and biases, such as 42=-100,7=2.5.'],
    [2, ['chat', llama, '--logit-bias', '42=101', 'hi'], 'Expected a number from -100 to 100.'],
    [1, ['chat', llama, '--logit-bias', '9999=1', 'hi'], 'logitBias: expected the ids of tokens, below '],
    [2, ['chat', llama, '--threads', '100000', 'hi'], 'Expected a whole number from 1 to 512.'],
    [1, ['chat', 'folder/nofile.gguf', 'hi'], /^error: folder\/nofile\.gguf: no such file or folder\n/],
    [2, ['chat', llama, 'one', 'two'], 'two prompts: "one" and "two"'],
    [2, ['chat', llama, ''], 'error: the prompt is empty\n'],
    [1, ['chat', 'nope'], /^error: nope: no such file, folder or recipe/],
    [2, ['draw', llama, ' ', '-o', 'x.png'], 'error: the prompt is empty\n'],
    [2, ['chat', llama, 'none.png', 'hi'], 'no such picture: none.png'],
    [2, ['chat', llama, 'my photo.png', 'hi'], 'no such picture: my photo.png'],
    [2, ['chat', llama, 'https://example.org/a.png', 'hi'], 'not fetched from addresses'],
    [2, ['chat', llama, 'hi', '--lookup', '--draft', llama], "'--lookup' cannot be used with option '--draft <model>'"],
    [2, ['info', 'llama:tiny', '--graph', '--json'], "'--graph' cannot be used with option '--json'"],
    [2, ['info', 'llama:tiny', '--graph', '--parameters'], "'--graph' cannot be used with option '--parameters'"],
    [2, ['info', 'llava-1.5:7b', '--size', 'tiny'], 'two sizes: llava-1.5:7b and --size tiny'],
    [2, ['trace', llama, '--inputs', 'a', '--outputs', 'b', '--weights', 'int4'], '--weights is for --generate'],
    [2, ['trace', llama, '--inputs', 'a', '--outputs', 'b', '--kv-cache', 'int8'], '--kv-cache is for --generate'],
    [2, ['merge', llama, '--adapter', 'a', '-o', 'merged', '--weights', 'int4'], '--weights is for models that answer'],
    [
      2,
      ['merge', llama, '--adapter', 'a', '-o', 'merged', '--kv-cache', 'int8'],
      '--kv-cache is for models that answer',
    ],
    [
      2,
      ['trace', 'scheduler_config.json', '--inputs', 'x', '--outputs', 'y', '--steps', '3', '--guidance', '2'],
      "--guidance is for models, and scheduler_config.json is a scheduler's file",
    ],
    [
      1,
      ['trace', diffusion, '--inputs', join(diffusion, '../inputs.safetensors'), '--outputs', 'x', '--generate', '2'],
      'stable-diffusion has no language model',
    ],
    [1, ['chat', llama, 'hi', '--json-schema', fixtures], `${fixtures}: not a regular file`],
    [1, ['trace', llama, '--messages', fixtures, '--outputs', 'x'], `${fixtures}: not a regular file`],
    [1, ['chat', llama, 'hi', '--profile', 'none/profile.json'], 'none/profile.json: there is no folder'],
    [2, ['trace', llama, '--outputs', 'x'], 'give either --inputs FILE or --messages FILE'],
    [2, ['draw', llama, 'a boat', '-o', 'boat.bmp'], 'boat.bmp: pictures are written as .png, .jpg, .jpeg, .webp'],
    [1, ['draw', llama, 'a boat', '-o', 'none/boat.png'], 'none/boat.png: there is no folder'],
    [1, ['draw', llama, 'a boat', '-o', join(llama, 'config.json/boat.png')], 'there is no folder'],
    [1, ['trace', llama, '--inputs', 'x', '--outputs', 'none/out'], 'none/out: there is no folder'],
    [1, ['trace', llama, '--inputs', 'x', '--outputs', fixtures], 'is a folder, where a file is to be written'],
    [1, ['draw', llama, 'a boat', '-o', 'boat.png'], 'this model draws no pictures\n  Janus, GILL and Stable'],
    [1, ['report', 'runs/none'], 'runs/none: no such run: give its folder, or its run file'],
    [1, ['chat', join(fixtures, 'none'), 'hi'], 'no such file or folder'],
    [1, ['chat', 'no-such/model', 'hi', '--offline'], 'Offline mode (--offline, or HF_HUB_OFFLINE)'],
    [1, ['chat', model('clip'), 'hi'], 'clip has no language model'],
    [1, ['info', 'llava-1.5:8b'], 'did you mean "7b"?'],
    [1, ['train', 'none.yaml'], 'none.yaml: no such run file'],
    [1, ['chat', llama, 'hi', '--library', './none.so'], 'none.so: ONNX Runtime could not be loaded'],
  ])('exit code %i: %j', async (expected, args, message) => {
    const { code, stdout, stderr } = await here(args);
    if (typeof message === 'string') expect(stderr).toContain(message);
    else expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n {4}at /);
    expect([code, stdout]).toEqual([expected, '']);
  });

  test('tell a folder from a picture that is not there', async () => {
    const folder = join(temporaryFolder(), 'folder.png');
    mkdirSync(folder);
    const { code, stderr } = await here(['chat', llama, folder, 'hi']);
    expect([code, stderr]).toEqual([2, `error: not a file: ${folder}\n`]);
  });

  test('steer no terminal that they are shown on', async () => {
    const before = process.stderr.isTTY;
    process.stderr.isTTY = true;
    onTestFinished(() => void Object.assign(process.stderr, { isTTY: before }));
    const { stderr } = await here(['chat', `${llama}\x1b]0;owned\x07`, 'hi']);
    expect(stderr).toContain('model]0;owned: no such file or folder');
  });

  test('end the process with their code, and show a stack with --debug', async () => {
    const { code, stdout, stderr } = await quintet(['info', 'lava-1.5', '--debug']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^error: lava-1\.5: no such file, folder or recipe, and no name on the hub, as in org\/name\n/,
    );
    expect(stderr).toMatch(/\n {4}at /);
  });
});

describe('names that can be no model are refused before a network is asked:', () => {
  const none = /^error: .*: no such file, folder or recipe, and no name on the hub, as in org\/name\n/;
  test.each([
    ['nosuch', none],
    ['lava-1.5', /no such file, folder or recipe, [^\n]*\n {2}The nearest recipe is "llava-1\.5"\.\n$/],
    ['llava', /no such file, folder or recipe, [^\n]*\n {2}The nearest recipe is "llava-1\.5"\.\n$/],
    ['a b', none],
    ['x/y/z', /^error: x\/y\/z: no such file or folder\n {2}Names on the Hugging Face hub have the form org\/name/],
    [
      'llava-1.5',
      /^error: llava-1\.5: this is a recipe, which has no weights\n.*such as llava-hf\/llava-1\.5-7b-hf or /,
    ],
    ['llava-1.5:7b', /this is a recipe, which has no weights/],
    ['opt', /^error: opt: this is a recipe, which has no weights\n.*a name on the Hugging Face hub\.\n/],
  ])('%s', async (name, message) => {
    const hub = await hubServer({});
    for (const [variable, value] of [
      ['HF_HOME', temporaryFolder()],
      ['HF_ENDPOINT', hub.endpoint],
      ['HF_HUB_OFFLINE', '0'],
    ] as const) {
      vi.stubEnv(variable, value);
    }
    onTestFinished(() => void vi.unstubAllEnvs());
    const calls = [
      ['pull', name],
      ['chat', name, 'hi'],
      ...(message.source.includes('recipe, which') ? [] : [['info', name]]),
    ];
    for (const args of calls) {
      const { code, stdout, stderr } = await here(args);
      expect(stderr).toMatch(message);
      expect([code, stdout]).toEqual([1, '']);
    }
    expect(hub.requests).toEqual([]);
  });

  test('a hub name that looks like a path says what is missing here', async () => {
    const parent = `models-${process.pid}`;
    mkdirSync(parent);
    onTestFinished(() => rmSync(parent, { recursive: true }));
    const { stderr } = await here(['chat', `${parent}/nanoo`, 'hi', '--offline']);
    expect(stderr).toContain(`As a path it is not there either: ${parent} has no nanoo.`);
  });
});

/** A fixture's model in a folder of its own, with other settings or without some file. */
function changedModel(name: string, change: (config: Record<string, unknown>, folder: string) => unknown): string {
  const folder = join(temporaryFolder(), 'model');
  cpSync(model(name), folder, { recursive: true });
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify(change(config, folder) ?? config));
  return folder;
}

describe('a damaged folder is told with its file and field:', () => {
  const picture = join(fixtures, 'llava/media/one.png');
  const nested = (part: string, fields: object) => (config: Record<string, unknown>) => ({
    ...config,
    [part]: { ...(config[part] as object), ...fields },
  });
  test.each([
    ['llama', () => ({}), 'config.json: model_type: expected a text, got nothing'],
    [
      'llama',
      (config: object) => ({ ...config, hidden_size: 30, num_attention_heads: 4, head_dim: null }),
      'config.json: num_attention_heads: expected a whole number that divides hidden_size, 30, got 4',
    ],
    [
      'llama',
      (config: object) => ({ ...config, num_attention_heads: 4, num_key_value_heads: 3 }),
      'config.json: num_key_value_heads: expected a whole number that divides num_attention_heads, 4, got 3',
    ],
    [
      'opt',
      (config: object) => ({ ...config, num_attention_heads: 0 }),
      'config.json: num_attention_heads: expected a whole',
    ],
    [
      'gpt2',
      (config: object) => ({ ...config, n_head: 7 }),
      'config.json: n_head: expected a whole number that divides n_embd',
    ],
    [
      'llava',
      nested('vision_config', { num_attention_heads: 5 }),
      'config.json: vision_config.num_attention_heads: expected a whole number that divides hidden_size',
    ],
    [
      'llava',
      (_: object, folder: string) => rmSync(join(folder, 'preprocessor_config.json')),
      'preprocessor_config.json: there is none, so how pictures are prepared is not known\n  Copy it',
    ],
  ])('%s', async (name, change, message) => {
    const given = name === 'llava' ? [picture, 'What?'] : ['hi'];
    const { code, stdout, stderr } = await here(['chat', changedModel(name, change), ...given]);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([1, '']);
  });
});

describe('trace names the tensor, the place and the number of', () => {
  const ids = (values: readonly number[]) => hostArray('i64', [2, values.length / 2], values);
  test.each([
    [
      { input_ids: ids([1, 2, 3, 4, 9999, 6]) },
      [],
      /input_ids: 9999 at \[1, 1\] is none of the \d+ rows of model\.embed_tokens\.weight\n/,
    ],
    [{ input_ids: ids([1, -1, 3, 4]) }, [], /input_ids: -1 at \[0, 1\] is none of/],
    [
      { input_ids: ids([1, 2, 3, 4]), labels: ids([-100, 2, 3, 70_000]) },
      [],
      /labels: 70000 at \[1, 1\] is no word of the \d+ in the vocabulary\n {2}Expected numbers from 0 to \d+, or -100/,
    ],
    [
      { input_ids: ids([1, 2, 3, 9999]) },
      ['--want', 'sequences', '--generate', '2'],
      /input_ids: 9999 at \[1, 1\] is none of the \d+ rows of the vocabulary\n/,
    ],
  ])('an id beyond the vocabulary: %#', async (tensors, more, message) => {
    const folder = temporaryFolder();
    const [inputs, outputs] = [join(folder, 'in.safetensors'), join(folder, 'out.safetensors')];
    await writeSafetensors(inputs, Object.entries(tensors));
    const { code, stderr } = await here(['trace', llama, '--inputs', inputs, '--outputs', outputs, ...more]);
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});

test('what was opened for an answer is closed where the draft model is none', async () => {
  const closed = vi.spyOn(Chat.prototype, 'close');
  onTestFinished(() => closed.mockRestore());
  const { stderr } = await captured(() => chat(llama, ['hi'], { draft: join(fixtures, 'none') }));
  expect(stderr).toContain('no such file or folder');
  expect(closed).toHaveBeenCalledTimes(1);
});
