/** Models as llama.cpp's own package writes them in GGUF, against the numbers of their safetensors files. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { load } from '../../src/model/load.js';
import { saveModel } from '../../src/model/save.js';
import { traceNetwork } from '../../src/model/trace.js';
import type { HostArray } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors, present } from '../fixture.js';
import { expectClose } from '../graph/close.js';

test.each(['qwen2', 'qwen3', 'phi3'])('%s in GGUF gives the reference of its safetensors file', async (name) => {
  const model = await load(`${fixturePath('checkpoint')}/${name}.gguf`, { engine });
  try {
    expect(model.network.name).toBe(name);
    for (const set of ['', '2']) {
      const inputs = await fixtureTensors(name, `inputs${set}`);
      const expected = await fixtureTensors(name, `expected${set}`);
      const found = await traceNetwork(model, inputs, { want: ['logits', 'last_hidden'] });
      for (const key of ['logits', 'last_hidden']) {
        const wanted = present(key, expected[key] as HostArray, inputs.attention_mask);
        expectClose(found[key] as HostArray, wanted, `${key}${set}`, { rtol: 2e-5, atol: 0 });
      }
    }
  } finally {
    await model.close();
  }
});

test('a model of one .gguf file is saved as no folder, which needs a config.json', async () => {
  const model = await load(`${fixturePath('checkpoint')}/qwen2.gguf`, { engine });
  try {
    await expect(saveModel(model, 'none')).rejects.toThrow(/qwen2\.gguf: a \.gguf file has no config\.json to save/);
    expect(existsSync('none')).toBe(false);
  } finally {
    await model.close();
  }
});
