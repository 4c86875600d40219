/** Adapters with drawn values, and models that come with one for conversations with pictures. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadedAdapter, load, type Model, writeAdapter } from '../../src/model/index.js';
import { type AdapterSettings, adapterOf, declarationsOf } from '../../src/system/index.js';
import { hostArray, Random, sizeOf } from '../../src/tensor/index.js';
import { engine } from '../fixture.js';

/** Writes a strong LoRA with drawn values for a model. */
export async function strongLora(model: Model, seed: number, to: string): Promise<LoadedAdapter> {
  const settings: AdapterSettings[] = [{ kind: 'lora', rank: 2, alpha: 4, on: ['**.{q,v,down}_proj'] }];
  const adapter = adapterOf(settings);
  const random = new Random(seed);
  const added = [...declarationsOf(model.network, adapter.adapt).values()].filter(
    ({ name }) => !model.declarations.has(name),
  );
  const values = new Map(
    added.map(({ name, shape }) => {
      const numbers = Array.from({ length: sizeOf(shape) }, () => random.normal());
      return [name, hostArray('f32', shape, numbers)] as const;
    }),
  );
  await writeAdapter(to, { ...model, base: 'model' }, settings, values);
  return { settings, adapter, values };
}

/** Gives a model's folder an adapter, which its `config.json` calls by a name. */
export async function givePictureAdapter(folder: string, name: unknown = 'adapter'): Promise<void> {
  const model = await load(folder, { engine });
  await strongLora(model, 3, join(folder, 'adapter'));
  await model.close();
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({ ...config, picture_adapter: name }));
}
