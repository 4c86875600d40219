/** `generation_config.json` of a model that came without one: what transformers would make of its `config.json`. */

import { join } from 'node:path';
import { writeAtomically } from '../checkpoint/index.js';
import { fields } from '../tensor/index.js';
import { isSystem, type Model } from './model.js';

const ids = ['bos_token_id', 'eos_token_id', 'pad_token_id', 'decoder_start_token_id'];

/** Writes the file beside a saved model that generates, and whose folder had none. */
export async function writeGenerationConfig(model: Model, folder: string): Promise<void> {
  const { files } = model;
  if (!isSystem(model) || !files?.config || files.generationConfig) return;
  const config = fields(files.config, 'config.json');
  const places = [config, config.object('text_config', { optional: true })];
  const found = ids.flatMap((name) => {
    const place = places.find((own) => own.has(name));
    return place ? [[name, place.raw[name]]] : [];
  });
  const text = `${JSON.stringify({ _from_model_config: true, ...Object.fromEntries(found) }, null, 2)}\n`;
  await writeAtomically(join(folder, 'generation_config.json'), (file) => file.writeFile(text));
}
