/** Gemma's configurations as published files have them: sparse, and with null for nothing. */
import { expect, test } from 'vitest';
import { readGemma2 } from '../../src/parts/backbones/gemma2.js';
import { readGemma3 } from '../../src/parts/backbones/gemma3.js';
import { gemma3 } from '../../src/recipes/gemma3.js';
import { declarationsOf, parameterCount } from '../../src/system/index.js';
import { type Fields, fields } from '../../src/tensor/index.js';

const read = (raw: Readonly<Record<string, unknown>>): Fields => fields(raw, 'config.json');

/** All that the text_config of the published Gemma 3 4B says. */
const sparse = {
  model_type: 'gemma3_text',
  ...{ hidden_size: 2560, intermediate_size: 10240, num_hidden_layers: 34, sliding_window: 1024 },
  rope_scaling: { factor: 8, rope_type: 'linear' },
};

test('what a file leaves out has the defaults of the family', () => {
  expect(readGemma3(read(sparse))).toMatchObject({
    ...{ window: 1024, context: 131072, scoreWidth: 256, tied: true, activation: 'gelu_pytorch_tanh' },
    windowed: Array.from({ length: 34 }, (_, layer) => ![5, 11, 17, 23, 29].includes(layer)),
    windowedRotary: { theta: 10_000 },
  });
  expect(parameterCount(declarationsOf(gemma3.fromConfig(read(sparse))).values())).toBe(3_880_263_168);
  expect(readGemma2(read({ num_hidden_layers: 3 }))).toMatchObject({
    ...{ window: 4096, windowed: [true, false, true], attentionCap: 50, logitCap: 30 },
  });
});

test('null caps nothing, and Gemma 3 caps no scores of attention whatever its file says', () => {
  const none = readGemma2(read({ attn_logit_softcapping: null, final_logit_softcapping: null, sliding_window: null }));
  for (const field of ['attentionCap', 'logitCap', 'window']) expect(none).not.toHaveProperty(field);
  const third = readGemma3(read({ attn_logit_softcapping: 50, final_logit_softcapping: 30 }));
  expect(third).toMatchObject({ logitCap: 30 });
  expect(third).not.toHaveProperty('attentionCap');
});

test('a model whose tokens see those behind them is refused', () => {
  expect(() => readGemma3(read({ use_bidirectional_attention: true }))).toThrow('use_bidirectional_attention');
});
