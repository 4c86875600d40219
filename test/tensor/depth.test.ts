/** Numbers of layers come from configuration files, and each layer is traced: there is a limit that is told with its field. */
import { expect, test } from 'vitest';
import { readLlama } from '../../src/parts/backbones/llama.js';
import { readBert } from '../../src/parts/encoders/bert.js';
import { readClipVision } from '../../src/parts/encoders/clip.js';
import { fields } from '../../src/tensor/index.js';

test('a number of layers is at most 1024', () => {
  const config = fields({ few: 1, most: 1024, more: 1025, none: 0, half: 1.5 }, 'config.json');
  expect([config.depth('few'), config.depth('most'), config.depth('missing', 12)]).toEqual([1, 1024, 12]);
  for (const [name, shown] of [
    ['more', '1025'],
    ['none', '0'],
    ['half', '1.5'],
  ] as const) {
    expect(() => config.depth(name)).toThrow(
      `config.json: ${name}: expected a whole number from 1 to 1024, got ${shown}`,
    );
  }
});

test.each([readLlama, readBert, readClipVision].map((read) => [read.name, read] as const))(
  '%s refuses a hundred million layers before any is traced',
  (_, read) => {
    const sizes = { hidden_size: 8, intermediate_size: 8, num_attention_heads: 2, vocab_size: 9 };
    const config = fields({ ...sizes, num_hidden_layers: 1e8 }, 'config.json');
    expect(() => read(config)).toThrow('config.json: num_hidden_layers: expected a whole number from 1 to 1024');
  },
);
