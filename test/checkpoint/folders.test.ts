import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openModel, openModelFolder, openPipelineFolder, writeSafetensors } from '../../src/checkpoint/index.js';
import { hostArray } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temporary.js';

async function withWeights(folder: string, name = 'model.safetensors'): Promise<string> {
  await writeSafetensors(join(folder, name), [['a', hostArray('f32', [1], [1])]]);
  return folder;
}

test('a model folder gives its parsed files, and undefined for those that are not there', async () => {
  const files = { 'config.json': { model_type: 'llama' }, 'generation_config.json': { eos_token_id: [1, 2] } };
  const model = await openModelFolder(await withWeights(temporaryFolder(files)));
  expect(model.config).toEqual({ model_type: 'llama' });
  expect(model.generationConfig).toEqual({ eos_token_id: [1, 2] });
  expect(model.tokenizer).toBeUndefined();
  expect([...model.checkpoint.tensors.keys()]).toEqual(['a']);
  await model.checkpoint.close();
});

test.each([
  ['no config.json in this folder', {}],
  ['config.json: expected an object, got [1]', { 'config.json': [1] }],
  ['not JSON', { 'config.json': '{"a":' }],
  ['nested deeper than 64', { 'config.json': '['.repeat(100) }],
  ['not UTF-8', { 'config.json': new Uint8Array([0x7b, 0xff]) }],
  ['16777217 bytes; at most 16777216 are read', { 'config.json': ' '.repeat(2 ** 24 + 1) }],
])('a folder is refused: %s', async (message, files) => {
  const folder = await withWeights(temporaryFolder(files));
  await expect(openModelFolder(folder)).rejects.toThrow(message);
});

test('the chat template comes from the first place that has one', async () => {
  const places: [string, string | object][] = [
    [
      'tokenizer_config.json',
      {
        chat_template: [
          { name: 'default', template: 'fourth' },
          { name: 'tool', template: 't' },
        ],
      },
    ],
    ['processor_config.json', { chat_template: 'third' }],
    ['chat_template.json', { chat_template: 'second' }],
    ['chat_template.jinja', 'first'],
  ];
  const folders: Record<string, string | object> = { 'config.json': {} };
  const seen: (string | undefined)[] = [];
  for (const [name, content] of places) {
    folders[name] = content;
    const model = await openModelFolder(await withWeights(temporaryFolder(folders)));
    seen.push(model.chatTemplates.get('default'));
    expect(model.chatTemplates.get('tool')).toBe(name === 'tokenizer_config.json' ? 't' : undefined);
    await model.checkpoint.close();
  }
  expect(seen).toEqual(['fourth', 'third', 'second', 'first']);
});

test('templates may be written by their names, and a null is none', async () => {
  const folder = temporaryFolder({
    'config.json': {},
    'processor_config.json': { chat_template: null },
    'tokenizer_config.json': { chat_template: { default: 'x', rag: 'z' } },
  });
  const model = await openModelFolder(await withWeights(folder));
  expect(Object.fromEntries(model.chatTemplates)).toEqual({ default: 'x', rag: 'z' });
  await model.checkpoint.close();
});

test('templates with names stand beside the default one', async () => {
  const folder = temporaryFolder({
    'config.json': {},
    'chat_template.jinja': 'x',
    'additional_chat_templates/tool.jinja': 'y',
  });
  const model = await openModelFolder(await withWeights(folder));
  expect([...model.chatTemplates].sort()).toEqual([
    ['default', 'x'],
    ['tool', 'y'],
  ]);
  await model.checkpoint.close();
});

test('a diffusers folder gives its components, the ones left out excepted', async () => {
  const folder = temporaryFolder({
    'model_index.json': {
      _class_name: 'StableDiffusionPipeline',
      _diffusers_version: '0.30.0',
      unet: ['diffusers', 'UNet2DConditionModel'],
      scheduler: ['diffusers', 'PNDMScheduler'],
      safety_checker: [null, null],
      requires_safety_checker: false,
    },
    'unet/config.json': { in_channels: 4 },
    'scheduler/scheduler_config.json': { beta_start: 0.00085 },
  });
  await withWeights(join(folder, 'unet'), 'diffusion_pytorch_model.safetensors');
  const pipeline = await openPipelineFolder(folder);
  expect(pipeline.className).toBe('StableDiffusionPipeline');
  expect(pipeline.options).toEqual({ requires_safety_checker: false });
  expect([...pipeline.components.keys()]).toEqual(['unet', 'scheduler']);
  expect(pipeline.components.get('unet')).toMatchObject({ library: 'diffusers', config: { in_channels: 4 } });
  expect(await pipeline.components.get('unet')?.checkpoint?.read('a')).toMatchObject({ data: new Float32Array([1]) });
  expect(pipeline.components.get('scheduler')).toMatchObject({
    config: { beta_start: 0.00085 },
    checkpoint: undefined,
  });
  await pipeline.close();
});

test.each([
  ['the folder of the component "vae" (AutoencoderKL) is missing', { vae: ['diffusers', 'AutoencoderKL'] }],
  ['is no component', { '../vae': ['diffusers', 'AutoencoderKL'] }],
])('a diffusers folder is refused: %s', async (message, components) => {
  const folder = temporaryFolder({ 'model_index.json': { _class_name: 'X', ...components } });
  await expect(openPipelineFolder(folder)).rejects.toThrow(message);
});

test.runIf(existsSync('/proc/self/fd'))('a pipeline that is refused leaves no file open', async () => {
  const folder = temporaryFolder({
    'model_index.json': { _class_name: 'StableDiffusionPipeline', unet: ['diffusers', 'UNet2DConditionModel'] },
    'unet/config.json': {},
    'tokenizer_config.json': '{',
  });
  await withWeights(join(folder, 'unet'), 'diffusion_pytorch_model.safetensors');
  await expect(openModel(folder)).rejects.toThrow('tokenizer_config.json: not JSON');
  expect(openFiles().filter((file) => file.startsWith(folder))).toEqual([]);
});

/** What this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`);
    } catch {
      return []; // that of the listing itself
    }
  });
}
