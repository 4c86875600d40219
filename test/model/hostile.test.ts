/**
 * Damaged files of every kind, through what users call: a model folder, its pictures, its adapter and a run file. Whatever is
 * in them, the outcome is an answer or a QuintetError, within bounds of time and memory.
 */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadPicture } from '../../src/media/index.js';
import { asSystem, Chat, load } from '../../src/model/index.js';
import { QuintetError, Random } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { engine, fixturePath } from '../fixture.js';
import { jsonLines } from '../json-lines.js';
import { processorTime } from '../processor-time.js';
import { sharedFolder } from '../temporary.js';
import { chats, stage } from '../train/runs.js';
import { ggufModel } from './gguf-model.js';

const root = sharedFolder();

const folders = {
  llava: join(root, 'llava'),
  smolvlm: join(root, 'smolvlm'),
  sharded: join(root, 'sharded'),
  lora: join(root, 'lora'),
  run: join(root, 'run'),
};
cpSync(`${fixturePath('llava')}/model`, folders.llava, { recursive: true });
cpSync(`${fixturePath('smolvlm')}/model`, folders.smolvlm, { recursive: true });
cpSync(`${fixturePath('llama-rope-scaled')}/model`, folders.sharded, { recursive: true });
cpSync(`${fixturePath('train-llava-lora')}/adapter-after`, folders.lora, { recursive: true });
cpSync(`${fixturePath('llava')}/media`, folders.run, { recursive: true });
cpSync(`${fixturePath('media')}/420-odd.jpg`, join(folders.run, 'odd.jpg'));
writeFileSync(join(folders.run, 'chats.jsonl'), jsonLines(chats));
const stages = [stage({ name: 'align', steps: 2, lora: { rank: 2, on: ['language_model.**.q_proj'] } })];
writeFileSync(join(folders.run, 'run.yaml'), stringify({ model: '../llava', output: 'out', seed: 1, stages }));

const gguf = join(root, 'tiny.gguf');
writeFileSync(gguf, ggufModel({ width: 32, depth: 1, heads: 2, hidden: 64, vocab: 128, blocks: true }));

const base = fixturePath('train-llava-lora');

afterEach(() => {
  expect(process.resourceUsage().maxRSS / 1024).toBeLessThan(1024);
});

/** Loads a model and lets it answer about a picture. */
async function answer(folder: string, picture?: string): Promise<void> {
  const model = await load(folder, { engine });
  try {
    const chat = await Chat.open(asSystem(model));
    try {
      const pictures = picture === undefined ? [] : [await loadPicture(join(folders.run, picture))];
      const content = [...pictures.map(() => ({ type: 'image' as const })), { type: 'text' as const, text: 'What?' }];
      await chat.answer({ messages: [{ role: 'user', content }], pictures }, { maxTokens: 2 });
    } finally {
      await chat.close();
    }
  } finally {
    await model.close();
  }
}

const uses = {
  llava: () => answer(folders.llava, 'two.png'),
  smolvlm: () => answer(folders.smolvlm, 'two.png'),
  sharded: () => answer(folders.sharded),
  gguf: () => answer(gguf),
  picture: (name: string) => answer(folders.llava, name),
  lora: async () => (await load(`${base}/model`, { engine, adapter: folders.lora })).close(),
  run: async () => {
    await runFile(join(folders.run, 'run.yaml'), { engine });
    rmSync(join(folders.run, 'out'), { recursive: true });
  },
};

test.each(Object.entries(uses).filter(([name]) => name !== 'picture'))('%s as it is gives no error', async (_, use) => {
  await (use as () => Promise<void>)();
});

const outcomes = { answered: 0, refused: 0 };

/** Replaces a file for one use of it. */
async function attempt(
  path: string,
  bytes: Uint8Array | string,
  use: () => Promise<void>,
  what: string,
): Promise<void> {
  const original = readFileSync(path);
  writeFileSync(path, bytes);
  const start = processorTime();
  try {
    await use();
    outcomes.answered++;
  } catch (error) {
    if (!(error instanceof QuintetError)) throw new Error(`${what}: ${(error as Error).stack}`, { cause: error });
    outcomes.refused++;
  } finally {
    writeFileSync(path, original);
    rmSync(join(folders.run, 'out'), { recursive: true, force: true });
  }
  expect(processorTime() - start, what).toBeLessThan(5000);
}

/** A few bytes changed: cut, left out, repeated, overwritten. */
function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  // Headers decide most, and are at the beginning.
  const region = random.integer(2) === 0 ? Math.min(bytes.length, 512) : bytes.length;
  const at = random.integer(region);
  const length = 1 + random.integer(16);
  const kind = random.integer(5);
  if (kind === 0) return bytes.slice(0, at);
  if (kind === 1) return Buffer.concat([bytes.slice(0, at), bytes.slice(at + length)]);
  if (kind === 2) return Buffer.concat([bytes.slice(0, at + length), bytes.slice(at)]);
  const copy = bytes.slice();
  if (kind === 3) copy.fill(random.pick([0, 0x30, 0x39, 0x7f, 0xff]), at, at + length);
  else for (let i = 0; i < 4; i++) copy[random.integer(region)] = random.integer(256);
  return copy;
}

describe('changed at random', { timeout: 300_000 }, () => {
  test.each<[string, string, () => Promise<void>]>([
    ['config.json', join(folders.llava, 'config.json'), uses.llava],
    ['tokenizer.json', join(folders.llava, 'tokenizer.json'), uses.llava],
    ['tokenizer_config.json', join(folders.llava, 'tokenizer_config.json'), uses.llava],
    ['a chat template', join(folders.llava, 'chat_template.jinja'), uses.llava],
    ['preprocessor_config.json', join(folders.llava, 'preprocessor_config.json'), uses.llava],
    ['generation_config.json', join(folders.llava, 'generation_config.json'), uses.llava],
    ['model.safetensors', join(folders.llava, 'model.safetensors'), uses.llava],
    ['the settings of tiles', join(folders.smolvlm, 'preprocessor_config.json'), uses.smolvlm],
    ['a shard index', join(folders.sharded, 'model.safetensors.index.json'), uses.sharded],
    ['a shard', join(folders.sharded, 'model-00002-of-00003.safetensors'), uses.sharded],
    ['a GGUF file', gguf, uses.gguf],
    ['a PNG', join(folders.run, 'two.png'), () => uses.picture('two.png')],
    ['a JPEG', join(folders.run, 'odd.jpg'), () => uses.picture('odd.jpg')],
    ['adapter_config.json', join(folders.lora, 'adapter_config.json'), uses.lora],
    ['adapter_model.safetensors', join(folders.lora, 'adapter_model.safetensors'), uses.lora],
    ['run.yaml', join(folders.run, 'run.yaml'), uses.run],
    ['chats.jsonl', join(folders.run, 'chats.jsonl'), uses.run],
  ])('%s ends in an answer or an error', async (name, path, use) => {
    const bytes = new Uint8Array(readFileSync(path));
    const random = new Random(name.length);
    for (let i = 0; i < 12; i++) await attempt(path, mutate(bytes, random), use, `${name} ${i}`);
  });
});

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The places of numbers and texts in a JSON value. */
function leaves(value: Json, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => leaves(item, [...path, i]));
  if (value !== null && typeof value === 'object')
    return Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
  return [path];
}

/** The value with another one in one of its places. */
function replaced(value: Json, [first, ...rest]: readonly (string | number)[], by: Json): Json {
  if (first === undefined) return by;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, Json>;
  copy[first] = replaced(copy[first] as Json, rest, by);
  return copy as Json;
}

const numbers: readonly Json[] = [0, -1, 1.5, 1e9, 2 ** 53];
const others: readonly Json[] = [null, '', 'x', [], {}, [1e9, -1], true];

describe('with every setting replaced by another', { timeout: 300_000 }, () => {
  test.each<[string, string, () => Promise<void>]>([
    ['config.json', join(folders.llava, 'config.json'), uses.llava],
    ['preprocessor_config.json', join(folders.llava, 'preprocessor_config.json'), uses.llava],
    ['the settings of tiles', join(folders.smolvlm, 'preprocessor_config.json'), uses.smolvlm],
    ['generation_config.json', join(folders.llava, 'generation_config.json'), uses.llava],
    ['adapter_config.json', join(folders.lora, 'adapter_config.json'), uses.lora],
  ])('%s ends in an answer or an error', async (name, path, use) => {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Json;
    const random = new Random(1);
    for (const place of leaves(value)) {
      for (const extreme of [random.pick(numbers), random.pick(others)]) {
        const what = `${name} ${place.join('.')} ${JSON.stringify(extreme)}`;
        await attempt(path, JSON.stringify(replaced(value, place, extreme)), use, what);
      }
    }
  });
});

test('more than 300 files were tried, and most were refused', () => {
  expect(outcomes.answered + outcomes.refused).toBeGreaterThan(300);
  expect(outcomes.refused).toBeGreaterThan(outcomes.answered);
});
