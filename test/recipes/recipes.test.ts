/** What holds of every recipe in the list, found out without any weights. */

import { describe, expect, test } from 'vitest';
import { graph, input, type Tensor } from '../../src/graph/index.js';
import { rootScope, select } from '../../src/nn/index.js';
import { idefics3, llava15, networkOf, recipeNamed, recipes, stableDiffusion } from '../../src/recipes/index.js';
import { declarationsOf, learningOf, type Network, parameterCount, type Stage } from '../../src/system/index.js';
import { fields, type QuintetError } from '../../src/tensor/index.js';

const stagesOf = (network: Network): readonly Stage[] =>
  'stages' in network ? (network.stages as readonly Stage[]) : [];

test('no two recipes have one name or read one model_type and architecture', () => {
  const types = recipes.flatMap(({ modelTypes, architectures = [''] }) =>
    modelTypes.flatMap((type) => architectures.map((architecture) => `${type} ${architecture}`)),
  );
  for (const words of [recipes.map(({ name }) => name), types]) {
    expect(words.toSorted()).toEqual([...new Set(words)].sort());
  }
});

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', (_, recipe) => {
  test('has a tiny size that is far smaller than its published ones', () => {
    const counts = new Map(
      recipe.sizes.map((size) => [size, parameterCount(declarationsOf(recipe.of(size)).values())]),
    );
    const { tiny, ...published } = Object.fromEntries(counts);
    expect(tiny).toBeGreaterThan(0);
    for (const count of Object.values(published)) expect(count).toBeGreaterThan(5 * (tiny as number));
  });

  test.each(recipe.sizes)('every pattern of every stage selects parameters of size %s', (size) => {
    const network = recipe.of(size);
    for (const stage of stagesOf(network)) {
      const { adapt, train } = learningOf(stage);
      const names = [...declarationsOf(network, adapt).keys()];
      for (const glob of train) expect(select(names, [glob], stage.name).length, glob).toBeGreaterThan(0);
    }
  });
});

test.each([
  ['qwen2', 'model.layers.0.self_attn.q_proj.bias'],
  ['qwen3', 'model.layers.0.self_attn.q_norm.weight'],
  ['mistral', 'model.layers.0.mlp.gate_proj.weight'],
  ['phi3', 'model.layers.0.self_attn.qkv_proj.weight'],
  ['gpt2', 'transformer.h.0.attn.c_attn.weight'],
  ['opt', 'model.decoder.layers.0.self_attn.q_proj.weight'],
])('LLaVA has the language model that its text_config names: %s', (type, name) => {
  const text_config = { model_type: type, num_hidden_layers: 1, n_layer: 1 };
  const network = llava15.fromConfig(fields({ model_type: 'llava', text_config }, 'config.json'));
  expect([...declarationsOf(network).keys()]).toContain(`language_model.${name}`);
});

test.each([
  ['llava-1.5', 'text_config', 't5'],
  ['llava-1.5', 'vision_config', 'blip_2_vision_model'],
  ['blip-2', 'text_config', 'llama'],
  ['blip-2', 'vision_config', 'clip_vision_model'],
  ['blip-2', 'qformer_config', 'bert'],
  ['idefics3', 'vision_config', 'siglip_vision_model'],
  ['janus', 'text_config', 'mistral'],
  ['janus', 'vision_config', 'siglip_vision_model'],
  ['gill', 'vision_config', 'siglip_vision_model'],
  ['nano', 'vision_config', 'clip_vision_model'],
  ['clip', 'text_config', 'siglip_text_model'],
  ['siglip', 'vision_config', 'clip_vision_model'],
])('%s refuses a %s of model_type %s, which it would read as something else', (name, field, type) => {
  const config = fields({ text_config: {}, vision_config: {}, [field]: { model_type: type } }, 'config.json');
  expect(() => recipeNamed(name).fromConfig(config)).toThrow(new RegExp(`config\\.json: ${field}: .*"${type}"`));
});

test('a pipeline refuses a component of another class', () => {
  const config = fields({ unet: { _class_name: 'UNet3DConditionModel' } }, 'model_index.json');
  expect(() => stableDiffusion.fromConfig(config)).toThrow('_class_name "UNet3DConditionModel" is not what');
});

test('a language model that is not known is an error that names it and the nearest', () => {
  const config = { model_type: 'llava', text_config: { model_type: 'qwen4' } };
  expect(() => llava15.fromConfig(fields(config, 'config.json'))).toThrow(/"qwen4"; the nearest is "qwen[23]"/);
});

test('LLaVA without a vision_config has CLIP L/14 at 336 pixels, with an empty one B/32 at 224', () => {
  const positions = (vision: object) => {
    const config = { model_type: 'llava', text_config: { num_hidden_layers: 1 }, ...vision };
    const declarations = declarationsOf(llava15.fromConfig(fields(config, 'config.json')));
    return declarations.get('vision_tower.vision_model.embeddings.position_embedding.weight')?.shape;
  };
  expect(positions({})).toEqual([24 ** 2 + 1, 1024]);
  expect(positions({ vision_config: null })).toEqual([24 ** 2 + 1, 1024]);
  expect(positions({ vision_config: {} })).toEqual([7 ** 2 + 1, 768]);
});

test('Idefics3 without a text_config has an epsilon of 1e-5, with an empty one of 1e-6', () => {
  const epsilons = (text: object) => {
    const { forward } = idefics3.fromConfig(fields({ model_type: 'idefics3', ...text }, 'config.json'));
    const ids = input('input_ids', 'i64', ['B', 'T']);
    const { logits } = forward(rootScope().p, { input_ids: ids, attention_mask: ids });
    const norms = graph('logits', { logits: logits as Tensor }).nodes.filter(
      ({ attributes }) => 'epsilon' in attributes,
    );
    return [...new Set(norms.map(({ attributes }) => attributes.epsilon))];
  };
  expect(epsilons({})).toEqual([1e-5]);
  expect(epsilons({ text_config: {} })).toEqual([1e-6]);
});

test.each([
  ['add_cross_attention', { model_type: 'gpt2', add_cross_attention: true }],
  ['is_decoder', { model_type: 'bert', is_decoder: true }],
  ['position_embedding_type', { model_type: 'bert', position_embedding_type: 'relative_key' }],
  ['use_bidirectional_attention', { model_type: 'gemma3_text', use_bidirectional_attention: true }],
])('what is built otherwise is refused by its name: %s', (name, config) => {
  expect(() => networkOf(fields(config, 'config.json'))).toThrow(name);
});

test.each([
  ['vision_config', 'num_hidden_layers', -1],
  ['vision_config', 'patch_size', 0],
  ['text_config', 'num_hidden_layers', 0],
  ['text_config', 'hidden_size', -64],
  ['text_config', 'vocab_size', -1],
])('a size that is none is named: %s.%s %d', (part, name, size) => {
  const config = fields({ model_type: 'idefics3', [part]: { [name]: size } }, 'config.json');
  const range = name === 'num_hidden_layers' ? 'to 1024' : 'on';
  const message = `config.json: ${part}.${name}: expected a whole number from 1 ${range}, got ${size}`;
  expect(() => networkOf(config)).toThrow(message);
});

test('a model_type that is not known is told each that is, once', () => {
  let hint = '';
  try {
    networkOf(fields({ model_type: 'unheard-of' }, 'config.json'));
  } catch (error) {
    hint = (error as QuintetError).hint ?? '';
  }
  const known = hint.replace('known: ', '').split(', ');
  expect(known).toContain('bert');
  expect(known).toEqual([...new Set(known)]);
});
