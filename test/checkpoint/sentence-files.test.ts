import { expect, test } from 'vitest';
import { modelFiles } from '../../src/checkpoint/hub-files.js';
import { readFolderFiles } from '../../src/checkpoint/index.js';
import { fixturePath } from '../fixture.js';

test('a download takes what sentence-transformers wrote beside a model, and nothing of its other folders', () => {
  const sentence = ['modules.json', 'sentence_bert_config.json', '1_Pooling/config.json'];
  const others = ['2_Normalize/config.json', 'onnx/model.onnx', 'config_sentence_transformers.json'];
  const model = ['config.json', 'model.safetensors', 'README.md'];
  expect(modelFiles([...sentence, ...others, ...model], 'someone/sentences').sort()).toEqual(
    [...sentence, ...model].sort(),
  );
});

test('a folder of sentence-transformers says how it pools and how long its texts are; any other does not', async () => {
  const { config } = await readFolderFiles(`${fixturePath('bert-first-token')}/model`);
  expect(config?.sentence_transformers).toEqual({ pooling: 'cls', longest: 32 });
  const plain = await readFolderFiles(`${fixturePath('bert')}/model`);
  expect(plain.config).not.toHaveProperty('sentence_transformers');
});
