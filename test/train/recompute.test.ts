/** Blocks that are computed once more against blocks that are kept: the same numbers. */
import { expect, onTestFinished, test } from 'vitest';
import { load, type Model } from '../../src/model/index.js';
import { nextToken } from '../../src/system/index.js';
import { type HostArray, hostArray, sizeOf, toNumbers } from '../../src/tensor/index.js';
import { blockOf } from '../../src/train/blocks.js';
import { compileStep, planStep } from '../../src/train/step.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';
import { expectClose } from '../graph/close.js';
import { batchesOf } from './fixture.js';

type Arrays = Record<string, HostArray>;

test('a block is the path of a parameter up to its first number', () => {
  expect(blockOf('model.layers.3.self_attn.q_proj.lora_A.weight')).toBe('model.layers.3');
  expect(blockOf('down_blocks.0.resnets.1.conv1.weight')).toBe('down_blocks.0');
  expect(blockOf('multi_modal_projector.linear_1.weight')).toBeUndefined();
  expect(blockOf('model.embed_tokens.weight')).toBeUndefined();
});

async function open(name: string): Promise<Model> {
  const adapter = name === 'train-llava-lora' ? { adapter: `${fixturePath(name)}/adapter-before` } : {};
  const model = await load(`${fixturePath(name)}/model`, { engine, ...adapter });
  onTestFinished(() => model.close());
  return model;
}

test.each([
  ['train-full-llama', ['**']],
  ['train-full-t5', ['**']],
  ['train-llava-align', ['multi_modal_projector.**']],
  ['train-llava-align', ['vision_tower.**', 'language_model.**.1.**']],
  ['train-llava-lora', ['**.lora_*.*']],
] as const)('loss and gradients of %s by %o are those of blocks that are kept', async (name, train) => {
  const model = await open(name);
  const [batch] = (await batchesOf(await fixtureTensors(name, 'inputs')).take(0)) as [Arrays];
  const options = { objective: nextToken(), train, fields: Object.keys(batch) };
  const nodes = [false, true].map((recompute) => planStep(model, { ...options, recompute }).graph.nodes.length);
  expect(nodes[1]).toBeGreaterThan(nodes[0] as number);
  const passes = [false, true].map(async (recompute) => {
    const step = await compileStep(model, { ...options, recompute });
    onTestFinished(() => step.close());
    const values: Arrays = {};
    const slopes: Arrays = {};
    for (const declared of step.trained) {
      values[declared.name] = await model.weights.read(declared);
      slopes[declared.name] = hostArray('f32', declared.shape, new Float32Array(sizeOf(declared.shape)));
    }
    const [known] = (await step.foresee([batch], values)) as [Arrays];
    return { ...(await step.run(known, values, slopes)), slopes };
  });
  const [kept, again] = (await Promise.all(passes)) as [Awaited<(typeof passes)[0]>, Awaited<(typeof passes)[0]>];
  expect(again.total).toBeCloseTo(kept.total, 5);
  for (const [key, { shape, ...slope }] of Object.entries(kept.slopes)) {
    const rule = { rtol: 1e-5, atol: 1e-7 };
    expectClose(again.slopes[key] as HostArray, { shape, data: toNumbers({ shape, ...slope }) }, key, rule);
  }
});
