/** What makes a model another one to conversations that were saved. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { identityOf } from '../../src/model/identity.js';
import { asSystem, load, type Model, withAdapter } from '../../src/model/index.js';
import { layeredWeights } from '../../src/model/weights.js';
import { adapterOf, type System } from '../../src/system/index.js';
import { zerosArray } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { changedModel, copyOfModel, llavaInPlace } from './models.js';

const adapted = (model: Model<System>, alpha = 4): Model<System> => {
  const adapter = adapterOf([{ kind: 'lora', rank: 2, alpha, on: ['language_model.**.q_proj'] }]);
  return withAdapter(model, { adapter, values: new Map() });
};

test('every parameter, an adapter, its scale, the rotation of keys and the form of weights are part of a model', async () => {
  const model = await llavaInPlace();
  const turned = await changedModel('llava', (config) => ({
    ...config,
    text_config: { ...(config.text_config as object), head_dim: 8, max_position_embeddings: 512, rope_theta: 9000 },
  }));
  const others = [...model.declarations.values()].map((parameter) => ({
    ...model,
    weights: layeredWeights(model.weights, new Map([[parameter.name, zerosArray('f32', parameter.shape)]])),
  }));
  const [lora, stronger] = [adapted(model), adapted(model, 8)];
  const name = 'language_model.model.layers.0.self_attn.q_proj.lora_A.weight';
  const learnt = { ...lora, weights: layeredWeights(lora.weights, new Map([[name, zerosArray('f32', [2, 18])]])) };
  const all = [model, turned, lora, stronger, learnt, { ...model, weightsForm: 'int8' as const }];
  const known = new Set(await Promise.all(all.map(identityOf)));
  expect(known.size).toBe(all.length);
  expect(known).toContain(await identityOf(await llavaInPlace()));
  for (const other of others) known.add(await identityOf(other));
  // Biases begin with zeros.
  const zeros = [...model.declarations.values()].filter(({ name }) => name.endsWith('bias')).length;
  expect(known.size).toBe(all.length + others.length - zeros);
});

test('weights in a file are part of a model, wherever the file lies', async () => {
  const open = async (folder: string): Promise<string> => {
    const model = await load(folder, { engine });
    onTestFinished(() => model.close());
    return identityOf(asSystem(model));
  };
  const [first, second] = [copyOfModel('llava'), copyOfModel('llava')];
  expect(await open(second)).toBe(await open(first));
  const file = join(second, 'model.safetensors');
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  writeFileSync(file, bytes);
  expect(await open(second)).not.toBe(await open(first));
});
