/** Adapters by run files: each kind learns, is written, read again, and answers as it did while it learnt. */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asSystem, Chat, load, type Model, traceNetwork } from '../../src/model/index.js';
import { type HostArray, toNumbers } from '../../src/tensor/index.js';
import { runFile } from '../../src/train/run.js';
import { engine, fixtureTensors } from '../fixture.js';
import { runFolder, stage } from './runs.js';

const on = ['language_model.**.{q,v}_proj'];
const table = 'language_model.model.embed_tokens.weight';

async function lossOf(model: Model): Promise<number> {
  const { input_ids, attention_mask, pixel_values, labels } = await fixtureTensors('llava', 'inputs');
  const inputs = { input_ids, attention_mask, pixel_values, labels } as Record<string, HostArray>;
  const { loss } = await traceNetwork(model, inputs, { want: ['loss'] });
  return toNumbers(loss as HostArray)[0] as number;
}

async function open(...args: Parameters<typeof load>): Promise<Model> {
  const model = await load(...args);
  onTestFinished(() => model.close());
  return model;
}

test.each<[Readonly<Record<string, unknown>>, string]>([
  [{ kind: 'lora', rank: 2, bias: 'adapted', on }, 'LORA'],
  [{ kind: 'lora', rank: 2, rankStabilised: true, on: ['**.{embed_tokens,patch_embedding}'] }, 'LORA'],
  [{ kind: 'dora', rank: 2, on }, 'LORA'],
  [{ kind: 'dora', rank: 2, on: ['**.{q_proj,patch_embedding}'] }, 'LORA'],
  [{ kind: 'adalora', rank: 3, on }, 'ADALORA'],
  [{ kind: 'vera', rank: 4, on }, 'VERA'],
  [{ kind: 'loha', rank: 2, on }, 'LOHA'],
  [{ kind: 'lokr', rank: 2, on }, 'LOKR'],
  [{ kind: 'hra', rank: 2, on }, 'HRA'],
  [{ kind: 'oft', block: 6, on }, 'OFT'],
  [{ kind: 'ia3', on: ['language_model.**.{k_proj,down_proj}'], inputs: ['**.down_proj'] }, 'IA3'],
  [{ kind: 'biases', on }, 'BEFT'],
  [{ kind: 'layers', on: ['language_model.**.input_layernorm'] }, 'LN_TUNING'],
  [{ kind: 'bottleneck', width: 3, on: ['language_model.**.{o_proj,down_proj}'] }, 'BOTTLENECK'],
  [{ kind: 'prompt', count: 3 }, 'PROMPT_TUNING'],
  [{ kind: 'p-tuning', count: 3, hidden: 5 }, 'P_TUNING'],
  [{ kind: 'prefix', count: 3, hidden: 5 }, 'PREFIX_TUNING'],
  [{ kind: 'llama-adapter', count: 3, layers: 1 }, 'ADAPTION_PROMPT'],
  [{ kind: 'words', table, ids: [70, 72] }, 'TRAINABLE_TOKENS'],
])('an adapter %j learns, is written and answers', async (adapter, type) => {
  const { folder, file } = runFolder({
    stages: [stage({ name: 'instruct', train: [], adapter, steps: 3, optimizer: { lr: 0.05 } })],
  });
  const losses: number[] = [];
  const { folder: written } = await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
  expect(losses.length).toBe(3);
  expect(losses.every(Number.isFinite)).toBe(true);
  const config = JSON.parse(readFileSync(join(written as string, 'adapter_config.json'), 'utf8'));
  expect(config.peft_type).toBe(type);
  const base = await open(join(folder, 'base'), { engine });
  const adapted = await open(join(folder, 'base'), { engine, adapter: written as string });
  // Words that no text has learn nothing.
  if (type !== 'TRAINABLE_TOKENS') expect(await lossOf(adapted)).not.toBe(await lossOf(base));
  const chat = await Chat.open(asSystem(adapted));
  onTestFinished(() => chat.close());
  const messages = [{ role: 'user' as const, content: 'What do you see?' }];
  expect(await chat.answer({ messages, pictures: [] }, { maxTokens: 3 })).toBeTypeOf('string');
});

test('an adapter names its base as the run file does, and is loaded wherever both have gone', async () => {
  const { folder, file } = runFolder({
    stages: [stage({ name: 'instruct', train: [], adapter: { kind: 'lora', rank: 2, on }, steps: 2 })],
  });
  const { base } = await runFile(file, { engine });
  expect(base).toBe(join(folder, 'base'));
  const moved = `${folder}-moved`;
  renameSync(folder, moved);
  onTestFinished(() => rmSync(moved, { recursive: true, force: true }));
  const config = JSON.parse(readFileSync(join(moved, 'out/adapter/adapter_config.json'), 'utf8'));
  expect(config.base_model_name_or_path).toBe('./base');
  const adapted = await open(join(moved, 'base'), { engine, adapter: join(moved, 'out/adapter') });
  expect(Number.isFinite(await lossOf(adapted))).toBe(true);
});

test.each<[Readonly<Record<string, unknown>>, RegExp]>([
  [{ kind: 'lorra', rank: 2, on }, /adapter\.kind: expected one of lora, dora/],
  [{ kind: 'dora', on }, /adapter\.rank: expected a whole number/],
  [{ kind: 'prompt', count: 3, on }, /adapter: there is no field "on"/],
  [{ kind: 'lora', rank: 2, dropout: 0.1, on }, /adapter: there is no field "dropout"/],
  [{ kind: 'dora', rank: 2, on: ['**.nothing'] }, /adapter\.on: .*"\*\*\.nothing"/],
  [
    { kind: 'adalora', rank: 2, on: [...on, '**.patch_embedding'] },
    /adalora is not for vision_tower\S*\.patch_embedding, which is a convolution \[14, 3, \d, \d\]/,
  ],
  [
    { kind: 'ia3', on, inputs: ['**.down_proj'] },
    /adapter\.inputs: .*"\*\*\.down_proj" matches no layer that is adapted/,
  ],
  [{ kind: 'llama-adapter', count: 3, layers: 9 }, /adapter\.layers: expected at most the model's 2 layers, got 9/],
  [{ kind: 'dora', rank: 2, on: ['**.embed_tokens'] }, /dora is not for \S*\.embed_tokens, which is no linear layer/],
])('an adapter %j is refused with what is wrong', async (adapter, message) => {
  const { file } = runFolder({ stages: [stage({ name: 'instruct', train: [], adapter })] });
  await expect(runFile(file, { engine })).rejects.toThrow(message);
});

test('the magnitudes of layers and convolutions begin with their norms: what has learnt nothing changes nothing', async () => {
  const firstLoss = async (adapter: Readonly<Record<string, unknown>>): Promise<number> => {
    const { file } = runFolder({
      stages: [stage({ name: 'instruct', train: [], adapter, steps: 1, optimizer: { lr: 1e-3 } })],
    });
    const losses: number[] = [];
    await runFile(file, { engine, onStep: (_, { loss }) => losses.push(loss) });
    return losses[0] as number;
  };
  const layers = { rank: 2, on: ['**.{q_proj,patch_embedding}'] };
  expect(await firstLoss({ kind: 'dora', ...layers })).toBeCloseTo(await firstLoss({ kind: 'lora', ...layers }), 6);
});
