/** The memory that `quintet info` names, against what loading a model in each form really makes. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/index.js';
import { asSystem, LanguageSession, load, type WeightsOption } from '../../src/model/index.js';
import { byteSizeOf, sizeOf } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';
import { ggufModel } from '../model/gguf-model.js';
import { temporaryFile, temporaryFolder } from '../temporary.js';
import { here } from './cli.js';

const shape = { width: 128, depth: 2, heads: 4, hidden: 256, vocab: 128 };

interface Held {
  readonly weights: number;
  /** Keys and values of a thousand tokens. */
  readonly cache: number;
}

/** Bytes of a model's weights after loading it in a form: of what was packed, and in f32 of what was not. */
async function held(file: string, weights: WeightsOption): Promise<Held> {
  const cache = temporaryFolder();
  const model = asSystem(await load(file, { engine, weights, cache }));
  const session = await LanguageSession.open(model);
  const arrays = Object.values(session.start(1, 1000).arrays);
  const rest = new Map([...model.declarations].map(([name, own]) => [name, 4 * sizeOf(own.shape)]));
  let packed = 0;
  for (const name of readdirSync(cache)) {
    const { tensors, close } = await openCheckpoint(join(cache, name));
    for (const [names, { shape: size }] of tensors) {
      packed += sizeOf(size);
      for (const weight of names.split(' + ')) rest.delete(weight);
    }
    await close();
  }
  await session.close();
  await model.close();
  const bytes = packed + [...rest.values()].reduce((sum, size) => sum + size, 0);
  return { weights: bytes, cache: arrays.reduce((sum, own) => sum + byteSizeOf(own.dtype, own.shape), 0) };
}

test.each([true, false])(
  'weights in each form and 1000 tokens take what info says; blocks in the file: %s',
  async (blocks) => {
    const file = temporaryFile('model.gguf', ggufModel({ ...shape, blocks }));
    const { stdout } = await here(['info', file, '--json']);
    const { memory } = JSON.parse(stdout) as {
      readonly memory: { readonly forms: Record<WeightsOption, number>; readonly cachePerToken: number };
    };
    const forms = ['f32', 'int8', 'int4', 'auto'] as const;
    const found = await Promise.all(forms.map((form) => held(file, form)));
    expect(memory.forms).toEqual(Object.fromEntries(forms.map((form, i) => [form, found[i]?.weights])));
    for (const { cache } of found) expect(cache).toBe(1000 * memory.cachePerToken);
    const different = new Set(Object.values(memory.forms));
    expect(different.size).toBeGreaterThan(2);
  },
);
