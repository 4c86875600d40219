import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { savePipeline } from '../../src/model/save-pipeline.js';
import { temporaryFolder } from '../temporary.js';

test('a component whose name leads out of the folder is not written', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'deep', 'down', 'source');
  mkdirSync(join(source, 'scheduler'), { recursive: true });
  mkdirSync(join(folder, 'deep', 'taken'), { recursive: true });
  writeFileSync(join(source, 'scheduler', 'scheduler_config.json'), '{}');
  const component = ['diffusers', 'DDIMScheduler'];
  const components = { scheduler: component, '_/../../../taken': component, '_/../../scheduler': component };
  writeFileSync(
    join(source, 'model_index.json'),
    JSON.stringify({ _class_name: 'StableDiffusionPipeline', ...components }),
  );

  const written = join(folder, 'out', 'model');
  await savePipeline(written, { source, tensors: [], dtype: 'float32' });

  expect(readdirSync(written).sort()).toEqual(['model_index.json', 'scheduler']);
  expect(readdirSync(join(folder, 'out'))).toEqual(['model']);
  expect(existsSync(join(folder, 'taken'))).toBe(false);
});

test('a pipeline of links, as a hub’s cache has it, is written as files that need it no more', async () => {
  const folder = temporaryFolder();
  const source = join(folder, 'source');
  mkdirSync(join(source, 'scheduler'), { recursive: true });
  writeFileSync(join(folder, 'blob'), '{"beta_start":0.1}');
  symlinkSync('../../blob', join(source, 'scheduler', 'scheduler_config.json'));
  writeFileSync(join(source, 'model_index.json'), '{"scheduler":["diffusers","DDIMScheduler"]}');

  const written = join(folder, 'written');
  await savePipeline(written, { source, tensors: [], dtype: 'float32' });

  const file = join(written, 'scheduler', 'scheduler_config.json');
  expect(lstatSync(file).isFile()).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('{"beta_start":0.1}');
});
