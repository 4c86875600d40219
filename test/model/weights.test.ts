import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openCheckpoint, writeSafetensors } from '../../src/checkpoint/index.js';
import { initialise, layeredWeights, load, saveModel } from '../../src/model/index.js';
import { recipes } from '../../src/recipes/index.js';
import { llama } from '../../src/recipes/llama.js';
import { declarationsOf, type Renames, rename } from '../../src/system/index.js';
import { type HostArray, hostArray, QuintetError, toNumbers } from '../../src/tensor/index.js';
import { engine, fixturePath, fixtureTensors } from '../fixture.js';
import { copyOfModel } from './models.js';

test('one error lists every missing, unexpected and misshapen tensor, with both shapes', async () => {
  const folder = copyOfModel('llava');
  const file = join(folder, 'model.safetensors');
  const tensors = await fixtureTensors('llava', 'model/model');
  const projector = 'multi_modal_projector.linear_1';
  const { [`${projector}.bias`]: _, 'language_model.lm_head.weight': __, ...kept } = tensors;
  const changed: Record<string, HostArray> = {
    ...kept,
    [`${projector}.weight`]: hostArray('f32', [2, 3], [1, 2, 3, 4, 5, 6]),
    'language_model.model.norm.weight': hostArray('f32', [1], [1]),
    'vision_tower.extra': hostArray('i64', [1], [1]),
  };
  await writeSafetensors(`${file}.new`, Object.entries(changed));
  renameSync(`${file}.new`, file);
  const error = await load(folder, { engine }).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(QuintetError);
  expect((error as QuintetError).code).toBe('weights');
  for (const line of [
    `missing: ${projector}.bias [18]`,
    'missing: language_model.lm_head.weight [98, 18]',
    `misshapen: ${projector}.weight is [2, 3] in the file, [18, 14] in the model`,
    'misshapen: language_model.model.norm.weight is [1] in the file, [18] in the model',
    'unexpected: vision_tower.extra i64 [1]',
  ]) {
    expect((error as Error).message).toContain(line);
  }
  expect((error as Error).message.match(/missing|misshapen|unexpected/g)?.length).toBe(5);
});

test.each([
  ['llava-siglip', 'language_model.model.layers.0.self_attn.rotary_emb.inv_freq'],
  ['llava', 'vision_tower.vision_model.embeddings.position_ids'],
  ['smolvlm', 'model.text_model.layers.0.self_attn.rotary_emb.inv_freq'],
  ['idefics3', 'model.text_model.layers.0.self_attn.rotary_emb.inv_freq'],
  ['janus', 'model.language_model.layers.0.self_attn.rotary_emb.inv_freq'],
])('what is no parameter is passed over under the names that the file has: %s %s', async (name, buffer) => {
  const folder = copyOfModel(name);
  const file = join(folder, 'model.safetensors');
  const tensors = { ...(await fixtureTensors(name, 'model/model')), [buffer]: hostArray('f32', [1], [1]) };
  await writeSafetensors(`${file}.new`, Object.entries(tensors));
  renameSync(`${file}.new`, file);
  const model = await load(folder, { engine });
  await model.close();
});

test('every naming of every recipe leads from our names to others, one to one, and back', () => {
  for (const recipe of recipes) {
    const network = recipe.of('tiny');
    const names = [...declarationsOf(network).keys()];
    for (const renames of [[], ...(network.renames ?? [])] as readonly Renames[]) {
      const back = new Map(names.map((name) => [rename(name, renames), name]));
      expect(
        names.map((name) => back.get(rename(name, renames))),
        recipe.name,
      ).toEqual(names);
    }
  }
});

test('parameters start the same for the same seed, whatever order they are asked for in', async () => {
  const values = async (seed: number, backwards: boolean) => {
    const model = await initialise(llama('tiny'), { engine, seed });
    const all = [...model.declarations.values()];
    const found = new Map<string, number[]>();
    for (const declared of backwards ? all.toReversed() : all) {
      found.set(declared.name, toNumbers(await model.weights.read(declared)));
    }
    return all.map(({ name }) => found.get(name));
  };
  const [one, same, other] = [await values(1, false), await values(1, true), await values(2, false)];
  expect(same).toEqual(one);
  expect(other).not.toEqual(one);
});

test('values over weights are read and bound in their place, and must have their shape', async () => {
  const model = await initialise(llama('tiny'), { engine, seed: 1 });
  const [first, second] = [...model.declarations.values()];
  if (!first || !second) throw new Error('no parameters');
  const size = first.shape.reduce((a, b) => a * b, 1);
  const value = hostArray('f32', first.shape, new Float32Array(size).fill(3));
  const layered = layeredWeights(model.weights, new Map([[first.name, value]]));
  expect(toNumbers(await layered.read(first))).toEqual(toNumbers(value));
  expect(await layered.read(second)).toEqual(await model.weights.read(second));
  const wrong = layeredWeights(model.weights, new Map([[second.name, hostArray('f32', [1], [1])]]));
  await expect(wrong.read(second)).rejects.toMatchObject({ code: 'weights' });
});

test.each(['f32', 'f16', 'bf16'] as const)(
  'a model saved as %s is the model again, in the published names',
  async (dtype) => {
    const folder = copyOfModel('llava-v5names');
    const model = await load(folder, { engine });
    onTestFinished(() => model.close());
    const saved = join(folder, 'saved');
    await saveModel(model, saved, { dtype, maxShardBytes: 20_000 });
    const again = await load(saved, { engine });
    onTestFinished(() => again.close());
    const [before, after] = [await openCheckpoint(folder), await openCheckpoint(saved)];
    onTestFinished(async () => void (await Promise.all([before.close(), after.close()])));
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
    const step = { f32: 0, f16: 2 ** -11, bf16: 2 ** -8 }[dtype];
    for (const declared of model.declarations.values()) {
      const [old, now] = [model, again].map(({ weights }) => weights.read(declared));
      const numbers = toNumbers((await old) as HostArray);
      for (const [i, x] of toNumbers((await now) as HostArray).entries()) {
        expect(Math.abs(x - (numbers[i] as number))).toBeLessThanOrEqual(
          step * Math.abs(numbers[i] as number) + 2 ** -24 * Math.sign(step),
        );
      }
    }
  },
);

test.each([
  [{ adapter: 'a' }, 'adapter: fresh parameters are in f32 and alone, not with a'],
  [{ weights: 'int8' as const }, 'weights: fresh parameters are in f32 and alone, not with int8'],
  [{ kvCache: 'int8' as const }, 'kvCache: fresh parameters are in f32 and alone, not with int8'],
])('what fresh parameters cannot have is refused: %o', async (options, message) => {
  await expect(load(`${fixturePath('llama')}/model`, { engine, fresh: 1, ...options })).rejects.toThrow(message);
});
