/** Runs of tiny models to their end, with what the results answer, for `oracle/check_export.py`. */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadPicture } from '../src/media/index.js';
import { asSystem, Chat, load } from '../src/model/index.js';
import { runFile } from '../src/train/index.js';

const fixtures = new URL('../test/fixtures/', import.meta.url).pathname;
const tokens = 12;

/** Families that see, whole and as adapters, and families that do not. */
const runs: readonly { readonly name: string; readonly base: string; readonly lora?: boolean }[] = [
  { name: 'llava', base: 'llava' },
  { name: 'llava-lora', base: 'llava', lora: true },
  { name: 'smolvlm', base: 'smolvlm' },
  { name: 'idefics3', base: 'idefics3' },
  { name: 'llava-qwen2', base: 'llava-qwen2' },
  { name: 'llama', base: 'llama' },
  { name: 'llama-lora', base: 'llama', lora: true },
  { name: 'qwen2', base: 'qwen2' },
  { name: 'gemma2', base: 'gemma2' },
  { name: 'mistral', base: 'mistral' },
  { name: 'blip2-opt', base: 'blip2-opt' },
  { name: 'flan-t5', base: 'flan-t5' },
];

async function run(to: string, { name, base, lora = false }: (typeof runs)[number]): Promise<void> {
  const folder = join(to, name);
  mkdirSync(folder, { recursive: true });
  cpSync(`${fixtures}${base}/model`, join(folder, 'base'), { recursive: true });
  cpSync(`${fixtures}llava/media`, folder, { recursive: true });
  const seen = readdirSync(join(folder, 'base')).includes('preprocessor_config.json') ? ['two.png'] : [];
  const content = [...seen.map((path) => ({ type: 'image', path })), { type: 'text', text: 'How many birds?' }];
  const sample = {
    messages: [
      { role: 'user', content },
      { role: 'assistant', content: 'two birds' },
    ],
  };
  writeFileSync(join(folder, 'chats.jsonl'), `${JSON.stringify(sample)}\n`);
  const adapter = lora ? { lora: { rank: 3, on: ['**.{q_proj,v_proj}'] } } : { train: ['**'] };
  const stage = { name: 'only', ...adapter, data: 'chats.jsonl', batch: 1, steps: 12, optimizer: { lr: 1e-2 } };
  const file = join(folder, 'run.yaml');
  const settings = {
    evaluate: { data: 'chats.jsonl', every: 6 },
    samples: [{ pictures: seen, prompt: 'How many birds?' }],
  };
  writeFileSync(file, stringify({ model: './base', output: 'out', ...settings, stages: [stage] }));
  const { folder: written = '' } = await runFile(file, { clock: () => performance.timeOrigin + performance.now() });
  const model = asSystem(await load(lora ? join(folder, 'base') : written, lora ? { adapter: written } : {}));
  const chat = await Chat.open(model);
  const pictures = await Promise.all(seen.map((path) => loadPicture(join(folder, path))));
  const asked = [...seen.map(() => ({ type: 'image' as const })), { type: 'text' as const, text: 'How many birds?' }];
  const ids: number[] = [];
  const question = { messages: [{ role: 'user' as const, content: asked }], pictures };
  for await (const { token } of chat.reply(question, { maxTokens: tokens, temperature: 0 }))
    if (token) ids.push(token.id);
  await chat.close();
  await model.close();
  const expected = {
    base: 'base',
    result: written.slice(folder.length + 1),
    pictures: seen,
    prompt: 'How many birds?',
    tokens,
    ids,
  };
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(expected));
}

const [to] = process.argv.slice(2);
if (to === undefined) throw new Error('which folder shall they be saved in?');
for (const one of runs) await run(to, one);
